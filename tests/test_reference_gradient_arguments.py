"""What the oracle's gradients take and refuse: as test_reference.py has it for the others."""

import numpy as np
import pytest
from test_reference import GOOD as FORWARD
from test_reference import array_variants, assert_is, bad

from fastconv import reference

IMAGE = np.arange(2 * 2 * 4 * 4, dtype=np.float32).reshape(2, 2, 4, 4) / 8
PLACES = np.arange(64).reshape(2, 2, 4, 4) % 16
ONES = np.ones(2, np.float32)
LOGITS = {"input": IMAGE, "target": np.ones((2, 4, 4), np.int64), "weight": ONES}
GOOD = {
    "conv1d_input_gradient": {
        "grad": IMAGE[0],
        "weight": np.ones((4, 3, 2), np.float32),
        "input_size": (2, 3, 5),
    },
    "conv1d_weight_gradient": {"grad": IMAGE[0], "input": IMAGE[1], "weight_size": (4, 4, 1)},
    "conv_transpose1d_input_gradient": {
        "grad": IMAGE[0],
        "weight": np.ones((3, 4, 2), np.float32),
        "input_size": (2, 3, 3),
    },
    "conv_transpose1d_weight_gradient": {
        "grad": IMAGE[0],
        "input": IMAGE[1],
        "weight_size": (4, 4, 1),
    },
    "linear_input_gradient": {"grad": IMAGE, "weight": np.ones((4, 3), np.float32)},
    "linear_weight_gradient": {"grad": IMAGE, "input": IMAGE},
    "bias_gradient": {"grad": IMAGE},
    "max_pool1d_gradient": {"grad": IMAGE[0], "indices": PLACES[0], "input_size": 16},
    "max_pool2d_gradient": {"grad": IMAGE, "indices": PLACES, "input_size": (2, 8)},
    "max_unpool1d_gradient": {"grad": IMAGE[0], "indices": PLACES[0] % 4},
    "max_unpool2d_gradient": {"grad": IMAGE, "indices": PLACES},
    "avg_pool1d_gradient": {"grad": IMAGE[0], "input_size": 8, "kernel_size": 2},
    "avg_pool2d_gradient": {"grad": IMAGE, "input_size": 8, "kernel_size": 2},
    "lp_pool1d_gradient": {
        "grad": IMAGE[0],
        "input": np.ones((2, 4, 8), np.float32),
        "result": IMAGE[0],
        "norm_type": 2,
        "kernel_size": 2,
    },
    "lp_pool2d_gradient": {
        "grad": IMAGE,
        "input": np.ones((2, 2, 8, 8), np.float32),
        "result": IMAGE,
        "norm_type": 2,
        "kernel_size": 2,
    },
    "adaptive_avg_pool1d_gradient": {"grad": IMAGE[0], "input_size": 7},
    "adaptive_avg_pool2d_gradient": {"grad": IMAGE, "input_size": 7},
    "global_avg_pool2d_gradient": {"grad": IMAGE[..., :1, :1], "input_size": (2, 3)},
    "pad_gradient": {"grad": IMAGE, "input_size": (2, 2, 4, 2), "pad": (1, 1)},
    "unfold_gradient": {
        "grad": IMAGE.reshape(2, 8, 4),
        "input_size": (1, 5),
        "kernel_size": (1, 2),
    },
    "fold_gradient": {"grad": IMAGE, "kernel_size": 2},
    "interpolate_gradient": {"grad": IMAGE, "input_size": (3, 8)},
    "activation_gradient": {"activation": "silu", "grad": IMAGE, "saved": IMAGE[::-1]},
    "prelu_gradient": {"grad": IMAGE, "input": IMAGE - 4, "weight": ONES},
    "batch_norm_train": {"input": IMAGE, "weight": ONES, "bias": ONES},
    "batch_norm_inference_gradient": {
        "grad": IMAGE,
        "input": IMAGE,
        "weight": ONES,
        "running_mean": ONES,
        "running_var": ONES,
    },
    "local_response_norm_gradient": {"grad": IMAGE, "input": IMAGE, "size": 2},
    "softmax_gradient": {"grad": IMAGE, "result": IMAGE, "dim": 1},
    "log_softmax_gradient": {"grad": IMAGE, "result": -IMAGE, "dim": 1},
    "cross_entropy": LOGITS,
    "cross_entropy_gradient": LOGITS | {"grad": np.array(2, np.float32), "saved": None},
}
# float16 takes statistics in float32
GOOD_MIXED = {
    "batch_norm_gradient": {
        "grad": IMAGE,
        "input": IMAGE,
        "weight": None,
        "mean": ONES,
        "inverse_std": ONES,
    }
}
for name in ("conv2d", "convolve2d"):
    GOOD[f"{name}_input_gradient"] = {
        "grad": IMAGE,
        "weight": np.ones((2, 3, 2, 2), np.float32),
        "input_size": (2, 3, 5, 5),
    }
    GOOD[f"{name}_weight_gradient"] = {
        "grad": IMAGE[..., :3, :3],
        "input": IMAGE,
        "weight_size": (2, 2, 2, 2),
    }
GOOD["conv_transpose2d_input_gradient"] = {
    "grad": IMAGE,
    "weight": np.ones((3, 2, 2, 2), np.float32),
    "input_size": (2, 3, 3, 3),
}
GOOD["conv_transpose2d_weight_gradient"] = {
    "grad": IMAGE,
    "input": IMAGE[..., :3, :3],
    "weight_size": (2, 2, 2, 2),
}


def several(result):
    return result if isinstance(result, tuple) else (result,)


def test_every_operation_is_here():
    steps = {name for name in reference.__all__ if name.endswith("_step")}  # in test_optim.py
    assert set(reference.__all__) == {*FORWARD, *GOOD, *GOOD_MIXED, *steps}


@pytest.mark.parametrize("op", GOOD)
def test_every_kind_of_array_gives_the_same_float64(op):
    expected = several(getattr(reference, op)(**GOOD[op]))
    arrays = {
        k: v for k, v in GOOD[op].items() if isinstance(v, np.ndarray) and v.dtype == np.float32
    }
    variants = {k: list(array_variants(v)) if v.ndim else None for k, v in arrays.items()}
    for i in range(len(next(v for v in variants.values() if v))):
        given = {
            k: v[i] if v else arrays[k].astype(next(w[i] for w in variants.values() if w).dtype)
            for k, v in variants.items()
        }
        before = [array.copy() for array in given.values()]
        for one, other in zip(
            several(getattr(reference, op)(**GOOD[op] | given)), expected, strict=True
        ):
            assert_is(one, other)
        for array, copy in zip(given.values(), before, strict=True):
            np.testing.assert_array_equal(array, copy)


# ---- refusals ------------------------------------------------------------------------------------

BAD = [
    (op, name, value, TypeError)
    for op, given in (GOOD | GOOD_MIXED).items()
    for name in ("grad", "input", "saved", "result", "indices")
    if isinstance(given.get(name), np.ndarray)
    for value in ([[1.0]], bad(2, 2, dtype="i4"))
]
ANY_IMAGES = (
    *("bias_gradient", "fold_gradient", "interpolate_gradient"),
    *("adaptive_avg_pool1d_gradient", "adaptive_avg_pool2d_gradient"),
)
BAD += [
    (op, "grad", bad(7, 7, 7), ValueError)
    for op, given in (GOOD | GOOD_MIXED).items()
    if "grad" in given and op not in ANY_IMAGES
]
BAD += [
    ("avg_pool2d_gradient", "padding", 2, ValueError),
    ("avg_pool2d_gradient", "divisor_override", 0, ValueError),
    ("max_pool2d_gradient", "indices", PLACES + 1, ValueError),
    ("max_unpool2d_gradient", "indices", PLACES - 1, ValueError),
    ("bias_gradient", "axis", 4, ValueError),
    ("pad_gradient", "input_size", 4, TypeError),
    ("interpolate_gradient", "input_size", (3, 0), ValueError),
    ("interpolate_gradient", "scale_factor", 3.0, ValueError),
    ("activation_gradient", "activation", "sine", ValueError),
    ("batch_norm_train", "running_mean", ONES, ValueError),
    ("prelu_gradient", "weight", bad(3), ValueError),
    ("softmax_gradient", "dim", 4, ValueError),
    ("local_response_norm_gradient", "size", 0, ValueError),
    ("cross_entropy", "target", np.full((2, 4, 4), 2), ValueError),
    ("cross_entropy", "label_smoothing", 1.5, ValueError),
    ("cross_entropy_gradient", "reduction", "max", ValueError),
]


@pytest.mark.parametrize(("op", "name", "value", "error"), BAD)
def test_bad_argument_is_refused(op, name, value, error):
    with pytest.raises(error):
        getattr(reference, op)(**(GOOD | GOOD_MIXED)[op] | {name: value})
