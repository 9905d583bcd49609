"""A graph from a module: it is run once, on values that record what is done with them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from fastconv import _core, nn, runtime
from fastconv.autograd import Tensor, enable_grad

from .ir import Graph
from .recorder import Recorder
from .traced import Traced

_DTYPES = (np.float32, np.float64)
_SEVERAL_THREADS = 1 << 20  # bytes from which on they copy


def trace(
    model: nn.Module, inputs: tuple, op: str = "compile", *, copy: bool = True
) -> tuple[Graph, Any]:
    """The graph of what the model computes in eval mode, and the structure of its result.

    Args:
        model: is afterwards as it was.
        inputs: arrays or Tensors of its shapes and dtype, (N, ...); their values are not looked at.
        copy: the model's arrays; otherwise the graph has read-only views of them, until ``own``.

    Returns:
        graph, and the result with the number of an output in place of each Tensor (``rebuild`` of
        structure.py).

    Raises:
        TypeError: a layer does what is not known (Untraceable), or has another dtype.
        ValueError: an input has no batch.
    """
    arrays = [x._array if isinstance(x, Tensor) else x for x in inputs]
    for array in arrays:
        if not isinstance(array, np.ndarray) or array.dtype.type not in _DTYPES:
            got = getattr(array, "dtype", type(array).__name__)
            raise TypeError(
                f"{op}: example inputs must be float32 or float64 arrays or Tensors, not {got}"
            )
        if array.dtype != arrays[0].dtype:
            raise TypeError(
                f"{op}: example inputs have dtypes {array.dtype} and {arrays[0].dtype}; give one"
            )
        if array.ndim < 2 or array.shape[0] != arrays[0].shape[0] or 0 in array.shape[1:]:
            raise ValueError(
                f"{op}: an example input has shape {array.shape}, expected (N, ...), the same N "
                f"for all, and no other axis empty"
            )
    # A batch of none says nothing of how the network treats its images.
    recorder = Recorder(arrays[0].dtype, max(arrays[0].shape[0], 1))
    traced = [recorder.input(array.shape[1:]) for array in arrays]
    with _in_eval_mode(model), _layers_named(model, recorder), enable_grad():
        result = model(*traced)
    graph = recorder.graph
    structure = _outputs(result, graph)
    graph.check()
    if copy:
        own(graph)
    return graph, structure


def own(graph: Graph) -> None:
    """Have the graph hold copies in place of a model's arrays, which are the read-only ones.

    Those that passes have made anew need none.
    """
    copies: dict[int, np.ndarray] = {}
    for node in graph.nodes:
        for name, array in node.arrays.items():
            if not array.flags.writeable:
                if id(array) not in copies:
                    copies[id(array)] = _copied(array)
                node.arrays[name] = copies[id(array)]


def _copied(array: np.ndarray) -> np.ndarray:
    if array.nbytes < _SEVERAL_THREADS or not array.flags.aligned:
        return array.copy()
    copy, threads = np.empty_like(array), runtime.get_num_threads()
    return _core.unary("compile", 0, 0.0, 0.0, array, copy, threads, None)


def _outputs(result: Any, graph: Graph) -> Any:
    if isinstance(result, Traced):
        graph.outputs.append(result._value)
        return len(graph.outputs) - 1
    if isinstance(result, dict):
        return {name: _outputs(part, graph) for name, part in result.items()}
    if isinstance(result, (tuple, list)):
        parts = [_outputs(part, graph) for part in result]
        if hasattr(result, "_fields"):
            return type(result)(*parts)
        return type(result)(parts)
    if result is None:
        return None
    raise TypeError(
        f"compile: the network returns a {type(result).__name__}, which does not come from its "
        f"input; expected Tensors, or tuples, lists and dicts of them"
    )


@contextmanager
def _in_eval_mode(model: nn.Module) -> Iterator[None]:
    before = [(part, part.training) for part in model.modules()]
    try:
        model.eval()
        yield
    finally:
        for part, training in before:
            part.training = training


@contextmanager
def _layers_named(model: nn.Module, recorder: Recorder) -> Iterator[None]:
    """Have the recorder know which layer is running."""

    def enters(name: str) -> Any:
        def enter(_module: nn.Module, _args: tuple) -> None:
            recorder.layers.append(name)

        return enter

    def leave(_module: nn.Module, _args: tuple, _result: Any) -> None:
        recorder.layers.pop()

    # What else the module's hooks do belongs to the network and is recorded.
    handles = []
    had_none = [part for part in model.modules() if part._hooks is None]
    try:
        for name, part in model.named_modules():
            handles.append(part.register_forward_pre_hook(enters(name), prepend=True))
            handles.append(part.register_forward_hook(leave))
        yield
    finally:
        for handle in handles:
            handle.remove()
        for part in had_none:
            part._hooks = None
