"""pad, unfold, fold, interpolate against PyTorch. Run with -m oracle; without torch these fail."""

import math

import numpy as np
import pytest
import sweeps
from bounds import roundoff
from test_resampling import PADS, SHAPES, WINDOWS, values

import fastconv.functional as F

pytestmark = pytest.mark.oracle
every_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=("f32", "f64"))
FACTORS = (0.3, 0.5, 0.7, 1.0, 1.1, 1.5, 2.0, 2.3, 3.7, 1 / 3)


@pytest.fixture(scope="module")
def torch():
    import torch

    return torch


@every_dtype
@pytest.mark.parametrize(("shape", "sides"), PADS, ids=str)
def test_pad_with_a_constant(shape, sides, dtype, torch):
    x = values(shape, dtype)
    for value in (None, -2.5):
        expected = torch.nn.functional.pad(torch.from_numpy(x), sides, "constant", value).numpy()
        np.testing.assert_array_equal(F.pad(x, sides, "constant", value), expected, strict=True)


@every_dtype
@pytest.mark.parametrize("mode", sweeps.BORDERS)
def test_pad_with_what_there_is(mode, dtype, torch):
    for shape, sides in (
        ((3, 7), (6, 3)),
        ((2, 3, 7), (0, 6)),
        ((2, 3, 7, 9), (1, 2, 3, 4)),
        ((3, 7, 9), (8, 0, 6, 5)),
        ((2, 2, 3, 4, 5), (4, 1, 3, 2, 2, 0)),
    ):
        x = values(shape, dtype)
        expected = torch.nn.functional.pad(torch.from_numpy(x), sides, mode).numpy()
        np.testing.assert_array_equal(F.pad(x, sides, mode), expected, strict=True)


@every_dtype
@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_unfold_and_fold(window, dtype, torch):
    for shape in SHAPES[:4]:
        x = torch.from_numpy(values(shape, dtype, "x"))
        try:
            expected = torch.nn.functional.unfold(x, **window)
        except RuntimeError:
            with pytest.raises(ValueError, match="kernel_size"):
                F.unfold(x.numpy(), **window)
            continue
        np.testing.assert_array_equal(F.unfold(x.numpy(), **window), expected.numpy(), strict=True)
        y = torch.from_numpy(values(tuple(expected.shape), dtype, "y"))
        expected = torch.nn.functional.fold(y, shape[-2:], **window).numpy()
        np.testing.assert_array_equal(
            F.fold(y.numpy(), shape[-2:], **window), expected, strict=True
        )


def cases(rank):
    for n in range(1, 41):
        for new in range(1, 81):
            yield n, new, {"size": (1,) * (rank - 1) + (new,)}
        for factor in FACTORS:
            if n * factor >= 1:
                yield n, math.floor(n * factor), {"scale_factor": (1.0,) * (rank - 1) + (factor,)}


@every_dtype
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
@pytest.mark.parametrize("rank", [1, 2])
def test_nearest(rank, mode, dtype, torch):
    """Index for index, but where the exact place is a whole number: there PyTorch's own kernels
    differ among each other in rounding, and so may we."""
    compared = 0
    for n, new, how in cases(rank):
        x = np.arange(n, dtype=dtype).reshape((1,) * (rank + 1) + (n,))
        expected = torch.nn.functional.interpolate(torch.from_numpy(x), **how, mode=mode).numpy()
        result = F.interpolate(x, **how, mode=mode)
        assert result.shape == expected.shape
        scale = n / new if "size" in how else 1 / how["scale_factor"][-1]
        places = (np.arange(new) + (0.5 if mode == "nearest-exact" else 0)) * scale
        sure = np.abs(places - np.round(places)) > 1e-5
        if rank == 2 and dtype is np.float32 and mode == "nearest":
            sure[:] = True
        np.testing.assert_array_equal(result.ravel()[sure], expected.ravel()[sure], str((n, how)))
        compared += sure.sum()
    assert compared > 100_000


@every_dtype
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("rank", [1, 2])
def test_linear(rank, align_corners, dtype, torch):
    mode = "linear" if rank == 1 else "bilinear"
    rng = np.random.default_rng(1)
    for n, _, how in list(cases(rank))[::3]:
        x = rng.standard_normal((1, 2, *((3,) if rank == 2 else ()), n)).astype(dtype)
        how = {k: (5, *v[1:]) if rank == 2 and k == "size" else v for k, v in how.items()}
        more = {"mode": mode, "align_corners": align_corners}
        expected = torch.nn.functional.interpolate(torch.from_numpy(x), **how, **more).numpy()
        result = F.interpolate(x, **how, **more)
        # where a pixel lies is rounded too: the error of the weights times the pixels
        np.testing.assert_allclose(result, expected, rtol=0, atol=(40 + 16 * n) * roundoff(dtype))


def test_what_torch_refuses_is_refused(torch):
    functional, x = torch.nn.functional, np.ones((1, 2, 5, 5))
    calls = (
        lambda f, x: f.pad(x, (5, 0, 0, 0), "reflect"),
        lambda f, x: f.pad(x, (6, 0, 0, 0), "circular"),
        lambda f, x: f.pad(x, (1, 1), "replicate"),
        lambda f, x: f.pad(x, (1, 1, 1)),
        lambda f, x: f.fold(x[0], (5, 5), 2),
        lambda f, x: f.interpolate(x),
        lambda f, x: f.interpolate(x, 3, 2.0),
        lambda f, x: f.interpolate(x, (3,)),
        lambda f, x: f.interpolate(x[0, 0], 3),
        lambda f, x: f.interpolate(x, 3, align_corners=True),
    )
    for call in calls:
        with pytest.raises((RuntimeError, ValueError, NotImplementedError)):
            call(functional, torch.from_numpy(x))
        with pytest.raises(ValueError, match=": "):
            call(F, x)
