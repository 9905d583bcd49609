"""Convolution, transposed convolution and linear layers."""

import numpy as np
from numpy import ndarray

from fastconv import ops

from .layers import layer_of, other_layer
from .types import (
    Activation,
    Algorithm,
    FourSides,
    IntOrOne,
    IntOrPair,
    Padding,
    Padding1d,
    PaddingMode,
    Precision,
    TwoEnds,
    Values,
)


def conv2d(
    input: Values,
    weight: Values,
    bias: Values | None = None,
    stride: IntOrPair = 1,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
    *,
    padding_mode: PaddingMode = "zeros",
    activation: Activation | None = None,
    residual: Values | None = None,
    out: np.ndarray | None = None,
    threads: int | None = None,
    algorithm: Algorithm | None = None,
    precision: Precision | None = None,
) -> Values:
    """Two-dimensional convolution as neural networks mean it (the kernel is not flipped).

    Formula:
        result[n, o, y, x] = act(bias[o] + residual[n, o, y, x] + sum over c, i, j of
            weight[o, c, i, j] * padded[n, g * C/groups + c, y*sh + i*dh, x*sw + j*dw])
        with g = o // (OC/groups), and padded the input with a border.

        OH = (H + top + bottom - dh*(KH-1) - 1) // sh + 1, and OW likewise.

    Shapes:
        input: (N, C, H, W), where N may be 0, or unbatched (C, H, W)
        weight: (OC, C/groups, KH, KW); bias: (OC,)
        residual, out, result: (N, OC, OH, OW), or unbatched (OC, OH, OW)

    Args:
        stride, dilation: int or (h, w), at least 1, in pixels; dilation 1 is a dense kernel.
        padding: rows and columns of border: int, (h, w), ((top, bottom), (left, right)), or
            'valid': none;
            'same': TensorFlow's, for any stride: OH = ceil(H / sh), with the odd row or column at
            the end;
            'same_lower': the same with the odd one at the beginning.
        groups: the channels fall into so many groups that are convolved apart; a divisor of C and
            OC. groups = C is depthwise convolution.
        padding_mode: what the border holds: 'zeros'; 'reflect': the input mirrored at its outermost
            pixels, which are not repeated (padding < size); 'replicate': the outermost pixel;
            'circular': the input again from its other end (padding <= size).
        activation: None, or the name of an activation without parameters, applied last: 'relu',
            'relu6', 'sigmoid', 'tanh', 'silu', 'hardsigmoid', 'hardswish', 'gelu', 'gelu_tanh'.
        residual: added before the activation.
        out, threads: see the module.
        algorithm: None for the engine's choice, or one of 'direct', '1x1', 'pointwise', 'im2col',
            'depthwise', 'planar', 'linear', 'winograd_f2', 'winograd_f4', 'winograd_f6';
            ``fastconv.explain`` tells the choice and why the others were refused.
        precision: how the engine's choice may round: 'strict', 'default' or 'fast'; None is
            ``fastconv.get_precision()``. An algorithm that is named is taken whatever it says.

    Raises:
        TypeError: an array is no ndarray of a supported dtype or has another dtype than input; a
            number is not an int; padding, padding_mode, activation, algorithm or precision has a
            wrong type.
        ValueError: shapes do not fit together; no channels; a number is out of range; an unknown
            padding, padding_mode, activation, algorithm or precision; the kernel is larger than the
            padded input; padding is more than its mode can show of the input; the forced algorithm
            does not take the shape (with its reason); out is unfit or overlaps an input.
        MemoryError: the result or the scratch memory does not fit.

    Source:
        V. Dumoulin, F. Visin, "A guide to convolution arithmetic for deep learning",
        arXiv:1603.07285; torch.nn.functional.conv2d; tf.nn.conv2d for 'same', the ONNX operator
        Conv (SAME_LOWER) for 'same_lower'.

    >>> import numpy as np
    >>> image = np.repeat([[10.0, 10.0, 10.0, 0.0, 0.0, 0.0]], 4, axis=0).reshape(1, 1, 4, 6)
    >>> edge = np.repeat([[1.0, 0.0, -1.0]], 3, axis=0).reshape(1, 1, 3, 3)
    >>> conv2d(image, edge)
    array([[[[ 0., 30., 30.,  0.],
             [ 0., 30., 30.,  0.]]]])
    """
    layer = ops if type(input) is ndarray else layer_of(input)
    while True:
        try:
            return layer.conv2d(
                input, weight, bias, stride, padding, dilation, groups, padding_mode, activation,
                residual, out, threads, algorithm, precision,
            )  # fmt: skip
        except TypeError:
            layer = other_layer(layer, weight, bias, residual)


def convolve2d(
    input: Values,
    weight: Values,
    bias: Values | None = None,
    stride: IntOrPair = 1,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
    *,
    padding_mode: PaddingMode = "zeros",
    activation: Activation | None = None,
    residual: Values | None = None,
    out: np.ndarray | None = None,
    threads: int | None = None,
    algorithm: Algorithm | None = None,
    precision: Precision | None = None,
) -> Values:
    """Convolution as mathematics means it: with the kernel flipped, rows and columns.

    Formula:
        the same as ``conv2d`` with weight[o, c, KH-1-i, KW-1-j] in place of weight[o, c, i, j].
        What neural networks call convolution is cross-correlation; for a kernel that is its own
        mirror image both are one.

    Shapes, Args, Raises:
        as for ``conv2d``.

    Source:
        A. Oppenheim, R. Schafer, "Discrete-Time Signal Processing", section 2.3;
        scipy.signal.convolve2d, whose mode='full' is padding KH-1, KW-1.

    >>> import numpy as np
    >>> image = np.array([[[[0.0, 1.0, 0.0]]]])
    >>> kernel = np.array([[[[1.0, 2.0, 3.0]]]])
    >>> convolve2d(image, kernel, padding=(0, 1))  # an impulse brings the kernel forth
    array([[[[1., 2., 3.]]]])
    """
    layer = ops if type(input) is ndarray else layer_of(input)
    while True:
        try:
            return layer.convolve2d(
                input, weight, bias, stride, padding, dilation, groups, padding_mode, activation,
                residual, out, threads, algorithm, precision,
            )  # fmt: skip
        except TypeError:
            layer = other_layer(layer, weight, bias, residual)


def conv1d(
    input: Values,
    weight: Values,
    bias: Values | None = None,
    stride: IntOrOne = 1,
    padding: Padding1d = 0,
    dilation: IntOrOne = 1,
    groups: int = 1,
    *,
    padding_mode: PaddingMode = "zeros",
    activation: Activation | None = None,
    residual: Values | None = None,
    out: np.ndarray | None = None,
    threads: int | None = None,
    algorithm: Algorithm | None = None,
    precision: Precision | None = None,
) -> Values:
    """One-dimensional convolution as neural networks mean it (the kernel is not flipped).

    Formula:
        result[n, o, x] = act(bias[o] + residual[n, o, x] + sum over c, j of
            weight[o, c, j] * padded[n, g * C/groups + c, x*s + j*d])
        with g = o // (OC/groups), and padded the input with a border.

        OL = (L + left + right - d*(KL-1) - 1) // s + 1

    Shapes:
        input: (N, C, L), where N may be 0, or unbatched (C, L)
        weight: (OC, C/groups, KL); bias: (OC,)
        residual, out, result: (N, OC, OL), or unbatched (OC, OL)

    Args:
        stride, dilation: int or (n,), at least 1.
        padding: int, (p,), ((left, right),), or 'valid', 'same', 'same_lower' as for ``conv2d``.
        groups, padding_mode, activation, residual, out, threads, algorithm, precision: as for
            ``conv2d``.

    Raises:
        as ``conv2d``.

    Source:
        torch.nn.functional.conv1d.

    >>> import numpy as np
    >>> conv1d(np.array([[1.0, 2.0, 4.0, 8.0]]), np.array([[[-1.0, 1.0]]]))
    array([[1., 2., 4.]])
    """
    layer = ops if type(input) is ndarray else layer_of(input)
    while True:
        try:
            return layer.conv1d(
                input, weight, bias, stride, padding, dilation, groups, padding_mode, activation,
                residual, out, threads, algorithm, precision,
            )  # fmt: skip
        except TypeError:
            layer = other_layer(layer, weight, bias, residual)


def conv_transpose2d(
    input: Values,
    weight: Values,
    bias: Values | None = None,
    stride: IntOrPair = 1,
    padding: FourSides = 0,
    output_padding: IntOrPair = 0,
    groups: int = 1,
    dilation: IntOrPair = 1,
    *,
    activation: Activation | None = None,
    out: np.ndarray | None = None,
    threads: int | None = None,
    precision: Precision | None = None,
) -> Values:
    """Transposed convolution: each pixel of the input spreads over a window of the result.

    It is the gradient of ``conv2d`` by its input, with conv2d's stride, padding and dilation; it is
    not its inverse.

    Formula:
        result[n, o, y, x] = act(bias[o] + sum over c, i, j, r, s of
            input[n, c, r, s] * weight[c, o - g * OC/groups, i, j])
        over c in group g = o // (OC/groups), and those i, j, r, s for which
            y = r*sh + i*dh - top and x = s*sw + j*dw - left.

        OH = (H-1)*sh - top - bottom + dh*(KH-1) + 1 + output_padding, and OW likewise

        A pixel of a phase of the stride that no window reaches is act(bias). Where a window hangs
        over the input's edge, zeros are multiplied: an infinite weight gives NaN there.

    Shapes:
        input: (N, C, H, W), where N may be 0, or unbatched (C, H, W)
        weight: (C, OC/groups, KH, KW); bias: (OC,)
        out, result: (N, OC, OH, OW), or unbatched (OC, OH, OW)

    Args:
        stride, dilation: int or (h, w), at least 1.
        padding: rows and columns that are cut off the result: int, (h, w) or
            ((top, bottom), (left, right)).
        output_padding: int or (h, w): rows at the bottom and columns at the right that are not cut
            off after all, of the several sizes that conv2d with this stride takes to one; smaller
            than the stride or the dilation.
        groups: a divisor of C. (PyTorch's order: groups come before dilation here.)
        activation: None, or the name of an activation without parameters, applied last: 'relu',
            'relu6', 'sigmoid', 'tanh', 'silu', 'hardsigmoid', 'hardswish', 'gelu', 'gelu_tanh'.
        out, threads: see the module.
        precision: as for ``conv2d``, of which it is made.

    Raises:
        TypeError: an array is no ndarray of a supported dtype or has another dtype than input; a
            number is not an int; activation or precision has a wrong type.
        ValueError: shapes do not fit together; a number is out of range; an unknown activation or
            precision; the result would be empty; out is unfit or overlaps an input.
        MemoryError: the result or the scratch memory does not fit.

    Source:
        V. Dumoulin, F. Visin, "A guide to convolution arithmetic for deep learning",
        arXiv:1603.07285, chapter 4; torch.nn.functional.conv_transpose2d.

    >>> import numpy as np
    >>> conv_transpose2d(np.array([[[1.0, 10.0]]]), np.ones((1, 1, 1, 3)), stride=2)
    array([[[ 1.,  1., 11., 10., 10.]]])
    """
    layer = ops if type(input) is ndarray else layer_of(input)
    while True:
        try:
            return layer.conv_transpose2d(
                input, weight, bias, stride, padding, output_padding, groups, dilation, activation,
                out, threads, precision,
            )  # fmt: skip
        except TypeError:
            layer = other_layer(layer, weight, bias)


def conv_transpose1d(
    input: Values,
    weight: Values,
    bias: Values | None = None,
    stride: IntOrOne = 1,
    padding: TwoEnds = 0,
    output_padding: IntOrOne = 0,
    groups: int = 1,
    dilation: IntOrOne = 1,
    *,
    activation: Activation | None = None,
    out: np.ndarray | None = None,
    threads: int | None = None,
    precision: Precision | None = None,
) -> Values:
    """One-dimensional transposed convolution.

    Formula:
        as ``conv_transpose2d`` with one axis;
        OL = (L-1)*s - left - right + d*(KL-1) + 1 + output_padding

    Shapes:
        input: (N, C, L), where N may be 0, or unbatched (C, L)
        weight: (C, OC/groups, KL); bias: (OC,)
        out, result: (N, OC, OL), or unbatched (OC, OL)

    Args:
        stride, dilation, output_padding: int or (n,); padding: int, (p,) or ((left, right),).
        groups, activation, out, threads, precision: as for ``conv_transpose2d``.

    Raises:
        as ``conv_transpose2d``.

    Source:
        torch.nn.functional.conv_transpose1d.

    >>> import numpy as np
    >>> conv_transpose1d(np.array([[1.0, 10.0]]), np.array([[[1.0, 2.0]]]), stride=2)
    array([[ 1.,  2., 10., 20.]])
    """
    layer = ops if type(input) is ndarray else layer_of(input)
    while True:
        try:
            return layer.conv_transpose1d(
                input, weight, bias, stride, padding, output_padding, groups, dilation, activation,
                out, threads, precision,
            )  # fmt: skip
        except TypeError:
            layer = other_layer(layer, weight, bias)


def linear(
    input: Values,
    weight: Values,
    bias: Values | None = None,
    *,
    activation: Activation | None = None,
    out: np.ndarray | None = None,
    threads: int | None = None,
) -> Values:
    """Linear (fully connected) layer: a weighted sum of the input's features for each output.

    Formula:
        result[..., o] = act(bias[o] + sum over i of input[..., i] * weight[o, i])

    Shapes:
        input: (..., in) of rank at least 1, where leading axes may be empty
        weight: (out, in); bias: (out,)
        out, result: (..., out)

    Args:
        activation: None, or the name of an activation without parameters, applied last: 'relu',
            'relu6', 'sigmoid', 'tanh', 'silu', 'hardsigmoid', 'hardswish', 'gelu', 'gelu_tanh'.
        out, threads: see the module.

    Raises:
        TypeError: an array is no ndarray of a supported dtype or has another dtype than input;
            activation is not a str.
        ValueError: shapes do not fit together, in or out is 0; unknown activation; out is unfit or
            overlaps an input.
        MemoryError: the result or the scratch memory does not fit.

    Source:
        torch.nn.functional.linear.

    >>> import numpy as np
    >>> linear(np.array([1.0, 2.0]), np.array([[3.0, 4.0], [5.0, 6.0]]), np.array([0.5, -0.5]))
    array([11.5, 16.5])
    """
    layer = ops if type(input) is ndarray else layer_of(input)
    while True:
        try:
            return layer.linear(input, weight, bias, activation, out, threads)
        except TypeError:
            layer = other_layer(layer, weight, bias)
