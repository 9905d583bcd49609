"""Convolution and linear layers on plain arrays."""

from fastconv import _core, diagnosis
from fastconv.geometry import PADDINGS, choice, integer, pair, same_padding, sides
from fastconv.runtime import thread_count, threads_in_force

_ACTIVATIONS = _core.ACTIVATION_CODES
_ALGORITHMS = _core.ALGORITHM_CODES


def conv2d(
    input,
    weight,
    bias,
    stride,
    padding,
    dilation,
    groups,
    activation,
    residual,
    out,
    threads,
    algorithm,
    probe=None,
):
    """functional.conv2d on arrays."""
    if type(stride) is int:
        sh = sw = stride
    else:
        sh, sw = pair("conv2d", "stride", stride, 1)
    if type(dilation) is int:
        dh = dw = dilation
    else:
        dh, dw = pair("conv2d", "dilation", dilation, 1)
    if type(padding) is int:
        top = bottom = left = right = padding
    elif isinstance(padding, str):
        top, bottom, left, right = _named_padding(input, weight, padding, (sh, sw), (dh, dw))
    else:
        top, bottom, left, right = sides("conv2d", padding)
    if type(groups) is not int:
        groups = integer("conv2d", "groups", groups, 1)
    act = 0 if activation is None else choice("conv2d", "activation", activation, _ACTIVATIONS)
    forced = 0 if algorithm is None else choice("conv2d", "algorithm", algorithm, _ALGORITHMS)
    threads = threads_in_force() if threads is None else thread_count("conv2d", "threads", threads)
    try:
        result = _core.conv2d(
            input, weight, bias, residual, out, sh, sw, top, bottom, left, right, dh, dw, groups,
            act, forced, threads, probe,
        )  # fmt: skip
    except OverflowError:  # a number beyond int64
        result = None
    if result is None:
        diagnosis.conv2d(
            input, weight, bias, residual, out, (sh, sw), ((top, bottom), (left, right)), (dh, dw),
            groups,
        )  # fmt: skip
    return result


def _named_padding(input, weight, padding, stride, dilation):
    """The four sides that 'valid', 'same' or 'same_lower' mean for these arrays."""
    if padding not in PADDINGS:
        raise ValueError(
            f"conv2d: padding is {padding!r}, expected one of {', '.join(map(repr, PADDINGS))}; "
            f"give one of them, or numbers"
        )
    if padding == "valid":
        return 0, 0, 0, 0
    diagnosis.conv2d_arrays(input, weight)
    first = padding == "same_lower"
    sh, sw = pair("conv2d", "stride", stride, 1)
    dh, dw = pair("conv2d", "dilation", dilation, 1)
    h, w = input.shape[-2:]
    kh, kw = weight.shape[-2:]
    vertical = same_padding(h, kh, sh, dh, odd_one_first=first)
    return vertical + same_padding(w, kw, sw, dw, odd_one_first=first)


def linear(input, weight, bias, activation, out, threads, probe=None):
    """functional.linear on arrays."""
    act = 0 if activation is None else choice("linear", "activation", activation, _ACTIVATIONS)
    threads = threads_in_force() if threads is None else thread_count("linear", "threads", threads)
    result = _core.linear(input, weight, bias, out, act, threads, probe)
    if result is None:
        diagnosis.linear(input, weight, bias, out)
    return result
