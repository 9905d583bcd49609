"""The programs of a compiled network, one for each batch size and size of images it was given."""

import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastconv import _core

from .file import Stored
from .ir import Graph, Node, Value
from .lower import Choice, Lowered, choice_of
from .passes.remove_identities import is_identity_here, remove_identities_here
from .shapes import Shape, resized

MOST_PLANS = 8  # that a network remembers

Sizes = tuple[Shape, ...]  # of the whole inputs, the batch first


class Plan(NamedTuple):
    """A program for one batch size, the graph for its size of images, and each step's node."""

    graph: Graph
    lowered: Lowered


class Plans:
    """What belongs together: a call takes all of it at once, whatever is refreshed meanwhile.

    Attributes:
        graph: for the example's images. structure: of the network's result.
        store: of packed weights, each form of which all programs share.
        free: whether images of any size have the algorithms and layouts that suit them best;
            otherwise those of the example's, of which alone weights have their forms.
    """

    def __init__(
        self,
        stored: Stored,
        lower: Callable[[Graph, int, Any, set[Value] | None], Lowered],
        free: bool,
    ) -> None:
        self.graph = stored.graph
        self.structure = stored.structure
        self.store = _core.PackedStore()
        self.free = free
        self._lower = lower
        self._choice: Choice | None = None  # for the example's images
        self._kept: dict[Sizes, Plan] = {}  # the one that was used last comes last
        self._last: tuple[Sizes, Any] = (), None  # of which most calls are
        self._lock = threading.Lock()
        for i, node in enumerate(self.graph.nodes):
            if node.kind == "conv2d":
                node.arrays["weight"] = self.store.adopt(
                    node.arrays["weight"], stored.forms.get(i, []), stored.checks.get(i)
                )
            elif node.kind == "linear" and stored.settings["weights"]:
                node.arrays["weight"] = self._rounded(node)
            elif node.kind in ("linear", "conv_transpose2d"):
                self.store.hold(node.arrays["weight"]).retain()

    def _rounded(self, node: Node) -> Any:
        """The weights of a linear layer, which are to be bfloat16."""
        plain = node.arrays["weight"]
        if plain.dtype == np.uint32:  # of a file: they are
            return self.store.adopt_bf16(node.output.shape[-1], node.inputs[0].shape[-1], plain)
        weight = self.store.hold(plain)
        weight.bf16 = True
        return weight

    @property
    def sizes(self) -> list[Sizes]:
        """Of the programs that are kept, the one that was used last at the end."""
        return list(self._kept)

    def of(self, sizes: Sizes) -> Plan:
        """The program for inputs of these shapes.

        Raises:
            ValueError: the network cannot take images of these sizes.
        """
        known, plan = self._last
        if known == sizes:
            return plan
        plan = self._kept.get(sizes)
        if plan is None:
            # Without the lock: calls for which there is a program do not wait.
            plan = self._made(sizes)
        with self._lock:
            self._kept.pop(sizes, None)
            self._kept[sizes] = plan
            while len(self._kept) > MOST_PLANS:
                del self._kept[next(iter(self._kept))]
            self._last = sizes, plan
        return plan

    def graph_for(self, images: Sequence[Shape]) -> Graph:
        """The graph for images of these shapes."""
        if list(images) == [value.shape for value in self.graph.inputs]:
            return self.graph
        for sizes, plan in list(self._kept.items()):
            if [shape[1:] for shape in sizes] == list(images):
                return plan.graph
        return resized(self.graph, images)

    def _made(self, sizes: Sizes) -> Plan:
        graph = self.graph_for([shape[1:] for shape in sizes])
        choice = None
        if not self.free and graph is not self.graph:
            if self._choice is None:
                # By one image: it does not depend on the batch.
                self._made(tuple((1, *value.shape) for value in self.graph.inputs))
            choice = self._choice
        shown = graph.copy()
        nodes = list(shown.nodes)
        last = None if choice is None else choice.applied(shown)
        if any(map(is_identity_here, nodes)):
            remove_identities_here(shown)
        try:
            lowered = self._lower(shown, sizes[0][0], self.store, last)
        except ValueError as error:
            if choice is None or type(error) is not ValueError:
                raise
            raise ValueError(
                f"{error}: so it was compiled, and its weights were let go; compile with "
                f"keep_weights=True"
            ) from error
        if graph is self.graph:
            self._choice = choice_of(lowered, nodes)
        return Plan(graph, lowered)
