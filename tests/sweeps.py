"""Shapes made by rule, and integer data for them, on which every float sum is exact.

The rules: sizes equal to, a multiple of, one below and one above each tile of any tier; channel
counts around the blocks of 16 and the vectors of 2 to 16; batches 0, 1 and 3; kernels from 1 to 11,
even ones too; stride, padding and dilation that differ by direction; groups. Every pair of these
values cannot be met with every other, so there is one sweep for each rule with the rest held at an
awkward value, and one of seeded mixtures of everything.

Inputs, weights, bias and residual are integers from -4 to 4. No partial sum of a product of K terms
exceeds 16·K + 8, far below 2**24, so that float32 and float64 are exact in whatever order they add,
and the reference is met to the last bit. Transforms have a bound instead (transforms.assert_meets).
"""

import dataclasses
import functools
import itertools
import random
import zlib

import numpy as np
import transforms
from corpus import Layer

from fastconv import reference

TILES = (14, 6, 4)  # pixels of a register tile: AVX-512, AVX2, SSE2 and scalar
CHANNELS = (1, 3, 6, 15, 16, 17, 24, 31, 33, 40, 64)
BATCHES = (0, 1, 3)
WIDTHS = tuple(
    sorted({size + step for t in TILES for size in (t, 2 * t, 3 * t) for step in (-1, 0, 1)})
)
EXACT_ACTIVATIONS = (None, "relu", "relu6")
EXACT_ALGORITHMS = ("direct", "1x1", "pointwise", "im2col", "depthwise", "planar", "linear")
ALGORITHMS = (*EXACT_ALGORITHMS, *transforms.TILE)


@dataclasses.dataclass(frozen=True)
class ConvCase:
    """A convolution with its epilogue."""

    layer: Layer
    bias: bool = False
    residual: bool = False
    activation: str | None = None

    def __str__(self) -> str:
        epilogue = [name for name in ("bias", "residual") if getattr(self, name)]
        return "+".join([str(self.layer).replace(" ", "_"), *epilogue, self.activation or ""])

    @property
    def how(self) -> dict:
        """stride, padding, dilation and groups as conv2d takes them."""
        layer = self.layer
        return {
            "stride": layer.stride,
            "padding": layer.padding,
            "dilation": layer.dilation,
            "groups": layer.g,
        }


def conv(ic, oc, image, kernel, *, mb=1, **rest) -> Layer:
    """A convolution layer; image and kernel are (h, w)."""
    return Layer(
        kind="conv",
        mb=mb,
        ic=ic,
        oc=oc,
        ih=image[0],
        iw=image[1],
        kh=kernel[0],
        kw=kernel[1],
        **rest,
    )


def _with_output(oh, ow, ic, oc, kernel, **rest) -> Layer:
    """The unpadded, stride 1 layer whose result has oh rows and ow columns."""
    return conv(ic, oc, (oh + kernel[0] - 1, ow + kernel[1] - 1), kernel, **rest)


def widths() -> list[Layer]:
    """Result widths about every tile, by 3×3 and 1×1, in one row and in three."""
    return [
        _with_output(oh, ow, 17, 33, kernel)
        for ow in WIDTHS
        for kernel in ((3, 3), (1, 1))
        for oh in (1, 3)
    ]


def pixels() -> list[Layer]:
    """Small maps, whose tiles span several rows: every result size up to 8×8."""
    return [
        _with_output(oh, ow, 6, 17, kernel)
        for oh, ow in itertools.product(range(1, 9), repeat=2)
        for kernel in ((3, 3), (1, 1))
    ]


def channels() -> list[Layer]:
    """Every count of channels with every other, by 3×3 with padding and by 1×1."""
    return [
        layer
        for ic, oc in itertools.product(CHANNELS, repeat=2)
        for layer in (
            conv(ic, oc, (4, 7), (3, 3), ph=1, pw=1),
            conv(ic, oc, (3, 5), (1, 1)),
        )
    ]


def batches() -> list[Layer]:
    """Batches 0, 1 and 3 by dense, pointwise and depthwise layers."""
    return [
        dataclasses.replace(layer, mb=mb)
        for mb in BATCHES
        for layer in (
            conv(17, 24, (6, 15), (3, 3), ph=1, pw=1),
            conv(24, 17, (6, 15), (1, 1)),
            conv(17, 17, (6, 15), (3, 3), ph=1, pw=1, g=17),
            conv(3, 40, (11, 13), (5, 5), sh=2, sw=2),
        )
    ]


def kernels() -> list[Layer]:
    """Kernels from 1 to 11, square, flat and upright, with padding up to the kernel's half."""
    sizes = [(k, k) for k in range(1, 12)]
    sizes += [(1, k) for k in range(2, 12)] + [(k, 1) for k in range(2, 12)]
    sizes += [(2, 5), (7, 4), (10, 3), (6, 11)]
    # more taps than estimates look at, one by one
    long = [conv(1, 2, (1, 4300), (1, 4200), pw=40), conv(2, 1, (1, 9000), (1, 4150), sw=3)]
    return long + [
        layer
        for kh, kw in sizes
        for layer in (
            conv(6, 17, (13, 16), (kh, kw)),
            conv(17, 6, (8, 9), (kh, kw), ph=kh // 2, pw=kw // 2),
        )
    ]


def geometries() -> list[Layer]:
    """Stride, padding on four sides and dilation, each of which differs by direction."""
    layers = []
    strides = ((1, 2), (2, 1), (2, 2), (3, 2), (1, 3), (4, 4), (5, 7))
    paddings = ((0, 0, 0, 0), (1, 1, 1, 1), (0, 1, 2, 0), (3, 0, 0, 4), (2, 3, 5, 1))
    dilations = ((1, 1), (2, 1), (1, 2), (2, 3), (4, 2))
    for (sh, sw), (ph, phe, pw, pwe), (dh, dw) in itertools.product(strides, paddings, dilations):
        rest = {"sh": sh, "sw": sw, "ph": ph, "phe": phe, "pw": pw, "pwe": pwe, "dh": dh, "dw": dw}
        layers.append(conv(6, 17, (12, 17), (3, 3), **rest))
        if (dh, dw) == (1, 1):
            layers.append(conv(17, 6, (12, 17), (1, 1), **rest))
            layers.append(conv(3, 16, (12, 17), (2, 4), **rest))
    for dh, dw in dilations:
        layers.append(conv(16, 16, (15, 15), (3, 3), ph=dh, pw=dw, dh=dh, dw=dw))
    # Rows of a phase as long as rows of output, in several strips of two images.
    layers.append(conv(3, 8, (37, 227), (3, 3), mb=2, ph=1, pw=1, sh=2, sw=2))
    layers.append(conv(64, 6, (39, 9), (3, 3), mb=2, ph=1, pw=1, sh=2, sw=2))
    layers.append(conv(3, 24, (24, 56), (4, 4), mb=2, sh=4, sw=4))
    layers.append(conv(3, 17, (63, 59), (11, 11), mb=2, ph=2, pw=2, sh=4, sw=4))
    # Windows wholly on padding, an image smaller than the kernel, and padding beyond the kernel.
    layers.append(conv(6, 17, (1, 1), (3, 3), ph=1, pw=1))
    layers.append(conv(6, 17, (2, 1), (5, 5), ph=2, pw=2))
    layers.append(conv(6, 17, (3, 4), (3, 3), ph=5, pw=7))
    layers.append(conv(6, 17, (3, 4), (1, 1), ph=2, pw=3))
    layers.append(conv(6, 17, (3, 4), (1, 1), ph=2, pw=3, sh=2, sw=3))
    return layers


GROUPS = (  # groups, and the channels of one: of the input, of the result
    (2, 3, 8),
    (2, 16, 16),
    (2, 17, 33),
    (3, 1, 5),
    (3, 5, 1),
    (4, 4, 4),
    (5, 6, 4),
    (17, 3, 2),
    (32, 4, 4),
)


def groups() -> list[Layer]:
    """Groups of one channel, of several, and of many, also with several filters a channel."""
    layers = []
    for g, icg, ocg in GROUPS:
        layers.append(conv(g * icg, g * ocg, (7, 9), (3, 3), ph=1, pw=1, g=g))
        layers.append(conv(g * icg, g * ocg, (5, 15), (1, 1), g=g))
        layers.append(conv(g * icg, g * ocg, (9, 8), (2, 3), sh=2, sw=1, g=g))
    return layers


def depthwise() -> list[Layer]:
    """One filter for each channel, over channels, widths, kernels, strides and dilations."""
    layers = [conv(c, c, (5, 9), (3, 3), ph=1, pw=1, g=c) for c in CHANNELS if c > 1]
    layers += [_with_output(3, ow, 3, 3, (3, 3), g=3) for ow in sorted({*WIDTHS, *range(1, 36)})]
    layers += [conv(6, 6, (13, 14), (k, k), ph=k // 2, pw=k // 2, g=6) for k in range(1, 12)]
    for sh, sw, dh, dw in itertools.product((1, 2, 3), (1, 2, 3), (1, 2), (1, 2, 3)):
        layers.append(
            conv(6, 6, (11, 19), (3, 3), sh=sh, sw=sw, dh=dh, dw=dw, ph=1, phe=2, pw=0, pwe=3, g=6)
        )
    layers += [
        conv(5, 5, (3, 2), (5, 4), ph=2, pw=3, g=5),
        conv(3, 3, (4, 5), (3, 3), ph=4, pw=6, g=3),
        conv(17, 17, (9, 40), (1, 7), pw=3, g=17),
        conv(17, 17, (40, 9), (7, 1), ph=3, g=17),
    ]
    return layers


def depthwise_lanes() -> list[Layer]:
    """Depthwise layers whose channels lie in the lanes of a vector: small maps, long windows."""
    layers = [conv(c, c, (7, 7), (3, 3), ph=1, pw=1, g=c) for c in (16, 31, 47)]
    layers += [conv(24, 24, (s, s), (5, 5), ph=2, pw=2, g=24) for s in (3, 5, 6, 7, 9)]
    layers += [
        conv(40, 40, (14, 14), (5, 5), sh=2, sw=2, ph=1, phe=2, pw=1, pwe=2, g=40),
        conv(32, 32, (1, 131), (1, 31), pw=15, g=32),
        conv(16, 16, (7, 6), (7, 7), ph=3, pw=2, pwe=3, g=16),
    ]
    return layers


BORDERS = ("reflect", "replicate", "circular")


def bordered() -> list[tuple[Layer, str]]:
    """Layers with padding up to what each mode allows, and the mode."""
    found = []
    for mode in BORDERS:
        for ic, oc, g in ((1, 1, 1), (3, 17, 1), (17, 6, 1), (6, 6, 6), (5, 10, 5), (70, 33, 1)):
            for ih, iw, kh, kw in ((5, 7, 3, 3), (9, 30, 3, 5), (4, 2, 2, 4), (1, 3, 1, 2)):
                least = {"reflect": (ih - 1, iw - 1), "circular": (ih, iw)}.get(mode, (9, 9))
                ph, pw = min(kh, least[0]), min(kw, least[1])
                rest = {"ph": ph, "phe": max(ph - 1, 0), "pw": max(pw - 1, 0), "pwe": pw}
                for more in ({}, {"sh": 2, "sw": 3}, {"dh": 2, "dw": 2}):
                    layer = conv(ic, oc, (ih, iw), (kh, kw), mb=2, g=g, **rest, **more)
                    if min(layer.output_size) > 0:
                        found.append((layer, mode))
    return found


@dataclasses.dataclass(frozen=True)
class TransposedCase:
    """A transposed convolution: the shapes of its operands, and its options."""

    input: tuple[int, ...]
    weight: tuple[int, ...]
    how: tuple[tuple[str, object], ...]
    bias: bool = False
    activation: str | None = None

    def __str__(self) -> str:
        how = ",".join(f"{name}={value}" for name, value in self.how)
        return f"{self.input}*{self.weight},{how}".replace(" ", "")

    def operands(self, dtype=np.float64) -> tuple:
        """input, weight, bias: integers."""
        groups = dict(self.how).get("groups", 1)
        x = integers(self.input, str(self), "input", dtype=dtype)
        w = integers(self.weight, str(self), "weight", dtype=dtype)
        b = integers(self.weight[1] * groups, str(self), "bias", dtype=dtype)
        return x, w, b if self.bias else None


def beyond() -> list[Layer]:
    """Windows of which some taps meet nothing but a border of zeros, wherever they stand."""
    return [
        conv(16, 24, (9, 11), (3, 3), ph=12, pw=12, dh=12, dw=12),  # all but the middle
        conv(6, 17, (9, 11), (3, 5), ph=9, phe=0, pw=2, pwe=25, dw=7),  # on two sides
        conv(20, 33, (5, 4), (3, 3), ph=0, phe=8, pw=9, pwe=0, dh=6, dw=6),  # of the map, too
        conv(8, 8, (4, 4), (2, 2), ph=5, phe=0, pw=1, pwe=5, dh=8, dw=3),
        conv(17, 17, (1, 2), (3, 3), ph=1, pw=1, g=17),  # one row of a depthwise window
        conv(12, 10, (1, 1), (5, 5), ph=2, pw=2, mb=3, g=2),
        conv(33, 18, (7, 9), (3, 3), ph=10, pw=10, sh=3, sw=2, dh=10, dw=10),
        conv(
            33, 9, (5, 9), (7, 7), ph=0, phe=2, pw=3, pwe=2, dw=2
        ),  # 5×5 of it, which transforms take
        conv(20, 18, (7, 2), (3, 5), ph=1, pw=2),
        conv(4, 6, (2, 1), (2, 1), ph=2, phe=2, dh=5),  # no tap of the only window meets the map
    ]


def transposed(count: int, seed: int, rank: int = 2) -> list[TransposedCase]:
    """Random transposed convolutions of every stride, dilation, padding and group count."""
    draw = random.Random(seed)
    cases: dict[TransposedCase, None] = {}
    while len(cases) < count:
        kernel = tuple(draw.randint(1, 5) for _ in range(rank))
        size = tuple(draw.randint(1, 16) for _ in range(rank))
        stride, dilation = (tuple(draw.choice((1, 1, 2, 3, 4)) for _ in kernel) for _ in "sd")
        padding = tuple((draw.randint(0, 3), draw.randint(0, 3)) for _ in kernel)
        extra = tuple(draw.randrange(max(s, d)) for s, d in zip(stride, dilation, strict=True))
        groups = draw.choice((1, 1, 1, 2, 3, 17))
        icg, ocg = (1, 1) if groups == 17 else (draw.choice(CHANNELS[:8]) for _ in "io")
        axes = zip(size, kernel, stride, dilation, padding, extra, strict=True)
        if any((n - 1) * s + d * (k - 1) + 1 + e - sum(p) < 1 for n, k, s, d, p, e in axes):
            continue
        how = {"stride": stride, "padding": padding, "output_padding": extra, "groups": groups}
        how["dilation"] = dilation
        case = TransposedCase(
            (draw.randint(0, 2) or 1, groups * icg, *size),
            (groups * icg, ocg, *kernel),
            tuple(how.items()),
            draw.random() < 0.5,
            draw.choice(EXACT_ACTIVATIONS),
        )
        cases[case] = None
    return list(cases)


def whole_maps() -> list[Layer]:
    """Windows that are the whole map: features below, at and above vectors and pieces of a sum."""
    maps = ((1, 1), (1, 16), (5, 5), (7, 3))
    layers = [
        conv(ic, oc, size, size, mb=mb)
        for (ic, oc), size, mb in itertools.product(
            ((1, 1), (3, 17), (16, 31), (40, 33)), maps, BATCHES
        )
    ]
    layers += [conv(ic, 5, (1, 1), (1, 1), mb=7) for ic in (95, 96, 1023, 1025, 3000)]
    layers += [conv(g * icg, g * ocg, (3, 4), (3, 4), mb=2, g=g) for g, icg, ocg in GROUPS]
    layers += [conv(6, 17, (1, 5), (1, 5), mb=2, sh=2, sw=3, dh=4)]
    return layers


def mixtures(count: int, seed: int) -> list[Layer]:
    """Random mixtures of all rules, of results up to a few thousand numbers; no two alike."""
    draw = random.Random(seed)
    layers: dict[Layer, None] = {}
    while len(layers) < count:
        kh = draw.choice((1, 1, 2, 3, 3, 4, 5, 7, 11))
        kw = kh if draw.random() < 0.6 else draw.randint(1, 11)
        icg, ocg, g = draw.choice(CHANNELS), draw.choice(CHANNELS), 1
        style = draw.random()
        if style < 0.15:
            g, icg, ocg = draw.choice(CHANNELS), 1, 1
        elif style < 0.3:
            g, icg, ocg = draw.choice((2, 3, 5)), min(icg, 17), min(ocg, 17)
        dh, dw = (draw.choice((1, 1, 1, 2, 3)) for _ in range(2))
        ph, phe, pw, pwe = (draw.choice((0, 0, 1, 2, 3)) for _ in range(4))
        sh, sw = (draw.choice((1, 1, 1, 2, 3, 4)) for _ in range(2))
        oh, ow = draw.randint(1, 7), draw.choice((*WIDTHS[:15], 1, 2))
        ih = (oh - 1) * sh + dh * (kh - 1) + 1 - ph - phe + draw.randrange(sh)
        iw = (ow - 1) * sw + dw * (kw - 1) + 1 - pw - pwe + draw.randrange(sw)
        if ih < 1 or iw < 1:
            continue
        layer = conv(
            g * icg,
            g * ocg,
            (ih, iw),
            (kh, kw),
            mb=draw.choice((1, 1, 1, 2, 3)),
            sh=sh,
            sw=sw,
            ph=ph,
            phe=phe,
            pw=pw,
            pwe=pwe,
            dh=dh,
            dw=dw,
            g=g,
        )
        if layer.macs * layer.mb < 3_000_000:
            layers[layer] = None
    return list(layers)


def with_epilogues(layers: list[Layer]) -> list[ConvCase]:
    """The layers, each with the next of the epilogues in turn."""
    epilogues = itertools.product((False, True), (False, True), EXACT_ACTIVATIONS)
    # 11 of the 12, so that a sweep whose own period is a divisor of 12 still meets them all.
    turns = itertools.cycle(list(epilogues)[:-1])
    return [ConvCase(layer, *next(turns)) for layer in layers]


def thumbnail(layer: Layer) -> Layer:
    """A quick layer of the same kind: channels and sizes are cut, their remainders by the blocks
    and tiles (of 32 channels, of 14 pixels) kept."""

    def cut(size, step, least):
        return size if size <= least + step else least + (size - least) % step

    g = layer.g
    if g > 1:
        g = cut(g, 32, 16)
    icg, ocg = layer.ic // layer.g, layer.oc // layer.g
    reach_h, reach_w = layer.dh * (layer.kh - 1) + 1, layer.dw * (layer.kw - 1) + 1
    return dataclasses.replace(
        layer.shape_key,
        mb=min(layer.mb, 2),
        ic=g * cut(icg, 32, 32) if layer.kind == "conv" else cut(layer.ic, 32, 16),
        oc=g * cut(ocg, 32, 32) if layer.kind == "conv" else layer.oc,
        g=g,
        ih=cut(layer.ih, 14 * layer.sh, reach_h),
        iw=cut(layer.iw, 14 * layer.sw, reach_w),
    )


def integers(shape, *seed, dtype=np.float64) -> np.ndarray:
    """Integers from -4 to 4 that depend on the seed alone."""
    key = zlib.crc32(repr(seed).encode())
    return np.random.default_rng(key).integers(-4, 5, shape, np.int8).astype(dtype)


@dataclasses.dataclass(frozen=True, eq=False)
class ConvProblem:
    """Operands and the exact result, in float64; to be read only."""

    input: np.ndarray
    weight: np.ndarray
    bias: np.ndarray | None
    residual: np.ndarray | None
    result: np.ndarray

    def operands(self, dtype) -> tuple:
        """input, weight, bias, residual in `dtype`."""
        arrays = (self.input, self.weight, self.bias, self.residual)
        return tuple(None if array is None else array.astype(dtype) for array in arrays)


@functools.lru_cache(maxsize=4)
def conv_problem(case: ConvCase) -> ConvProblem:
    """Integer operands for the case and the reference's result."""
    layer = case.layer
    oh, ow = layer.output_size
    x = integers(layer.input_shape, str(case), "input")
    w = integers(layer.weight_shape, str(case), "weight")
    bias = integers(layer.oc, str(case), "bias") if case.bias else None
    shape = (layer.mb, layer.oc, oh, ow)
    residual = integers(shape, str(case), "residual") if case.residual else None
    result = reference.conv2d(x, w, bias, **case.how, residual=residual, activation=case.activation)
    assert result.shape == shape
    return ConvProblem(x, w, bias, residual, result)


def algorithm_must_take(algorithm: str, layer: Layer) -> bool | None:
    """Whether the forced algorithm must take the layer: True, False, or None for its own choice."""
    must = _must_take(algorithm, layer)
    return must or (None if _has_idle_taps(layer) else must)


def _has_idle_taps(layer: Layer) -> bool:
    """Whether taps meet no element of the map wherever the window stands: they may be left out."""
    axes = zip(
        layer.output_size, layer.kernel, layer.stride, layer.dilation, layer.padding,
        (layer.ih, layer.iw), strict=True,
    )  # fmt: skip
    for outputs, kernel, stride, dilation, (before, _), size in axes:
        places = np.arange(outputs) * stride + np.arange(kernel)[:, None] * dilation - before
        if not ((places >= 0) & (places < size)).any(axis=1).all():
            return True
    return False


def _must_take(algorithm: str, layer: Layer) -> bool | None:
    if algorithm in ("direct", "im2col", "planar"):
        return True
    if algorithm in transforms.TILE:
        return transforms.takes(algorithm, layer)
    if algorithm == "linear":
        return layer.kernel == (layer.ih, layer.iw) and layer.padding == ((0, 0), (0, 0))
    pointwise = layer.kernel == (1, 1)
    if algorithm in ("1x1", "pointwise"):
        if not pointwise:
            return False
        plain = layer.stride == (1, 1) and layer.padding == ((0, 0), (0, 0)) and layer.g == 1
        return True if plain else None
    if layer.ic != layer.g:
        return False
    return True if layer.oc == layer.g else None
