"""Gradients of transposed convolutions on plain arrays: convolutions, and the weight gradients of
these with the roles of input and grad exchanged. As convolution_gradients has it.
"""

from fastconv import _core, diagnosis
from fastconv.geometry import ends, integer, sides
from fastconv.runtime import thread_count, threads_in_force

from .convolution import precision_code
from .convolution_gradients import numbers, sizes, weights, zeros
from .rows import one_row

_AUTO = 0


def conv_transpose2d_input_gradient(
    grad,
    weight,
    input_size,
    stride=1,
    padding=0,
    output_padding=0,
    groups=1,
    dilation=1,
    *,
    out=None,
    threads=None,
    precision=None,
    probe=None,
):
    """The gradient of conv_transpose2d by its input: a convolution of grad.

    Shapes:
        input_size, result: (N, C, H, W) or (C, H, W), as input had it
        grad: (N, OC, OH, OW) or (OC, OH, OW); weight: (C, OC/groups, KH, KW)

    Raises:
        as conv2d_input_gradient.
    """
    return _transposed_input_gradient(
        "conv_transpose2d_input_gradient", 2, grad, weight, input_size, stride, padding,
        output_padding, groups, dilation, out, threads, precision, probe,
    )  # fmt: skip


def conv_transpose2d_weight_gradient(
    grad,
    input,
    weight_size,
    stride=1,
    padding=0,
    output_padding=0,
    groups=1,
    dilation=1,
    *,
    out=None,
    threads=None,
    precision=None,
    probe=None,
):
    """The gradient of conv_transpose2d by its weight: that of a convolution of grad to input.

    Shapes:
        grad: (N, OC, OH, OW), input: (N, C, H, W), or both without N; N may be 0: zeros
        weight_size, result: (C, OC/groups, KH, KW)

    Raises:
        as conv2d_input_gradient.
    """
    return _transposed_weight_gradient(
        "conv_transpose2d_weight_gradient", 2, grad, input, weight_size, stride, padding,
        output_padding, groups, dilation, out, threads, precision, probe,
    )  # fmt: skip


def conv_transpose1d_input_gradient(
    grad,
    weight,
    input_size,
    stride=1,
    padding=0,
    output_padding=0,
    groups=1,
    dilation=1,
    *,
    out=None,
    threads=None,
    precision=None,
    probe=None,
):
    """The gradient of conv_transpose1d by its input; as conv_transpose2d_input_gradient."""
    return _transposed_input_gradient(
        "conv_transpose1d_input_gradient", 1, grad, weight, input_size, stride, padding,
        output_padding, groups, dilation, out, threads, precision, probe,
    )  # fmt: skip


def conv_transpose1d_weight_gradient(
    grad,
    input,
    weight_size,
    stride=1,
    padding=0,
    output_padding=0,
    groups=1,
    dilation=1,
    *,
    out=None,
    threads=None,
    precision=None,
    probe=None,
):
    """The gradient of conv_transpose1d by its weight; as conv_transpose2d_weight_gradient."""
    return _transposed_weight_gradient(
        "conv_transpose1d_weight_gradient", 1, grad, input, weight_size, stride, padding,
        output_padding, groups, dilation, out, threads, precision, probe,
    )  # fmt: skip


def _transposed_geometry(
    op, rank, grad, input_size, weight_size, stride, padding, output_padding, groups, dilation
):
    """(grad, stride, sides, dilation, groups) of the convolution that makes input of grad.

    Rows that output_padding put on are taken from the border, or left out: they could make a window
    more. None for grad: no window meets it.
    """
    stride = numbers(op, "stride", stride, rank)
    dilation = numbers(op, "dilation", dilation, rank)
    extra = numbers(op, "output_padding", output_padding, rank, 0)
    flat = sides(op, padding, named=False) if rank == 2 else ends(op, padding, named=False)
    border = tuple(zip(flat[::2], flat[1::2], strict=True))
    groups = integer(op, "groups", groups, 1)
    diagnosis.transposed_gradient(
        op, grad, input_size, weight_size, stride, border, extra, dilation, groups
    )
    kept = []
    for axis, (before, after) in enumerate(border):
        rest = max(extra[axis] - after, 0)
        kept.append((before, max(after - extra[axis], 0)))
        if rest:
            length = grad.shape[axis - rank] - rest
            if length < 1:
                return None, stride, border, dilation, groups
            grad = grad[(..., slice(length), *(slice(None),) * (rank - 1 - axis))]
    return grad, stride, tuple(kept), dilation, groups


def _transposed_input_gradient(
    op, rank, grad, weight, input_size, stride, padding, output_padding, groups, dilation, out,
    threads, precision, probe,
):  # fmt: skip
    diagnosis.gradient_arrays(op, grad, "weight", weight)
    size = sizes(op, "input_size", input_size, (rank + 1, rank + 2))
    rounding = precision_code(op, precision)
    threads = threads_in_force() if threads is None else thread_count(op, "threads", threads)
    met, stride, border, dilation, groups = _transposed_geometry(
        op, rank, grad, size, weight.shape, stride, padding, output_padding, groups, dilation
    )
    diagnosis.gradient_out(op, out, size, grad, weight=weight)
    if met is None and probe is None:
        return zeros(size, grad, out)
    x, w, result = (grad if met is None else met), weight, out
    if rank == 1:
        x, w, result = one_row(x), one_row(w), one_row(out)
        stride, border, dilation = (1, *stride), ((0, 0), *border), (1, *dilation)
    result = _core.conv2d(
        op, x, w, None, None, result, *stride, 0, *border[0], *border[1], 0, *dilation, groups, 0,
        _AUTO, rounding, threads, probe,
    )  # fmt: skip
    if result is None:
        diagnosis.unexplained(op, grad, weight, out, stride, border, dilation, groups)
    if probe is not None:
        return result
    return result.reshape(size) if out is None else out


def _transposed_weight_gradient(
    op, rank, grad, input, weight_size, stride, padding, output_padding, groups, dilation, out,
    threads, precision, probe,
):  # fmt: skip
    diagnosis.gradient_arrays(op, grad, "input", input)
    size = sizes(op, "weight_size", weight_size, (rank + 2,))
    rounding = precision_code(op, precision)
    threads = threads_in_force() if threads is None else thread_count(op, "threads", threads)
    met, stride, border, dilation, groups = _transposed_geometry(
        op, rank, grad, input.shape, size, stride, padding, output_padding, groups, dilation
    )
    diagnosis.gradient_out(op, out, size, grad, input=input)
    if met is None and probe is None:
        return zeros(size, grad, out)
    return weights(
        op, rank, input, grad if met is None else met, size, stride, border, 0, "zeros", dilation,
        groups, out, rounding, threads, probe,
    )  # fmt: skip
