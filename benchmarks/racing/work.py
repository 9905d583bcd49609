"""What is raced: a layer of the corpora in one dtype, on so many threads, warm or cold."""

import dataclasses
import zlib

import corpus
import numpy as np

from fastconv import reference

# SPEED classes: rows of one class have one target.
WINDOWS = "3×3 and 5×5, stride 1"
POINTWISE = "1×1, strided, stems"
UNUSUAL = "depthwise, LeNet-size, odd, dilated, grouped"
OTHER = "other windows"
POOLING = "pooling"
LINEAR = "linear"
CLASSES = (WINDOWS, POINTWISE, UNUSUAL, OTHER, POOLING, LINEAR)

LENET_MACS = 1_000_000
# A result may be off by this times the sum of |x||w|: more than transforms with badly chosen
# points need, and a tenth of what bfloat16 or float16 weights show.
TOLERANCE = {"float32": 1e-5, "float64": 1e-13}


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the race."""

    layer: corpus.Layer
    dtype: str
    threads: int
    cold: bool

    @property
    def key(self) -> tuple[str, str, int, bool]:
        return str(self.layer.shape_key), self.dtype, self.threads, self.cold

    def __str__(self) -> str:
        temperature = "cold" if self.cold else "warm"
        return f"{self.layer.shape_key} {self.dtype} {self.threads}T {temperature}"


def classify(layer: corpus.Layer) -> str:
    """The class whose target a layer has. The first that fits, from the most special one on."""
    if layer.kind == "linear":
        return LINEAR
    if layer.kind != "conv":
        return POOLING
    odd = any(channels % 2 and channels > 3 for channels in (layer.ic, layer.oc))
    tiny = layer.macs < LENET_MACS
    if layer.g > 1 or layer.dilation != (1, 1) or odd or tiny:
        return UNUSUAL
    if layer.kernel == (1, 1) or layer.stride != (1, 1) or layer.ic <= 3:
        return POINTWISE
    if layer.kernel in ((3, 3), (5, 5)) and layer.ic >= 16 and layer.oc >= 16:
        return WINDOWS
    return OTHER


def is_depthwise(layer: corpus.Layer) -> bool:
    return layer.kind == "conv" and layer.g == layer.ic > 1


def is_memory_bound(layer: corpus.Layer) -> bool:
    """Whether a plain copy of its footprint is what it has to be held against."""
    return is_depthwise(layer) or layer.kind in ("maxpool", "avgpool", "globalavgpool")


def output_shape(layer: corpus.Layer) -> tuple[int, ...]:
    """The shape of the result, by asking the reference about one empty channel's worth of it."""
    if layer.kind == "linear":
        return layer.mb, layer.oc
    if layer.kind == "conv":
        return layer.mb, layer.oc, *layer.output_size
    plane = dataclasses.replace(layer, mb=1, ic=1)
    operation, arguments = plane.call(np.zeros(plane.input_shape), None, None)
    return layer.mb, layer.ic, *getattr(reference, operation)(*arguments).shape[2:]


def flops(layer: corpus.Layer) -> int:
    """Nominal: a multiply-add is two, padding counts. 0 for pooling."""
    return 2 * layer.macs * layer.mb


def share_inside(layer: corpus.Layer) -> float:
    """The part of a convolution's multiply-adds that meets pixels and not padding."""
    (top, _), (left, _) = layer.padding
    part = 1.0
    for size, kernel, stride, dilation, before, outputs in (
        (layer.ih, layer.kh, layer.sh, layer.dh, top, layer.output_size[0]),
        (layer.iw, layer.kw, layer.sw, layer.dw, left, layer.output_size[1]),
    ):
        taps = np.arange(outputs)[:, None] * stride - before + np.arange(kernel) * dilation
        part *= float(np.mean((taps >= 0) & (taps < size)))
    return part


def footprint(layer: corpus.Layer, itemsize: int) -> int:
    """Bytes of input, weights and result, each once."""
    elements = int(np.prod(layer.input_shape)) + int(np.prod(output_shape(layer)))
    if layer.kind in ("conv", "linear"):
        elements += int(np.prod(layer.weight_shape)) + layer.oc
    return elements * itemsize


@dataclasses.dataclass(frozen=True)
class Data:
    """Arrays of a layer; pooling has neither weight nor bias. grad: of the result, in training."""

    x: np.ndarray
    weight: np.ndarray | None
    bias: np.ndarray | None
    grad: np.ndarray | None = None

    def arrays(self) -> list[np.ndarray]:
        """Input, weight and bias, as far as there are."""
        return [array for array in (self.x, self.weight, self.bias) if array is not None]


def flat(arrays: list[np.ndarray]) -> np.ndarray:
    """Several results as one."""
    return np.concatenate([array.reshape(-1) for array in arrays])


def make_data(layer: corpus.Layer, dtype: str) -> Data:
    """Normally distributed numbers, always the same ones for a layer."""
    rng = np.random.default_rng(zlib.crc32(str(layer.shape_key).encode()))
    x = rng.standard_normal(layer.input_shape, np.float32).astype(dtype)
    if layer.kind not in ("conv", "linear"):
        return Data(x, None, None)
    weight = rng.standard_normal(layer.weight_shape, np.float32).astype(dtype)
    return Data(x, weight, rng.standard_normal(layer.oc, np.float32).astype(dtype))


@dataclasses.dataclass(frozen=True)
class Exact:
    """A layer's result in float64, and how far off it each value may be."""

    result: np.ndarray
    allowed: np.ndarray
    magnitude: float

    def complaint(self, got: np.ndarray) -> str | None:
        """What is wrong with a result; None: nothing."""
        if got.shape != self.result.shape:
            return f"shape {got.shape} where {self.result.shape} was expected"
        error = np.abs(got - self.result)
        if np.all(error <= self.allowed):  # False for NaN
            return None
        return f"off by {np.max(error) / self.magnitude:.1e} of Σ|x||w|"


def make_exact(layer: corpus.Layer, data: Data, dtype: str) -> Exact:
    """By fastconv.reference, which shares nothing with the engine.

    A transform spreads its error over a tile, so what counts is the largest sum of a plane.
    """
    arrays = [None if a is None else a.astype(np.float64) for a in (data.x, data.weight, data.bias)]
    operation, arguments = layer.call(*arrays)
    result = getattr(reference, operation)(*arguments)
    for array in arrays:
        if array is not None:
            np.abs(array, out=array)
    magnitude = getattr(reference, operation)(*arguments)
    axes = tuple(range(2, magnitude.ndim))
    allowed = TOLERANCE[dtype] * magnitude.max(axis=axes, keepdims=True)
    return Exact(result, allowed, float(magnitude.max()))
