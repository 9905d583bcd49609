"""Convolution and linear layers."""

import numpy as np

from fastconv import ops

from .types import Activation, Algorithm, IntOrPair, Padding


def conv2d(
    input: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    stride: IntOrPair = 1,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
    *,
    activation: Activation | None = None,
    residual: np.ndarray | None = None,
    out: np.ndarray | None = None,
    threads: int | None = None,
    algorithm: Algorithm | None = None,
) -> np.ndarray:
    """Two-dimensional convolution as neural networks mean it (the kernel is not flipped).

    Formula:
        result[n, o, y, x] = act(bias[o] + residual[n, o, y, x] + sum over c, i, j of
            weight[o, c, i, j] * padded[n, g * C/groups + c, y*sh + i*dh, x*sw + j*dw])
        with g = o // (OC/groups), and padded the input with a border of zeros.

        OH = (H + top + bottom - dh*(KH-1) - 1) // sh + 1, and OW likewise.

    Shapes:
        input: (N, C, H, W), where N may be 0, or unbatched (C, H, W)
        weight: (OC, C/groups, KH, KW); bias: (OC,)
        residual, out, result: (N, OC, OH, OW), or unbatched (OC, OH, OW)

    Args:
        stride, dilation: int or (h, w), at least 1, in pixels; dilation 1 is a dense kernel.
        padding: rows and columns of zeros: int, (h, w), ((top, bottom), (left, right)), or
            'valid': none;
            'same': TensorFlow's, for any stride: OH = ceil(H / sh), with the odd row or column at
            the end;
            'same_lower': the same with the odd one at the beginning.
        groups: the channels fall into so many groups that are convolved apart; a divisor of C and
            OC. groups = C is depthwise convolution.
        activation: None, 'relu', 'relu6' (min(max(x, 0), 6)), 'sigmoid' or 'tanh', applied last.
        residual: added before the activation.
        out, threads: see the module.
        algorithm: None for the engine's choice, or one of 'direct', '1x1', 'im2col', 'depthwise';
            ``fastconv.explain`` tells the choice and why the others were refused.

    Raises:
        TypeError: an array is no ndarray of a supported dtype or has another dtype than input; a
            number is not an int; padding, activation or algorithm has a wrong type.
        ValueError: shapes do not fit together; no channels; a number is out of range; an unknown
            padding, activation or algorithm; the kernel is larger than the padded input; the forced
            algorithm does not take the shape (with its reason); out is unfit or overlaps an input.
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
    return ops.conv2d(
        input, weight, bias, stride, padding, dilation, groups, activation, residual, out, threads,
        algorithm,
    )  # fmt: skip


def linear(
    input: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    *,
    activation: Activation | None = None,
    out: np.ndarray | None = None,
    threads: int | None = None,
) -> np.ndarray:
    """Linear (fully connected) layer: a weighted sum of the input's features for each output.

    Formula:
        result[..., o] = act(bias[o] + sum over i of input[..., i] * weight[o, i])

    Shapes:
        input: (..., in) of rank at least 1, where leading axes may be empty
        weight: (out, in); bias: (out,)
        out, result: (..., out)

    Args:
        activation: None, 'relu', 'relu6' (min(max(x, 0), 6)), 'sigmoid' or 'tanh'.
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
    return ops.linear(input, weight, bias, activation, out, threads)
