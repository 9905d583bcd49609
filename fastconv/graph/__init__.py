"""The inference compiler: a network becomes one program of the engine.

trace.py     a module is run on Traced values; a Recorder makes the graph
ir.py        the graph: nodes of few kinds; interpret.py says what each means
passes/      what is done to it: folding, fusing, leaving out
placement.py which values share memory, and where they lie in the arena
lower.py     a step of the engine for each node
compiled.py  ``compile``, and what it gives
"""

from .compiled import CompiledNetwork, compile, load_compiled
from .profile import Profile, Step
from .traced import Untraceable

__all__ = ["CompiledNetwork", "Profile", "Step", "Untraceable", "compile", "load_compiled"]
