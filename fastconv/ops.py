"""The operations on plain arrays: arguments into C types, and one call down.

A plain int takes the short way; everything else goes through geometry.py. Whether the arrays fit is
decided in _core, which answers None when they do not, and then diagnosis.py says why.

Every operation takes a last argument that users do not see: a ``_core.Probe``, filled with what the
call would do (explain).
"""

from fastconv import _core, diagnosis
from fastconv.geometry import (
    PADDINGS,
    choice,
    flag,
    integer,
    pair,
    same_padding,
    sides,
)
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


def max_pool2d(
    input,
    kernel_size,
    stride,
    padding,
    dilation,
    ceil_mode,
    return_indices,
    out,
    threads,
    probe=None,
):
    """functional.max_pool2d on arrays."""
    if type(dilation) is int:
        dh = dw = dilation
    else:
        dh, dw = pair("max_pool2d", "dilation", dilation, 1)
    if type(return_indices) is not bool:
        return_indices = flag("max_pool2d", "return_indices", return_indices)
    return _pool2d(
        "max_pool2d", _core.POOL_MAX, input, kernel_size, stride, padding, dh, dw, ceil_mode,
        False, 0, return_indices, out, threads, probe,
    )  # fmt: skip


def avg_pool2d(
    input,
    kernel_size,
    stride,
    padding,
    ceil_mode,
    count_include_pad,
    divisor_override,
    out,
    threads,
    probe=None,
):
    """functional.avg_pool2d on arrays."""
    if type(count_include_pad) is not bool:
        count_include_pad = flag("avg_pool2d", "count_include_pad", count_include_pad)
    if divisor_override is None:
        divisor = 0
    else:
        divisor = integer("avg_pool2d", "divisor_override", divisor_override, -(2**63))
        if divisor == 0:
            raise ValueError(
                "avg_pool2d: divisor_override is 0, expected any other int; "
                "give None to divide by the number of pixels"
            )
    return _pool2d(
        "avg_pool2d", _core.POOL_AVG, input, kernel_size, stride, padding, 1, 1, ceil_mode,
        count_include_pad, divisor, False, out, threads, probe,
    )  # fmt: skip


def _pool2d(
    op,
    kind,
    input,
    kernel_size,
    stride,
    padding,
    dh,
    dw,
    ceil_mode,
    count_include_pad,
    divisor,
    with_indices,
    out,
    threads,
    probe,
):
    if type(kernel_size) is int:
        kh = kw = kernel_size
    else:
        kh, kw = pair(op, "kernel_size", kernel_size, 1)
    if stride is None:
        sh, sw = kh, kw
    elif type(stride) is int:
        sh = sw = stride
    else:
        sh, sw = pair(op, "stride", stride, 1)
    if type(padding) is int:
        ph = pw = padding
    else:
        ph, pw = pair(op, "padding", padding, 0)
    if type(ceil_mode) is not bool:
        ceil_mode = flag(op, "ceil_mode", ceil_mode)
    threads = threads_in_force() if threads is None else thread_count(op, "threads", threads)
    try:
        result = _core.pool2d(
            op, kind, input, out, False, kh, kw, sh, sw, ph, pw, dh, dw, ceil_mode,
            count_include_pad, divisor, with_indices, threads, probe,
        )  # fmt: skip
    except OverflowError:  # a number beyond int64
        result = None
    if result is None:
        diagnosis.pool2d(
            op, input, out, (kh, kw), (sh, sw), (ph, pw), (dh, dw), ceil_mode, with_indices
        )
    return result


def global_avg_pool2d(input, out, threads, probe=None):
    """functional.global_avg_pool2d on arrays."""
    return _global_pool2d("global_avg_pool2d", _core.POOL_AVG, input, out, threads, probe)


def global_max_pool2d(input, out, threads, probe=None):
    """functional.global_max_pool2d on arrays."""
    return _global_pool2d("global_max_pool2d", _core.POOL_MAX, input, out, threads, probe)


def _global_pool2d(op, kind, input, out, threads, probe):
    threads = threads_in_force() if threads is None else thread_count(op, "threads", threads)
    result = _core.pool2d(
        op, kind, input, out, True, 0, 0, 0, 0, 0, 0, 1, 1, False, False, 0, False, threads, probe
    )
    if result is None:
        diagnosis.global_pool2d(op, input, out)
    return result


def linear(input, weight, bias, activation, out, threads, probe=None):
    """functional.linear on arrays."""
    act = 0 if activation is None else choice("linear", "activation", activation, _ACTIVATIONS)
    threads = threads_in_force() if threads is None else thread_count("linear", "threads", threads)
    result = _core.linear(input, weight, bias, out, act, threads, probe)
    if result is None:
        diagnosis.linear(input, weight, bias, out)
    return result


def _unary(op, input, out, threads, probe):
    threads = threads_in_force() if threads is None else thread_count(op, "threads", threads)
    result = _core.unary(op, _ACTIVATIONS[op], input, out, threads, probe)
    if result is None:
        diagnosis.unary(op, input, out)
    return result


def relu(input, out, threads, probe=None):
    """functional.relu on arrays."""
    return _unary("relu", input, out, threads, probe)


def relu6(input, out, threads, probe=None):
    """functional.relu6 on arrays."""
    return _unary("relu6", input, out, threads, probe)


def sigmoid(input, out, threads, probe=None):
    """functional.sigmoid on arrays."""
    return _unary("sigmoid", input, out, threads, probe)


def tanh(input, out, threads, probe=None):
    """functional.tanh on arrays."""
    return _unary("tanh", input, out, threads, probe)


def softmax(input, dim, out, threads, probe=None):
    """functional.softmax on arrays."""
    if type(dim) is not int:
        dim = integer("softmax", "dim", dim, -(2**63))
    threads = threads_in_force() if threads is None else thread_count("softmax", "threads", threads)
    try:
        result = _core.softmax(input, dim, out, threads, probe)
    except OverflowError:  # a number beyond int64
        result = None
    if result is None:
        diagnosis.softmax(input, dim, out)
    return result
