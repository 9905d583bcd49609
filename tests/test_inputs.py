"""Inputs and outputs of every memory layout give the right answer; inputs stay as they were."""

import numpy as np
import pytest
import sweeps
import transforms
from engine import poisoned, trace

import fastconv.functional as F
from fastconv import reference

pytestmark = pytest.mark.usefixtures("strict")

DTYPES = (np.float16, np.float32, np.float64)
IDS = ("f16", "f32", "f64")


def spread(array, steps):
    """The same values with gaps of NaN between them along each axis."""
    shape = [size * step for size, step in zip(array.shape, steps, strict=True)]
    room = np.full(shape, np.nan, array.dtype)
    view = room[tuple(slice(None, None, step) for step in steps)]
    view[...] = array
    return view


def unaligned(array):
    """The same values at an address that is no multiple of the item's size."""
    room = np.empty(array.nbytes + 1, np.uint8)[1:]
    view = room.view(array.dtype).reshape(array.shape)
    view[...] = array
    assert not view.flags.aligned
    return view


def read_only(array):
    copy = array.copy()
    copy.flags.writeable = False
    return copy


def memory_order(array, axes):
    """The same values, kept in the order of the axes given: an NHWC view is (0, 2, 3, 1)."""
    back = np.argsort(axes)
    return np.ascontiguousarray(array.transpose(axes)).transpose(back)


def inside_larger(array):
    """The middle of a larger array."""
    room = np.full([size + 3 for size in array.shape], np.nan, array.dtype)
    view = room[tuple(slice(1, -2) for _ in array.shape)]
    view[...] = array
    return view


LAYOUTS = {
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "read-only": read_only,
    "unaligned": unaligned,
    "fortran": np.asfortranarray,
    "gaps in rows": lambda a: spread(a, (1,) * (a.ndim - 1) + (2,)),
    "gaps everywhere": lambda a: spread(a, (2, 3, 2, 3)[-a.ndim :]),
    "reversed": lambda a: np.ascontiguousarray(a[(slice(None, None, -1),) * a.ndim])[
        (slice(None, None, -1),) * a.ndim
    ],
    "rows reversed": lambda a: np.ascontiguousarray(a[..., ::-1])[..., ::-1],
    "first axis reversed": lambda a: np.ascontiguousarray(a[::-1])[::-1],
    "inside a larger array": inside_larger,
    "big-endian with gaps": lambda a: spread(
        a.astype(a.dtype.newbyteorder(">")), (1,) * (a.ndim - 1) + (2,)
    ),
    "a subclass": lambda a: a.view(type("Plain", (np.ndarray,), {})),
}
IMAGE_LAYOUTS = LAYOUTS | {
    "NHWC": lambda a: memory_order(a, (0, 2, 3, 1)),
    "HWNC": lambda a: memory_order(a, (2, 3, 0, 1)),
    "CHWN": lambda a: memory_order(a, (1, 2, 3, 0)),
    "NCWH": lambda a: memory_order(a, (0, 1, 3, 2)),
    "NHWC reversed": lambda a: memory_order(a[:, :, ::-1, ::-1], (0, 2, 3, 1))[:, :, ::-1, ::-1],
}


def layouts(table):
    return pytest.mark.parametrize("layout", table.values(), ids=table)


every_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=IDS)


def test_layouts_change_no_value():
    array = sweeps.integers((2, 3, 4, 5), "layouts", dtype=np.float32)
    for name, layout in IMAGE_LAYOUTS.items():
        np.testing.assert_array_equal(layout(array), array, err_msg=name)


LAYERS = (
    sweeps.conv(17, 33, (6, 15), (3, 3), ph=1, pw=1, mb=2),
    sweeps.conv(17, 33, (6, 15), (1, 1), mb=2),
    sweeps.conv(3, 16, (12, 15), (5, 5), sh=2, sw=2, mb=2),
    sweeps.conv(17, 17, (6, 15), (3, 3), ph=1, pw=1, g=17, mb=2),
    sweeps.conv(6, 10, (6, 15), (3, 3), dh=2, g=2, mb=2),
)


@every_dtype
@layouts(IMAGE_LAYOUTS)
@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_conv2d_of_any_layout(layer, layout, dtype, tier):
    """Each operand in turn, then all together; by the automatic choice and by each algorithm."""
    case = sweeps.ConvCase(layer, bias=True, residual=True)
    problem = sweeps.conv_problem(case)
    plain = problem.operands(dtype)
    expected = problem.result.astype(dtype)
    image_only = IMAGE_LAYOUTS.keys() - LAYOUTS.keys()
    fits_bias = layout not in [IMAGE_LAYOUTS[name] for name in image_only]
    changed = [layout(a) if a.ndim == 4 or fits_bias else a for a in plain]
    before = [a.copy() for a in changed]
    mixes = [[*plain[:i], changed[i], *plain[i + 1 :]] for i in range(4)] + [changed]
    for x, w, bias, residual in mixes:
        result = F.conv2d(x, w, bias, **case.how, residual=residual)
        np.testing.assert_array_equal(result, expected, strict=True)
        assert type(result) is np.ndarray
        assert result.dtype.isnative
    for algorithm in sweeps.ALGORITHMS:
        if sweeps.algorithm_must_take(algorithm, layer):
            x, w, bias, residual = changed
            with trace() as executions:
                result = F.conv2d(x, w, bias, **case.how, residual=residual, algorithm=algorithm)
            transforms.assert_meets(result, problem, layer, algorithm)
            assert [(ran[1], ran[2]) for ran in executions] == [(algorithm, tier)]
    for after, array in zip(changed, before, strict=True):
        np.testing.assert_array_equal(after, array)


OUT_LAYOUTS = {
    name: IMAGE_LAYOUTS[name] for name in IMAGE_LAYOUTS.keys() - {"read-only", "a subclass"}
}


@every_dtype
@layouts(dict(sorted(OUT_LAYOUTS.items())))
def test_out_of_any_strides(layout, dtype):
    """The result lands in `out`, and nothing between its elements is written."""
    case = sweeps.ConvCase(LAYERS[0], bias=True)
    problem = sweeps.conv_problem(case)
    x, w, bias, _ = problem.operands(dtype)
    out = layout(np.zeros(problem.result.shape, dtype))
    if not out.dtype.isnative:
        with pytest.raises(TypeError, match="conv2d: out"):
            F.conv2d(x, w, bias, **case.how, out=out)
        return
    root = out
    while isinstance(root.base, np.ndarray):
        root = root.base
    out[...] = 0
    gaps = np.isnan(root).sum() if root.dtype == out.dtype else 0
    assert F.conv2d(x, w, bias, **case.how, out=out) is out
    np.testing.assert_array_equal(out, problem.result.astype(dtype))
    if root.dtype == out.dtype:
        assert np.isnan(root).sum() == gaps


@every_dtype
@layouts(IMAGE_LAYOUTS)
def test_pools_of_any_layout(layout, dtype):
    x = sweeps.integers((2, 17, 9, 15), "pool layouts", dtype=dtype)
    view = layout(x)
    result, indices = F.max_pool2d(view, 3, 2, 1, return_indices=True)
    expected, places = reference.max_pool2d(x, 3, 2, 1, return_indices=True)
    np.testing.assert_array_equal(result, expected.astype(dtype), strict=True)
    np.testing.assert_array_equal(indices, places, strict=True)
    np.testing.assert_array_equal(F.max_pool2d(view, 3, 2, 1), result, strict=True)
    # On equal values the layout changes no bit, so that plain memory's result is the measure.
    for op in (lambda a: F.avg_pool2d(a, 3, 2, 1), F.global_avg_pool2d, F.global_max_pool2d):
        np.testing.assert_array_equal(op(view), op(x), strict=True)


@every_dtype
@layouts(LAYOUTS)
def test_linear_of_any_layout(layout, dtype):
    x = sweeps.integers((3, 5, 17), "x", dtype=dtype)
    w = sweeps.integers((33, 17), "w", dtype=dtype)
    bias = sweeps.integers(33, "b", dtype=dtype)
    expected = reference.linear(x, w, bias).astype(dtype)
    for operands in ((layout(x), w, bias), (x, layout(w), bias), (x, w, layout(bias))):
        np.testing.assert_array_equal(F.linear(*operands), expected, strict=True)
    room = np.full((3, 5, 66), np.nan, dtype)
    out = room[..., ::2]
    assert F.linear(layout(x), layout(w), layout(bias), out=out) is out
    np.testing.assert_array_equal(out, expected)
    assert np.isnan(room[..., 1::2]).all()


@every_dtype
@layouts(LAYOUTS)
@pytest.mark.parametrize("shape", [(7, 9), (2, 3, 5, 17)], ids=str)
def test_relu_and_softmax_of_any_layout(shape, layout, dtype):
    x = sweeps.integers(shape, "relu", dtype=dtype)
    view = layout(x)
    np.testing.assert_array_equal(F.relu(view), reference.relu(x).astype(dtype), strict=True)
    for dim in range(-len(shape), len(shape)):
        np.testing.assert_array_equal(F.softmax(view, dim), F.softmax(x, dim), strict=True)
    out = spread(poisoned(shape, dtype), (1,) * (len(shape) - 1) + (2,))
    assert F.relu(view, out=out) is out
    np.testing.assert_array_equal(out, reference.relu(x))
    assert F.softmax(view, 1, out=out) is out
    np.testing.assert_array_equal(out, F.softmax(x, 1))


@pytest.mark.parametrize(
    "op", ["max_pool2d", "avg_pool2d", "global_avg_pool2d", "global_max_pool2d"]
)
def test_pool_out_of_any_strides(op):
    x = sweeps.integers((2, 5, 8, 10), op, dtype=np.float32)
    arguments = () if op.startswith("global") else (2,)
    expected = getattr(F, op)(x, *arguments)
    for layout in (lambda a: memory_order(a, (0, 2, 3, 1)), lambda a: spread(a, (1, 2, 1, 3))):
        out = layout(poisoned(expected.shape, np.float32))
        assert getattr(F, op)(x, *arguments, out=out) is out
        np.testing.assert_array_equal(out, expected)


def test_broadcast_inputs():
    """Stride 0: one row of memory that stands for many."""
    x = np.broadcast_to(np.arange(5, dtype=np.float32), (2, 3, 4, 5))
    w = np.broadcast_to(np.float32(2), (7, 3, 3, 3))
    bias = np.broadcast_to(np.float32(1), 7)
    np.testing.assert_array_equal(F.conv2d(x, w, bias), reference.conv2d(x, w, bias))
    np.testing.assert_array_equal(F.max_pool2d(x, 2), reference.max_pool2d(x, 2))
    np.testing.assert_array_equal(F.relu(x), x)
    np.testing.assert_array_equal(F.softmax(x, 0), np.full(x.shape, 0.5))
    row = np.broadcast_to(np.float32(3), (6, 5))
    np.testing.assert_array_equal(F.linear(x, row), reference.linear(x, row))


def test_axes_of_size_one_with_odd_strides():
    """NumPy leaves the stride of an axis of one element to chance; nothing may depend on it."""
    x = sweeps.integers((1, 4, 6, 7), "ones", dtype=np.float32)
    w = sweeps.integers((5, 4, 1, 3), "ones w", dtype=np.float32)
    odd_x = np.lib.stride_tricks.as_strided(x, x.shape, (12345, *x.strides[1:]))
    odd_w = np.lib.stride_tricks.as_strided(w, w.shape, (*w.strides[:2], -999, w.strides[3]))
    np.testing.assert_array_equal(F.conv2d(odd_x, odd_w), reference.conv2d(x, w))
    np.testing.assert_array_equal(F.max_pool2d(odd_x, 2), reference.max_pool2d(x, 2))
    column = x[..., :1]
    odd = np.lib.stride_tricks.as_strided(column, column.shape, (*column.strides[:3], 10**15))
    np.testing.assert_array_equal(F.conv2d(odd, w[..., :1]), reference.conv2d(column, w[..., :1]))
    np.testing.assert_array_equal(F.avg_pool2d(odd, (2, 1)), F.avg_pool2d(column.copy(), (2, 1)))


def test_memory_mapped_file(tmp_path):
    x = sweeps.integers((1, 3, 8, 8), "mapped", dtype=np.float32)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    w = sweeps.integers((5, 3, 3, 3), "mapped w", dtype=np.float32)
    np.testing.assert_array_equal(F.conv2d(mapped, w), reference.conv2d(x, w))


def test_one_array_as_several_operands():
    """Inputs may be one another; only out must stand alone."""
    x = sweeps.integers((4, 4, 3, 3), "self", dtype=np.float32)
    np.testing.assert_array_equal(F.conv2d(x, x), reference.conv2d(x, x))
    residual = sweeps.integers((1, 4, 6, 6), "self r", dtype=np.float32)
    w = sweeps.integers((4, 4, 3, 3), "self w", dtype=np.float32)
    np.testing.assert_array_equal(
        F.conv2d(residual, w, padding=1, residual=residual),
        reference.conv2d(residual, w, padding=1, residual=residual),
    )
