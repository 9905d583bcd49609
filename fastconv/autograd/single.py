"""What the engine's operations of one input have in common."""

from typing import Any

from fastconv import ops

from .core import Operation, is_recorded, parted, record, wrap


def single(op: str, input: Any, how: tuple, out: Any, threads: Any, by: str, back: tuple) -> Any:
    """ops.<op>(input, *how), recorded with ops.<op>_gradient(gradient, ..., *back).

    by: what the gradient is computed from in between: the input's 'shape', its 'height and width'
        or its 'length', the 'input', the 'result' or 'both' of them, or 'nothing'.
    """
    forward = getattr(ops, op)
    if parted(op, out, input) is None:
        return forward(input, *how, out, threads)
    result = wrap(forward(input._array, *how, None, threads))
    saved = ()
    if by in _AXES:
        back = input._array.shape[_AXES[by] :], *back
    elif by != "nothing":
        saved = {"input": (input,), "result": (result,), "both": (input, result)}[by]
    how = op, getattr(ops, f"{op}_gradient"), back, threads
    return record(result, Operation, (input._node,), saved, how)


# From which axis on.
_AXES = {"shape": None, "height and width": -2, "length": -1}


def with_indices(
    op: str, rank: int, input: Any, how: tuple, indices: bool, out: Any, threads: Any
) -> Any:
    """ops.<op>(input, *how, return_indices), whose gradient goes to where the indices say."""
    forward = getattr(ops, op)
    if parted(op, out, input) is None or not isinstance(indices, bool):
        return forward(input, *how, indices, out, threads)
    if not indices and not is_recorded((input._node,)):
        return wrap(forward(input._array, *how, False, None, threads))
    values, places = map(wrap, forward(input._array, *how, True, None, threads))
    gradient = ops.max_pool1d_gradient if rank == 1 else ops.max_pool2d_gradient
    how = op, gradient, (input._array.shape[-rank:],), threads
    result = record(values, Operation, (input._node,), (places,), how)
    return (result, places) if indices else result
