from typing import TYPE_CHECKING, Any

from .compiled import CompiledNetwork, compile, load_compiled

if TYPE_CHECKING:
    from .profile import Profile, Step
    from .traced import Untraceable

__all__ = ["CompiledNetwork", "Profile", "Step", "Untraceable", "compile", "load_compiled"]


def __getattr__(name: str) -> Any:
    # What a network that was loaded runs without.
    if name in ("Profile", "Step"):
        from . import profile

        return getattr(profile, name)
    if name == "Untraceable":
        from .traced import Untraceable

        return Untraceable
    raise AttributeError(f"module 'fastconv.graph' has no attribute {name!r}")
