"""A compiled network: what ``fastconv.compile`` gives."""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fastconv import _core, autograd, runtime
from fastconv.data.files import DataError
from fastconv.geometry import flag, integer

from .file import Stored, read, write
from .ir import Graph, Value
from .lower import Lowered, lower
from .passes import PASSES, apply
from .plans import Plans, Sizes
from .structure import rebuild

# Modules and gradients, statistics and dataclasses are imported where they are first needed: a
# network that was loaded runs without.
if TYPE_CHECKING:
    from fastconv import nn

    from .profile import Profile, Step

_OP = "compile"


def compile(
    model: "nn.Module",
    example_input: Any,
    *,
    precision: str | None = None,
    weights: str | None = None,
    threads: int | None = None,
    keep_weights: bool = False,
    passes: tuple[Callable[[Graph], None], ...] = PASSES,
) -> "CompiledNetwork":
    """A network as one program: its layers fused, its memory planned, run by a single call.

    The model is run once, on values that record what is done with them: what it decides by shapes
    is fixed, what it would decide by values is refused. It computes what the model does in eval
    mode, from a copy of the weights as they are now (``refresh`` takes them anew), for any batch
    size, and images of other sizes than the example's where the layers can take them.

    Args:
        model: of fastconv.nn, of those operations that look at each image by itself.
        example_input: an array or Tensor of the shape (N, ...) and dtype that it will be given, or
            a tuple of them, the model's arguments. Values are not looked at, and N may be any.
        precision: 'strict', 'default' or 'fast', as for functional.conv2d; None is
            ``fastconv.get_precision()`` now.
        weights: 'bf16' rounds the weights of linear layers to bfloat16, of which memory has to
            bring half the bytes; sums and biases stay float32, and convolutions as they are. None
            rounds nothing.
        threads: of its calls; None is ``fastconv.get_num_threads()`` at each.
        keep_weights: whether to also keep the weights of convolutions as they were, where the
            engine has forms of its own: ``save`` needs them, and images of another size for the
            algorithms that suit them best. Without, they have the example's, and a size for which
            one of these is none is an error.
        passes: what is done to the graph (fastconv.graph.passes), in this order.

    Returns:
        CompiledNetwork, a function of the model's arguments.

    Raises:
        TypeError: a layer does what a compiled network cannot; its name is told.
        ValueError: the example has no batch; an unknown precision; threads below 1; weights of a
            network that is not float32.
        MemoryError: the weights do not fit.

    >>> from fastconv import Tensor, nn
    >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))
    >>> image = np.ones((1, 1, 4, 4), np.float32)
    >>> compiled = compile(model, image)
    >>> np.allclose(compiled(image), model.eval()(Tensor(image)).numpy(), atol=1e-5)
    True
    >>> [step.op for step in compiled.explain()]
    ['conv2d', 'linear']
    """
    from fastconv import nn

    if not isinstance(model, nn.Module):
        raise TypeError(f"{_OP}: model must be a Module, not {type(model).__name__}")
    inputs = example_input if isinstance(example_input, tuple) else (example_input,)
    if threads is not None:
        threads = runtime.thread_count(_OP, "threads", threads)
    name = runtime.get_precision() if precision is None else precision
    if name not in _core.PRECISION_CODES:
        raise ValueError(
            f"{_OP}: precision is {name!r}, expected None or one of "
            f"{', '.join(map(repr, _core.PRECISION_CODES))}; give one of them"
        )
    settings = {"precision": name, "weights": weights}
    stored = _recorded(model, inputs, passes, settings)
    batch = max(int(inputs[0].shape[0]), 1)
    return CompiledNetwork(stored, batch, threads, flag(_OP, "keep_weights", keep_weights), passes)


def _recorded(
    model: "nn.Module",
    inputs: tuple,
    passes: Iterable[Callable[[Graph], None]],
    settings: dict[str, Any],
) -> Stored:
    from .trace import own, trace

    graph, structure = trace(model, inputs, _OP, copy=False)
    _check_weights(settings["weights"], graph.dtype)
    apply(graph, passes)
    # Of what the passes have multiplied out no copy was needed.
    own(graph)
    return Stored(graph, structure, settings, {}, {})


def _check_weights(weights: str | None, dtype: np.dtype) -> None:
    if weights not in (None, "bf16"):
        raise ValueError(f"{_OP}: weights is {weights!r}, expected None or 'bf16'")
    if weights and dtype != np.float32:
        raise ValueError(
            f"{_OP}: weights={weights!r} is for float32 networks, and this one is {dtype}; leave "
            f"it out, or give a float32 model and example"
        )


def load_compiled(path: str | os.PathLike[str], *, threads: int | None = None) -> "CompiledNetwork":
    """A network that ``CompiledNetwork.save`` wrote.

    Its weights are mapped from the file, which has to stay as it is: nothing of them is read before
    it is used, and processes that load one file share its memory. On another instruction set, or
    by another version of fastconv, they are packed anew.

    Args:
        threads: as for ``compile``.

    Raises:
        OSError: the file cannot be opened.
        fastconv.data.DataError: it is damaged, cut off, or no such file.
        TypeError, ValueError: threads is no number of threads.

    >>> import tempfile
    >>> from fastconv import nn
    >>> image = np.ones((1, 1, 4, 4), np.float32)
    >>> compiled = compile(nn.Conv2d(1, 2, 3), image, keep_weights=True)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     compiled.save(folder + "/net")
    ...     loaded = load_compiled(folder + "/net")
    >>> np.array_equal(loaded(image), compiled(image))
    True
    """
    if threads is not None:
        threads = runtime.thread_count("load_compiled", "threads", threads)
    path = Path(path)
    stored = read(path)
    try:
        return CompiledNetwork(stored, 1, threads, True, PASSES)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise DataError(f"{path}: not a usable compiled network: {error}") from error


class CompiledNetwork:
    """A function of arrays (N, ...), made by ``fastconv.compile``.

    It takes arrays or Tensors and gives the same; Tensors without history. Any number of threads
    may call it at once. For another batch size or other images than before it plans once more,
    which takes milliseconds; the last eight plans are kept, and all share one copy of each form of
    the weights.

    Attributes:
        graph: after its passes, for the example's images; ``str(graph)`` shows it. Weights that are
            kept in the engine's own form are shown by their shape.
        precision, weights: the names that ``compile`` was given.
        weight_bytes: of the weights in the forms that the programs use.
    """

    def __init__(self, stored, batch, threads, keep_weights, passes):
        self.precision = stored.settings["precision"]
        self.weights = stored.settings["weights"]
        _check_weights(self.weights, stored.graph.dtype)
        self._threads = threads
        self._keep_weights = keep_weights
        self._passes = passes
        self._cache_bytes = cache_share()
        images = [value.shape for value in stored.graph.inputs]
        self._take(stored, [tuple((batch, *shape) for shape in images)])

    def _take(self, stored: Stored, several: Iterable[Sizes]) -> None:
        plans = Plans(stored, self._lower, self._keep_weights)
        # At least one at once: whatever there is to refuse is refused here, and weights of which
        # the engine has a form of its own are let go.
        for sizes in several:
            plans.of(sizes)
        if not self._keep_weights:
            plans.store.release()
        self._plans = plans

    @property
    def graph(self) -> Graph:
        return self._plans.graph

    def _lower(self, graph: Graph, batch: int, store: Any, last: set[Value] | None) -> Lowered:
        code = _core.PRECISION_CODES[self.precision]
        threads = runtime.get_num_threads()
        return lower(graph, batch, store, code, threads, self._cache_bytes, last)

    def refresh(self, model: "nn.Module") -> None:
        """Take the weights of `model` as they are now: the same one, trained further.

        Calls that are under way end with the weights that they began with.

        Raises:
            ValueError: it is another network.
        """
        shapes = [value.shape for value in self.graph.inputs]
        inputs = tuple(np.empty((0, *shape), self.graph.dtype) for shape in shapes)
        stored = _recorded(model, inputs, self._passes, self._settings)
        if str(stored.graph) != str(self.graph):
            raise ValueError(
                "refresh: the model is another network than the one that was compiled; compile it"
            )
        # For all sizes it is used for, while the plain weights are there.
        self._take(stored, self._plans.sizes)

    @property
    def _settings(self) -> dict[str, Any]:
        return {"precision": self.precision, "weights": self.weights}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network to a file, for ``fastconv.load_compiled``: its graph, its weights, and
        the forms of them that this engine has made; whole or not at all.

        Raises:
            OSError: the file cannot be written.
            ValueError: it was compiled without keep_weights=True, so the weights are no more.
        """
        plans = self._plans
        graph, forms = plans.graph.copy(), {}
        for i, node in enumerate(graph.nodes):
            weight = node.arrays.get("weight")
            if node.kind == "linear" and self.weights:
                node.arrays["weight"] = weight.bf16_panels()
            if node.kind != "conv2d":
                continue
            if weight.plain is None:
                raise ValueError(
                    f"save: the weights of layer {node.layer!r} were let go after packing; compile "
                    f"with keep_weights=True"
                )
            node.arrays["weight"] = weight.plain
            forms[i] = weight.convolution_forms()
        write(Path(path), Stored(graph, plans.structure, self._settings, forms, {}))

    @property
    def weight_bytes(self) -> int:
        return self._plans.store.nbytes

    def __call__(self, *inputs: Any, out: Any = None, threads: int | None = None) -> Any:
        """The network's result for a batch.

        Args:
            inputs: as the example's, of any batch size, the same for all, and of any size that its
                layers can take.
            out: an array, or a list of arrays in the order of the results, to write into:
                C-contiguous, of the result's shape and dtype, sharing no memory with an input.
            threads: None is what compile was given.

        Raises:
            TypeError, ValueError: inputs or out are not as above.
            MemoryError: the result or the memory for what lies in between does not fit.
        """
        tensors = [x for x in inputs if not isinstance(x, np.ndarray)]
        arrays = [_array(x) for x in inputs] if tensors else inputs
        plans = self._plans
        sizes = self._sizes(arrays)
        batch = sizes[0][0]
        if batch:
            plan = plans.of(sizes)
            results = _results(plan.graph, batch, out)
            ready = [np.ascontiguousarray(array) for array in arrays]
            plan.lowered.program.run([*ready, *results], self._thread_count(threads))
        else:
            results = _results(plans.graph_for([shape[1:] for shape in sizes]), batch, out)
        if tensors:
            from fastconv.autograd.core import wrap

            results = list(map(wrap, results))
        return rebuild(plans.structure, results)

    def _thread_count(self, threads: int | None) -> int:
        if threads is not None:
            return runtime.thread_count(_OP, "threads", threads)
        return self._threads or runtime.get_num_threads()

    def _sizes(self, arrays: Sequence[Any]) -> Sizes:
        """The shapes of inputs that may fit."""
        shapes, dtype = [value.shape for value in self.graph.inputs], self.graph.dtype
        if len(arrays) != len(shapes):
            raise TypeError(f"the network takes {len(shapes)} inputs, not {len(arrays)}")
        for i, (array, shape) in enumerate(zip(arrays, shapes, strict=True)):
            if not isinstance(array, np.ndarray) or array.dtype != dtype:
                got = getattr(array, "dtype", type(array).__name__)
                raise TypeError(
                    f"input {i} must be an array or Tensor of {dtype}, not {got}; convert it with "
                    f"astype"
                )
            if array.shape[1:] == shape and len(array) == len(arrays[0]):
                continue
            # Channels, or features, are the network's own.
            if (
                array.ndim != 1 + len(shape)
                or array.shape[1:2] != shape[:1]
                or 0 in array.shape[1:]
                or len(array) != len(arrays[0])
            ):
                expected = ", ".join(map(str, ("N", *shape)))
                raise ValueError(
                    f"input {i} has shape {array.shape}, expected ({expected}) as in the example, "
                    f"N the same for all, or images of another size, none of whose axes is empty"
                )
        return tuple([array.shape for array in arrays])

    # ---- what it does

    def explain(self, batch: int = 1, *images: tuple[int, ...]) -> "list[Step]":
        """The steps of its program for a batch size: operation, layer, algorithm and why.

        Args:
            images: the shape of an image of each input, (C, H, W); without any, the example's.
        """
        from .profile import Step

        shapes = images or tuple(value.shape for value in self.graph.inputs)
        sizes = self._sizes([np.empty((0, *shape), self.graph.dtype) for shape in shapes])
        _, lowered = self._plans.of(tuple((batch, *shape[1:]) for shape in sizes))
        return [
            Step.of(*step, None)
            for step in zip(
                lowered.program.steps, lowered.nodes, lowered.channels_last, strict=True
            )
        ]

    def profile(self, *inputs: Any, threads: int | None = None, repeats: int = 20) -> "Profile":
        """Run it `repeats` times and tell how long each step takes: medians.

        Args:
            inputs, threads: as for a call, at least one image.
        """
        from .profile import Profile

        arrays = list(map(_array, inputs))
        sizes = self._sizes(arrays)
        batch = sizes[0][0]
        if not batch:
            raise ValueError("profile: the batch is empty; give at least one image")
        repeats = integer("profile", "repeats", repeats, 1)
        graph, lowered = self._plans.of(sizes)
        ready = [np.ascontiguousarray(array) for array in arrays]
        return Profile.measured(
            lowered,
            [*ready, *_results(graph, batch, None)],
            self._thread_count(threads),
            repeats,
            graph.dtype,
        )

    def __repr__(self) -> str:
        shapes = ", ".join(f"({', '.join(map(str, ('N', *v.shape)))})" for v in self.graph.inputs)
        return (
            f"CompiledNetwork({shapes}, {self.graph.dtype}, {len(self.graph.nodes)} nodes, "
            f"precision={self.precision!r}, weights={self.weights!r})"
        )


def _array(given: Any) -> Any:
    """An argument, of a Tensor its array."""
    if isinstance(given, np.ndarray):
        return given
    return given._array if isinstance(given, autograd.Tensor) else given


def _results(graph: Graph, batch: int, out: Any) -> list[np.ndarray]:
    """Arrays for the results: out, if it fits."""
    shapes = [(batch, *value.shape) for value in graph.outputs]
    if out is None:
        return [np.empty(shape, graph.dtype) for shape in shapes]
    given = list(out) if isinstance(out, (list, tuple)) else [out]
    if len(given) != len(shapes):
        raise ValueError(f"out has {len(given)} arrays, but the network {len(shapes)} results")
    for array, shape in zip(given, shapes, strict=True):
        if not isinstance(array, np.ndarray) or array.dtype != graph.dtype:
            got = getattr(array, "dtype", type(array).__name__)
            raise TypeError(f"out must be an array of {graph.dtype}, not {got}")
        if array.shape != shape or not array.flags.c_contiguous or not array.flags.writeable:
            raise ValueError(
                f"out has shape {array.shape}, expected a writable C-contiguous {shape}"
            )
    return given


def cache_share() -> int:
    """Bytes of the last level of cache that the values of one layer may take."""
    return runtime.facts()["l3_bytes"] // 4
