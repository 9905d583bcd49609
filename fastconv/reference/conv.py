"""Two-dimensional convolution."""

import numpy as np

from . import checks
from .elementwise import activate, check_activation

_OP = "conv2d"


def conv2d(
    input: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    stride: int | tuple[int, int] = 1,
    padding: int | str | tuple[int, int] | tuple[tuple[int, int], tuple[int, int]] = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
    *,
    activation: str | None = None,
    residual: np.ndarray | None = None,
) -> np.ndarray:
    """Two-dimensional convolution as neural networks mean it (the kernel is not flipped).

    Formula:
        result[n, o, y, x] = act(bias[o] + residual[n, o, y, x] + sum over c, i, j of
            weight[o, c, i, j] * padded[n, g * C/groups + c, y*sh + i*dh, x*sw + j*dw])
        with g = o // (OC/groups), the group of output channel o, and padded the input with a border
        of zeros. The zeros are multiplied like any number: an infinite weight on one gives NaN.

        OH = (H + top + bottom - dh*(KH-1) - 1) // sh + 1, and OW likewise

    Shapes:
        input: (N, C, H, W), N may be 0, or unbatched (C, H, W)
        weight: (OC, C/groups, KH, KW); bias: (OC,) or None
        residual, result: (N, OC, OH, OW), or unbatched (OC, OH, OW)

    Args:
        stride, dilation: int or (h, w), at least 1; in pixels. dilation 1 is a dense kernel.
        padding: rows and columns of zeros: int, (h, w) for both sides alike,
            ((top, bottom), (left, right)), or
            'valid': none;
            'same': OH = ceil(H / sh) for any stride. The total is
            max((OH-1)*sh + dh*(KH-1) + 1 - H, 0); half of it, rounded down, goes on top, and
            the rest, so the odd row or column, at the end;
            'same_lower': as 'same', but the odd one goes at the beginning.
        groups: the channels fall into so many groups that are convolved apart; it divides C and OC.
        activation: None, 'relu', 'relu6' (min(max(x, 0), 6)), 'sigmoid' or 'tanh'.
        residual: added before the activation.

    Returns:
        float64 array.

    Raises:
        TypeError: an array is not an ndarray of float16, float32 or float64, or its dtype is not
            input's; a number is not an int (bool is refused too); padding or activation has a
            wrong type.
        ValueError: shapes do not fit together, zero channels, rows or columns, a number is out of
            range, an unknown padding or activation, the kernel is larger than the padded input.

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
    checks.images(_OP, input)
    checks.companion_array(_OP, "weight", weight, input)
    sh, sw = checks.pair(_OP, "stride", stride, minimum=1)
    dh, dw = checks.pair(_OP, "dilation", dilation, minimum=1)
    groups = checks.integer(_OP, "groups", groups, minimum=1)
    _check_channels(input, weight, groups)
    oc, _, kh, kw = weight.shape
    h, w = input.shape[-2:]
    (top, bottom), (left, right) = _padding_sides(padding, (h, w), (kh, kw), (sh, sw), (dh, dw))
    oh = _output_size("height", h, top + bottom, kh, sh, dh)
    ow = _output_size("width", w, left + right, kw, sw, dw)
    offset = None if bias is None else checks.bias_vector(_OP, bias, input, oc)
    activation = check_activation(_OP, activation)
    shape = (*input.shape[:-3], oc, oh, ow)
    if residual is not None:
        checks.companion_array(_OP, "residual", residual, input)
        if residual.shape != shape:
            raise ValueError(
                f"{_OP}: residual has shape {residual.shape} but the result has {shape}; "
                f"residual is added to the result and must have its shape"
            )

    x = checks.as_batch(input)
    n, c = x.shape[:2]
    padded = np.zeros((n, c, top + h + bottom, left + w + right))
    padded[:, :, top : top + h, left : left + w] = x
    # One axis for the group, one for the channel within it: matmul broadcasts over the former.
    padded = padded.reshape(n, groups, c // groups, *padded.shape[2:])
    kernel = checks.as_float64(weight).reshape(groups, oc // groups, c // groups, kh, kw)

    result = np.zeros((n, groups, oc // groups, oh * ow))
    with np.errstate(invalid="ignore", over="ignore"):  # Inf and NaN go where IEEE 754 sends them
        for i in range(kh):
            for j in range(kw):
                # The pixel under tap (i, j) for every output pixel.
                rows = slice(i * dh, i * dh + (oh - 1) * sh + 1, sh)
                columns = slice(j * dw, j * dw + (ow - 1) * sw + 1, sw)
                pixels = padded[:, :, :, rows, columns].reshape(n, groups, c // groups, oh * ow)
                result += np.matmul(kernel[:, :, :, i, j], pixels)
        result = result.reshape(n, oc, oh, ow)
        if offset is not None:
            result += offset.reshape(oc, 1, 1)
        result = result.reshape(shape)
        if residual is not None:
            result += checks.as_float64(residual)
    return activate(result, activation)


def _check_channels(input: np.ndarray, weight: np.ndarray, groups: int) -> None:
    """Check that weight has four non-empty axes and that the channel counts and groups fit."""
    if weight.ndim != 4:
        raise ValueError(
            f"{_OP}: weight has {weight.ndim} dimensions {weight.shape}, expected 4 "
            f"(OC, C/groups, KH, KW); reshape it"
        )
    if 0 in weight.shape:
        raise ValueError(
            f"{_OP}: weight has shape {weight.shape}, expected (OC, C/groups, KH, KW) with every "
            f"size at least 1; give it at least one filter of at least one pixel"
        )
    channels = input.shape[-3]
    if channels % groups:
        raise ValueError(
            f"{_OP}: groups={groups} does not divide the {channels} channels of input; "
            f"give a groups that divides them"
        )
    if weight.shape[0] % groups:
        raise ValueError(
            f"{_OP}: groups={groups} does not divide the {weight.shape[0]} output channels of "
            f"weight; give a groups that divides them"
        )
    if weight.shape[1] * groups != channels:
        raise ValueError(
            f"{_OP}: weight has {weight.shape[1]} input channels per group but input has "
            f"{channels} channels and groups={groups}; weight must be (OC, {channels // groups}, "
            f"KH, KW), or groups must be chosen so that C/groups is {weight.shape[1]}"
        )


def _padding_sides(
    padding: object,
    size: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return ((top, bottom), (left, right)) for any form that `padding` may have."""
    if isinstance(padding, str):
        checks.choice(_OP, "padding", padding, ("valid", "same", "same_lower"))
        if padding == "valid":
            return (0, 0), (0, 0)
        vertical, horizontal = (
            _same_padding(*sizes, odd_one_first=padding == "same_lower")
            for sizes in zip(size, kernel, stride, dilation, strict=True)
        )
        return vertical, horizontal
    four_sided = (
        isinstance(padding, (tuple, list))
        and len(padding) == 2
        and all(isinstance(sides, (tuple, list)) for sides in padding)
    )
    if four_sided:
        vertical, horizontal = (
            checks.pair(_OP, f"padding[{i}]", padding[i], minimum=0) for i in (0, 1)
        )
        return vertical, horizontal
    ph, pw = checks.pair(_OP, "padding", padding, minimum=0)
    return (ph, ph), (pw, pw)


def _same_padding(
    size: int, kernel: int, stride: int, dilation: int, *, odd_one_first: bool
) -> tuple[int, int]:
    """Return (before, after) so that the output size is ceil(size / stride)."""
    output = -(-size // stride)
    total = max((output - 1) * stride + dilation * (kernel - 1) + 1 - size, 0)
    half = total // 2
    return (total - half, half) if odd_one_first else (half, total - half)


def _output_size(
    direction: str, size: int, padding: int, kernel: int, stride: int, dilation: int
) -> int:
    """Return the output's height or width, which must be at least 1."""
    span = dilation * (kernel - 1) + 1
    if span > size + padding:
        raise ValueError(
            f"{_OP}: weight spans {span} pixels of {direction} (kernel {kernel}, dilation "
            f"{dilation}) but input has {size + padding} ({size} and {padding} of padding), so "
            f"the result would be empty; enlarge input or padding, or take a smaller kernel"
        )
    return (size + padding - span) // stride + 1
