"""What is done to a graph before it becomes a program: each pass takes it and changes it in place.

Every pass leaves what the graph computes as it is, but for rounding where weights are multiplied
out (``fold_batch_norm``), and may be left out. None looks at the size of the images, so that what
they leave is the network for other sizes too, but ``remove_identities_here``, which is for a graph
that is about to become a program.
"""

from collections.abc import Callable, Iterable

from fastconv.graph.ir import Graph

from .fold_batch_norm import fold_batch_norm
from .fold_pad import fold_pad
from .fuse_activation import fuse_activation
from .fuse_residual import fuse_residual
from .join_concats import join_concats
from .merge_siblings import merge_siblings
from .remove_dead import remove_dead
from .remove_identities import remove_identities
from .remove_identities import remove_identities_here as remove_identities_here

# In their order: an activation can only be fused with a convolution after the sum between them, and
# convolutions are alike when their ends are.
PASSES: tuple[Callable[[Graph], None], ...] = (
    remove_dead,
    remove_identities,
    fold_pad,
    fold_batch_norm,
    fuse_residual,
    fuse_activation,
    join_concats,
    merge_siblings,
)


def apply(graph: Graph, passes: Iterable[Callable[[Graph], None]] = PASSES) -> Graph:
    """The graph itself, after these passes have changed it."""
    for one in passes:
        one(graph)
        graph.check()
    return graph


def optimize(graph: Graph, passes: Iterable[Callable[[Graph], None]] = PASSES) -> Graph:
    """A copy of the graph after these passes; arrays that they leave as they are it shares."""
    return apply(graph.copy(), passes)
