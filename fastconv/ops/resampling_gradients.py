"""Gradients of what moves pixels, on plain arrays: pad, unfold, fold, interpolate.

Conventions are those of pooling_gradients.py.
"""

from fastconv import _core, diagnosis
from fastconv.geometry import choice, flag, integer, real
from fastconv.runtime import thread_count, threads_in_force

from .resampling import BORDERS, MODES, NAMED_MODES, each, fold, scale_of, unfold
from .rows import one_row, without_row


def pad_gradient(grad, input_size, pad, mode="constant", *, out=None, threads=None, probe=None):
    """Gradient of pad, for an input of the whole shape input_size.

    result[i] = sum of grad[j] over all j that pad copied from i, in row-major order of j; what a
    constant border took goes nowhere, and what was cropped gets 0.
    """
    op = "pad_gradient"
    border = choice(op, "mode", mode, BORDERS, optional=False)
    threads = threads_in_force() if threads is None else thread_count(op, "threads", threads)
    sizes, sides = diagnosis.pad_gradient_sides(op, grad, input_size, pad, mode)
    before, after = ([ends[i] for ends in sides] for i in (0, 1))
    result = _core.pad_gradient(grad, out, sizes, before, after, border, threads, probe)
    if result is None:
        diagnosis.pad_gradient(op, grad, out, sizes, sides, mode)
    return result


def unfold_gradient(
    grad,
    input_size,
    kernel_size,
    dilation=1,
    padding=0,
    stride=1,
    *,
    out=None,
    threads=None,
    probe=None,
):
    """Gradient of unfold, for an image of input_size (H, W): fold, its adjoint, which tells
    errors."""
    return fold(grad, input_size, kernel_size, dilation, padding, stride, out, threads, probe)


def fold_gradient(
    grad, kernel_size, dilation=1, padding=0, stride=1, *, out=None, threads=None, probe=None
):
    """Gradient of fold: unfold, its adjoint, which tells errors."""
    return unfold(grad, kernel_size, dilation, padding, stride, out, threads, probe)


def interpolate_gradient(
    grad,
    input_size,
    scale_factor=None,
    mode="nearest",
    align_corners=None,
    *,
    out=None,
    threads=None,
    probe=None,
):
    """Gradient of interpolate, for images of input_size (H, W), or L for mode "linear" and 1-D
    ones.

    result[r, s] = sum of weight(y, r) * weight(x, s) * grad[y, x], with the forward's weights: rows
    are added up first, then columns. scale_factor is the forward's, None where it was given a size.
    """
    op = "interpolate_gradient"
    code = choice(op, "mode", mode, NAMED_MODES, optional=False)
    if align_corners is not None:
        corners = flag(op, "align_corners", align_corners)
        if mode not in ("linear", "bilinear"):
            raise ValueError(
                f"{op}: align_corners is {align_corners}, but mode={mode!r} has no use for it; "
                f"leave it out"
            )
        code = MODES["corners"] if corners else code
    threads = threads_in_force() if threads is None else thread_count(op, "threads", threads)
    rank = diagnosis.resized(op, grad, mode, "grad")
    sizes = tuple(integer(op, "input_size", n, 1) for n in each(op, "input_size", input_size, rank))
    factors = (None,) * rank
    if scale_factor is not None:
        factors = tuple(
            real(op, "scale_factor", f) for f in each(op, "scale_factor", scale_factor, rank)
        )
    given = grad.shape[-rank:]
    diagnosis.resized_by(op, sizes, given, factors)
    scales = [
        scale_of(n, m, f, code == MODES["corners"])
        for n, m, f in zip(sizes, given, factors, strict=True)
    ]
    full = sizes
    if rank == 1:
        full, scales = (1, *sizes), [1.0, *scales]
    result = _core.interpolate_gradient(
        one_row(grad) if rank == 1 else grad,
        one_row(out) if rank == 1 else out,
        *full,
        *scales,
        code,
        rank == 2 and mode == "nearest",
        threads,
        probe,
    )
    if result is None:
        diagnosis.interpolate_gradient(op, grad, out, sizes)
    return without_row(result, out, probe) if rank == 1 else result
