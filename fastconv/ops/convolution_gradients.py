"""Gradients of convolutions and linear layers on plain arrays.

``grad`` is the gradient of some scalar by the operation's result, and of that result's shape and
dtype; what comes back is the scalar's gradient by an argument. float32 and float64; the bits do
not depend on ``threads``. Gradients by the input are transposed convolutions (and those of
transposed convolutions convolutions), by the algorithms and the precision of these; gradients by
weights are exact sums of rounded products in a fixed order, whatever the precision.
"""

import numpy as np

from fastconv import _core, diagnosis
from fastconv.geometry import ends, integer, pair, same_padding, sides, single
from fastconv.runtime import thread_count, threads_in_force

from .convolution import _flipped, border_code, padding_code, precision_code
from .rows import one_row

# ---- convolution ---------------------------------------------------------------------------------


def conv2d_input_gradient(
    grad,
    weight,
    input_size,
    stride=1,
    padding=0,
    dilation=1,
    groups=1,
    padding_mode="zeros",
    *,
    out=None,
    threads=None,
    precision=None,
    probe=None,
):
    """The gradient of conv2d by its input.

    Formula:
        padded[n, c, r, s] = sum over o, i, j, y, x with r = y*sh + i*dh, s = x*sw + j*dw of
            grad[n, o, y, x] * weight[o, c, i, j]
        without its border; what padding_mode copied into the border is added to where it came from

    Shapes:
        input_size, result: (N, C, H, W) or (C, H, W), as input had it
        grad: (N, OC, OH, OW) or (OC, OH, OW); weight: (OC, C/groups, KH, KW)

    Raises:
        TypeError: an array is not an ndarray of float32 or float64; dtypes differ; a number is no
            int.
        ValueError: shapes do not fit together, or a number is out of range.
    """
    return _input_gradient(
        "conv2d_input_gradient", 2, grad, weight, input_size, stride, padding, dilation, groups,
        padding_mode, out, threads, precision, probe,
    )  # fmt: skip


def conv2d_weight_gradient(
    grad,
    input,
    weight_size,
    stride=1,
    padding=0,
    dilation=1,
    groups=1,
    padding_mode="zeros",
    *,
    out=None,
    threads=None,
    precision=None,
    probe=None,
):
    """The gradient of conv2d by its weight.

    Formula:
        result[o, c, i, j] = sum over n, y, x of
            grad[n, o, y, x] * padded[n, g * C/groups + c, y*sh + i*dh, x*sw + j*dw]
        with g = o // (OC/groups), as conv2d has it. Zeros of the border are multiplied like any
        number. 3x3 and 5x5 of stride 1 may be summed by transforms of tiles (Winograd's F(4, 3) and
        F(4, 5), transposed), unless precision is 'strict'.

    Shapes:
        grad: (N, OC, OH, OW), input: (N, C, H, W), or both without N; N may be 0: zeros
        weight_size, result: (OC, C/groups, KH, KW)

    Raises:
        as conv2d_input_gradient.
    """
    return _weight_gradient(
        "conv2d_weight_gradient", 2, grad, input, weight_size, stride, padding, dilation, groups,
        padding_mode, out, threads, precision, probe,
    )  # fmt: skip


def convolve2d_input_gradient(
    grad,
    weight,
    input_size,
    stride=1,
    padding=0,
    dilation=1,
    groups=1,
    padding_mode="zeros",
    *,
    out=None,
    threads=None,
    precision=None,
    probe=None,
):
    """The gradient of convolve2d by its input: that of conv2d with the kernel reversed."""
    return _input_gradient(
        "convolve2d_input_gradient", 2, grad, _flipped(weight), input_size, stride, padding,
        dilation, groups, padding_mode, out, threads, precision, probe,
    )  # fmt: skip


def convolve2d_weight_gradient(
    grad,
    input,
    weight_size,
    stride=1,
    padding=0,
    dilation=1,
    groups=1,
    padding_mode="zeros",
    *,
    out=None,
    threads=None,
    precision=None,
    probe=None,
):
    """The gradient of convolve2d by its weight: that of conv2d with rows and columns reversed."""
    result = _weight_gradient(
        "convolve2d_weight_gradient", 2, grad, input, weight_size, stride, padding, dilation,
        groups, padding_mode, None if out is None else _flipped(out), threads, precision, probe,
    )  # fmt: skip
    if probe is not None:
        return result
    return np.ascontiguousarray(_flipped(result)) if out is None else out


def conv1d_input_gradient(
    grad,
    weight,
    input_size,
    stride=1,
    padding=0,
    dilation=1,
    groups=1,
    padding_mode="zeros",
    *,
    out=None,
    threads=None,
    precision=None,
    probe=None,
):
    """The gradient of conv1d by its input; as conv2d_input_gradient with one axis less."""
    return _input_gradient(
        "conv1d_input_gradient", 1, grad, weight, input_size, stride, padding, dilation, groups,
        padding_mode, out, threads, precision, probe,
    )  # fmt: skip


def conv1d_weight_gradient(
    grad,
    input,
    weight_size,
    stride=1,
    padding=0,
    dilation=1,
    groups=1,
    padding_mode="zeros",
    *,
    out=None,
    threads=None,
    precision=None,
    probe=None,
):
    """The gradient of conv1d by its weight; as conv2d_weight_gradient with one axis less."""
    return _weight_gradient(
        "conv1d_weight_gradient", 1, grad, input, weight_size, stride, padding, dilation, groups,
        padding_mode, out, threads, precision, probe,
    )  # fmt: skip


def _input_gradient(
    op, rank, grad, weight, input_size, stride, padding, dilation, groups, padding_mode, out,
    threads, precision, probe,
):  # fmt: skip
    diagnosis.gradient_arrays(op, grad, "weight", weight)
    size = sizes(op, "input_size", input_size, (rank + 1, rank + 2))
    stride = numbers(op, "stride", stride, rank)
    dilation = numbers(op, "dilation", dilation, rank)
    groups = integer(op, "groups", groups, 1)
    border = border_code(op, padding_mode)
    rounding = precision_code(op, precision)
    threads = threads_in_force() if threads is None else thread_count(op, "threads", threads)
    border_sides = _sides(op, padding, size, weight.shape[2:], stride, dilation)
    diagnosis.convolution_gradient(
        op, grad, size, weight.shape, stride, border_sides, padding_mode, dilation, groups
    )
    diagnosis.gradient_out(op, out, size, grad, weight=weight)
    whole = size[:-rank] + tuple(
        length + sum(two) for length, two in zip(size[-rank:], border_sides, strict=True)
    )
    folded = border and whole != size
    cut = tuple((0, 0) for _ in range(rank)) if folded else border_sides
    extra = tuple(
        (length + sum(two) - reach * (k - 1) - 1) % step
        for length, two, k, step, reach in zip(
            size[-rank:], border_sides, weight.shape[2:], stride, dilation, strict=True
        )
    )
    into = None if folded else out
    result = _transposed(
        op, rank, grad, weight, into, stride, cut, extra, dilation, groups, rounding, threads, probe
    )
    if probe is not None or not folded:
        return result if out is None or probe is not None else out
    # what the border was copied from gets the border's share: this is what pad's gradient does
    lead = [0] * (len(size) - rank)
    before, after = (lead + [two[i] for two in border_sides] for i in (0, 1))
    gradient = _core.pad_gradient(result, out, size, before, after, border, threads, None)
    if gradient is None:
        diagnosis.unexplained(op, grad, weight, out, stride, border_sides, dilation, groups)
    return gradient


def _transposed(
    op, rank, grad, weight, out, stride, border, extra, dilation, groups, rounding, threads, probe
):
    if rank == 1:
        grad, weight, out = one_row(grad), one_row(weight), one_row(out)
        stride, dilation = (1, *stride), (1, *dilation)
        border, extra = ((0, 0), *border), (0, *extra)
    result = _core.conv_transpose2d(
        op, grad, weight, None, out, *stride, *border[0], *border[1], *extra, *dilation, groups,
        0, rounding, threads, probe,
    )  # fmt: skip
    if result is None:
        diagnosis.unexplained(op, grad, weight, out, stride, border, extra, dilation, groups)
    return result if probe is not None or rank == 2 else result[..., 0, :]


def _weight_gradient(
    op, rank, grad, input, weight_size, stride, padding, dilation, groups, padding_mode, out,
    threads, precision, probe,
):  # fmt: skip
    diagnosis.gradient_arrays(op, grad, "input", input)
    size = sizes(op, "weight_size", weight_size, (rank + 2,))
    stride = numbers(op, "stride", stride, rank)
    dilation = numbers(op, "dilation", dilation, rank)
    groups = integer(op, "groups", groups, 1)
    border = border_code(op, padding_mode)
    rounding = precision_code(op, precision)
    threads = threads_in_force() if threads is None else thread_count(op, "threads", threads)
    border_sides = _sides(op, padding, input.shape, size[2:], stride, dilation)
    return weights(
        op, rank, grad, input, size, stride, border_sides, border, padding_mode, dilation, groups,
        out, rounding, threads, probe,
    )  # fmt: skip


def weights(
    op, rank, grad, input, size, stride, border_sides, border, padding_mode, dilation, groups, out,
    rounding, threads, probe,
):  # fmt: skip
    given = grad, input, out
    if rank == 1:
        grad, input, out = one_row(grad), one_row(input), one_row(out)
    kernel = (1,) * (2 - rank) + size[2:]
    steps = (1,) * (2 - rank) + stride + ((0, 0),) * (2 - rank) + border_sides
    sh, sw, vertical, horizontal = steps
    dh, dw = (1,) * (2 - rank) + dilation
    result = _core.conv2d_weight_gradient(
        op, grad, input, out, *size[:2], *kernel, sh, sw, *vertical, *horizontal, border, dh, dw,
        groups, rounding, threads, probe,
    )  # fmt: skip
    if result is None:
        grad, input, out = given
        diagnosis.convolution_gradient(
            op,
            grad,
            input.shape,
            size,
            stride,
            border_sides,
            padding_mode,
            dilation,
            groups,
            "input",
        )
        diagnosis.gradient_out(op, out, size, grad, input=input)
        diagnosis.unexplained(op, *given, size, stride, border_sides, dilation, groups)
    if probe is not None:
        return result
    return result.reshape(size) if given[2] is None else given[2]


# ---- numbers -------------------------------------------------------------------------------------


def numbers(op, name, value, rank, minimum=1):
    if rank == 2:
        return pair(op, name, value, minimum)
    return (single(op, name, value, minimum),)


def sizes(op, name, value, ranks):
    """A shape of as many axes as `ranks` allow; only a batch may be empty."""
    if not isinstance(value, (tuple, list)):
        raise TypeError(
            f"{op}: {name} must be a tuple, not {type(value).__name__} {value!r}; give the shape"
        )
    if len(value) not in ranks:
        raise ValueError(
            f"{op}: {name} is {tuple(value)}, expected {' or '.join(map(str, ranks))} sizes; "
            f"give the "
            f"shape of what the gradient is taken by"
        )
    batched = len(ranks) == 2 and len(value) == ranks[1]
    return tuple(
        integer(op, f"{name}[{i}]", length, 0 if batched and i == 0 else 1)
        for i, length in enumerate(value)
    )


def _sides(op, padding, size, kernel, stride, dilation):
    """Both ends of each axis, whatever way the padding was given in."""
    rank = len(stride)
    if not isinstance(padding, str):
        flat = sides(op, padding) if rank == 2 else ends(op, padding)
        return tuple(zip(flat[::2], flat[1::2], strict=True))
    if not padding_code(op, padding) or len(size) < rank or len(kernel) != rank:
        return ((0, 0),) * rank
    return tuple(
        same_padding(length, k, step, reach, odd_one_first=padding == "same_lower")
        for length, k, step, reach in zip(size[-rank:], kernel, stride, dilation, strict=True)
    )


def zeros(size, like, out):
    if out is None:
        return np.zeros(size, like.dtype.newbyteorder("="))
    out[...] = 0
    return out
