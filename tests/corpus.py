"""The layers of real networks, as text: read tests/shapes/*.txt.

One layer a line, a kind and then key-number tokens in any order; ``#`` starts a comment:

    conv ic64 ih56 iw56 oc64 kh3 kw3 sh1 sw1 ph1 pw1 dh1 dw1 g1 x4 n:layer1.0.conv1

    conv                      convolution
    maxpool, avgpool          pooling over windows (ceil1: the last window may hang over the end)
    globalavgpool             the mean of each plane
    linear                    fully connected: ic input and oc output features

    mb           batch (1)              ic oc        channels or features
    ih iw        input's size           kh kw        kernel
    sh sw        stride (1)             dh dw        dilation (1: dense)
    ph pw        padding above and left (0); below and right too, unless phe, pwe say otherwise
    g            groups (1)             ceil         1: ceil_mode (0)
    x            how many layers of the network have this shape (1)
    n:NAME       the first of them, by its name in the network

A number in parentheses is what an absent token means. The names are oneDNN's, the dilation is
PyTorch's. Each shape stands once in its network's file.
"""

import dataclasses
import pathlib
import re

import numpy as np

SHAPES = pathlib.Path(__file__).resolve().parent / "shapes"
KINDS = ("conv", "maxpool", "avgpool", "globalavgpool", "linear")
_REQUIRED = {
    "conv": {"ic", "ih", "iw", "oc", "kh", "kw"},
    "maxpool": {"ic", "ih", "iw", "kh", "kw"},
    "avgpool": {"ic", "ih", "iw", "kh", "kw"},
    "globalavgpool": {"ic", "ih", "iw"},
    "linear": {"ic", "oc"},
}
_OPTIONAL = {
    "conv": {"mb", "sh", "sw", "ph", "pw", "phe", "pwe", "dh", "dw", "g", "x"},
    "maxpool": {"mb", "sh", "sw", "ph", "pw", "dh", "dw", "ceil", "x"},
    "avgpool": {"mb", "sh", "sw", "ph", "pw", "ceil", "x"},
    "globalavgpool": {"mb", "x"},
    "linear": {"mb", "x"},
}
_MAY_BE_ZERO = {"mb", "ph", "pw", "phe", "pwe", "ceil"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layer:
    """One line of a corpus; sizes that its kind does not have are 1, paddings 0."""

    kind: str
    n: str = ""
    x: int = 1
    mb: int = 1
    ic: int
    ih: int = 1
    iw: int = 1
    oc: int = 1
    kh: int = 1
    kw: int = 1
    sh: int = 1
    sw: int = 1
    ph: int = 0
    pw: int = 0
    phe: int | None = None
    pwe: int | None = None
    dh: int = 1
    dw: int = 1
    g: int = 1
    ceil: int = 0

    @property
    def kernel(self) -> tuple[int, int]:
        return self.kh, self.kw

    @property
    def stride(self) -> tuple[int, int]:
        return self.sh, self.sw

    @property
    def dilation(self) -> tuple[int, int]:
        return self.dh, self.dw

    @property
    def padding(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """((top, bottom), (left, right))"""
        bottom = self.ph if self.phe is None else self.phe
        right = self.pw if self.pwe is None else self.pwe
        return (self.ph, bottom), (self.pw, right)

    @property
    def output_size(self) -> tuple[int, int]:
        """(OH, OW) of a convolution."""
        (top, bottom), (left, right) = self.padding
        oh = (self.ih + top + bottom - self.dh * (self.kh - 1) - 1) // self.sh + 1
        ow = (self.iw + left + right - self.dw * (self.kw - 1) - 1) // self.sw + 1
        return oh, ow

    @property
    def input_shape(self) -> tuple[int, ...]:
        return (self.mb, self.ic) if self.kind == "linear" else (self.mb, self.ic, self.ih, self.iw)

    @property
    def weight_shape(self) -> tuple[int, ...]:
        if self.kind == "linear":
            return self.oc, self.ic
        return self.oc, self.ic // self.g, self.kh, self.kw

    @property
    def macs(self) -> int:
        """Multiply-adds of one image, padding counted; 0 for pooling."""
        if self.kind == "linear":
            return self.ic * self.oc
        if self.kind != "conv":
            return 0
        oh, ow = self.output_size
        return self.oc * (self.ic // self.g) * self.kh * self.kw * oh * ow

    def call(self, x: np.ndarray, weight: np.ndarray | None, bias: np.ndarray | None) -> tuple:
        """(name of the operation, its arguments) for this layer; pooling has no weight."""
        window = (self.kernel, self.stride, (self.ph, self.pw))
        match self.kind:
            case "conv":
                how = (self.stride, self.padding, self.dilation, self.g)
                return "conv2d", (x, weight, bias, *how)
            case "linear":
                return "linear", (x, weight, bias)
            case "maxpool":
                return "max_pool2d", (x, *window, self.dilation, bool(self.ceil))
            case "avgpool":
                return "avg_pool2d", (x, *window, bool(self.ceil))
        return "global_avg_pool2d", (x,)

    @property
    def shape_key(self) -> "Layer":
        """The layer without its name and count: equal for equal shapes."""
        return dataclasses.replace(self, n="", x=1)

    def __str__(self) -> str:
        """The layer as a line of a corpus, absent tokens left out."""
        tokens = [self.kind]
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            known = field.name in _REQUIRED[self.kind] | _OPTIONAL[self.kind]
            if known and (field.name in _REQUIRED[self.kind] or value != field.default):
                tokens.append(f"{field.name}{value}")
        return " ".join(tokens + ([f"n:{self.n}"] if self.n else []))


def parse_line(line: str) -> Layer:
    """Read one line that is not empty; ValueError says what is wrong with it."""
    kind, *tokens = line.split()
    if kind not in KINDS:
        raise ValueError(f"{line!r}: unknown kind {kind!r}, expected one of {', '.join(KINDS)}")
    values: dict[str, int | str] = {}
    for token in tokens:
        if token.startswith("n:"):
            key, value = "n", token[2:]
        else:
            match = re.fullmatch(r"([a-z]+)(\d+)", token)
            if match is None:
                raise ValueError(f"{line!r}: {token!r} is not a name and a number")
            key, value = match[1], int(match[2])
            if key not in _REQUIRED[kind] | _OPTIONAL[kind]:
                raise ValueError(f"{line!r}: {kind} has no {key!r}")
            if value == 0 and key not in _MAY_BE_ZERO:
                raise ValueError(f"{line!r}: {key} must be at least 1")
        if key in values:
            raise ValueError(f"{line!r}: {key} is given twice")
        values[key] = value
    missing = _REQUIRED[kind] - values.keys()
    if missing:
        raise ValueError(f"{line!r}: {', '.join(sorted(missing))} missing")
    return Layer(kind=kind, **values)


def networks() -> list[str]:
    """The names of all corpora."""
    return sorted(path.stem for path in SHAPES.glob("*.txt"))


def unique_layers() -> dict[str, Layer]:
    """network:name -> each shape of all networks, the ones that networks share only once."""
    seen: dict[Layer, str] = {}
    for network in networks():
        for layer in load(network):
            seen.setdefault(layer.shape_key, f"{network}:{layer.n}")
    return {name: layer for layer, name in seen.items()}


def load(network: str) -> list[Layer]:
    """The layers of one corpus, in the order of its file."""
    text = (SHAPES / f"{network}.txt").read_text(encoding="utf-8")
    lines = (line.split("#", 1)[0].strip() for line in text.splitlines())
    return [parse_line(line) for line in lines if line]
