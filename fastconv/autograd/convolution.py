"""Convolution, transposed convolution and linear layers.

Functions take what those of ``ops`` take, with Tensors among the arrays. What was fused is recorded
as what it would have been: a convolution, an addition, an activation.
"""

from fastconv import ops

from .activation import after, fused
from .core import Operation, parted, record, wrap
from .elementwise import Add


class Convolution(Operation):
    """A convolution of any kind; its gradients' functions are parameters."""

    __slots__ = ()

    def backward(self, gradient, needed):
        x, w = self.saved
        _, by_input, by_weight, axis, x_shape, w_shape, how, threads, precision = self.parameters
        input_gradient = weight_gradient = bias_gradient = None
        if needed[0] is not None:
            input_gradient = by_input(
                gradient, w, x_shape, *how, threads=threads, precision=precision
            )
        if needed[1] is not None:
            weight_gradient = by_weight(
                gradient, x, w_shape, *how, threads=threads, precision=precision
            )
        if needed[2] is not None:
            bias_gradient = ops.bias_gradient(gradient, axis, threads=threads)
        return input_gradient, weight_gradient, bias_gradient


def _recorded(kind, array, tensors, edges, how, activation, done):
    """The result of an operation on (input, weight, bias, residual) as a Tensor.

    how: the node's parameters, the last but one of which are the threads.
    """
    input, weight = tensors[:2]
    by_input, by_weight, by_bias, by_residual = edges
    saved = by_weight and input, by_input and weight
    result = record(wrap(array), kind, (by_input, by_weight, by_bias), saved, how)
    if by_residual is not None:
        record(result, Add, (result._node, by_residual), (), (None, None))
    return result if activation is None else after(result, activation, done, how[-2])


def _convolution(
    op, forward, gradients, axis, input, weight, bias, stride, padding, dilation, groups,
    padding_mode, activation, residual, out, threads, algorithm, precision,
):  # fmt: skip
    tensors = input, weight, bias, residual
    parts = parted(op, out, *tensors)
    if parts is None:
        return forward(
            input, weight, bias, stride, padding, dilation, groups, padding_mode, activation,
            residual, out, threads, algorithm, precision,
        )  # fmt: skip
    (x, w, b, r), edges = parts
    done = activation and fused(activation, edges)
    array = forward(
        x, w, b, stride, padding, dilation, groups, padding_mode, done, r, None, threads,
        algorithm, precision,
    )  # fmt: skip
    how = stride, padding, dilation, groups, padding_mode
    how = op, *gradients, axis, x.shape, w.shape, how, threads, precision
    return _recorded(Convolution, array, tensors, edges, how, activation, done)


_CONV2D = ops.conv2d_input_gradient, ops.conv2d_weight_gradient
_CONVOLVE2D = ops.convolve2d_input_gradient, ops.convolve2d_weight_gradient
_CONV1D = ops.conv1d_input_gradient, ops.conv1d_weight_gradient


def conv2d(input, weight, *how):
    return _convolution("conv2d", ops.conv2d, _CONV2D, -3, input, weight, *how)


def convolve2d(input, weight, *how):
    return _convolution("convolve2d", ops.convolve2d, _CONVOLVE2D, -3, input, weight, *how)


def conv1d(input, weight, *how):
    return _convolution("conv1d", ops.conv1d, _CONV1D, -2, input, weight, *how)


def _transposed(
    op, forward, gradients, axis, input, weight, bias, stride, padding, output_padding, groups,
    dilation, activation, out, threads, precision,
):  # fmt: skip
    how = stride, padding, output_padding, groups, dilation
    tensors = input, weight, bias, None
    parts = parted(op, out, *tensors)
    if parts is None:
        return forward(input, weight, bias, *how, activation, out, threads, precision)
    (x, w, b, _), edges = parts
    done = activation and fused(activation, edges)
    array = forward(x, w, b, *how, done, None, threads, precision)
    how = op, *gradients, axis, x.shape, w.shape, how, threads, precision
    return _recorded(Convolution, array, tensors, edges, how, activation, done)


_TRANSPOSE2D = ops.conv_transpose2d_input_gradient, ops.conv_transpose2d_weight_gradient
_TRANSPOSE1D = ops.conv_transpose1d_input_gradient, ops.conv_transpose1d_weight_gradient


def conv_transpose2d(input, weight, *how):
    return _transposed(
        "conv_transpose2d", ops.conv_transpose2d, _TRANSPOSE2D, -3, input, weight, *how
    )


def conv_transpose1d(input, weight, *how):
    return _transposed(
        "conv_transpose1d", ops.conv_transpose1d, _TRANSPOSE1D, -2, input, weight, *how
    )


class Linear(Operation):
    __slots__ = ()

    def backward(self, gradient, needed):
        x, w = self.saved
        threads = self.parameters[1]
        input_gradient = weight_gradient = bias_gradient = None
        if needed[0] is not None:
            input_gradient = ops.linear_input_gradient(gradient, w, threads=threads)
        if needed[1] is not None:
            weight_gradient = ops.linear_weight_gradient(gradient, x, threads=threads)
        if needed[2] is not None:
            bias_gradient = ops.bias_gradient(gradient, -1, threads=threads)
        return input_gradient, weight_gradient, bias_gradient


def linear(input, weight, bias, activation, out, threads):
    tensors = input, weight, bias, None
    parts = parted("linear", out, *tensors)
    if parts is None:
        return ops.linear(input, weight, bias, activation, out, threads)
    (x, w, b, _), edges = parts
    done = activation and fused(activation, edges)
    array = ops.linear(x, w, b, done, None, threads)
    how = "linear", threads, None
    return _recorded(Linear, array, tensors, edges, how, activation, done)
