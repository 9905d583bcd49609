"""Gradients of pooling on plain arrays.

The first argument is the gradient by the operation's result, a float array of the result's shape;
then
follow what was saved and the forward's parameters, under its names and with its meanings. Results
are
new arrays of grad's dtype, or `out`; they have the same bits for any number of threads. Shapes,
unless
said otherwise: grad (N, C, OH, OW) or (C, OH, OW), result (N, C, H, W) or (C, H, W), where
input_size
is (H, W). One-dimensional operations have one axis in place of the last two.

Every operation raises TypeError for arrays of wrong types and ValueError for shapes that do not
belong
together.
"""

from fastconv import _core, diagnosis
from fastconv.geometry import flag, pair, single
from fastconv.runtime import thread_count, threads_in_force

from .pooling import divisor_of, norm_of
from .rows import one_row, without_row


def max_pool2d_gradient(grad, indices, input_size, *, out=None, threads=None, probe=None):
    """Gradient of max_pool2d, adaptive_max_pool2d and (indices of size 1 x 1) the global maximum.

    result[n, c].flat[i] = sum of grad[n, c, y, x] over all y, x with indices[n, c, y, x] == i,
    added
    in row-major order; index -1 (a window without pixels) passes nothing on. `indices` are those
    that
    the pooling returned: int64, of grad's shape.
    """
    op = "max_pool2d_gradient"
    size = pair(op, "input_size", input_size, 1)
    return _by_indices(op, False, grad, indices, size, out, threads, probe)


def max_pool1d_gradient(grad, indices, input_size, *, out=None, threads=None, probe=None):
    """Gradient of max_pool1d and adaptive_max_pool1d, as max_pool2d_gradient; input_size is L."""
    op = "max_pool1d_gradient"
    size = (single(op, "input_size", input_size, 1),)
    return _by_indices(op, False, grad, indices, size, out, threads, probe)


def max_unpool2d_gradient(grad, indices, *, out=None, threads=None, probe=None):
    """Gradient of max_unpool2d by its input.

    result[n, c, y, x] = grad[n, c].flat[indices[n, c, y, x]], of the shape of `indices`. Where
    several values were put into one place (the last was kept), each gets its gradient, as in
    PyTorch.
    """
    op = "max_unpool2d_gradient"
    diagnosis.images(op, grad, 2, "grad")
    return _by_indices(op, True, grad, indices, grad.shape[-2:], out, threads, probe)


def max_unpool1d_gradient(grad, indices, *, out=None, threads=None, probe=None):
    """Gradient of max_unpool1d by its input, as max_unpool2d_gradient."""
    op = "max_unpool1d_gradient"
    diagnosis.images(op, grad, 1, "grad")
    return _by_indices(op, True, grad, indices, grad.shape[-1:], out, threads, probe)


def _by_indices(op, unpooling, grad, indices, size, out, threads, probe):
    threads = threads_in_force() if threads is None else thread_count(op, "threads", threads)
    rank = len(size)
    arrays = (grad, indices, out)
    given = [one_row(a) for a in arrays] if rank == 1 else arrays
    full = (1, *size) if rank == 1 else size
    result = _core.gradient_by_indices(op, unpooling, *given, *full, threads, probe)
    if result is None:
        diagnosis.gradient_by_indices(op, unpooling, grad, indices, out, tuple(size))
    return without_row(result, out, probe) if rank == 1 else result


def avg_pool2d_gradient(
    grad,
    input_size,
    kernel_size,
    stride=None,
    padding=0,
    ceil_mode=False,
    count_include_pad=True,
    divisor_override=None,
    *,
    out=None,
    threads=None,
    probe=None,
):
    """Gradient of avg_pool2d.

    result[n, c, r, s] = sum of grad[n, c, y, x] / divisor(y, x) over all windows that hold pixel
    (r, s), with the forward's divisors.
    """
    op = "avg_pool2d_gradient"
    include = flag(op, "count_include_pad", count_include_pad)
    kernel = pair(op, "kernel_size", kernel_size, 1)
    step = kernel if stride is None else pair(op, "stride", stride, 1)
    return _windows(
        op, _core.POOL_AVG, grad, None, None, pair(op, "input_size", input_size, 1), kernel, step,
        pair(op, "padding", padding, 0), ceil_mode, include, divisor_of(op, divisor_override), 0.0,
        out, threads, probe,
    )  # fmt: skip


def avg_pool1d_gradient(
    grad,
    input_size,
    kernel_size,
    stride=None,
    padding=0,
    ceil_mode=False,
    count_include_pad=True,
    *,
    out=None,
    threads=None,
    probe=None,
):
    """Gradient of avg_pool1d, as avg_pool2d_gradient."""
    op = "avg_pool1d_gradient"
    include = flag(op, "count_include_pad", count_include_pad)
    kernel = (single(op, "kernel_size", kernel_size, 1),)
    step = kernel if stride is None else (single(op, "stride", stride, 1),)
    return _windows(
        op, _core.POOL_AVG, grad, None, None, (single(op, "input_size", input_size, 1),), kernel,
        step, (single(op, "padding", padding, 0),), ceil_mode, include, 0, 0.0, out, threads, probe,
    )  # fmt: skip


def lp_pool2d_gradient(
    grad,
    input,
    result,
    norm_type,
    kernel_size,
    stride=None,
    ceil_mode=False,
    *,
    out=None,
    threads=None,
    probe=None,
):
    """Gradient of lp_pool2d, from its input and its result.

    gradient[n, c, r, s] = input[n, c, r, s]**(p - 1) * sum of grad[n, c, y, x]
        * result[n, c, y, x]**(1 - p) * KH * KW / counted(y, x) over all windows that hold (r, s)
    A window whose result is 0 passes nothing on, whatever the norm, as in PyTorch.
    """
    op = "lp_pool2d_gradient"
    kernel = pair(op, "kernel_size", kernel_size, 1)
    step = kernel if stride is None else pair(op, "stride", stride, 1)
    diagnosis.images(op, input, 2)
    return _windows(
        op, _core.POOL_LP, grad, input, result, input.shape[-2:], kernel, step, (0, 0), ceil_mode,
        True, 0, norm_of(op, norm_type), out, threads, probe,
    )  # fmt: skip


def lp_pool1d_gradient(
    grad,
    input,
    result,
    norm_type,
    kernel_size,
    stride=None,
    ceil_mode=False,
    *,
    out=None,
    threads=None,
    probe=None,
):
    """Gradient of lp_pool1d, as lp_pool2d_gradient."""
    op = "lp_pool1d_gradient"
    kernel = (single(op, "kernel_size", kernel_size, 1),)
    step = kernel if stride is None else (single(op, "stride", stride, 1),)
    diagnosis.images(op, input, 1)
    return _windows(
        op, _core.POOL_LP, grad, input, result, input.shape[-1:], kernel, step, (0,), ceil_mode,
        True, 0, norm_of(op, norm_type), out, threads, probe,
    )  # fmt: skip


def _windows(
    op,
    kind,
    grad,
    input,
    given,
    size,
    kernel,
    stride,
    padding,
    ceil_mode,
    include,
    divisor,
    norm,
    out,
    threads,
    probe,
):
    ceil_mode = flag(op, "ceil_mode", ceil_mode)
    threads = threads_in_force() if threads is None else thread_count(op, "threads", threads)
    rank = len(kernel)
    arrays = (grad, input, given, out)
    how = (size, kernel, stride, padding)
    if rank == 1:
        arrays = [one_row(a) for a in arrays]
        how = ((1, *size), (1, *kernel), (1, *stride), (0, *padding))
    numbers = [n for numbers in how for n in numbers]
    try:
        gradient = _core.pool2d_gradient(
            op, kind, *arrays, False, *numbers, ceil_mode, include, divisor, norm, threads, probe
        )
    except OverflowError:  # a number beyond int64
        gradient = None
    if gradient is None:
        diagnosis.pool_gradient(
            op, grad, input, given, out, tuple(size), kernel, stride, padding, ceil_mode
        )
    return without_row(gradient, out, probe) if rank == 1 else gradient


def adaptive_avg_pool2d_gradient(grad, input_size, *, out=None, threads=None, probe=None):
    """Gradient of adaptive_avg_pool2d.

    result[n, c, r, s] = sum of grad[n, c, y, x] / pixels(y, x) over all windows that hold (r, s).
    """
    op = "adaptive_avg_pool2d_gradient"
    size = pair(op, "input_size", input_size, 1)
    return _adaptive(op, grad, size, out, threads, probe)


def adaptive_avg_pool1d_gradient(grad, input_size, *, out=None, threads=None, probe=None):
    """Gradient of adaptive_avg_pool1d, as adaptive_avg_pool2d_gradient."""
    op = "adaptive_avg_pool1d_gradient"
    size = (single(op, "input_size", input_size, 1),)
    return _adaptive(op, grad, size, out, threads, probe)


def global_avg_pool2d_gradient(grad, input_size, *, out=None, threads=None, probe=None):
    """Gradient of global_avg_pool2d: grad (N, C, 1, 1) / (H * W) at each pixel."""
    op = "global_avg_pool2d_gradient"
    size = pair(op, "input_size", input_size, 1)
    diagnosis.images(op, grad, 2, "grad")
    if grad.shape[-2:] != (1, 1):
        raise ValueError(
            f"{op}: grad has shape {grad.shape}, expected one pixel, (N, C, 1, 1) or (C, 1, 1); "
            f"give the gradient by the result of global_avg_pool2d"
        )
    return _adaptive(op, grad, size, out, threads, probe)


def _adaptive(op, grad, size, out, threads, probe):
    threads = threads_in_force() if threads is None else thread_count(op, "threads", threads)
    rank = len(size)
    given, target = (one_row(grad), one_row(out)) if rank == 1 else (grad, out)
    full = (1, *size) if rank == 1 else size
    result = _core.pool2d_gradient(
        op, _core.POOL_AVG, given, None, None, target, True, *full, 1, 1, 1, 1, 0, 0, False, False,
        0, 0.0, threads, probe,
    )  # fmt: skip
    if result is None:
        diagnosis.adaptive_gradient(op, grad, out, size)
    return without_row(result, out, probe) if rank == 1 else result
