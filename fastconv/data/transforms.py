"""What is done to a batch of images before a network sees it: whole batches, NCHW, no loops.

A transform is called with an array and returns a new one. Those with ``random`` true also take the
``Draws`` of the batch, which a ``DataLoader`` provides: an image then is moved or mirrored by
(seed, epoch, index) alone, whatever batch it is in.

>>> import numpy as np
>>> from fastconv.data import Draws, transforms
>>> augment = transforms.Compose([transforms.RandomShift(2), transforms.ToFloat()])
>>> images = np.full((4, 1, 8, 8), 255, np.uint8)
>>> augment(images, Draws(seed=0, epoch=0, indices=np.arange(4))).max()
np.float32(1.0)
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from fastconv import functional

from .draws import Draws

__all__ = [
    "Compose",
    "Downscale",
    "GaussianBlur",
    "Normalize",
    "RandomAffine",
    "RandomCrop",
    "RandomHorizontalFlip",
    "RandomShift",
    "ToFloat",
]


class Compose:
    """One transform after the other; random if one of them is.

    Args:
        transforms: a sequence of callables.
    """

    def __init__(self, transforms: Sequence[Callable[..., np.ndarray]]) -> None:
        self.transforms = list(transforms)
        for transform in self.transforms:
            if not callable(transform):
                raise TypeError(f"Compose: {transform!r} cannot be called")
        self.random = any(getattr(transform, "random", False) for transform in self.transforms)

    def __call__(self, x: np.ndarray, draws: Draws | None = None) -> np.ndarray:
        for transform in self.transforms:
            random = getattr(transform, "random", False)
            x = transform(x, draws) if random else transform(x)
        return x


class ToFloat:
    """Levels of unsigned integers as float32 in 0 … 1: x / 255 for uint8, x / 65535 for uint16.

    Raises:
        TypeError: the array is of another dtype; floats are taken as they are without it.
    """

    def __call__(self, x: np.ndarray) -> np.ndarray:
        _check("ToFloat", x)
        if x.dtype not in (np.uint8, np.uint16):
            raise TypeError(f"ToFloat: expected uint8 or uint16, not {x.dtype}")
        return x.astype(np.float32) / np.float32(np.iinfo(x.dtype).max)


class Normalize:
    """(x - mean) / std, channel by channel.

    Mean and deviation are those of the *train* set, in every set: dev and test images go through
    the same change as those the network was trained on.

    Args:
        mean, std: numbers, or one for each channel; std is positive.

    Raises:
        TypeError: x is not floating: ToFloat comes first.
        ValueError: mean or std is not finite, std not positive, or their number is not that of the
            channels.

    >>> Normalize(0.5, 0.25)(np.array([[[[0.5, 1.0]]]])).tolist()
    [[[[0.0, 2.0]]]]
    """

    def __init__(self, mean: float | Sequence[float], std: float | Sequence[float]) -> None:
        self.mean = np.atleast_1d(np.asarray(mean, np.float64))
        self.std = np.atleast_1d(np.asarray(std, np.float64))
        if self.mean.ndim != 1 or self.std.ndim != 1:
            raise ValueError("Normalize: mean and std must be numbers or one number for a channel")
        if not (np.isfinite(self.mean).all() and np.isfinite(self.std).all()):
            raise ValueError("Normalize: mean and std must be finite")
        if not (self.std > 0).all():
            raise ValueError(
                f"Normalize: std must be positive, not {self.std.min()}; a channel that never "
                f"changes has none"
            )

    @classmethod
    def of(cls, x: np.ndarray) -> "Normalize":
        """With the mean and deviation of each channel of images: give it the train set.

        Integers are measured as ToFloat makes them, so that what is made of uint8 images fits after
        it.
        """
        _check("Normalize.of", x)
        if not x.size:
            raise ValueError("Normalize.of: no images, no mean")
        axes = (0, 2, 3)
        scale = 1.0 if x.dtype.kind == "f" else 1.0 / np.iinfo(x.dtype).max
        mean = x.mean(axes, dtype=np.float64)
        return cls(mean * scale, x.std(axes, dtype=np.float64) * scale)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        _check("Normalize", x)
        if x.dtype.kind != "f":
            raise TypeError(f"Normalize: expected floats, not {x.dtype}: ToFloat comes first")
        channels = x.shape[1]
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (1, channels):
                raise ValueError(
                    f"Normalize: {name} has {len(values)} numbers, x {channels} channels"
                )
        shape = (1, -1, 1, 1)
        mean, std = (v.astype(x.dtype).reshape(shape) for v in (self.mean, self.std))
        return (x - mean) / std


class RandomCrop:
    """A window of each image at a random place.

    Args:
        size: (height, width), or an int for both.
        padding: pixels of border that are put around first, on every side.
        fill: the border's value.

    Raises:
        ValueError: the window is larger than the padded image.
    """

    random = True

    def __init__(self, size: int | tuple[int, int], padding: int = 0, fill: float = 0) -> None:
        self.size = (size, size) if isinstance(size, int) else tuple(size)
        self.padding, self.fill = padding, fill
        if min(self.size) < 1 or padding < 0:
            raise ValueError(
                f"RandomCrop: size must be at least 1 and padding 0, not {size} and {padding}"
            )

    def __call__(self, x: np.ndarray, draws: Draws | None) -> np.ndarray:
        _check("RandomCrop", x, draws)
        return _windows("RandomCrop", x, draws, self.size, self.padding, self.fill)


class RandomShift:
    """Each image moved by up to so many pixels, up or down and left or right.

    Args:
        pixels: how far at most, in each direction.
        fill: what is there where the image was.
    """

    random = True

    def __init__(self, pixels: int, fill: float = 0) -> None:
        if pixels < 0:
            raise ValueError(f"RandomShift: pixels must be at least 0, not {pixels}")
        self.pixels, self.fill = pixels, fill

    def __call__(self, x: np.ndarray, draws: Draws | None) -> np.ndarray:
        _check("RandomShift", x, draws)
        return _windows("RandomShift", x, draws, x.shape[2:], self.pixels, self.fill)


class RandomAffine:
    """Each image turned, stretched, slanted and moved a little, as handwriting is.

    Formula, in pixels from the middle of the image (x, y):
        what comes to (x, y) was at diag(a, b) · R(angle) · [[1, slant], [0, 1]] · (x, y) + (dx, dy)
        angle, slant, dx and dy are uniform in ± degrees, ± shear and ± shift;
        a = exp(u), b = exp(v), u and v uniform in ± scale; bilinear between pixels

    Args:
        degrees, scale, shear, shift: none negative; shift in pixels.
        fill: what is there where the image was not.

    Source:
        P. Simard, D. Steinkraus, J. Platt, "Best practices for convolutional neural networks
        applied to visual document analysis", ICDAR 2003.
    """

    random = True

    def __init__(
        self,
        degrees: float = 0.0,
        scale: float = 0.0,
        shear: float = 0.0,
        shift: float = 0.0,
        fill: float = 0,
    ) -> None:
        for name, value in (("degrees", degrees), ("scale", scale), ("shear", shear),
                            ("shift", shift)):  # fmt: skip
            if not 0 <= value < float("inf"):
                raise ValueError(f"RandomAffine: {name} must be at least 0, not {value}")
        self.degrees, self.scale, self.shear = degrees, scale, shear
        self.shift, self.fill = shift, fill

    def __call__(self, x: np.ndarray, draws: Draws | None) -> np.ndarray:
        draws = _check("RandomAffine", x, draws)
        angle, wide, high, slant, right, down = (2 * draws.uniform() - 1 for _ in range(6))
        angle = np.deg2rad(self.degrees) * angle
        cos, sin, slant = np.cos(angle), np.sin(angle), self.shear * slant
        matrix = np.array([[cos, slant * cos - sin], [sin, slant * sin + cos]])
        matrix = np.moveaxis(matrix * np.exp(self.scale * np.array([[wide], [high]])), 2, 0)
        return _in_floats(x, lambda x: _warped(x, matrix, self.shift * right, self.shift * down,
                                               self.fill))  # fmt: skip


class RandomHorizontalFlip:
    """Each image mirrored, left for right, with probability p. Not for digits and letters."""

    random = True

    def __init__(self, p: float = 0.5) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"RandomHorizontalFlip: p must be in 0 … 1, not {p}")
        self.p = p

    def __call__(self, x: np.ndarray, draws: Draws | None) -> np.ndarray:
        flipped = _check("RandomHorizontalFlip", x, draws).uniform() < self.p
        result = x.copy()
        result[flipped] = x[flipped, :, :, ::-1]
        return result


class GaussianBlur:
    """A soft picture, as a phone's unsteady hand or cheap lens makes it.

    Formula:
        rows, then columns, convolved with g[i] ∝ exp(-i² / (2 sigma²)), |i| ≤ radius, of sum 1; the
        border is the outermost pixel again. Depthwise convolutions of the engine.

    Args:
        sigma: in pixels, positive.
        radius: of the kernel; None: 3 sigma, rounded up.

    Integers are rounded back to their dtype.
    """

    def __init__(self, sigma: float, radius: int | None = None) -> None:
        if not 0 < sigma < 1e4:
            raise ValueError(f"GaussianBlur: sigma must be in 0 … 10,000, not {sigma}")
        self.sigma = sigma
        self.radius = int(np.ceil(3 * sigma)) if radius is None else radius
        if self.radius < 1:
            raise ValueError(f"GaussianBlur: radius must be at least 1, not {radius}")
        steps = np.arange(-self.radius, self.radius + 1)
        kernel = np.exp(-0.5 * (steps / sigma) ** 2)
        self._kernel = kernel / kernel.sum()

    def __call__(self, x: np.ndarray) -> np.ndarray:
        _check("GaussianBlur", x)
        return _in_floats(x, self._blur)

    def _blur(self, x: np.ndarray) -> np.ndarray:
        channels, size = x.shape[1], len(self._kernel)
        for shape, padding in (((size, 1), (self.radius, 0)), ((1, size), (0, self.radius))):
            weight = np.broadcast_to(
                self._kernel.astype(x.dtype).reshape(1, 1, *shape), (channels, 1, *shape)
            )
            # strict: the same bits whatever precision is in force where it is called.
            x = functional.conv2d(
                x, weight, padding=padding, groups=channels, padding_mode="replicate",
                precision="strict",
            )  # fmt: skip
        return x


class Downscale:
    """A coarse picture of the same size: as if it had been taken with 1 / factor of the pixels.

    Formula:
        the mean of each factor × factor square (the last rows and columns again where they do not
        fill one), then interpolated bilinearly to the size before.

    Args:
        factor: an int, at least 2.

    Integers are rounded back to their dtype.
    """

    def __init__(self, factor: int) -> None:
        if not isinstance(factor, int) or factor < 2:
            raise ValueError(f"Downscale: factor must be an int, at least 2, not {factor!r}")
        self.factor = factor

    def __call__(self, x: np.ndarray) -> np.ndarray:
        _check("Downscale", x)
        return _in_floats(x, self._scale)

    def _scale(self, x: np.ndarray) -> np.ndarray:
        height, width = x.shape[2:]
        below, right = -height % self.factor, -width % self.factor
        if below or right:
            x = functional.pad(x, (0, right, 0, below), mode="replicate")
        small = functional.avg_pool2d(x, self.factor)
        large = functional.interpolate(small, x.shape[2:], mode="bilinear", align_corners=False)
        return large[:, :, :height, :width]


def _check(who: str, x: Any, *draws: Draws | None) -> Any:
    if not isinstance(x, np.ndarray) or x.ndim != 4:
        got = f"shape {x.shape}" if isinstance(x, np.ndarray) else type(x).__name__
        raise ValueError(f"{who}: expected images as an array (N, C, H, W), got {got}")
    for draw in draws:
        if draw is None or len(draw) != len(x):
            got = "none" if draw is None else f"those of {len(draw)}"
            raise ValueError(f"{who}: expected the Draws of {len(x)} images, got {got}")
        return draw
    return None


def _windows(
    who: str, x: np.ndarray, draws: Draws, size: tuple[int, int], padding: int, fill: float
) -> np.ndarray:
    """A window of that size of each image with a border, each at a place of its own."""
    border = [(0, 0), (0, 0), (padding, padding), (padding, padding)]
    padded = np.pad(x, border, constant_values=x.dtype.type(fill)) if padding else x
    room = [have - want for have, want in zip(padded.shape[2:], size, strict=True)]
    if min(room) < 0:
        raise ValueError(
            f"{who}: a window of {tuple(size)} does not fit images of {x.shape[2:]} with "
            f"{padding} pixels of border"
        )
    rows, columns = draws.integers(0, room[0]), draws.integers(0, room[1])
    windows = sliding_window_view(padded, size, axis=(2, 3))
    return windows[np.arange(len(x)), :, rows, columns]


def _warped(
    x: np.ndarray, matrix: np.ndarray, right: np.ndarray, down: np.ndarray, fill: float
) -> np.ndarray:
    """Images of floats whose pixel p comes from matrix · p + (right, down), from the middle."""
    n, c, height, width = x.shape
    middle = (width - 1) / 2, (height - 1) / 2
    dtype = np.result_type(x.dtype, np.float32)
    rows, columns = np.mgrid[:height, :width].reshape(2, -1)
    grid = (columns - middle[0]).astype(dtype), (rows - middle[1]).astype(dtype)
    rows_of = matrix.astype(dtype)[..., np.newaxis]
    # Not a product of matrices, whose rounding is the library's affair.
    across, along = (rows_of[:, i, 0] * grid[0] + rows_of[:, i, 1] * grid[1] for i in (0, 1))
    # One pixel of fill on the left and above, two on the right and below: whoever is further out
    # than the first finds nothing but fill.
    step = width + 3
    sides = [(0, 0), (0, 0), (1, 2), (1, 2)]
    flat = np.pad(x, sides, constant_values=fill).reshape(-1)
    column = np.clip(across + (right + middle[0] + 1).astype(dtype)[:, None], 0, width + 1)
    row = np.clip(along + (down + middle[1] + 1).astype(dtype)[:, None], 0, height + 1)
    left, top = column.astype(np.intp), row.astype(np.intp)
    column, row = (column - left)[:, None], (row - top)[:, None]
    planes = np.arange(n * c).reshape(n, c, 1) * ((height + 3) * step)
    corner = planes + (top * step + left)[:, None]
    # All are inside; mode="clip" does without a second look at each.
    a, b, c_, d = (flat.take(corner + by, mode="clip") for by in (0, 1, step, step + 1))
    upper, lower = a + (b - a) * column, c_ + (d - c_) * column
    return (upper + (lower - upper) * row).astype(x.dtype).reshape(x.shape)


def _in_floats(x: np.ndarray, work: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    if x.dtype.kind == "f":
        return work(x)
    if x.dtype.kind not in "iu":
        raise TypeError(f"expected images of integers or floats, not {x.dtype}")
    limits = np.iinfo(x.dtype)
    # float32 holds integers of up to 16 bits.
    result = work(x.astype(np.float32 if limits.bits <= 16 else np.float64))
    return np.clip(np.rint(result), limits.min, limits.max).astype(x.dtype)
