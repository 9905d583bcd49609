"""Moving pixels: pad, unfold, fold, interpolate, on plain arrays."""

import math

from fastconv import _core, diagnosis
from fastconv.geometry import INT64_MAX, choice, flag, integer, pair, real
from fastconv.runtime import thread_count, threads_in_force

from .rows import one_row, without_row

MODES = _core.INTERPOLATION_CODES
NAMED_MODES = {
    **{name: MODES[name] for name in ("nearest", "nearest-exact", "bilinear")},
    "linear": MODES["bilinear"],
}
BORDERS = {
    name: _core.BORDER_CODES["zeros" if name == "constant" else name]
    for name in ("constant", "reflect", "replicate", "circular")
}


def pad(input, pad, mode, value, out, threads, probe=None):
    """functional.pad on arrays."""
    op = "pad"
    border = choice(op, "mode", mode, BORDERS, optional=False)
    threads = threads_in_force() if threads is None else thread_count(op, "threads", threads)
    sides = diagnosis.pad_sides(op, input, pad, mode)
    if value is not None and mode != "constant":
        raise ValueError(f"{op}: value is {value!r}, but mode={mode!r} takes none; leave it out")
    filler = 0.0 if value is None else real(op, "value", value)
    before, after = ([ends[i] for ends in sides] for i in (0, 1))
    result = _core.pad(input, out, before, after, border, filler, threads, probe)
    if result is None:
        diagnosis.pad(input, out, sides, mode)
    return result


def unfold(input, kernel_size, dilation, padding, stride, out, threads, probe=None):
    """functional.unfold on arrays."""
    op = "unfold"
    window = _window(op, kernel_size, dilation, padding, stride)
    threads = threads_in_force() if threads is None else thread_count(op, "threads", threads)
    result = _core.unfold(input, out, *window, threads, probe)
    if result is None:
        diagnosis.unfold(input, out, *window)
    return result


def fold(input, output_size, kernel_size, dilation, padding, stride, out, threads, probe=None):
    """functional.fold on arrays."""
    op = "fold"
    size = pair(op, "output_size", output_size, 1)
    window = _window(op, kernel_size, dilation, padding, stride)
    threads = threads_in_force() if threads is None else thread_count(op, "threads", threads)
    result = _core.fold(input, out, size, *window, threads, probe)
    if result is None:
        diagnosis.fold(input, out, size, *window)
    return result


def _window(op, kernel_size, dilation, padding, stride):
    """Kernel, stride, padding and dilation."""
    return (
        pair(op, "kernel_size", kernel_size, 1),
        pair(op, "stride", stride, 1),
        pair(op, "padding", padding, 0),
        pair(op, "dilation", dilation, 1),
    )


def interpolate(input, size, scale_factor, mode, align_corners, out, threads, probe=None):
    """functional.interpolate on arrays."""
    op = "interpolate"
    code = choice(op, "mode", mode, NAMED_MODES, optional=False)
    linear = mode in ("linear", "bilinear")
    if align_corners is not None:
        corners = flag(op, "align_corners", align_corners)
        if not linear:
            raise ValueError(
                f"{op}: align_corners is {align_corners}, but mode={mode!r} has no use for it; "
                f"leave it out"
            )
        code = MODES["corners"] if corners else code
    threads = threads_in_force() if threads is None else thread_count(op, "threads", threads)
    rank = diagnosis.resized(op, input, mode)
    sizes = tuple(input.shape[-rank:])
    if (size is None) == (scale_factor is None):
        raise ValueError(
            f"{op}: size is {size!r} and scale_factor {scale_factor!r}; give one of them"
        )
    if size is not None:
        wanted = tuple(integer(op, "size", n, 1) for n in each(op, "size", size, rank))
        factors = (None,) * rank
    else:
        factors = tuple(
            real(op, "scale_factor", f) for f in each(op, "scale_factor", scale_factor, rank)
        )
        if not all(0 < f < math.inf for f in factors):
            raise ValueError(
                f"{op}: scale_factor is {scale_factor!r}, expected finite numbers above 0; "
                f"give others"
            )
        exact = [n * f for n, f in zip(sizes, factors, strict=True)]
        if max(exact) > INT64_MAX // 16 or min(exact) < 1:
            raise ValueError(
                f"{op}: scale_factor {scale_factor!r} makes {exact} of {sizes} pixels, expected at "
                f"least 1 and no more than fit; give another"
            )
        wanted = tuple(math.floor(n) for n in exact)
    scales = [
        scale_of(n, m, f, code == MODES["corners"])
        for n, m, f in zip(sizes, wanted, factors, strict=True)
    ]
    if rank == 1:
        wanted, scales = (1, *wanted), [1.0, *scales]
    result = _core.interpolate(
        one_row(input) if rank == 1 else input,
        one_row(out) if rank == 1 else out,
        *wanted,
        *scales,
        code,
        rank == 2 and mode == "nearest",
        threads,
        probe,
    )
    if result is None:
        diagnosis.interpolate(op, input, out, wanted[-rank:])
    return without_row(result, out, probe) if rank == 1 else result


def each(op, name, value, rank):
    if not isinstance(value, (tuple, list)):
        return (value,) * rank
    if len(value) != rank:
        raise ValueError(
            f"{op}: {name} has {len(value)} values {value!r}, expected {rank}; "
            f"give one number, or one for each axis"
        )
    return value


def scale_of(size, wanted, factor, corners):
    """Pixels of the input for one of the result."""
    if corners:
        return (size - 1) / (wanted - 1) if wanted > 1 else 0.0
    return size / wanted if factor is None else 1.0 / factor
