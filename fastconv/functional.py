"""The operations: NumPy arrays in, new NumPy arrays out, with PyTorch's names and meanings.

All functions take float16, float32 and float64 arrays of any byte order and any strides, read-only
or not. float32 and float64 are computed as such; float16 is computed in float32 and rounded at the
end. All arrays of one call have one dtype. Results are C-contiguous, unless ``out`` says otherwise,
and in the machine's byte order.

Keyword arguments that all functions have:
    out: an array to write the result into, which is then returned. It has exactly the shape and
        dtype of the result, any strides, and shares no memory with an input.
    threads: how many threads this call may use, at least 1; None is ``fastconv.get_num_threads()``.
        The result is the same to the last bit for any number.

Errors: TypeError for an argument of a wrong type or dtype (lists are not converted; where an int is
needed neither float nor bool will do), ValueError for shapes and values, MemoryError when memory
runs out. Nothing is written before the checks have passed.
"""

from typing import Literal, TypeAlias, overload

import numpy as np

from fastconv import ops

__all__ = [
    "avg_pool2d",
    "conv2d",
    "global_avg_pool2d",
    "global_max_pool2d",
    "linear",
    "max_pool2d",
    "relu",
    "relu6",
    "sigmoid",
    "softmax",
    "tanh",
]

IntOrPair: TypeAlias = int | tuple[int, int]
Padding: TypeAlias = (
    int
    | tuple[int, int]
    | tuple[tuple[int, int], tuple[int, int]]
    | Literal["valid", "same", "same_lower"]
)
Activation: TypeAlias = Literal["relu", "relu6", "sigmoid", "tanh"]
Algorithm: TypeAlias = Literal["direct", "1x1", "im2col", "depthwise"]


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


@overload
def max_pool2d(
    input: np.ndarray,
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    ceil_mode: bool = False,
    return_indices: Literal[False] = False,
    *,
    out: np.ndarray | None = None,
    threads: int | None = None,
) -> np.ndarray: ...
@overload
def max_pool2d(
    input: np.ndarray,
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    ceil_mode: bool = False,
    *,
    return_indices: Literal[True],
    out: np.ndarray | None = None,
    threads: int | None = None,
) -> tuple[np.ndarray, np.ndarray]: ...


def max_pool2d(
    input,
    kernel_size,
    stride=None,
    padding=0,
    dilation=1,
    ceil_mode=False,
    return_indices=False,
    *,
    out=None,
    threads=None,
):
    """Largest value in each window, and on request where it is.

    Formula:
        result[n, c, y, x] = max over i < KH, j < KW of input[n, c, y*sh - ph + i*dh,
            x*sw - pw + j*dw], over those of these pixels that lie in the input
        (padding counts as -inf). A NaN in the window makes the result NaN.

        OH = (H + 2*ph - dh*(KH-1) - 1 + r) // sh + 1, and OW likewise, with r = 0, or r = sh - 1
        if ceil_mode; then, with ceil_mode, one less if the last window would start beyond the
        input: if (OH - 1)*sh >= H + ph.

        Index: h*W + w of the largest value in the input's plane (without padding); of equal ones
        the first in row-major order, but of NaNs the last. A window wholly on padding, which only
        dilation makes possible, gives -inf and index -1.

    Shapes:
        input: (N, C, H, W), where N may be 0, or unbatched (C, H, W)
        out, result, indices: (N, C, OH, OW), or unbatched (C, OH, OW)

    Args:
        kernel_size, stride, dilation: int or (h, w), at least 1, in pixels; stride None is
            kernel_size.
        padding: int or (h, w), from 0 to half the kernel.
        ceil_mode: let a last window hang over the end.
        return_indices: return (result, indices) with int64 indices.
        out, threads: see the module.

    Raises:
        TypeError: input is no ndarray of a supported dtype; a number is not an int; a flag is not
            a bool.
        ValueError: input has a wrong rank or no channels; a number is out of range; padding exceeds
            half the kernel; the result would be empty; out is unfit or overlaps input.
        MemoryError: the result does not fit.

    Source:
        torch.nn.functional.max_pool2d.

    >>> import numpy as np
    >>> image = np.array([[[1.0, 5.0, 2.0], [7.0, 3.0, 7.0]]])
    >>> max_pool2d(image, 2, stride=1, return_indices=True)
    (array([[[7., 7.]]]), array([[[3, 5]]]))
    """
    return ops.max_pool2d(
        input, kernel_size, stride, padding, dilation, ceil_mode, return_indices, out, threads
    )


def avg_pool2d(
    input: np.ndarray,
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    out: np.ndarray | None = None,
    threads: int | None = None,
) -> np.ndarray:
    """Average of each window.

    Formula:
        result[n, c, y, x] = (sum over the window's pixels that lie in the input) / divisor
        The divisor is divisor_override if given; else, with count_include_pad, the number of the
        window's pixels in the input or its padding, rows -ph to H + ph - 1 (where ceil_mode lets a
        window hang over even the padding, what hangs over is not counted); else the number in the
        input.

        OH = (H + 2*ph - KH + r) // sh + 1, and OW likewise, with r = 0, or r = sh - 1 if ceil_mode;
        then, with ceil_mode, one less if (OH - 1)*sh >= H + ph.

    Shapes:
        input: (N, C, H, W), where N may be 0, or unbatched (C, H, W)
        out, result: (N, C, OH, OW), or unbatched (C, OH, OW)

    Args:
        kernel_size, stride: int or (h, w), at least 1, in pixels; stride None is kernel_size.
        padding: int or (h, w), from 0 to half the kernel.
        ceil_mode: let a last window hang over the end.
        count_include_pad: count the padding's zeros as pixels.
        divisor_override: divide by this int, not 0, in place of the count.
        out, threads: see the module.

    Raises:
        TypeError: input is no ndarray of a supported dtype; a number is not an int; a flag is not
            a bool.
        ValueError: input has a wrong rank or no channels; a number is out of range; padding exceeds
            half the kernel; the result would be empty; out is unfit or overlaps input.
        MemoryError: the result does not fit.

    Source:
        torch.nn.functional.avg_pool2d.

    >>> import numpy as np
    >>> image = np.array([[[2.0, 4.0, 6.0]]])
    >>> avg_pool2d(image, (1, 2), padding=(0, 1))
    array([[[1., 5.]]])
    >>> avg_pool2d(image, (1, 2), padding=(0, 1), count_include_pad=False)
    array([[[2., 5.]]])
    """
    return ops.avg_pool2d(
        input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, out,
        threads,
    )  # fmt: skip


def global_avg_pool2d(
    input: np.ndarray, *, out: np.ndarray | None = None, threads: int | None = None
) -> np.ndarray:
    """Average of each channel's whole plane.

    Formula:
        result[n, c, 0, 0] = (sum over h, w of input[n, c, h, w]) / (H * W)

    Shapes:
        input: (N, C, H, W), where N may be 0, or unbatched (C, H, W)
        out, result: (N, C, 1, 1), or unbatched (C, 1, 1)

    Args:
        out, threads: see the module.

    Raises:
        TypeError: input is no ndarray of a supported dtype.
        ValueError: input has a wrong rank, or no channels, rows or columns; out is unfit or
            overlaps input.
        MemoryError: the result does not fit.

    Source:
        M. Lin, Q. Chen, S. Yan, "Network In Network", arXiv:1312.4400;
        torch.nn.functional.adaptive_avg_pool2d with output size 1.

    >>> import numpy as np
    >>> global_avg_pool2d(np.array([[[1.0, 2.0], [3.0, 6.0]]]))
    array([[[3.]]])
    """
    return ops.global_avg_pool2d(input, out, threads)


def global_max_pool2d(
    input: np.ndarray, *, out: np.ndarray | None = None, threads: int | None = None
) -> np.ndarray:
    """Largest value of each channel's whole plane.

    Formula:
        result[n, c, 0, 0] = max over h, w of input[n, c, h, w], and NaN if any of them is NaN

    Shapes:
        input: (N, C, H, W), where N may be 0, or unbatched (C, H, W)
        out, result: (N, C, 1, 1), or unbatched (C, 1, 1)

    Args:
        out, threads: see the module.

    Raises:
        TypeError: input is no ndarray of a supported dtype.
        ValueError: input has a wrong rank, or no channels, rows or columns; out is unfit or
            overlaps input.
        MemoryError: the result does not fit.

    Source:
        torch.nn.functional.adaptive_max_pool2d with output size 1.

    >>> import numpy as np
    >>> global_max_pool2d(np.array([[[1.0, 2.0], [3.0, 6.0]]]))
    array([[[6.]]])
    """
    return ops.global_max_pool2d(input, out, threads)


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


def relu(
    input: np.ndarray, *, out: np.ndarray | None = None, threads: int | None = None
) -> np.ndarray:
    """Rectified linear unit, element by element.

    Formula:
        result = max(input, 0), and NaN where input is NaN

    Shapes:
        input: any shape, also empty or 0-dimensional; out, result: the same

    Args:
        out, threads: see the module.

    Raises:
        TypeError: input is no ndarray of a supported dtype.
        ValueError: out is unfit or overlaps input.
        MemoryError: the result does not fit.

    Source:
        V. Nair, G. Hinton, "Rectified Linear Units Improve Restricted Boltzmann Machines",
        ICML 2010; torch.nn.functional.relu.

    >>> import numpy as np
    >>> relu(np.array([-2.0, 0.5, np.nan]))
    array([0. , 0.5, nan])
    """
    return ops.relu(input, out, threads)


def relu6(
    input: np.ndarray, *, out: np.ndarray | None = None, threads: int | None = None
) -> np.ndarray:
    """Rectified linear unit that saturates at 6, element by element.

    Formula:
        result = min(max(input, 0), 6), and NaN where input is NaN

    Shapes, Args, Raises:
        as for ``relu``.

    Source:
        A. Krizhevsky, "Convolutional Deep Belief Networks on CIFAR-10", 2010;
        torch.nn.functional.relu6.

    >>> import numpy as np
    >>> relu6(np.array([-2.0, 0.5, 9.0]))
    array([0. , 0.5, 6. ])
    """
    return ops.relu6(input, out, threads)


def sigmoid(
    input: np.ndarray, *, out: np.ndarray | None = None, threads: int | None = None
) -> np.ndarray:
    """Logistic function, element by element: the output of logistic regression.

    Formula:
        result = 1 / (1 + exp(-input)), from 0 for -inf to 1 for +inf, and NaN where input is NaN

    Shapes, Args, Raises:
        as for ``relu``.

    Source:
        torch.sigmoid.

    >>> import numpy as np
    >>> sigmoid(np.array([-np.inf, 0.0, np.inf]))
    array([0. , 0.5, 1. ])
    """
    return ops.sigmoid(input, out, threads)


def tanh(
    input: np.ndarray, *, out: np.ndarray | None = None, threads: int | None = None
) -> np.ndarray:
    """Hyperbolic tangent, element by element.

    Formula:
        result = (exp(input) - exp(-input)) / (exp(input) + exp(-input)), from -1 for -inf to 1 for
        +inf, and NaN where input is NaN

    Shapes, Args, Raises:
        as for ``relu``.

    Source:
        torch.tanh.

    >>> import numpy as np
    >>> tanh(np.array([-np.inf, 0.0, np.inf]))
    array([-1.,  0.,  1.])
    """
    return ops.tanh(input, out, threads)


def softmax(
    input: np.ndarray, dim: int, *, out: np.ndarray | None = None, threads: int | None = None
) -> np.ndarray:
    """Softmax along one axis: positive numbers that add up to 1.

    Formula:
        result[i] = exp(input[i] - m) / sum over j of exp(input[j] - m)
        i and j run along axis ``dim``; m is the largest input along it, which cancels, and keeps
        exp from overflowing. A NaN or +inf anywhere on a line, or -inf all along it, makes the
        whole line NaN.

    Shapes:
        input: any shape of rank at least 1, also empty; out, result: the same

    Args:
        dim: the axis, from -rank to rank - 1; it has no default.
        out, threads: see the module.

    Raises:
        TypeError: input is no ndarray of a supported dtype; dim is not an int.
        ValueError: input has rank 0; dim is out of range; out is unfit or overlaps input.
        MemoryError: the result or the scratch memory does not fit.

    Source:
        J. Bridle, "Probabilistic Interpretation of Feedforward Classification Network Outputs",
        1990; torch.nn.functional.softmax.

    >>> import numpy as np
    >>> softmax(np.array([[0.0, 0.0], [1000.0, 1000.0]]), dim=1)
    array([[0.5, 0.5],
           [0.5, 0.5]])
    """
    return ops.softmax(input, dim, out, threads)
