"""Convolution, in one and two dimensions, and with the kernel flipped."""

import numpy as np

from . import checks
from .elementwise import activate, check_activation

# What np.pad calls the modes of padding.
_BORDERS = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def conv2d(
    input: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    stride: int | tuple[int, int] = 1,
    padding: int | str | tuple[int, int] | tuple[tuple[int, int], tuple[int, int]] = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
    *,
    padding_mode: str = "zeros",
    activation: str | None = None,
    residual: np.ndarray | None = None,
) -> np.ndarray:
    """Two-dimensional convolution as neural networks mean it (the kernel is not flipped).

    Formula:
        result[n, o, y, x] = act(bias[o] + residual[n, o, y, x] + sum over c, i, j of
            weight[o, c, i, j] * padded[n, g * C/groups + c, y*sh + i*dh, x*sw + j*dw])
        with g = o // (OC/groups), the group of output channel o, and padded the input with a
        border. Its zeros are multiplied like any number: an infinite weight on one gives NaN.

        OH = (H + top + bottom - dh*(KH-1) - 1) // sh + 1, and OW likewise

    Shapes:
        input: (N, C, H, W), N may be 0, or unbatched (C, H, W)
        weight: (OC, C/groups, KH, KW); bias: (OC,) or None
        residual, result: (N, OC, OH, OW), or unbatched (OC, OH, OW)

    Args:
        stride, dilation: int or (h, w), at least 1; in pixels. dilation 1 is a dense kernel.
        padding: rows and columns of border: int, (h, w) for both sides alike,
            ((top, bottom), (left, right)), or
            'valid': none;
            'same': OH = ceil(H / sh) for any stride. The total is
            max((OH-1)*sh + dh*(KH-1) + 1 - H, 0); half of it, rounded down, goes on top, and
            the rest, so the odd row or column, at the end;
            'same_lower': as 'same', but the odd one goes at the beginning.
        groups: the channels fall into so many groups that are convolved apart; it divides C and OC.
        padding_mode: what the border holds: 'zeros'; 'reflect': the input mirrored at its outermost
            pixels, which are not repeated; 'replicate': the outermost pixel; 'circular': the input
            again from its other end.
        activation: None, or the name of an activation without parameters, applied last: 'relu',
            'relu6', 'sigmoid', 'tanh', 'silu', 'hardsigmoid', 'hardswish', 'gelu', 'gelu_tanh'.
        residual: added before the activation.

    Returns:
        float64 array.

    Raises:
        TypeError: an array is not an ndarray of float16, float32 or float64, or its dtype is not
            input's; a number is not an int (bool is refused too); padding, padding_mode or
            activation has a wrong type.
        ValueError: shapes do not fit together, zero channels, rows or columns, a number is out of
            range, an unknown padding, padding_mode or activation, the kernel is larger than the
            padded input, padding reaches beyond what 'reflect' or 'circular' can show.

    Source:
        V. Dumoulin, F. Visin, "A guide to convolution arithmetic for deep learning",
        arXiv:1603.07285; torch.nn.functional.conv2d; tf.nn.conv2d for 'same', the ONNX operator
        Conv (SAME_LOWER) for 'same_lower'.

    >>> image = np.repeat([[10.0, 10.0, 10.0, 0.0, 0.0, 0.0]], 4, axis=0).reshape(1, 1, 4, 6)
    >>> edge = np.repeat([[1.0, 0.0, -1.0]], 3, axis=0).reshape(1, 1, 3, 3)
    >>> conv2d(image, edge)
    array([[[[ 0., 30., 30.,  0.],
             [ 0., 30., 30.,  0.]]]])
    """
    return _conv(
        "conv2d", 2, input, weight, bias, stride, padding, dilation, groups, padding_mode,
        activation, residual,
    )  # fmt: skip


def convolve2d(
    input: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    stride: int | tuple[int, int] = 1,
    padding: int | str | tuple[int, int] | tuple[tuple[int, int], tuple[int, int]] = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
    *,
    padding_mode: str = "zeros",
    activation: str | None = None,
    residual: np.ndarray | None = None,
) -> np.ndarray:
    """Convolution as mathematics means it: ``conv2d`` with the kernel's rows and columns reversed.

    Shapes, Args, Returns, Raises:
        as for ``conv2d``.

    Source:
        A. Oppenheim, R. Schafer, "Discrete-Time Signal Processing", section 2.3.

    >>> image, kernel = np.array([[[[0.0, 1.0, 0.0]]]]), np.array([[[[1.0, 2.0, 3.0]]]])
    >>> convolve2d(image, kernel, padding=(0, 1))
    array([[[[1., 2., 3.]]]])
    """
    if isinstance(weight, np.ndarray) and weight.ndim == 4:
        weight = weight[:, :, ::-1, ::-1]
    return _conv(
        "convolve2d", 2, input, weight, bias, stride, padding, dilation, groups, padding_mode,
        activation, residual,
    )  # fmt: skip


def conv1d(
    input: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    stride: int | tuple[int] = 1,
    padding: int | str | tuple[int] | tuple[tuple[int, int]] = 0,
    dilation: int | tuple[int] = 1,
    groups: int = 1,
    *,
    padding_mode: str = "zeros",
    activation: str | None = None,
    residual: np.ndarray | None = None,
) -> np.ndarray:
    """One-dimensional convolution as neural networks mean it (the kernel is not flipped).

    Formula:
        result[n, o, x] = act(bias[o] + residual[n, o, x] + sum over c, j of
            weight[o, c, j] * padded[n, g * C/groups + c, x*s + j*d])

    Shapes:
        input: (N, C, L), N may be 0, or unbatched (C, L); weight: (OC, C/groups, KL); bias: (OC,)
        residual, result: (N, OC, OL), or unbatched (OC, OL)

    Args:
        stride, dilation: int or (n,); padding: int, (p,), ((left, right),) or a name; the others
            as for ``conv2d``.

    Returns, Raises:
        as ``conv2d``.

    Source:
        torch.nn.functional.conv1d.

    >>> conv1d(np.array([[1.0, 2.0, 4.0, 8.0]]), np.array([[[-1.0, 1.0]]]))
    array([[1., 2., 4.]])
    """
    return _conv(
        "conv1d", 1, input, weight, bias, stride, padding, dilation, groups, padding_mode,
        activation, residual,
    )  # fmt: skip


def _conv(
    op, rank, input, weight, bias, stride, padding, dilation, groups, padding_mode, activation,
    residual,
):  # fmt: skip
    """The convolution of `rank` axes; one axis is computed as the columns of a single row."""
    checks.images(op, input, rank)
    checks.companion_array(op, "weight", weight, input)
    strides = checks.numbers(op, "stride", stride, 1, rank)
    dilations = checks.numbers(op, "dilation", dilation, 1, rank)
    groups = checks.integer(op, "groups", groups, minimum=1)
    _check_channels(op, rank, input, weight, groups)
    checks.choice(op, "padding_mode", padding_mode, tuple(_BORDERS))
    oc, kernel = weight.shape[0], weight.shape[2:]
    size = input.shape[-rank:]
    sides = _padding_sides(op, padding, size, kernel, strides, dilations)
    for length, ends in zip(size, sides, strict=True):
        most = {"reflect": length - 1, "circular": length}.get(padding_mode, max(ends))
        if max(ends) > most:
            raise ValueError(
                f"{op}: padding is {ends} on an axis of {length} pixels, where "
                f"padding_mode={padding_mode!r} can show at most {most}; give less padding"
            )
    outputs = tuple(
        _output_size(op, name, *numbers)
        for name, *numbers in zip(
            ("height", "width")[-rank:], size, map(sum, sides), kernel, strides, dilations,
            strict=True,
        )
    )  # fmt: skip
    offset = None if bias is None else checks.bias_vector(op, bias, input, oc)
    activation = check_activation(op, activation)
    shape = (*input.shape[: -rank - 1], oc, *outputs)
    if residual is not None:
        checks.companion_array(op, "residual", residual, input)
        if residual.shape != shape:
            raise ValueError(
                f"{op}: residual has shape {residual.shape} but the result has {shape}; "
                f"residual is added to the result and must have its shape"
            )

    batch = input.shape[0] if input.ndim == rank + 2 else 1
    channels = input.shape[-rank - 1]
    x = checks.as_float64(input).reshape(batch, channels, *size)
    # From here on there are rows and columns; a missing axis has one of each.
    x = np.pad(x, ((0, 0), (0, 0), *sides), mode=_BORDERS[padding_mode])
    padded = x.reshape(batch, groups, channels // groups, *(1,) * (2 - rank), *x.shape[2:])
    kh, kw = (1,) * (2 - rank) + kernel
    oh, ow = (1,) * (2 - rank) + outputs
    sh, sw = (1,) * (2 - rank) + strides
    dh, dw = (1,) * (2 - rank) + dilations
    taps = checks.as_float64(weight).reshape(groups, oc // groups, channels // groups, kh, kw)

    result = np.zeros((batch, groups, oc // groups, oh * ow))
    with np.errstate(invalid="ignore", over="ignore"):  # Inf and NaN go where IEEE 754 sends them
        for i in range(kh):
            for j in range(kw):
                # The pixel under tap (i, j) for every output pixel. One axis is for the group, one
                # for the channel within it: matmul broadcasts over the former.
                rows = slice(i * dh, i * dh + (oh - 1) * sh + 1, sh)
                columns = slice(j * dw, j * dw + (ow - 1) * sw + 1, sw)
                pixels = padded[:, :, :, rows, columns]
                pixels = pixels.reshape(batch, groups, channels // groups, oh * ow)
                result += np.matmul(taps[:, :, :, i, j], pixels)
        result = result.reshape(batch, oc, oh * ow)
        if offset is not None:
            result += offset.reshape(oc, 1)
        result = result.reshape(shape)
        if residual is not None:
            result += checks.as_float64(residual)
    return activate(result, activation)


def _check_channels(op: str, rank: int, input: np.ndarray, weight: np.ndarray, groups: int) -> None:
    """Check that weight has its non-empty axes and that the channel counts and groups fit."""
    if weight.ndim != rank + 2:
        raise ValueError(
            f"{op}: weight has {weight.ndim} dimensions {weight.shape}, expected {rank + 2} "
            f"(OC, C/groups and {rank} of the kernel); reshape it"
        )
    if 0 in weight.shape:
        raise ValueError(
            f"{op}: weight has shape {weight.shape}, expected every size at least 1; "
            f"give it at least one filter of at least one pixel"
        )
    channels = input.shape[-rank - 1]
    if channels % groups:
        raise ValueError(
            f"{op}: groups={groups} does not divide the {channels} channels of input; "
            f"give a groups that divides them"
        )
    if weight.shape[0] % groups:
        raise ValueError(
            f"{op}: groups={groups} does not divide the {weight.shape[0]} output channels of "
            f"weight; give a groups that divides them"
        )
    if weight.shape[1] * groups != channels:
        raise ValueError(
            f"{op}: weight has {weight.shape[1]} input channels per group but input has "
            f"{channels} channels and groups={groups}; weight must be (OC, {channels // groups}, "
            f"…), or groups must be chosen so that C/groups is {weight.shape[1]}"
        )


def _padding_sides(
    op: str,
    padding: object,
    size: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
) -> tuple[tuple[int, int], ...]:
    """(before, after) of each axis for any form that `padding` may have."""
    rank = len(size)
    if isinstance(padding, str):
        checks.choice(op, "padding", padding, ("valid", "same", "same_lower"))
        if padding == "valid":
            return ((0, 0),) * rank
        return tuple(
            _same_padding(*sizes, odd_one_first=padding == "same_lower")
            for sizes in zip(size, kernel, stride, dilation, strict=True)
        )
    return padding_sides(op, padding, rank)


def padding_sides(op: str, padding: object, rank: int) -> tuple[tuple[int, int], ...]:
    """(before, after) of each axis for padding in numbers."""
    both_ends_given = (
        isinstance(padding, (tuple, list))
        and len(padding) == rank
        and all(isinstance(ends, (tuple, list)) for ends in padding)
    )
    if both_ends_given:
        return tuple(checks.pair(op, f"padding[{i}]", padding[i], minimum=0) for i in range(rank))
    return tuple((p, p) for p in checks.numbers(op, "padding", padding, 0, rank))


def _same_padding(
    size: int, kernel: int, stride: int, dilation: int, *, odd_one_first: bool
) -> tuple[int, int]:
    """Return (before, after) so that the output size is ceil(size / stride)."""
    output = -(-size // stride)
    total = max((output - 1) * stride + dilation * (kernel - 1) + 1 - size, 0)
    half = total // 2
    return (total - half, half) if odd_one_first else (half, total - half)


def _output_size(
    op: str, direction: str, size: int, padding: int, kernel: int, stride: int, dilation: int
) -> int:
    """Return the output's height or width, which must be at least 1."""
    span = dilation * (kernel - 1) + 1
    if span > size + padding:
        raise ValueError(
            f"{op}: weight spans {span} pixels of {direction} (kernel {kernel}, dilation "
            f"{dilation}) but input has {size + padding} ({size} and {padding} of padding), so "
            f"the result would be empty; enlarge input or padding, or take a smaller kernel"
        )
    return (size + padding - span) // stride + 1
