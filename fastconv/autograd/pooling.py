"""Pooling, and its way back by indices.

Functions take what those of ``ops`` take, with Tensors among the arrays.
"""

from fastconv import ops

from .core import Operation, parted, record, wrap
from .single import single, with_indices


def max_pool2d(
    input, kernel_size, stride, padding, dilation, ceil_mode, return_indices, out, threads
):
    how = kernel_size, stride, padding, dilation, ceil_mode
    return with_indices("max_pool2d", 2, input, how, return_indices, out, threads)


def max_pool1d(
    input, kernel_size, stride, padding, dilation, ceil_mode, return_indices, out, threads
):
    how = kernel_size, stride, padding, dilation, ceil_mode
    return with_indices("max_pool1d", 1, input, how, return_indices, out, threads)


def adaptive_max_pool2d(input, output_size, return_indices, out, threads):
    return with_indices(
        "adaptive_max_pool2d", 2, input, (output_size,), return_indices, out, threads
    )


def adaptive_max_pool1d(input, output_size, return_indices, out, threads):
    return with_indices(
        "adaptive_max_pool1d", 1, input, (output_size,), return_indices, out, threads
    )


def avg_pool2d(input, *how):
    *how, out, threads = how
    return single("avg_pool2d", input, how, out, threads, "height and width", how)


def avg_pool1d(input, *how):
    *how, out, threads = how
    return single("avg_pool1d", input, how, out, threads, "length", how)


def lp_pool2d(input, *how):
    *how, out, threads = how
    return single("lp_pool2d", input, how, out, threads, "both", how)


def lp_pool1d(input, *how):
    *how, out, threads = how
    return single("lp_pool1d", input, how, out, threads, "both", how)


def adaptive_avg_pool2d(input, output_size, out, threads):
    return single(
        "adaptive_avg_pool2d", input, (output_size,), out, threads, "height and width", ()
    )


def adaptive_avg_pool1d(input, output_size, out, threads):
    return single("adaptive_avg_pool1d", input, (output_size,), out, threads, "length", ())


def global_avg_pool2d(input, out, threads):
    return single("global_avg_pool2d", input, (), out, threads, "height and width", ())


def global_max_pool2d(input, out, threads):
    if parted("global_max_pool2d", out, input) is None:
        return ops.global_max_pool2d(input, out, threads)
    return adaptive_max_pool2d(input, 1, False, None, threads)


def _unpool(op, forward, gradient, input, indices, kernel_size, stride, padding, output_size, out,
            threads):  # fmt: skip
    parts = parted(op, out, input, indices)
    how = kernel_size, stride, padding, output_size
    if parts is None:
        return forward(input, indices, *how, out, threads)
    (x, places), (node, _) = parts
    result = wrap(forward(x, places, *how, None, threads))
    return record(result, Operation, (node,), (indices,), (op, gradient, (), threads))


def max_unpool2d(input, indices, *how):
    return _unpool(
        "max_unpool2d", ops.max_unpool2d, ops.max_unpool2d_gradient, input, indices, *how
    )


def max_unpool1d(input, indices, *how):
    return _unpool(
        "max_unpool1d", ops.max_unpool1d, ops.max_unpool1d_gradient, input, indices, *how
    )
