"""Pooling on plain arrays."""

import math

from fastconv import _core, diagnosis
from fastconv.geometry import flag, integer, pair, real, single
from fastconv.runtime import thread_count, threads_in_force

from .rows import one_row, without_row


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
        False, 0, 0.0, return_indices, out, threads, probe,
    )  # fmt: skip


def max_pool1d(
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
    """functional.max_pool1d on arrays."""
    dilation = single("max_pool1d", "dilation", dilation, 1)
    return_indices = flag("max_pool1d", "return_indices", return_indices)
    return _pool1d(
        "max_pool1d", _core.POOL_MAX, input, kernel_size, stride, padding, dilation, ceil_mode,
        False, 0.0, return_indices, out, threads, probe,
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
    divisor = divisor_of("avg_pool2d", divisor_override)
    return _pool2d(
        "avg_pool2d", _core.POOL_AVG, input, kernel_size, stride, padding, 1, 1, ceil_mode,
        count_include_pad, divisor, 0.0, False, out, threads, probe,
    )  # fmt: skip


def avg_pool1d(
    input, kernel_size, stride, padding, ceil_mode, count_include_pad, out, threads, probe=None
):
    """functional.avg_pool1d on arrays."""
    count_include_pad = flag("avg_pool1d", "count_include_pad", count_include_pad)
    return _pool1d(
        "avg_pool1d", _core.POOL_AVG, input, kernel_size, stride, padding, 1, ceil_mode,
        count_include_pad, 0.0, False, out, threads, probe,
    )  # fmt: skip


def lp_pool2d(input, norm_type, kernel_size, stride, ceil_mode, out, threads, probe=None):
    """functional.lp_pool2d on arrays."""
    norm = norm_of("lp_pool2d", norm_type)
    return _pool2d(
        "lp_pool2d", _core.POOL_LP, input, kernel_size, stride, 0, 1, 1, ceil_mode, True, 0, norm,
        False, out, threads, probe,
    )  # fmt: skip


def lp_pool1d(input, norm_type, kernel_size, stride, ceil_mode, out, threads, probe=None):
    """functional.lp_pool1d on arrays."""
    norm = norm_of("lp_pool1d", norm_type)
    return _pool1d(
        "lp_pool1d", _core.POOL_LP, input, kernel_size, stride, 0, 1, ceil_mode, True, norm, False,
        out, threads, probe,
    )  # fmt: skip


def divisor_of(op, value):
    """0 for None, which divides by the number of pixels."""
    if value is None:
        return 0
    divisor = integer(op, "divisor_override", value, -(2**63))
    if divisor == 0:
        raise ValueError(
            f"{op}: divisor_override is 0, expected any other int; "
            f"give None to divide by the number of pixels"
        )
    return divisor


def norm_of(op, value):
    """The norm of Lp pooling."""
    norm = real(op, "norm_type", value)
    if norm == 0 or not math.isfinite(norm):
        raise ValueError(
            f"{op}: norm_type is {value!r}, expected a finite number other than 0; "
            f"max_pool2d is the limit for large ones"
        )
    return norm


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
    norm,
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
            op, kind, input, out, False, False, kh, kw, sh, sw, ph, pw, dh, dw, ceil_mode,
            count_include_pad, divisor, norm, with_indices, threads, probe,
        )  # fmt: skip
    except OverflowError:  # a number beyond int64
        result = None
    if result is None:
        diagnosis.pool(
            op, input, out, (kh, kw), (sh, sw), (ph, pw), (dh, dw), ceil_mode, with_indices
        )
    return result


def _pool1d(
    op,
    kind,
    input,
    kernel_size,
    stride,
    padding,
    dilation,
    ceil_mode,
    count_include_pad,
    norm,
    with_indices,
    out,
    threads,
    probe,
):
    kernel = single(op, "kernel_size", kernel_size, 1)
    step = kernel if stride is None else single(op, "stride", stride, 1)
    border = single(op, "padding", padding, 0)
    ceil_mode = flag(op, "ceil_mode", ceil_mode)
    threads = threads_in_force() if threads is None else thread_count(op, "threads", threads)
    result = _core.pool2d(
        op, kind, one_row(input), one_row(out), False, False, 1, kernel, 1, step, 0, border, 1,
        dilation, ceil_mode, count_include_pad, 0, norm, with_indices, threads, probe,
    )  # fmt: skip
    if result is None:
        diagnosis.pool(
            op, input, out, (kernel,), (step,), (border,), (dilation,), ceil_mode, with_indices
        )
    return without_row(result, out, probe)


def global_avg_pool2d(input, out, threads, probe=None):
    """functional.global_avg_pool2d on arrays."""
    return _global_pool2d("global_avg_pool2d", _core.POOL_AVG, input, out, threads, probe)


def global_max_pool2d(input, out, threads, probe=None):
    """functional.global_max_pool2d on arrays."""
    return _global_pool2d("global_max_pool2d", _core.POOL_MAX, input, out, threads, probe)


def _global_pool2d(op, kind, input, out, threads, probe):
    threads = threads_in_force() if threads is None else thread_count(op, "threads", threads)
    result = _core.pool2d(
        op, kind, input, out, True, False, 0, 0, 0, 0, 0, 0, 1, 1, False, False, 0, 0.0, False,
        threads, probe,
    )  # fmt: skip
    if result is None:
        diagnosis.global_pool2d(op, input, out)
    return result


def adaptive_avg_pool2d(input, output_size, out, threads, probe=None):
    """functional.adaptive_avg_pool2d on arrays."""
    return _adaptive(
        "adaptive_avg_pool2d", _core.POOL_AVG, 2, input, output_size, False, out, threads, probe
    )


def adaptive_avg_pool1d(input, output_size, out, threads, probe=None):
    """functional.adaptive_avg_pool1d on arrays."""
    return _adaptive(
        "adaptive_avg_pool1d", _core.POOL_AVG, 1, input, output_size, False, out, threads, probe
    )


def adaptive_max_pool2d(input, output_size, return_indices, out, threads, probe=None):
    """functional.adaptive_max_pool2d on arrays."""
    op = "adaptive_max_pool2d"
    indices = flag(op, "return_indices", return_indices)
    return _adaptive(op, _core.POOL_MAX, 2, input, output_size, indices, out, threads, probe)


def adaptive_max_pool1d(input, output_size, return_indices, out, threads, probe=None):
    """functional.adaptive_max_pool1d on arrays."""
    op = "adaptive_max_pool1d"
    indices = flag(op, "return_indices", return_indices)
    return _adaptive(op, _core.POOL_MAX, 1, input, output_size, indices, out, threads, probe)


def _adaptive(op, kind, rank, input, output_size, with_indices, out, threads, probe):
    threads = threads_in_force() if threads is None else thread_count(op, "threads", threads)
    diagnosis.images(op, input, rank)
    if rank == 1:
        sizes = (1, single(op, "output_size", output_size, 1))
    else:
        sizes = output_size if isinstance(output_size, (tuple, list)) else (output_size,) * 2
        if len(sizes) == 2:
            given = zip(sizes, input.shape[-2:], strict=True)
            sizes = [n if size is None else size for size, n in given]
        sizes = pair(op, "output_size", sizes, 1)
    result = _core.pool2d(
        op, kind, one_row(input) if rank == 1 else input, one_row(out) if rank == 1 else out, False,
        True, *sizes, 1, 1, 0, 0, 1, 1, False, False, 0, 0.0, with_indices, threads, probe,
    )  # fmt: skip
    if result is None:
        diagnosis.adaptive_pool(op, input, out, sizes[-rank:], with_indices)
    return without_row(result, out, probe) if rank == 1 else result


def max_unpool2d(
    input, indices, kernel_size, stride, padding, output_size, out, threads, probe=None
):
    """functional.max_unpool2d on arrays."""
    op = "max_unpool2d"
    kernel = pair(op, "kernel_size", kernel_size, 1)
    step = kernel if stride is None else pair(op, "stride", stride, 1)
    border = pair(op, "padding", padding, 0)
    threads = threads_in_force() if threads is None else thread_count(op, "threads", threads)
    diagnosis.images(op, input, 2)
    size = diagnosis.unpooled_size(op, input, kernel, step, border, output_size)
    result = _core.max_unpool2d(op, input, indices, out, *size, threads, probe)
    if result is None:
        diagnosis.unpool(op, input, indices, out, size)
    return result


def max_unpool1d(
    input, indices, kernel_size, stride, padding, output_size, out, threads, probe=None
):
    """functional.max_unpool1d on arrays."""
    op = "max_unpool1d"
    kernel = (single(op, "kernel_size", kernel_size, 1),)
    step = kernel if stride is None else (single(op, "stride", stride, 1),)
    border = (single(op, "padding", padding, 0),)
    threads = threads_in_force() if threads is None else thread_count(op, "threads", threads)
    diagnosis.images(op, input, 1)
    size = diagnosis.unpooled_size(op, input, kernel, step, border, output_size)
    result = _core.max_unpool2d(
        op, one_row(input), one_row(indices), one_row(out), 1, *size, threads, probe
    )
    if result is None:
        diagnosis.unpool(op, input, indices, out, size)
    return without_row(result, out, probe)
