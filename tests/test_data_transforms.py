"""Transforms against plain loops and formulas; images alike in any batch."""

import numpy as np
import pytest

import fastconv
from fastconv.data import Draws, transforms
from fastconv.data.transforms import (
    Compose,
    Downscale,
    GaussianBlur,
    Normalize,
    RandomAffine,
    RandomCrop,
    RandomHorizontalFlip,
    RandomShift,
    ToFloat,
)

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (6, 3, 9, 8), np.uint8)


def draws(count=6, epoch=0, begin=0):
    return Draws(1, epoch, np.arange(begin, begin + count))


ALL = [
    ToFloat(),
    Compose([ToFloat(), Normalize([0.4, 0.5, 0.6], 0.25)]),
    RandomShift(2, fill=7),
    RandomHorizontalFlip(),
    RandomAffine(30, 0.3, 0.4, 2, fill=9),
    RandomCrop((5, 4), padding=1),
    GaussianBlur(1.5),
    Downscale(2),
    Downscale(5),
    Compose([RandomShift(1), RandomHorizontalFlip(0.3), GaussianBlur(0.5), ToFloat()]),
]


def apply(transform, x, random):
    return transform(x, random) if getattr(transform, "random", False) else transform(x)


@pytest.mark.parametrize("transform", ALL, ids=lambda t: type(t).__name__)
def test_an_image_is_changed_alike_in_any_batch(transform):
    before = IMAGES.copy()
    whole = apply(transform, IMAGES, draws())
    for i in range(6):
        alone = apply(transform, IMAGES[i : i + 1], draws(1, begin=i))
        assert alone.tobytes() == np.ascontiguousarray(whole[i : i + 1]).tobytes()
    np.testing.assert_array_equal(IMAGES, before)
    assert not np.shares_memory(whole, IMAGES)
    strided = apply(transform, np.repeat(IMAGES, 2, axis=3)[..., ::2], draws())
    np.testing.assert_array_equal(strided, whole)
    assert apply(transform, IMAGES[:0], draws(0)).shape == (0, *whole.shape[1:])


def test_to_float():
    for dtype, top in ((np.uint8, 255), (np.uint16, 65535)):
        x = np.array([0, 1, top // 2, top], dtype).reshape(1, 1, 2, 2)
        found = ToFloat()(x)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, (x / top).astype(np.float32))
    for dtype in (np.float32, np.int64, bool):
        with pytest.raises(TypeError, match="expected uint8 or uint16"):
            ToFloat()(np.zeros((1, 1, 2, 2), dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_normalize(dtype):
    x = RNG.random((4, 3, 5, 5)).astype(dtype)
    found = Normalize([1, 2, 3], [2, 4, 8])(x)
    assert found.dtype == dtype
    for c in range(3):
        np.testing.assert_allclose(found[:, c], (x[:, c] - c - 1) / 2 ** (c + 1), rtol=1e-5)
    own = Normalize.of(x)(x)
    np.testing.assert_allclose(own.mean((0, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(own.std((0, 2, 3)), 1, rtol=1e-5)


def test_normalize_of_levels_fits_after_to_float():
    found = Normalize.of(IMAGES)(ToFloat()(IMAGES))
    np.testing.assert_allclose(found.mean((0, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(found.std((0, 2, 3)), 1, rtol=1e-5)


def test_shift_moves_every_image_by_its_own_way():
    x = 1 + np.arange(200 * 30, dtype=np.float32).reshape(200, 1, 5, 6)
    found = RandomShift(2, fill=-1)(x, draws(200))
    ways = set()
    for image, moved in zip(x[:, 0], found[:, 0], strict=True):
        candidates = []
        for dy in range(-2, 3):
            for dx in range(-2, 3):
                expected = np.full((9, 10), -1, np.float32)
                expected[2 + dy : 7 + dy, 2 + dx : 8 + dx] = image
                if np.array_equal(expected[2:7, 2:8], moved):
                    candidates.append((dy, dx))
        assert len(candidates) == 1
        ways.update(candidates)
    assert len(ways) == 25
    np.testing.assert_array_equal(RandomShift(0)(x, draws(200)), x)


@pytest.mark.parametrize(("dtype", "atol"), [(np.float32, 2e-5), (np.float64, 1e-12)])
def test_affine_is_its_formula(dtype, atol):
    x = RNG.random((8, 2, 7, 6)).astype(dtype)
    found = RandomAffine(40, 0.3, 0.5, 2, fill=-1)(x, draws(8))
    assert found.dtype == dtype
    angle, u, v, slant, dx, dy = (2 * drawn - 1 for drawn in uniforms(draws(8), 6))
    for n in range(8):
        turn = np.deg2rad(40) * angle[n]
        matrix = (
            np.diag(np.exp([0.3 * u[n], 0.3 * v[n]]))
            @ [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
            @ [[1, 0.5 * slant[n]], [0, 1]]
        )
        for row in range(7):
            for column in range(6):
                place = matrix @ [column - 2.5, row - 3] + [2 * dx[n] + 2.5, 2 * dy[n] + 3]
                expected = bilinear(x[n].astype(float), *place, -1)
                np.testing.assert_allclose(found[n, :, row, column], expected, atol=atol)


def uniforms(drawn, count):
    return [drawn.uniform() for _ in range(count)]


def bilinear(image, x, y, fill):
    """Between four pixels, of which those outside are fill."""
    left, top = int(np.floor(x)), int(np.floor(y))
    total = 0.0
    for row, by in ((top, 1 - (y - top)), (top + 1, y - top)):
        for column, across in ((left, 1 - (x - left)), (left + 1, x - left)):
            inside = 0 <= row < image.shape[1] and 0 <= column < image.shape[2]
            total = total + by * across * (image[:, row, column] if inside else fill)
    return total


def test_affine_of_nothing_and_of_levels():
    np.testing.assert_array_equal(RandomAffine()(IMAGES, draws()), IMAGES)
    found = RandomAffine(10, 0.1, 0.1, 1)(IMAGES, draws())
    assert found.dtype == np.uint8
    exact = RandomAffine(10, 0.1, 0.1, 1)(IMAGES.astype(np.float32), draws())
    np.testing.assert_array_equal(found, np.rint(exact))
    far = RandomAffine(shift=1000, fill=5)(IMAGES, draws())
    assert (far == 5).mean() > 0.5


def test_crop_is_a_window():
    x = np.arange(300 * 20, dtype=np.int32).reshape(300, 1, 4, 5)
    found = RandomCrop((3, 2))(x, draws(300))
    corners = set()
    for image, window in zip(x[:, 0], found[:, 0], strict=True):
        top, left = divmod(int(window[0, 0] - image[0, 0]), 5)
        np.testing.assert_array_equal(window, image[top : top + 3, left : left + 2])
        corners.add((top, left))
    assert len(corners) == 2 * 4
    assert RandomCrop(4, padding=2)(x, draws(300)).shape == (300, 1, 4, 4)
    with pytest.raises(ValueError, match=r"window of \(5, 5\) does not fit images of \(4, 5\)"):
        RandomCrop(5)(x, draws(300))


def test_flip_is_of_about_a_half_and_another_in_another_epoch():
    x = np.tile(np.arange(4.0), (1000, 1, 2, 1))
    found = RandomHorizontalFlip()(x, draws(1000))
    flipped = found[:, 0, 0, 0] == 3
    np.testing.assert_array_equal(found[flipped], x[flipped][..., ::-1])
    np.testing.assert_array_equal(found[~flipped], x[~flipped])
    assert 420 < flipped.sum() < 580
    other = RandomHorizontalFlip()(x, draws(1000, epoch=1))[:, 0, 0, 0] == 3
    assert 400 < (flipped != other).sum() < 600
    assert (RandomHorizontalFlip(0)(x, draws(1000)) == x).all()
    assert (RandomHorizontalFlip(1)(x, draws(1000)) == x[..., ::-1]).all()


@pytest.mark.parametrize(("dtype", "rtol"), [(np.float32, 1e-5), (np.float64, 1e-12)])
def test_blur_is_its_formula(dtype, rtol):
    x = RNG.random((2, 3, 9, 8)).astype(dtype)
    found = GaussianBlur(1.2, radius=2)(x)
    assert found.dtype == dtype
    kernel = np.exp(-(np.arange(-2, 3) ** 2) / (2 * 1.2**2))
    kernel = np.outer(kernel, kernel) / kernel.sum() ** 2
    padded = np.pad(x.astype(np.float64), [(0, 0), (0, 0), (2, 2), (2, 2)], mode="edge")
    expected = sum(
        kernel[i, j] * padded[:, :, i : i + 9, j : j + 8] for i in range(5) for j in range(5)
    )
    np.testing.assert_allclose(found, expected, rtol=rtol)


def test_blur_keeps_what_is_flat_and_takes_what_is_fine():
    flat = np.full((1, 2, 8, 8), 200, np.uint8)
    np.testing.assert_array_equal(GaussianBlur(2)(flat), flat)
    checks = np.indices((8, 8)).sum(axis=0)[None, None] % 2 * np.uint8(255)
    found = GaussianBlur(2)(checks.astype(np.uint8))
    assert found.dtype == np.uint8
    assert np.abs(found[0, 0, 3:5, 3:5].astype(int) - 127).max() <= 2


@pytest.mark.parametrize("transform", [GaussianBlur(1.3), Downscale(2)])
def test_integers_are_rounded_to_the_nearest(transform):
    exact = transform(IMAGES.astype(np.float32))
    np.testing.assert_array_equal(transform(IMAGES), np.rint(exact).astype(np.uint8))


def test_blur_has_the_same_bits_under_any_precision():
    x = RNG.random((2, 16, 40, 40)).astype(np.float32)
    with fastconv.precision("fast"), fastconv.num_threads(1):
        one = GaussianBlur(1)(x)
    with fastconv.precision("strict"), fastconv.num_threads(2):
        assert GaussianBlur(1)(x).tobytes() == one.tobytes()


def test_downscale_is_means_between_which_it_interpolates():
    x = np.array([[0, 4, 8, 12], [4, 8, 12, 16]], np.float32).reshape(1, 1, 2, 4)
    # Means 4 and 12; pixels at -1/4, 1/4, 3/4, 5/4 of them.
    np.testing.assert_allclose(Downscale(2)(x)[0, 0], [[4, 6, 10, 12]] * 2)
    flat = np.full((1, 1, 7, 5), 9, np.uint8)
    np.testing.assert_array_equal(Downscale(3)(flat), flat)
    # 3 columns are 2 and one that is there twice.
    x = np.array([[0, 2, 10]], np.float32).reshape(1, 1, 1, 3)
    np.testing.assert_allclose(Downscale(2)(x)[0, 0], [[1, 3.25, 7.75]])


def test_compose_is_random_if_a_part_is():
    assert not Compose([ToFloat()]).random
    assert Compose([ToFloat(), Compose([RandomShift(1)])]).random
    x = Compose([lambda x: x + 1, lambda x: x * 2])(np.ones((1, 1, 1, 1)))
    assert x.item() == 4


@pytest.mark.parametrize("transform", ALL[1:], ids=lambda t: type(t).__name__)
def test_what_is_no_batch_of_images(transform):
    for x in (IMAGES[0], [1], np.zeros(3, np.uint8)):
        with pytest.raises(ValueError, match=r"\(N, C, H, W\)"):
            apply(transform, x, draws())


@pytest.mark.parametrize(
    "transform", [RandomShift(1), RandomAffine(1), RandomHorizontalFlip(), RandomCrop(3)]
)
def test_random_transforms_want_the_draws_of_their_batch(transform):
    with pytest.raises(ValueError, match="expected the Draws of 6 images, got none"):
        transform(IMAGES, None)
    with pytest.raises(ValueError, match="of 6 images, got those of 5"):
        transform(IMAGES, draws(5))


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: Normalize(0, 0), ValueError, "std must be positive"),
        (lambda: Normalize(float("nan"), 1), ValueError, "finite"),
        (lambda: Normalize([[0]], 1), ValueError, "one number for a channel"),
        (lambda: Normalize([0, 0], 1)(np.zeros((1, 3, 2, 2))), ValueError, "2 numbers, x 3 chan"),
        (lambda: Normalize(0, 1)(IMAGES), TypeError, "ToFloat comes first"),
        (lambda: Normalize.of(IMAGES[:0]), ValueError, "no images"),
        (lambda: RandomShift(-1), ValueError, "at least 0"),
        (lambda: RandomAffine(shear=-1), ValueError, "shear must be at least 0"),
        (lambda: RandomAffine(float("nan")), ValueError, "degrees must be at least 0"),
        (lambda: RandomCrop(0), ValueError, "at least 1"),
        (lambda: RandomHorizontalFlip(1.5), ValueError, "0 … 1"),
        (lambda: GaussianBlur(0), ValueError, "sigma"),
        (lambda: GaussianBlur(1, radius=0), ValueError, "radius"),
        (lambda: Downscale(1), ValueError, "at least 2"),
        (lambda: Downscale(2.5), ValueError, "an int"),
        (lambda: Compose([3]), TypeError, "cannot be called"),
        (lambda: GaussianBlur(1)(np.zeros((1, 1, 2, 2), bool)), TypeError, "integers or floats"),
    ],
)
def test_unfit_arguments(make, error, says):
    with pytest.raises(error, match=says):
        make()


def test_all_are_exported():
    assert all(hasattr(transforms, name) for name in transforms.__all__)
