"""Convolution, transposed convolution and linear layers on plain arrays.

One-dimensional operations are two-dimensional ones of a single row, on views of the arrays.
"""

import numpy as np

from fastconv import _core, diagnosis
from fastconv.geometry import (
    choice,
    ends,
    integer,
    pair,
    same_padding,
    sides,
    single,
)
from fastconv.runtime import thread_count, threads_in_force

from .rows import one_row, without_row

_ACTIVATIONS = _core.ACTIVATION_CODES
_ALGORITHMS = _core.ALGORITHM_CODES
_BORDERS = _core.BORDER_CODES
_PADDINGS = _core.PADDING_CODES
_PRECISIONS = _core.PRECISION_CODES
_IN_FORCE = _core.PRECISION_IN_FORCE


def conv2d(
    input,
    weight,
    bias,
    stride,
    padding,
    dilation,
    groups,
    padding_mode,
    activation,
    residual,
    out,
    threads,
    algorithm,
    precision,
    probe=None,
    op="conv2d",
):
    """functional.conv2d on arrays."""
    if type(stride) is int:
        sh = sw = stride
    else:
        sh, sw = pair(op, "stride", stride, 1)
    if type(dilation) is int:
        dh = dw = dilation
    else:
        dh, dw = pair(op, "dilation", dilation, 1)
    named = top = bottom = left = right = 0
    if type(padding) is int:
        top = bottom = left = right = padding
    elif isinstance(padding, str):
        named = padding_code(op, padding)
    else:
        top, bottom, left, right = sides(op, padding)
    if type(groups) is not int:
        groups = integer(op, "groups", groups, 1)
    border = 0 if padding_mode == "zeros" else border_code(op, padding_mode)
    act = 0 if activation is None else choice(op, "activation", activation, _ACTIVATIONS)
    forced = 0 if algorithm is None else choice(op, "algorithm", algorithm, _ALGORITHMS)
    rounding = _IN_FORCE if precision is None else precision_code(op, precision)
    threads = threads_in_force() if threads is None else thread_count(op, "threads", threads)
    try:
        result = _core.conv2d(
            op, input, weight, bias, residual, out, sh, sw, named, top, bottom, left, right,
            border, dh, dw, groups, act, forced, rounding, threads, probe,
        )  # fmt: skip
    except OverflowError:  # a number beyond int64
        result = None
    if result is None:
        if named:
            top, bottom, left, right = named_padding(op, input, weight, padding, (sh, sw), (dh, dw))
        diagnosis.convolution(
            op, input, weight, bias, residual, out, (sh, sw), ((top, bottom), (left, right)),
            padding_mode, (dh, dw), groups,
        )  # fmt: skip
    return result


def convolve2d(
    input,
    weight,
    bias,
    stride,
    padding,
    dilation,
    groups,
    padding_mode,
    activation,
    residual,
    out,
    threads,
    algorithm,
    precision,
    probe=None,
):
    """functional.convolve2d on arrays."""
    return conv2d(
        input, _flipped(weight), bias, stride, padding, dilation, groups, padding_mode, activation,
        residual, out, threads, algorithm, precision, probe, "convolve2d",
    )  # fmt: skip


def _flipped(weight):
    """A view with rows and columns reversed; what is no array of four axes is refused later."""
    if isinstance(weight, np.ndarray) and weight.ndim == 4:
        return weight[:, :, ::-1, ::-1]
    return weight


def conv1d(
    input,
    weight,
    bias,
    stride,
    padding,
    dilation,
    groups,
    padding_mode,
    activation,
    residual,
    out,
    threads,
    algorithm,
    precision,
    probe=None,
):
    """functional.conv1d on arrays."""
    op = "conv1d"
    sw = stride if type(stride) is int else single(op, "stride", stride, 1)
    dw = dilation if type(dilation) is int else single(op, "dilation", dilation, 1)
    named = left = right = 0
    if type(padding) is int:
        left = right = padding
    elif isinstance(padding, str):
        named = padding_code(op, padding)
    else:
        left, right = ends(op, padding)
    if type(groups) is not int:
        groups = integer(op, "groups", groups, 1)
    border = 0 if padding_mode == "zeros" else border_code(op, padding_mode)
    act = 0 if activation is None else choice(op, "activation", activation, _ACTIVATIONS)
    forced = 0 if algorithm is None else choice(op, "algorithm", algorithm, _ALGORITHMS)
    rounding = _IN_FORCE if precision is None else precision_code(op, precision)
    threads = threads_in_force() if threads is None else thread_count(op, "threads", threads)
    try:
        result = _core.conv2d(
            op, one_row(input), one_row(weight), bias, one_row(residual), one_row(out), 1, sw,
            named, 0, 0, left, right, border, 1, dw, groups, act, forced, rounding, threads, probe,
        )  # fmt: skip
    except OverflowError:  # a number beyond int64
        result = None
    if result is None:
        if named:
            left, right = named_padding(op, input, weight, padding, (sw,), (dw,))
        diagnosis.convolution(
            op, input, weight, bias, residual, out, (sw,), ((left, right),), padding_mode, (dw,),
            groups,
        )  # fmt: skip
    return without_row(result, out, probe)


def border_code(op, padding_mode):
    """The engine's number of a padding mode."""
    return choice(op, "padding_mode", padding_mode, _BORDERS, optional=False)


def precision_code(op, precision):
    """The engine's number of a precision, None being that in force."""
    return _IN_FORCE if precision is None else choice(op, "precision", precision, _PRECISIONS)


def padding_code(op, padding):
    """The engine's number of a padding's name, of which 'valid' is as good as 0."""
    code = _PADDINGS.get(padding)
    if code is None:
        raise ValueError(
            f"{op}: padding is {padding!r}, expected one of {', '.join(map(repr, _PADDINGS))}; "
            f"give one of them, or numbers"
        )
    return code


def named_padding(op, input, weight, padding, stride, dilation):
    """Both ends of each axis that 'same' or 'same_lower' mean for these arrays.

    As the engine finds them, but for numbers of any size; raises where there is nothing to find.
    """
    rank = len(stride)
    diagnosis.convolution_arrays(op, input, weight, rank)
    found = ()
    for axis in range(-rank, 0):
        found += same_padding(
            input.shape[axis],
            weight.shape[axis],
            integer(op, "stride", stride[axis], 1),
            integer(op, "dilation", dilation[axis], 1),
            odd_one_first=padding == "same_lower",
        )
    return found


def conv_transpose2d(
    input,
    weight,
    bias,
    stride,
    padding,
    output_padding,
    groups,
    dilation,
    activation,
    out,
    threads,
    precision,
    probe=None,
):
    """functional.conv_transpose2d on arrays."""
    op = "conv_transpose2d"
    stride = pair(op, "stride", stride, 1)
    dilation = pair(op, "dilation", dilation, 1)
    extra = pair(op, "output_padding", output_padding, 0)
    top, bottom, left, right = sides(op, padding, named=False)
    groups = integer(op, "groups", groups, 1)
    act = 0 if activation is None else choice(op, "activation", activation, _ACTIVATIONS)
    rounding = precision_code(op, precision)
    threads = threads_in_force() if threads is None else thread_count(op, "threads", threads)
    result = _core.conv_transpose2d(
        op, input, weight, bias, out, *stride, top, bottom, left, right, *extra, *dilation, groups,
        act, rounding, threads, probe,
    )  # fmt: skip
    if result is None:
        diagnosis.transposed_convolution(
            op, input, weight, bias, out, stride, ((top, bottom), (left, right)), extra, dilation,
            groups,
        )  # fmt: skip
    return result


def conv_transpose1d(
    input,
    weight,
    bias,
    stride,
    padding,
    output_padding,
    groups,
    dilation,
    activation,
    out,
    threads,
    precision,
    probe=None,
):
    """functional.conv_transpose1d on arrays."""
    op = "conv_transpose1d"
    stride = single(op, "stride", stride, 1)
    dilation = single(op, "dilation", dilation, 1)
    extra = single(op, "output_padding", output_padding, 0)
    left, right = ends(op, padding, named=False)
    groups = integer(op, "groups", groups, 1)
    act = 0 if activation is None else choice(op, "activation", activation, _ACTIVATIONS)
    rounding = precision_code(op, precision)
    threads = threads_in_force() if threads is None else thread_count(op, "threads", threads)
    result = _core.conv_transpose2d(
        op, one_row(input), one_row(weight), bias, one_row(out), 1, stride, 0, 0, left,
        right, 0, extra, 1, dilation, groups, act, rounding, threads, probe,
    )  # fmt: skip
    if result is None:
        diagnosis.transposed_convolution(
            op, input, weight, bias, out, (stride,), ((left, right),), (extra,), (dilation,), groups
        )
    return without_row(result, out, probe)


def linear(input, weight, bias, activation, out, threads, probe=None):
    """functional.linear on arrays."""
    act = 0 if activation is None else choice("linear", "activation", activation, _ACTIVATIONS)
    threads = threads_in_force() if threads is None else thread_count("linear", "threads", threads)
    result = _core.linear(input, weight, bias, out, act, threads, probe)
    if result is None:
        diagnosis.linear(input, weight, bias, out)
    return result
