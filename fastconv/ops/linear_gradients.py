"""Gradients of linear layers and of biases on plain arrays, as convolution_gradients has it."""

import numpy as np

from fastconv import _core, diagnosis
from fastconv.runtime import thread_count, threads_in_force

from .convolution_gradients import zeros

_AUTO = _STRICT = 0  # the engine's choice of an algorithm, and its first precision


def linear_input_gradient(grad, weight, *, out=None, threads=None, probe=None):
    """The gradient of linear by its input: grad @ weight.

    Shapes:
        grad: (..., out), weight: (out, in), result: (..., in)

    Raises:
        as conv2d_input_gradient.
    """
    op = "linear_input_gradient"
    diagnosis.gradient_arrays(op, grad, "weight", weight)
    diagnosis.linear_gradient(op, grad, weight.shape, (*grad.shape[:-1], *weight.shape[1:]))
    threads = threads_in_force() if threads is None else thread_count(op, "threads", threads)
    size = (*grad.shape[:-1], weight.shape[1])
    diagnosis.gradient_out(op, out, size, grad, weight=weight)
    if 0 in size:
        return zeros(size, grad, out)
    return _product(op, _rows(grad), weight, size, out, threads, probe)


def linear_weight_gradient(grad, input, *, out=None, threads=None, probe=None):
    """The gradient of linear by its weight: the transpose of grad, as a matrix of rows, @ input.

    Shapes:
        grad: (..., out), input: (..., in), result: (out, in); without rows zeros

    Raises:
        as conv2d_input_gradient.
    """
    op = "linear_weight_gradient"
    diagnosis.gradient_arrays(op, grad, "input", input)
    size = (*grad.shape[-1:], *input.shape[-1:])
    diagnosis.linear_gradient(op, grad, size, input.shape)
    threads = threads_in_force() if threads is None else thread_count(op, "threads", threads)
    diagnosis.gradient_out(op, out, size, grad, input=input)
    if 0 in grad.shape[:-1]:
        return zeros(size, grad, out)
    return _product(op, _rows(grad).T, _rows(input), size, out, threads, probe)


def _product(op, left, right, size, out, threads, probe):
    """left @ right, of shape `size`: a 1x1 convolution, whose weights are left, of an image of one
    row of pixels, whose channels are the rows of right."""
    image, weight = right[np.newaxis, :, np.newaxis], left[:, :, np.newaxis, np.newaxis]
    direct = out is not None and out.flags.c_contiguous
    into = out.reshape(1, len(left), 1, -1) if direct else None
    result = _core.conv2d(
        op, image, weight, None, None, into, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0, _AUTO, _STRICT,
        threads, probe,
    )  # fmt: skip
    if result is None:
        diagnosis.unexplained(op, left, right, out)
    if probe is not None:
        return result
    if out is None:
        return result.reshape(size)
    if not direct:
        out[...] = result.reshape(size)
    return out


def _rows(array):
    """(..., features) as a matrix."""
    return array.reshape(-1, array.shape[-1])


def bias_gradient(grad, axis=-3, *, out=None, threads=None, probe=None):
    """The gradient of an operation by its bias: the sum of grad over all axes but that of channels.

    Args:
        axis: of the channels: -3 for two-dimensional convolutions, -2 for one-dimensional ones, -1
            for linear layers.

    Raises:
        TypeError: grad is not an ndarray of float32 or float64; axis is no int.
        ValueError: grad has no such axis, or no channels.
    """
    op = "bias_gradient"
    diagnosis.gradient_arrays(op, grad)
    axis = diagnosis.channel_axis(op, grad, axis)
    threads = threads_in_force() if threads is None else thread_count(op, "threads", threads)
    diagnosis.gradient_out(op, out, grad.shape[axis : axis + 1], grad)
    result = _core.channel_sums(op, grad, axis, out, threads, probe)
    if result is None:
        diagnosis.unexplained(op, grad, axis, out)
    return result
