"""An activation becomes the end of the operation before it."""

from fastconv import _core
from fastconv.graph.ir import FUSIBLE, Graph, Node

from .absorb import absorb


def fuse_activation(graph: Graph) -> None:
    """Where nobody else takes what it is applied to, and the engine can do both at once."""
    absorb(graph, "activation", _can_take, _end_with)


def _can_take(maker: Node, activation: Node) -> bool:
    return (
        activation.options["name"] in _core.ACTIVATION_CODES
        and maker.kind in FUSIBLE
        and maker.options["activation"] is None
    )


def _end_with(maker: Node, activation: Node) -> None:
    maker.options = maker.options | {"activation": activation.options["name"]}
