"""Pooling on plain arrays."""

from fastconv import _core, diagnosis
from fastconv.geometry import flag, integer, pair
from fastconv.runtime import thread_count, threads_in_force


def max_pool2d(
    input,
    kernel_size,
    stride,
    padding,
    dilation,
    ceil_mode,
    return_indices,
    out,
    threads,
    probe=None,
):
    """functional.max_pool2d on arrays."""
    if type(dilation) is int:
        dh = dw = dilation
    else:
        dh, dw = pair("max_pool2d", "dilation", dilation, 1)
    if type(return_indices) is not bool:
        return_indices = flag("max_pool2d", "return_indices", return_indices)
    return _pool2d(
        "max_pool2d", _core.POOL_MAX, input, kernel_size, stride, padding, dh, dw, ceil_mode,
        False, 0, return_indices, out, threads, probe,
    )  # fmt: skip


def avg_pool2d(
    input,
    kernel_size,
    stride,
    padding,
    ceil_mode,
    count_include_pad,
    divisor_override,
    out,
    threads,
    probe=None,
):
    """functional.avg_pool2d on arrays."""
    if type(count_include_pad) is not bool:
        count_include_pad = flag("avg_pool2d", "count_include_pad", count_include_pad)
    if divisor_override is None:
        divisor = 0
    else:
        divisor = integer("avg_pool2d", "divisor_override", divisor_override, -(2**63))
        if divisor == 0:
            raise ValueError(
                "avg_pool2d: divisor_override is 0, expected any other int; "
                "give None to divide by the number of pixels"
            )
    return _pool2d(
        "avg_pool2d", _core.POOL_AVG, input, kernel_size, stride, padding, 1, 1, ceil_mode,
        count_include_pad, divisor, False, out, threads, probe,
    )  # fmt: skip


def _pool2d(
    op,
    kind,
    input,
    kernel_size,
    stride,
    padding,
    dh,
    dw,
    ceil_mode,
    count_include_pad,
    divisor,
    with_indices,
    out,
    threads,
    probe,
):
    if type(kernel_size) is int:
        kh = kw = kernel_size
    else:
        kh, kw = pair(op, "kernel_size", kernel_size, 1)
    if stride is None:
        sh, sw = kh, kw
    elif type(stride) is int:
        sh = sw = stride
    else:
        sh, sw = pair(op, "stride", stride, 1)
    if type(padding) is int:
        ph = pw = padding
    else:
        ph, pw = pair(op, "padding", padding, 0)
    if type(ceil_mode) is not bool:
        ceil_mode = flag(op, "ceil_mode", ceil_mode)
    threads = threads_in_force() if threads is None else thread_count(op, "threads", threads)
    try:
        result = _core.pool2d(
            op, kind, input, out, False, kh, kw, sh, sw, ph, pw, dh, dw, ceil_mode,
            count_include_pad, divisor, with_indices, threads, probe,
        )  # fmt: skip
    except OverflowError:  # a number beyond int64
        result = None
    if result is None:
        diagnosis.pool2d(
            op, input, out, (kh, kw), (sh, sw), (ph, pw), (dh, dw), ceil_mode, with_indices
        )
    return result


def global_avg_pool2d(input, out, threads, probe=None):
    """functional.global_avg_pool2d on arrays."""
    return _global_pool2d("global_avg_pool2d", _core.POOL_AVG, input, out, threads, probe)


def global_max_pool2d(input, out, threads, probe=None):
    """functional.global_max_pool2d on arrays."""
    return _global_pool2d("global_max_pool2d", _core.POOL_MAX, input, out, threads, probe)


def _global_pool2d(op, kind, input, out, threads, probe):
    threads = threads_in_force() if threads is None else thread_count(op, "threads", threads)
    result = _core.pool2d(
        op, kind, input, out, True, 0, 0, 0, 0, 0, 0, 1, 1, False, False, 0, False, threads, probe
    )
    if result is None:
        diagnosis.global_pool2d(op, input, out)
    return result
