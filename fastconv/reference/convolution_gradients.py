"""Gradients of convolutions and linear layers, tap by tap, in float64.

Names and meanings are those of ``fastconv.ops``; ``grad`` is the gradient by the result.
"""

import math

import numpy as np

from . import checks
from .conv import _BORDERS, _padding_sides, conv1d, conv2d
from .linear import linear


def result_shape(op, forward, input_size, weight_size, **options):
    """The shape of the forward operation's result, which also says what is wrong with the sizes
    and options."""
    for name, size in (("input_size", input_size), ("weight_size", weight_size)):
        if not isinstance(size, (tuple, list)):
            raise TypeError(f"{op}: {name} must be a tuple; give the shape")
        for length in size:
            checks.integer(op, name, length, 0)
    try:
        return forward(np.zeros(input_size), np.zeros(weight_size), **options).shape
    except (TypeError, ValueError) as error:
        raise type(error)(f"{op}: {error}") from None


def _geometry(op, rank, input_size, weight_size, stride, padding, dilation, groups, mode):
    result_shape(
        op, conv1d if rank == 1 else conv2d, input_size, weight_size, stride=stride,
        padding=padding, dilation=dilation, groups=groups, padding_mode=mode,
    )  # fmt: skip
    stride = checks.numbers(op, "stride", stride, 1, rank)
    dilation = checks.numbers(op, "dilation", dilation, 1, rank)
    groups = checks.integer(op, "groups", groups, minimum=1)
    size, kernel = tuple(input_size[-rank:]), tuple(weight_size[2:])
    sides = _padding_sides(op, padding, size, kernel, stride, dilation)
    outputs = tuple(
        (n + sum(p) - d * (k - 1) - 1) // s + 1
        for n, p, k, s, d in zip(size, sides, kernel, stride, dilation, strict=True)
    )
    return stride, dilation, groups, sides, outputs


def _check_grad(op, grad, shape):
    if grad.shape != shape:
        raise ValueError(f"{op}: grad has shape {grad.shape}, expected {shape}, the result's")


def _taps(kernel, stride, dilation, outputs):
    """Each tap, and the pixels of the bordered image under it."""
    for tap in np.ndindex(*kernel):
        yield (
            tap,
            tuple(
                slice(t * d, t * d + (n - 1) * s + 1, s)
                for t, d, n, s in zip(tap, dilation, outputs, stride, strict=True)
            ),
        )


def _weight_gradient(op, rank, grad, input, weight_size, stride, padding, dilation, groups, mode):
    checks.images(op, input, rank)
    checks.companion_array(op, "grad", grad, input)
    stride, dilation, groups, sides, outputs = _geometry(
        op, rank, input.shape, weight_size, stride, padding, dilation, groups, mode
    )
    oc, icg = weight_size[:2]
    batch = input.shape[0] if input.ndim == rank + 2 else 1
    _check_grad(op, grad, (*input.shape[: -rank - 1], oc, *outputs))
    x = checks.as_float64(input).reshape(batch, groups, icg, *input.shape[-rank:])
    x = np.pad(x, ((0, 0), (0, 0), (0, 0), *sides), mode=_BORDERS[mode])
    g = checks.as_float64(grad).reshape(batch, groups, oc // groups, math.prod(outputs))
    result = np.zeros((groups, oc // groups, icg, *weight_size[2:]))
    for tap, pixels in _taps(weight_size[2:], stride, dilation, outputs):
        under = x[(..., *pixels)].reshape(batch, groups, icg, math.prod(outputs))
        result[(..., *tap)] = np.einsum("ngop,ngcp->goc", g, under)
    return result.reshape(weight_size)


def _input_gradient(op, rank, grad, weight, input_size, stride, padding, dilation, groups, mode):
    checks.float_array(op, "grad", grad)
    checks.companion_array(op, "weight", weight, grad)
    stride, dilation, groups, sides, outputs = _geometry(
        op, rank, input_size, weight.shape, stride, padding, dilation, groups, mode
    )
    oc, icg = weight.shape[:2]
    batch = input_size[0] if len(input_size) == rank + 2 else 1
    _check_grad(op, grad, (*input_size[: -rank - 1], oc, *outputs))
    g = checks.as_float64(grad).reshape(batch, groups, oc // groups, *outputs)
    w = checks.as_float64(weight).reshape(groups, oc // groups, icg, *weight.shape[2:])
    size = tuple(input_size[-rank:])
    bordered = np.zeros(
        (batch, groups, icg, *(n + sum(p) for n, p in zip(size, sides, strict=True)))
    )
    for tap, pixels in _taps(weight.shape[2:], stride, dilation, outputs):
        bordered[(..., *pixels)] += np.einsum("goc,ngo...->ngc...", w[(..., *tap)], g)
    # what each element of the bordered image shows: where its gradient goes
    shown = np.pad(np.arange(int(np.prod(size))).reshape(size), sides, mode=_BORDERS[mode])
    inside = np.pad(np.ones(size, bool), sides)
    result = np.zeros((batch * groups * icg, int(np.prod(size))))
    for element in np.ndindex(*shown.shape):
        if mode != "zeros" or inside[element]:
            result[:, shown[element]] += bordered[(..., *element)].reshape(-1)
    return result.reshape(tuple(input_size))


def conv2d_weight_gradient(
    grad, input, weight_size, stride=1, padding=0, dilation=1, groups=1, padding_mode="zeros"
):
    """result[o, c, i, j] = sum over n, y, x of grad[n, o, y, x] * the input under tap (i, j)."""
    return _weight_gradient(
        "conv2d_weight_gradient", 2, grad, input, weight_size, stride, padding, dilation, groups,
        padding_mode,
    )  # fmt: skip


def conv2d_input_gradient(
    grad, weight, input_size, stride=1, padding=0, dilation=1, groups=1, padding_mode="zeros"
):
    """Each element of grad times the weights, added to the window that it came from."""
    return _input_gradient(
        "conv2d_input_gradient", 2, grad, weight, input_size, stride, padding, dilation, groups,
        padding_mode,
    )  # fmt: skip


def conv1d_weight_gradient(
    grad, input, weight_size, stride=1, padding=0, dilation=1, groups=1, padding_mode="zeros"
):
    """As conv2d_weight_gradient, with one axis."""
    return _weight_gradient(
        "conv1d_weight_gradient", 1, grad, input, weight_size, stride, padding, dilation, groups,
        padding_mode,
    )  # fmt: skip


def conv1d_input_gradient(
    grad, weight, input_size, stride=1, padding=0, dilation=1, groups=1, padding_mode="zeros"
):
    """As conv2d_input_gradient, with one axis."""
    return _input_gradient(
        "conv1d_input_gradient", 1, grad, weight, input_size, stride, padding, dilation, groups,
        padding_mode,
    )  # fmt: skip


def convolve2d_weight_gradient(
    grad, input, weight_size, stride=1, padding=0, dilation=1, groups=1, padding_mode="zeros"
):
    """As conv2d_weight_gradient, of a kernel that lies the other way round."""
    return _weight_gradient(
        "convolve2d_weight_gradient", 2, grad, input, weight_size, stride, padding, dilation,
        groups, padding_mode,
    )[..., ::-1, ::-1]  # fmt: skip


def convolve2d_input_gradient(
    grad, weight, input_size, stride=1, padding=0, dilation=1, groups=1, padding_mode="zeros"
):
    """As conv2d_input_gradient, with the kernel the other way round."""
    op = "convolve2d_input_gradient"
    checks.float_array(op, "weight", weight)
    return _input_gradient(
        op, 2, grad, weight[..., ::-1, ::-1], input_size, stride, padding, dilation, groups,
        padding_mode,
    )  # fmt: skip


def linear_input_gradient(grad, weight):
    """grad @ weight."""
    op = "linear_input_gradient"
    checks.float_array(op, "grad", grad)
    checks.companion_array(op, "weight", weight, grad)
    input_size = (*grad.shape[:-1], *weight.shape[1:])
    _check_grad(op, grad, result_shape(op, linear, input_size, weight.shape))
    return checks.as_float64(grad) @ checks.as_float64(weight)


def linear_weight_gradient(grad, input):
    """The rows of grad, transposed, @ those of input."""
    op = "linear_weight_gradient"
    checks.float_array(op, "grad", grad)
    checks.companion_array(op, "input", input, grad)
    weight_size = (*grad.shape[-1:], *input.shape[-1:])
    _check_grad(op, grad, result_shape(op, linear, input.shape, weight_size))
    rows = math.prod(grad.shape[:-1])
    g = checks.as_float64(grad).reshape(rows, grad.shape[-1])
    return g.T @ checks.as_float64(input).reshape(rows, input.shape[-1])


def bias_gradient(grad, axis=-3):
    """The sum of grad over all axes but that of the channels."""
    op = "bias_gradient"
    checks.float_array(op, "grad", grad)
    number = checks.integer(op, "axis", axis, -grad.ndim)
    if number >= grad.ndim or grad.shape[number] == 0:
        raise ValueError(f"{op}: grad has shape {grad.shape} and no channels on axis {axis}")
    number %= grad.ndim
    return checks.as_float64(grad).sum(tuple(i for i in range(grad.ndim) if i != number))
