"""How far Winograd's transforms may lie from the exact result: what tests ask of winograd_f2 to f6.

F(m, r) makes m×m outputs of a tile of n×n inputs, n = m + r - 1, in four steps, each of them a sum:
transformed inputs (2n terms), transformed weights (2r), a product for each channel, outputs (2n).
Rounded as they are, and with constants that are rounded too, K = C + 4n + 2r + 14 operations lie on
the way of any one term. What their roundings may add up to is that many units of the same sums with
all signs taken away, which are, with d the tile's inputs and g the weights,

    |At| ((|G| |g| |Gt|) * (|Bt| |d| |B|)) |A|  <=  G · max|d| · sum|g|

G = (the greatest entry of |At| |G|, with product j weighted by the sum of row j of |Bt|)²: GROWTH.
So the error is at most K·u·G·T with the tile's magnitude

    T = sum over channels of (greatest |x| of the tile) * (sum of the |w| of the filter)

and, since rounding errors cancel too, (6·√K + 4)·u·G·T on data without a plan against it (see
bounds). T, and not the smaller sum of |x||w| of a window: a transform mixes the whole tile, so that
an output feels what lies in its tile but not in its window. bias and residual add their own.
"""

import functools

import bounds
import numpy as np

from fastconv import reference

# algorithm → outputs of a tile in one direction
TILE = {"winograd_f2": 2, "winograd_f4": 4, "winograd_f6": 6}
# algorithm → windows that it takes
WINDOWS = {
    "winograd_f2": ((3, 3), (5, 5)),
    "winograd_f4": ((3, 3), (5, 5)),
    "winograd_f6": ((3, 3),),
}
# n → G; test_tools.py derives it from the matrices
GROWTH = {4: 16.0, 6: 157.14, 8: 1564.65}
# n → the same of a gradient by the weights
GRADIENT_GROWTH = {6: 217.35, 8: 1658.3}
_PAD = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def takes(algorithm, layer):
    """True where the algorithm must take this layer, False where it must not, None where the window
    is dilated: that depends on border, residual and padding. A stride that divides the dilation may
    be gone when what windows step over is left out."""
    if layer.kernel not in WINDOWS[algorithm]:
        return False
    if any(
        dilation % stride for stride, dilation in zip(layer.stride, layer.dilation, strict=True)
    ):
        return False
    return True if layer.dilation == (1, 1) else None


def magnitude(
    x, w, algorithm, padding=0, groups=1, padding_mode="zeros", dilation=(1, 1), stride=(1, 1)
):
    """T for each element of a convolution, and the size of the transformed window. padding is a
    number or of four sides.

    Of dilated windows the tiles lie in the phases, each of which is a dense convolution. A stride,
    which divides the dilation, leaves some of the phases.
    """
    size, w = _transformed(x, w, algorithm, padding, padding_mode, dilation)
    dh, dw = dilation
    oh, ow = (s - d * (w.shape[-1] - 1) for s, d in zip(size.shape[-2:], dilation, strict=True))
    result = np.empty((len(x), len(w), oh, ow))
    for row, col in np.ndindex(min(dh, oh), min(dw, ow)):
        phase = result[..., row::dh, col::dw]
        phase[...] = _dense(size[..., row::dh, col::dw], w, algorithm, groups)
    return result[..., :: stride[0], :: stride[1]], w.shape[-1]


def _transformed(x, w, algorithm, padding, padding_mode, dilation):
    """|x| with its border, and the weights, without the taps that meet the border alone wherever
    the window stands: if what is left is a window that the algorithm takes, that is transformed."""
    if isinstance(padding, int):
        padding = ((padding, padding), (padding, padding))
    size = np.abs(np.pad(x.astype(np.float64), ((0, 0), (0, 0), *padding), _PAD[padding_mode]))
    if padding_mode != "zeros":
        return size, w
    kept = []
    for axis, d, (before, _) in zip((-2, -1), dilation, padding, strict=True):
        outputs = size.shape[axis] - d * (w.shape[axis] - 1)
        first = np.arange(w.shape[axis]) * d - before  # what each tap meets of the map
        meets = np.flatnonzero((first < x.shape[axis]) & (first + outputs > 0))
        if not len(meets):
            return size, w
        begin, end = meets[0], meets[-1] + 1
        kept.append((slice(begin, end), slice(begin * d, (end - 1) * d + outputs)))
    (rows, high), (cols, wide) = kept
    smaller = w[..., rows, cols]
    if smaller.shape[-2:] in WINDOWS[algorithm]:
        return size[..., high, wide], smaller
    return size, w


def _dense(size, w, algorithm, groups):
    m, k = TILE[algorithm], w.shape[-1]
    oh, ow = (s - k + 1 for s in size.shape[-2:])
    size = np.pad(size, [(0, 0), (0, 0), (0, -oh % m), (0, -ow % m)])
    tiles = np.lib.stride_tricks.sliding_window_view(size, (m + k - 1,) * 2, (-2, -1))
    greatest = tiles[:, :, ::m, ::m].max((-2, -1)).repeat(m, -2).repeat(m, -1)
    filters = np.abs(w.astype(np.float64)).sum((-2, -1), keepdims=True)
    return reference.conv2d(greatest[..., :oh, :ow], filters, groups=groups)


def bound(x, w, bias, residual, algorithm, dtype, **how):
    """(6·√K + 4)·u·G·T, and what bias and residual add; for activations of slope 1 at most."""
    size, k = magnitude(x, w, algorithm, **how)
    n = TILE[algorithm] + k - 1
    roundings = w.shape[1] + 4 * n + 2 * k + 14
    size = GROWTH[n] * size
    if bias is not None:
        size = size + np.abs(bias.astype(np.float64))[:, np.newaxis, np.newaxis]
    if residual is not None:
        size = size + np.abs(residual.astype(np.float64))
    return bounds.sum_bound(roundings, size, dtype)


def gradient_bound(x, grad, kernel, padding, groups, padding_mode):
    """For each (output, input) channel of a weight gradient by F(4, kernel).

    Its steps are those above with their parts exchanged,

        |Gt| (sum over tiles of (|A| |grad| |At|) * (|Bt| |d| |B|)) |G|

    so T is the sum over tiles of (greatest |x| of the tile) * (sum of the tile's |grad|). Tiles are
    summed in units of at most 128, units in at most 8 chains, which are added.
    """
    m, n = 4, 3 + kernel
    size = np.abs(
        np.pad(x.astype(np.float64), ((0, 0), (0, 0), *([padding] * 2,) * 2), _PAD[padding_mode])
    )
    high, wide = (-length % m for length in grad.shape[-2:])
    size = np.pad(size, [(0, 0), (0, 0), (0, high), (0, wide)])
    tiles = np.lib.stride_tricks.sliding_window_view(size, (n, n), (-2, -1))
    greatest = tiles[:, :, ::m, ::m].max((-2, -1))
    sums = np.abs(np.pad(grad.astype(np.float64), [(0, 0), (0, 0), (0, high), (0, wide)]))
    images, _, rows, cols = greatest.shape
    sums = sums.reshape(images, grad.shape[1], rows, m, cols, m).sum((3, 5))
    total = np.concatenate(
        [
            np.einsum("noyx,ncyx->oc", o, c)
            for o, c in zip(np.split(sums, groups, 1), np.split(greatest, groups, 1), strict=True)
        ]
    )
    count = images * rows * cols
    roundings = min(128, count) + count // 64 + 8 + 2 * m + 4 * n + 14
    bound = bounds.sum_bound(roundings, GRADIENT_GROWTH[n] * total, x.dtype)
    return bound[:, :, np.newaxis, np.newaxis]


def transposed_bound(case, dtype):
    """Of any element of a transposed convolution, whichever of its phases is transformed: no tile's
    magnitude exceeds the greatest |x| of all times the greatest sum of a filter's |w|."""
    x, w, bias = case.operands()
    size = np.abs(x).max() * np.abs(w).sum((-2, -1)).sum(0).max() if w.ndim == 4 else 0.0
    largest = 0.0 if bias is None else np.abs(bias).max()
    return bounds.sum_bound(w.shape[0] + 4 * 8 + 2 * 5 + 14, GROWTH[8] * size + largest, dtype)


@functools.lru_cache(maxsize=16)
def _integer_bound(problem, layer, algorithm, dtype, padding_mode):
    operands = (problem.input, problem.weight, problem.bias, problem.residual)
    how = {"padding": layer.padding, "groups": layer.g}
    how |= {"dilation": layer.dilation, "stride": layer.stride}
    return bound(*operands, algorithm, dtype, **how, padding_mode=padding_mode)


def assert_meets(result, problem, layer, algorithm, padding_mode="zeros"):
    """The result of small integers: by transforms within the bound, by others to the last bit."""
    dtype = result.dtype.type
    with np.errstate(over="ignore"):
        expected = problem.result.astype(dtype)
    if algorithm not in TILE:
        np.testing.assert_array_equal(result, expected, strict=True)
        return
    if result.size == 0:
        assert result.shape == expected.shape
        return
    limit = _integer_bound(problem, layer, algorithm, bounds.COMPUTED_IN[dtype], padding_mode)
    bounds.assert_within(result, problem.result, bounds.stored(limit, problem.result, dtype))
