"""Bad input: the right exception, words that help, and nothing written.

Each case is also put to the reference, which must raise the same kind of exception.
"""

import re

import children
import numpy as np
import pytest
from engine import poisoned

import fastconv.functional as F
from fastconv import reference


def ones(*shape, dtype=np.float32):
    return np.ones(shape, dtype)


X, W = ones(1, 4, 6, 6), ones(8, 4, 3, 3)
BIG = 2**62

LINE, TAPS = ones(1, 4, 6), ones(8, 4, 3)

# Name, the call's arguments on top of a good call, the exception, words of the message.
CONV = [
    # rank and size
    ("input of rank 2", {"input": ones(6, 6)}, ValueError, "input", "2 dim", r"\(6, 6\)"),
    ("input of rank 5", {"input": ones(1, 1, 4, 6, 6)}, ValueError, "input", "5 dim"),
    ("weight of rank 3", {"weight": ones(8, 4, 3)}, ValueError, "weight", "3 dim"),
    ("weight of rank 2", {"weight": ones(8, 4)}, ValueError, "weight", "2 dim"),
    ("no channels", {"input": ones(1, 0, 6, 6), "weight": ones(8, 0, 3, 3)}, ValueError, "0"),
    ("no rows", {"input": ones(1, 4, 0, 6)}, ValueError, "input", r"\(1, 4, 0, 6\)"),
    ("no columns", {"input": ones(1, 4, 6, 0)}, ValueError, "input", r"\(1, 4, 6, 0\)"),
    ("no filters", {"weight": ones(0, 4, 3, 3)}, ValueError, "weight", r"\(0, 4, 3, 3\)"),
    ("kernel of no rows", {"weight": ones(8, 4, 0, 3)}, ValueError, "weight"),
    ("bias of rank 2", {"bias": ones(8, 1)}, ValueError, "bias", r"\(8, 1\)", r"\(8,\)"),
    ("bias too short", {"bias": ones(7)}, ValueError, "bias", r"\(7,\)", r"\(8,\)"),
    ("bias scalar", {"bias": ones()}, ValueError, "bias", r"\(8,\)"),
    ("residual shape", {"residual": ones(1, 8, 6, 6)}, ValueError, "residual", r"\(1, 8, 4, 4\)"),
    ("residual unbatched", {"residual": ones(8, 4, 4)}, ValueError, "residual", r"\(8, 4, 4\)"),
    ("channels", {"weight": ones(8, 3, 3, 3)}, ValueError, "weight", "3", "4 channels", "groups=1"),
    ("groups of input", {"groups": 3}, ValueError, "groups=3", "4"),
    ("groups of weight", {"groups": 4, "weight": ones(6, 1, 3, 3)}, ValueError, "groups=4", "6"),
    ("channels by groups", {"groups": 2}, ValueError, "weight", "4", "groups=2"),
    ("kernel larger than input", {"weight": ones(8, 4, 7, 3)}, ValueError, "7", "6", "empty"),
    ("kernel wider than input", {"weight": ones(8, 4, 3, 7)}, ValueError, "7", "6", "empty"),
    ("dilated beyond input", {"dilation": 3}, ValueError, "dilation", "7", "6"),
    # parameters out of range
    ("stride 0", {"stride": 0}, ValueError, "stride", "0"),
    ("stride -1", {"stride": -1}, ValueError, "stride", "-1"),
    ("one stride 0", {"stride": (1, 0)}, ValueError, "stride", "0"),
    ("three strides", {"stride": (1, 1, 1)}, ValueError, "stride", "3", "2"),
    ("no strides", {"stride": ()}, ValueError, "stride"),
    ("dilation 0", {"dilation": 0}, ValueError, "dilation", "0"),
    ("dilation -2", {"dilation": (-2, 1)}, ValueError, "dilation", "-2"),
    ("padding -1", {"padding": -1}, ValueError, "padding", "-1"),
    ("one padding -1", {"padding": (0, -1)}, ValueError, "padding", "-1"),
    ("one side -1", {"padding": ((0, 0), (-1, 0))}, ValueError, "padding", "-1"),
    ("three paddings", {"padding": (1, 1, 1)}, ValueError, "padding", "3"),
    ("three sides", {"padding": ((1, 1, 1), (1, 1))}, ValueError, "padding", "3"),
    ("padding by another word", {"padding": "full"}, ValueError, "padding", "full", "same"),
    ("padding SAME", {"padding": "SAME"}, ValueError, "padding", "SAME", "same"),
    ("padding_mode 'same'", {"padding_mode": "same"}, ValueError, "padding_mode", "reflect"),
    ("padding_mode None", {"padding_mode": None}, TypeError, "padding_mode", "None", "zeros"),
    ("reflect 6 of 6", {"padding": 6, "padding_mode": "reflect"}, ValueError, "at most 5"),
    (
        "circular 7 of 6",
        {"padding": ((0, 0), (7, 0)), "padding_mode": "circular"},
        ValueError,
        "padding",
        "width",
        "at most 6",
    ),
    ("groups 0", {"groups": 0}, ValueError, "groups", "0"),
    ("groups -1", {"groups": -1}, ValueError, "groups", "-1"),
    ("another activation", {"activation": "selu"}, ValueError, "activation", "selu", "relu"),
    # wrong types
    ("input a list", {"input": [[1.0]]}, TypeError, "input", "list"),
    ("input a number", {"input": 1.0}, TypeError, "input", "float"),
    ("input None", {"input": None}, TypeError, "input", "None"),
    ("weight a list", {"weight": [[1.0]]}, TypeError, "weight", "list"),
    ("weight None", {"weight": None}, TypeError, "weight", "None"),
    ("bias a list", {"bias": [0.0] * 8}, TypeError, "bias", "list"),
    ("bias a number", {"bias": 0.0}, TypeError, "bias", "float"),
    ("residual a list", {"residual": [0.0]}, TypeError, "residual", "list"),
    ("stride 1.0", {"stride": 1.0}, TypeError, "stride", "float"),
    ("stride nan", {"stride": float("nan")}, TypeError, "stride", "nan"),
    ("stride inf", {"stride": float("inf")}, TypeError, "stride", "inf"),
    ("stride np.float32", {"stride": np.float32(1)}, TypeError, "stride", "float32"),
    ("stride True", {"stride": True}, TypeError, "stride", "bool"),
    ("stride np.True_", {"stride": np.True_}, TypeError, "stride", "bool"),
    ("stride None", {"stride": None}, TypeError, "stride", "None"),
    ("stride '1'", {"stride": "1"}, TypeError, "stride", "str"),
    ("stride pair with float", {"stride": (1, 1.5)}, TypeError, "stride", "1.5"),
    ("padding 0.5", {"padding": 0.5}, TypeError, "padding", "0.5"),
    ("padding False", {"padding": False}, TypeError, "padding", "bool"),
    ("padding None", {"padding": None}, TypeError, "padding", "None"),
    ("padding mixed", {"padding": ((1, 1), 1)}, TypeError, "padding"),
    ("dilation 1.0", {"dilation": (1.0, 1)}, TypeError, "dilation", "float"),
    ("groups 1.0", {"groups": 1.0}, TypeError, "groups", "float"),
    ("groups True", {"groups": True}, TypeError, "groups", "bool"),
    ("groups pair", {"groups": (1, 1)}, TypeError, "groups", "tuple"),
    ("activation a function", {"activation": max}, TypeError, "activation"),
    ("activation True", {"activation": True}, TypeError, "activation", "bool"),
    # dtypes that differ
    (
        "weight float64",
        {"weight": ones(8, 4, 3, 3, dtype=np.float64)},
        TypeError,
        "float64",
        "float32",
    ),
    ("bias float64", {"bias": ones(8, dtype=np.float64)}, TypeError, "bias", "float64", "float32"),
    ("bias float16", {"bias": ones(8, dtype=np.float16)}, TypeError, "bias", "float16"),
    (
        "residual float64",
        {"residual": ones(1, 8, 4, 4, dtype=np.float64)},
        TypeError,
        "residual",
        "float64",
    ),
    # sizes that overflow
    ("stride 2**63", {"stride": 2**63}, ValueError, "stride"),
    ("stride 10**30", {"stride": 10**30}, ValueError, "stride"),
    ("groups 2**64", {"groups": 2**64}, ValueError, "groups"),
    ("dilation 2**62", {"dilation": BIG}, ValueError, "dilation"),
    ("dilation -2**70", {"dilation": -(2**70)}, ValueError, "dilation"),
    ("padding 2**64", {"padding": 2**64}, ValueError, "padding"),
]

CONV1D = [
    ("input of rank 1", {"input": ones(6)}, ValueError, "input", "1 dim", r"\(N, C, L\)"),
    ("input of rank 4", {"input": X}, ValueError, "input", "4 dim"),
    ("weight of rank 2", {"weight": ones(8, 4)}, ValueError, "weight", "2 dim"),
    ("weight of rank 4", {"weight": W}, ValueError, "weight", "4 dim"),
    ("no channels", {"input": ones(1, 0, 6), "weight": ones(8, 0, 3)}, ValueError, "0"),
    ("no pixels", {"input": ones(1, 4, 0)}, ValueError, "input", r"\(1, 4, 0\)"),
    ("no filters", {"weight": ones(0, 4, 3)}, ValueError, "weight", r"\(0, 4, 3\)"),
    ("channels", {"weight": ones(8, 3, 3)}, ValueError, "weight", "3", "4 channels", "groups=1"),
    ("groups of input", {"groups": 3}, ValueError, "groups=3", "4"),
    ("kernel longer than input", {"weight": ones(8, 4, 7)}, ValueError, "7", "6", "length"),
    ("dilated beyond input", {"dilation": 3}, ValueError, "dilation", "7", "6"),
    ("bias too short", {"bias": ones(7)}, ValueError, "bias", r"\(7,\)", r"\(8,\)"),
    ("residual shape", {"residual": ones(1, 8, 6)}, ValueError, "residual", r"\(1, 8, 4\)"),
    ("stride 0", {"stride": 0}, ValueError, "stride", "0"),
    ("stride pair", {"stride": (1, 1)}, ValueError, "stride", "2", "1"),
    ("stride 1.0", {"stride": 1.0}, TypeError, "stride", "float"),
    ("dilation (0,)", {"dilation": (0,)}, ValueError, "dilation", "0"),
    ("padding -1", {"padding": -1}, ValueError, "padding", "-1"),
    ("padding ((1, -1),)", {"padding": ((1, -1),)}, ValueError, "padding", "-1"),
    ("padding None", {"padding": None}, TypeError, "padding", "None"),
    ("padding 'full'", {"padding": "full"}, ValueError, "padding", "full", "same"),
    ("stride 2**63", {"stride": 2**63}, ValueError, "stride"),
    ("padding 2**62", {"padding": BIG}, ValueError, "large"),
    ("padding_mode 1", {"padding_mode": 1}, TypeError, "padding_mode", "int"),
    ("reflect 6 of 6", {"padding": 6, "padding_mode": "reflect"}, ValueError, "at most 5"),
    ("weight float64", {"weight": ones(8, 4, 3, dtype=np.float64)}, TypeError, "weight", "float64"),
    ("input a list", {"input": [[1.0]]}, TypeError, "input", "list"),
    ("weight None", {"weight": None}, TypeError, "weight", "None"),
    ("another activation", {"activation": "selu"}, ValueError, "activation", "selu"),
]
TRANSPOSE = [
    ("weight's channels", {"weight": ones(8, 4, 3, 3)}, ValueError, "weight", "8", "transpose"),
    ("groups", {"groups": 3}, ValueError, "groups=3", "4"),
    ("groups 0", {"groups": 0}, ValueError, "groups", "0"),
    ("groups 2**62", {"groups": BIG}, ValueError, "groups"),
    ("stride 0", {"stride": 0}, ValueError, "stride", "0"),
    ("stride 1.5", {"stride": 1.5}, TypeError, "stride", "1.5"),
    ("stride 2**62", {"stride": BIG}, ValueError, "large"),
    ("dilation -1", {"dilation": -1}, ValueError, "dilation", "-1"),
    ("dilation 2**62", {"dilation": BIG}, ValueError, "large"),
    ("padding -1", {"padding": -1}, ValueError, "padding", "-1"),
    ("padding by name", {"padding": "same"}, TypeError, "padding", "str"),
    ("nothing left", {"padding": 4}, ValueError, "padding", "less"),
    ("padding 2**62", {"padding": BIG}, ValueError, "padding"),
    ("output_padding -1", {"output_padding": -1}, ValueError, "output_padding", "-1"),
    ("output_padding 1", {"output_padding": 1}, ValueError, "output_padding", "smaller"),
    ("output_padding True", {"output_padding": True}, TypeError, "output_padding", "bool"),
    ("bias too short", {"bias": ones(7)}, ValueError, "bias", r"\(7,\)", r"\(8,\)"),
    ("bias a list", {"bias": [1.0]}, TypeError, "bias", "list"),
    ("input a list", {"input": [[1.0]]}, TypeError, "input", "list"),
    ("weight None", {"weight": None}, TypeError, "weight", "None"),
    ("activation True", {"activation": True}, TypeError, "activation", "bool"),
]
TRANSPOSE2D = [
    *TRANSPOSE,
    ("input of rank 2", {"input": ones(6, 6)}, ValueError, "input", "2 dim"),
    ("weight of rank 3", {"weight": ones(4, 8, 3)}, ValueError, "weight", "3 dim"),
    ("no channels", {"input": ones(1, 0, 6, 6), "weight": ones(0, 8, 3, 3)}, ValueError, "0"),
    ("no filters", {"weight": ones(4, 0, 3, 3)}, ValueError, "weight", r"\(4, 0, 3, 3\)"),
    ("three strides", {"stride": (1, 1, 1)}, ValueError, "stride", "3", "2"),
    ("weight float64", {"weight": ones(4, 8, 3, 3, dtype=np.float64)}, TypeError, "weight"),
]
TRANSPOSE1D = [
    *(case for case in TRANSPOSE if "weight's" not in case[0]),
    ("weight's channels", {"weight": ones(8, 4, 3)}, ValueError, "weight", "8", "4", "transpose"),
    ("input of rank 4", {"input": X}, ValueError, "input", "4 dim"),
    ("weight of rank 4", {"weight": W}, ValueError, "weight", "4 dim"),
    ("two strides", {"stride": (1, 1)}, ValueError, "stride", "2", "1"),
]

BAD_DTYPES = {
    "int8": np.int8,
    "int32": np.int32,
    "int64": np.int64,
    "uint8": np.uint8,
    "bool": np.bool_,
    "complex64": np.complex64,
    "complex128": np.complex128,
    "longdouble": np.longdouble,
    "object": object,
    "str": "U3",
    "bytes": "S3",
    "datetime64": "M8[s]",
    "record": [("a", "f4")],
}

POOL = [
    ("input of rank 2", {"input": ones(6, 6)}, ValueError, "input", "2 dim"),
    ("input of rank 5", {"input": ones(1, 1, 4, 6, 6)}, ValueError, "input", "5 dim"),
    ("no channels", {"input": ones(1, 0, 6, 6)}, ValueError, "input", r"\(1, 0, 6, 6\)"),
    ("no rows", {"input": ones(1, 4, 0, 6)}, ValueError, "input", r"\(1, 4, 0, 6\)"),
    ("input a list", {"input": [[1.0]]}, TypeError, "input", "list"),
    ("kernel 0", {"kernel_size": 0}, ValueError, "kernel_size", "0"),
    ("kernel -1", {"kernel_size": (2, -1)}, ValueError, "kernel_size", "-1"),
    ("kernel 2.0", {"kernel_size": 2.0}, TypeError, "kernel_size", "float"),
    ("kernel True", {"kernel_size": True}, TypeError, "kernel_size", "bool"),
    ("kernel None", {"kernel_size": None}, TypeError, "kernel_size", "None"),
    ("kernel of three", {"kernel_size": (2, 2, 2)}, ValueError, "kernel_size", "3"),
    ("kernel 2**63", {"kernel_size": 2**63}, ValueError, "kernel_size"),
    ("kernel 2**62", {"kernel_size": BIG}, ValueError, "kernel_size"),
    ("stride 0", {"stride": 0}, ValueError, "stride", "0"),
    ("stride -2", {"stride": (1, -2)}, ValueError, "stride", "-2"),
    ("stride nan", {"stride": float("nan")}, TypeError, "stride", "nan"),
    ("padding -1", {"padding": -1}, ValueError, "padding", "-1"),
    ("padding beyond half the kernel", {"padding": 2}, ValueError, "padding", "2", "3", "half"),
    ("one padding beyond", {"kernel_size": (5, 2), "padding": (1, 2)}, ValueError, "padding"),
    ("padding of a kernel of 1", {"kernel_size": 1, "padding": 1}, ValueError, "padding"),
    ("padding 2**63", {"padding": 2**63}, ValueError, "padding"),
    ("padding 0.5", {"padding": 0.5}, TypeError, "padding", "0.5"),
    ("padding 'same'", {"padding": "same"}, TypeError, "padding", "str"),
    ("kernel larger than input", {"kernel_size": 9}, ValueError, "9", "6", "empty"),
    ("ceil_mode 1", {"ceil_mode": 1}, TypeError, "ceil_mode", "int"),
    ("ceil_mode None", {"ceil_mode": None}, TypeError, "ceil_mode", "None"),
]
MAX_POOL = [
    ("dilation 0", {"dilation": 0}, ValueError, "dilation", "0"),
    ("dilation 1.5", {"dilation": 1.5}, TypeError, "dilation", "1.5"),
    ("dilated beyond input", {"dilation": 3}, ValueError, "dilation", "7", "6"),
    ("dilation 2**62", {"dilation": BIG}, ValueError, "dilation"),
    ("return_indices 1", {"return_indices": 1}, TypeError, "return_indices", "int"),
]
AVG_POOL = [
    ("count_include_pad 0", {"count_include_pad": 0}, TypeError, "count_include_pad", "int"),
    ("divisor 0", {"divisor_override": 0}, ValueError, "divisor_override", "0"),
    ("divisor 2.0", {"divisor_override": 2.0}, TypeError, "divisor_override", "float"),
    ("divisor True", {"divisor_override": True}, TypeError, "divisor_override", "bool"),
    ("divisor 2**63", {"divisor_override": 2**63}, ValueError, "divisor_override"),
]
GLOBAL_POOL = [case for case in POOL if set(case[1]) == {"input"}]

LINEAR = [
    ("input of rank 0", {"input": ones()}, ValueError, "input", "0 dim"),
    ("weight of rank 1", {"weight": ones(4)}, ValueError, "weight", "1 dim"),
    ("weight of rank 3", {"weight": ones(1, 5, 4)}, ValueError, "weight", "3 dim"),
    ("features", {"weight": ones(4, 5)}, ValueError, "weight", "5", "4"),
    ("no features", {"input": ones(3, 0), "weight": ones(5, 0)}, ValueError, "0"),
    ("no outputs", {"weight": ones(0, 4)}, ValueError, "weight", r"\(0, 4\)"),
    ("bias too long", {"bias": ones(6)}, ValueError, "bias", r"\(6,\)", r"\(5,\)"),
    ("bias of rank 2", {"bias": ones(1, 5)}, ValueError, "bias", r"\(1, 5\)"),
    ("input a list", {"input": [1.0]}, TypeError, "input", "list"),
    ("weight a list", {"weight": [[1.0]]}, TypeError, "weight", "list"),
    ("weight float64", {"weight": ones(5, 4, dtype=np.float64)}, TypeError, "weight", "float64"),
    ("bias float16", {"bias": ones(5, dtype=np.float16)}, TypeError, "bias", "float16", "float32"),
    ("another activation", {"activation": "softplus"}, ValueError, "activation", "softplus"),
    ("activation 1", {"activation": 1}, TypeError, "activation", "int"),
]
UNARY = [
    ("a list", {"input": [1.0]}, TypeError, "input", "list"),
    ("a number", {"input": 1.0}, TypeError, "input", "float"),
    ("a NumPy scalar", {"input": np.float32(1)}, TypeError, "input", "float32"),
    ("None", {"input": None}, TypeError, "input", "None"),
]
SOFTMAX = [
    ("rank 0", {"input": ones(), "dim": 0}, ValueError, "input", "0 dim"),
    ("dim 2", {"dim": 2}, ValueError, "dim", "2"),
    ("dim -3", {"dim": -3}, ValueError, "dim", "-3"),
    ("dim 2**63", {"dim": 2**63}, ValueError, "dim"),
    ("dim 0.0", {"dim": 0.0}, TypeError, "dim", "float"),
    ("dim True", {"dim": True}, TypeError, "dim", "bool"),
    ("dim None", {"dim": None}, TypeError, "dim", "None"),
    ("dim pair", {"dim": (0, 1)}, TypeError, "dim", "tuple"),
    ("a list", {"input": [1.0]}, TypeError, "input", "list"),
]

NUMBERS = [
    ("a str", "1"),
    ("None", None),
    ("True", True),
    ("a list", [1.0]),
    ("an array", np.ones(1)),
]


def no_number(name):
    return [(f"{name} {what}", {name: value}, TypeError, name, "number") for what, value in NUMBERS]


GELU = [
    *UNARY,
    ("approximate 'erf'", {"approximate": "erf"}, ValueError, "approximate", "erf", "tanh"),
    ("approximate True", {"approximate": True}, TypeError, "approximate", "bool"),
]
SOFTPLUS = [
    *UNARY,
    *no_number("beta"),
    *no_number("threshold"),
    ("beta 0", {"beta": 0}, ValueError, "beta", "0"),
]
PRELU = [
    *UNARY,
    ("two weights", {"weight": ones(2)}, ValueError, "weight", r"\(2,\)", r"\(4,\)"),
    ("no weight", {"weight": ones(0)}, ValueError, "weight", r"\(0,\)"),
    ("weight of rank 0", {"weight": ones()}, ValueError, "weight", r"\(\)"),
    ("weight of rank 2", {"weight": ones(1, 4)}, ValueError, "weight", r"\(1, 4\)"),
    ("weight a number", {"weight": 0.25}, TypeError, "weight", "float"),
    ("weight float64", {"weight": ones(4, dtype=np.float64)}, TypeError, "weight", "float64"),
    ("no channels", {"input": ones(2, 0, 3), "weight": ones(0)}, ValueError, "channel"),
]
BATCH_NORM = [
    ("a list", {"input": [1.0]}, TypeError, "input", "list"),
    ("input of rank 1", {"input": ones(4)}, ValueError, "input", "1 dim"),
    ("no channels", {"input": ones(2, 0, 3)}, ValueError, "input", "channel"),
    ("mean of 3", {"running_mean": ones(3)}, ValueError, "running_mean", r"\(3,\)", r"\(4,\)"),
    ("variance of rank 2", {"running_var": ones(1, 4)}, ValueError, "running_var", r"\(1, 4\)"),
    ("no mean", {"running_mean": None}, TypeError, "running_mean", "None"),
    ("no variance", {"running_var": None}, TypeError, "running_var", "None"),
    ("weight of 5", {"weight": ones(5)}, ValueError, "weight", r"\(5,\)"),
    ("bias a list", {"bias": [0.0] * 4}, TypeError, "bias", "list"),
    ("bias float64", {"bias": ones(4, dtype=np.float64)}, TypeError, "bias", "float64"),
    (
        "training one element a channel",
        {"input": ones(1, 4), "training": True},
        ValueError,
        "input",
        "one value",
    ),
    ("training 0", {"training": 0}, TypeError, "training", "int"),
    ("another activation", {"activation": "elu"}, ValueError, "activation", "elu"),
    *no_number("eps"),
    *no_number("momentum"),
]
LRN = [
    ("a list", {"input": [1.0]}, TypeError, "input", "list"),
    ("input of rank 2", {"input": ones(4, 4)}, ValueError, "input", "2 dim"),
    ("no channels", {"input": ones(2, 0, 3)}, ValueError, "input", "channel"),
    ("size 0", {"size": 0}, ValueError, "size", "0"),
    ("size 5.0", {"size": 5.0}, TypeError, "size", "float"),
    ("size 2**63", {"size": 2**63}, ValueError, "size"),
    ("window 'keras'", {"window": "keras"}, ValueError, "window", "keras", "onnx"),
    ("window None", {"window": None}, TypeError, "window", "None"),
    *no_number("alpha"),
    *no_number("beta"),
    *no_number("k"),
]

POOL1D = [
    ("input of rank 1", {"input": ones(6)}, ValueError, "input", "1 dim"),
    ("input of rank 4", {"input": X}, ValueError, "input", "4 dim"),
    ("no channels", {"input": ones(1, 0, 6)}, ValueError, "input", r"\(1, 0, 6\)"),
    ("no pixels", {"input": ones(1, 4, 0)}, ValueError, "input", r"\(1, 4, 0\)"),
    ("input a list", {"input": [[1.0]]}, TypeError, "input", "list"),
    ("kernel 0", {"kernel_size": 0}, ValueError, "kernel_size", "0"),
    ("kernel of two", {"kernel_size": (2, 2)}, ValueError, "kernel_size", "2", "1"),
    ("kernel 2.0", {"kernel_size": 2.0}, TypeError, "kernel_size", "float"),
    ("kernel None", {"kernel_size": None}, TypeError, "kernel_size", "None"),
    ("stride 0", {"stride": 0}, ValueError, "stride", "0"),
    ("stride 2**63", {"stride": 2**63}, ValueError, "stride"),
    ("ceil_mode 1", {"ceil_mode": 1}, TypeError, "ceil_mode", "int"),
    ("kernel longer than input", {"kernel_size": 9}, ValueError, "9", "6", "empty", "length"),
]
PADDED_POOL1D = [
    *POOL1D,
    ("padding -1", {"padding": -1}, ValueError, "padding", "-1"),
    ("padding beyond half", {"padding": 2}, ValueError, "padding", "half"),
    ("padding None", {"padding": None}, TypeError, "padding", "None"),
]
NORMS = [
    ("norm_type 0", {"norm_type": 0}, ValueError, "norm_type", "0"),
    ("norm_type inf", {"norm_type": float("inf")}, ValueError, "norm_type", "inf"),
    ("norm_type nan", {"norm_type": float("nan")}, ValueError, "norm_type", "nan"),
    *no_number("norm_type"),
]
ADAPTIVE1D = [
    *(case for case in POOL1D if set(case[1]) == {"input"}),
    ("size 0", {"output_size": 0}, ValueError, "output_size", "0"),
    ("size of two", {"output_size": (2, 2)}, ValueError, "output_size", "2", "1"),
    ("size None", {"output_size": None}, TypeError, "output_size", "None"),
    ("size 2.5", {"output_size": 2.5}, TypeError, "output_size", "float"),
    ("size 2**61", {"output_size": 2**61}, ValueError, "large"),
]
ADAPTIVE2D = [
    *GLOBAL_POOL,
    ("size 0", {"output_size": (3, 0)}, ValueError, "output_size", "0"),
    ("size -1", {"output_size": -1}, ValueError, "output_size", "-1"),
    ("size of three", {"output_size": (2, 2, 2)}, ValueError, "output_size", "2"),
    ("size 2.5", {"output_size": 2.5}, TypeError, "output_size", "float"),
    ("size True", {"output_size": True}, TypeError, "output_size", "bool"),
    ("size 2**62", {"output_size": (BIG, 1)}, ValueError, "large"),
]
INDICES = [("return_indices 1", {"return_indices": 1}, TypeError, "return_indices", "int")]
PLACES = np.arange(16).reshape(1, 4, 2, 2)
UNPOOL = [
    ("input a list", {"input": [[1.0]]}, TypeError, "input", "list"),
    ("indices a list", {"indices": [0]}, TypeError, "indices", "list"),
    ("indices int32", {"indices": PLACES.astype(np.int32)}, TypeError, "indices", "int32"),
    ("indices float", {"indices": PLACES.astype(float)}, TypeError, "indices", "float64"),
    ("an index beyond", {"indices": PLACES + 1}, ValueError, "indices", "16", "15"),
    ("an index -1", {"indices": PLACES - 1}, ValueError, "indices", "-1", "15"),
    ("kernel 0", {"kernel_size": 0}, ValueError, "kernel_size", "0"),
    ("stride 1.5", {"stride": 1.5}, TypeError, "stride", "1.5"),
    ("padding -1", {"padding": -1}, ValueError, "padding", "-1"),
    ("padding 9", {"padding": 9}, ValueError, "size", "padding"),
    ("kernel 2**62", {"kernel_size": BIG}, ValueError, "size|large"),
    ("output_size 4", {"output_size": 4}, TypeError, "output_size", "int"),
    ("output_size of 5", {"output_size": (1, 1, 1, 4, 4)}, ValueError, "output_size", "5"),
]
UNPOOL2D = [
    *UNPOOL,
    ("input of rank 2", {"input": ones(6, 6)}, ValueError, "input", "2 dim"),
    ("other indices", {"indices": PLACES[..., :1]}, ValueError, "indices", r"\(1, 4, 2, 1\)"),
    ("output_size (6, 4)", {"output_size": (6, 4)}, ValueError, "output_size", "stride"),
]
SPOTS = np.arange(16).reshape(1, 4, 4)
UNPOOL1D = [
    *(case for case in UNPOOL if "indices" not in case[1]),
    ("indices a list", {"indices": [0]}, TypeError, "indices", "list"),
    ("an index beyond", {"indices": SPOTS + 1}, ValueError, "indices", "8", "7"),
    ("an index -1", {"indices": SPOTS % 8 - 1}, ValueError, "indices", "-1", "7"),
    ("input of rank 4", {"input": X}, ValueError, "input", "4 dim"),
    ("output_size (6,)", {"output_size": (6,)}, ValueError, "output_size", "stride"),
]

PAD = [
    ("input a list", {"input": [1.0]}, TypeError, "input", "list"),
    ("input of rank 0", {"input": ones(), "pad": ()}, ValueError, "input", "0 dim"),
    ("input of rank 9", {"input": ones(*(1,) * 9)}, ValueError, "input", "9 dim"),
    ("pad an int", {"pad": 1}, TypeError, "pad", "int"),
    ("pad of three", {"pad": (1, 1, 1)}, ValueError, "pad", "3"),
    ("pad of ten", {"pad": (1,) * 10}, ValueError, "pad", "10", "8"),
    ("pad of 1.5", {"pad": (1.5, 0)}, TypeError, "pad", "1.5"),
    ("pad that crops all", {"pad": (-4, -3)}, ValueError, "pad", "crop"),
    ("pad 2**62", {"pad": (BIG, 0)}, ValueError, "large"),
    ("pad 2**64", {"pad": (2**64, 0)}, ValueError, "pad"),
    ("mode 'edge'", {"mode": "edge"}, ValueError, "mode", "edge", "replicate"),
    ("mode None", {"mode": None}, TypeError, "mode", "None"),
    ("value 'x'", {"value": "x"}, TypeError, "value", "str"),
    ("value of reflect", {"mode": "reflect", "pad": (1, 1, 1, 1), "value": 1}, ValueError, "value"),
    ("reflect two of rank 4", {"mode": "reflect", "pad": (1, 1)}, ValueError, "pad", "4 dim"),
    ("reflect 6 of 6", {"mode": "reflect", "pad": (6, 0, 0, 0)}, ValueError, "pad", "6"),
    ("circular 7 of 6", {"mode": "circular", "pad": (7, 0, 0, 0)}, ValueError, "pad", "7"),
    ("replicate -1", {"mode": "replicate", "pad": (-1, 0, 0, 0)}, ValueError, "pad", "-1"),
]
WINDOW = [
    ("input a list", {"input": [1.0]}, TypeError, "input", "list"),
    ("kernel 0", {"kernel_size": 0}, ValueError, "kernel_size", "0"),
    ("kernel 2.0", {"kernel_size": 2.0}, TypeError, "kernel_size", "float"),
    ("kernel larger", {"kernel_size": 7}, ValueError, "kernel_size", "7", "6"),
    ("stride 0", {"stride": 0}, ValueError, "stride", "0"),
    ("dilation 0", {"dilation": (1, 0)}, ValueError, "dilation", "0"),
    ("padding -1", {"padding": -1}, ValueError, "padding", "-1"),
    ("padding 2**63", {"padding": 2**63}, ValueError, "padding"),
    ("padding 2**61", {"padding": 2**61}, ValueError, "large|memory|too"),
]
UNFOLD = [
    *WINDOW,
    ("input of rank 2", {"input": ones(6, 6)}, ValueError, "input", "2 dim"),
    ("no channels", {"input": ones(1, 0, 6, 6)}, ValueError, "channel"),
]
FOLD = [
    *(case for case in WINDOW if "2**61" not in case[0]),
    ("input of rank 4", {"input": X}, ValueError, "input", r"\(1, 4, 6, 6\)"),
    ("rows", {"input": ones(1, 35, 16)}, ValueError, "input", "35", "9"),
    ("blocks", {"input": ones(1, 36, 15)}, ValueError, "input", "15", "4 times 4"),
    ("output_size 0", {"output_size": 0}, ValueError, "output_size", "0"),
    ("output_size 6.0", {"output_size": 6.0}, TypeError, "output_size", "float"),
]
INTERPOLATE = [
    ("input a list", {"input": [1.0]}, TypeError, "input", "list"),
    ("input of rank 2", {"input": ones(6, 6)}, ValueError, "input", "2 dim"),
    ("bilinear of rank 3", {"input": ones(1, 4, 6), "mode": "bilinear"}, ValueError, "input"),
    ("linear of rank 4", {"mode": "linear"}, ValueError, "input", "linear"),
    ("no channels", {"input": ones(1, 0, 6, 6)}, ValueError, "channel"),
    ("neither", {"size": None}, ValueError, "size", "scale_factor"),
    ("both", {"scale_factor": 2}, ValueError, "size", "scale_factor"),
    ("size 0", {"size": (3, 0)}, ValueError, "size", "0"),
    ("size 2.0", {"size": 2.0}, TypeError, "size", "float"),
    ("size of three", {"size": (1, 2, 3)}, ValueError, "size", "3"),
    ("size 2**62", {"size": BIG}, ValueError, "large"),
    ("factor 0", {"size": None, "scale_factor": 0}, ValueError, "scale_factor", "0"),
    ("factor nan", {"size": None, "scale_factor": float("nan")}, ValueError, "scale_factor"),
    ("factor 0.1", {"size": None, "scale_factor": 0.1}, ValueError, "scale_factor", "at least 1"),
    ("factor 1e30", {"size": None, "scale_factor": 1e30}, ValueError, "scale_factor"),
    ("factor True", {"size": None, "scale_factor": True}, TypeError, "scale_factor", "bool"),
    ("mode 'bicubic'", {"mode": "bicubic"}, ValueError, "mode", "bicubic", "bilinear"),
    ("mode 1", {"mode": 1}, TypeError, "mode", "int"),
    ("corners of nearest", {"align_corners": True}, ValueError, "align_corners", "nearest"),
    ("corners 1", {"mode": "bilinear", "align_corners": 1}, TypeError, "align_corners", "int"),
]

GOOD = {
    "conv2d": {"input": X, "weight": W},
    "convolve2d": {"input": X, "weight": W},
    "conv1d": {"input": LINE, "weight": TAPS},
    "conv_transpose2d": {"input": X, "weight": ones(4, 8, 3, 3)},
    "conv_transpose1d": {"input": LINE, "weight": ones(4, 8, 3)},
    "max_pool2d": {"input": X, "kernel_size": 3},
    "avg_pool2d": {"input": X, "kernel_size": 3},
    "pad": {"input": X, "pad": (1, 2, 0, 1)},
    "unfold": {"input": X, "kernel_size": 3},
    "fold": {"input": ones(1, 36, 16), "output_size": 6, "kernel_size": 3},
    "interpolate": {"input": X, "size": (9, 4)},
    "max_pool1d": {"input": LINE, "kernel_size": 3},
    "avg_pool1d": {"input": LINE, "kernel_size": 3},
    "lp_pool1d": {"input": LINE, "norm_type": 2, "kernel_size": 3},
    "lp_pool2d": {"input": X, "norm_type": 2, "kernel_size": 3},
    "adaptive_avg_pool1d": {"input": LINE, "output_size": 4},
    "adaptive_max_pool1d": {"input": LINE, "output_size": 4},
    "adaptive_avg_pool2d": {"input": X, "output_size": (4, 3)},
    "adaptive_max_pool2d": {"input": X, "output_size": (4, 3)},
    "max_unpool2d": {"input": ones(1, 4, 2, 2), "indices": PLACES, "kernel_size": 2},
    "max_unpool1d": {"input": ones(1, 4, 4), "indices": SPOTS % 8, "kernel_size": 2},
    "global_avg_pool2d": {"input": X},
    "global_max_pool2d": {"input": X},
    "linear": {"input": ones(3, 4), "weight": ones(5, 4)},
    "relu": {"input": X},
    "relu6": {"input": X},
    "sigmoid": {"input": X},
    "tanh": {"input": X},
    "silu": {"input": X},
    "hardsigmoid": {"input": X},
    "hardswish": {"input": X},
    "gelu": {"input": X},
    "leaky_relu": {"input": X},
    "elu": {"input": X},
    "softplus": {"input": X},
    "prelu": {"input": X, "weight": ones(4)},
    "softmax": {"input": ones(3, 4), "dim": 1},
    "log_softmax": {"input": ones(3, 4), "dim": 1},
    "batch_norm": {"input": X, "running_mean": ones(4), "running_var": ones(4)},
    "local_response_norm": {"input": X, "size": 3},
}
BAD = {
    "conv2d": CONV,
    "convolve2d": CONV,
    "conv1d": CONV1D,
    "conv_transpose2d": TRANSPOSE2D,
    "conv_transpose1d": TRANSPOSE1D,
    "max_pool2d": POOL + MAX_POOL,
    "avg_pool2d": POOL + AVG_POOL,
    "global_avg_pool2d": GLOBAL_POOL,
    "global_max_pool2d": GLOBAL_POOL,
    "linear": LINEAR,
    "relu": UNARY,
    "relu6": UNARY,
    "sigmoid": UNARY,
    "tanh": UNARY,
    "softmax": SOFTMAX,
    "silu": UNARY,
    "hardsigmoid": UNARY,
    "hardswish": UNARY,
    "gelu": GELU,
    "leaky_relu": UNARY + no_number("negative_slope"),
    "elu": UNARY + no_number("alpha"),
    "softplus": SOFTPLUS,
    "prelu": PRELU,
    "log_softmax": SOFTMAX,
    "batch_norm": BATCH_NORM,
    "local_response_norm": LRN,
    "max_pool1d": PADDED_POOL1D + INDICES,
    "avg_pool1d": PADDED_POOL1D,
    "lp_pool1d": POOL1D + NORMS,
    "lp_pool2d": [case for case in POOL if "padding" not in case[1]] + NORMS,
    "adaptive_avg_pool1d": ADAPTIVE1D,
    "adaptive_max_pool1d": ADAPTIVE1D + INDICES,
    "adaptive_avg_pool2d": ADAPTIVE2D,
    "adaptive_max_pool2d": ADAPTIVE2D + INDICES,
    "max_unpool2d": UNPOOL2D,
    "max_unpool1d": UNPOOL1D,
    "pad": PAD,
    "unfold": UNFOLD,
    "fold": FOLD,
    "interpolate": INTERPOLATE,
}
for _op, _good in GOOD.items():
    for _name, _dtype in BAD_DTYPES.items():
        for _argument in ("input", "weight"):
            if _argument in _good:
                _value = np.zeros(_good[_argument].shape, _dtype)
                _told = str(_value.dtype) if _name != "record" else "f4"
                _case = (f"{_argument} {_name}", {_argument: _value}, TypeError, _argument)
                BAD[_op] = [*BAD[_op], (*_case, re.escape(_told))]

CASES = [
    pytest.param(op, *case[1:3], case[3:], id=f"{op}: {case[0]}")
    for op, cases in BAD.items()
    for case in cases
]


@pytest.mark.parametrize(("op", "changes", "exception", "words"), CASES)
def test_bad_argument(op, changes, exception, words):
    arguments = GOOD[op] | changes
    shape = getattr(reference, op)(**GOOD[op]).shape
    out = poisoned(shape, np.float32)
    with pytest.raises(exception) as raised:
        getattr(F, op)(**arguments, out=out)
    assert type(raised.value) is exception
    message = str(raised.value)
    assert message.startswith(f"{op}: "), message
    for word in words:
        assert re.search(word, message), f"{word!r} is not in {message!r}"
    assert np.isnan(out).all()
    with pytest.raises(exception):
        getattr(F, op)(**arguments)
    with pytest.raises(exception):
        getattr(reference, op)(**arguments)


@pytest.mark.parametrize("op", GOOD)
def test_the_good_calls_are_good(op):
    """So that each bad call is bad for its one change."""
    result = getattr(F, op)(**GOOD[op])
    np.testing.assert_allclose(result, getattr(reference, op)(**GOOD[op]), rtol=1e-6)


@pytest.mark.parametrize("op", GOOD)
def test_messages_say_how_to_mend(op):
    """What was given and what was expected come first; what to do comes after a semicolon."""
    silent = []
    for case in BAD[op]:
        with pytest.raises(case[2]) as raised:
            getattr(F, op)(**GOOD[op] | case[1])
        _, semicolon, advice = str(raised.value).rpartition(";")
        if not semicolon or len(advice) < 10:
            silent.append(str(raised.value))
    assert not silent, "\n".join(silent)


# --- threads, algorithm, out ---------------------------------------------------------------------


@pytest.mark.parametrize("op", GOOD)
@pytest.mark.parametrize(
    ("threads", "exception"),
    [
        (0, ValueError),
        (-1, ValueError),
        (2**63, ValueError),
        (1.0, TypeError),
        (True, TypeError),
        ("2", TypeError),
        ((1, 2), TypeError),
    ],
    ids=repr,
)
def test_bad_threads(op, threads, exception):
    out = poisoned(getattr(reference, op)(**GOOD[op]).shape, np.float32)
    with pytest.raises(exception, match=f"{op}: threads") as raised:
        getattr(F, op)(**GOOD[op], threads=threads, out=out)
    assert repr(threads) in str(raised.value)
    assert np.isnan(out).all()


@pytest.mark.parametrize("op", GOOD)
def test_more_threads_than_the_work_needs(op):
    """An offer need not be taken."""
    expected = getattr(F, op)(**GOOD[op], threads=1)
    np.testing.assert_array_equal(getattr(F, op)(**GOOD[op], threads=1000), expected)


@pytest.mark.parametrize(
    ("algorithm", "exception"),
    [
        ("winograd", ValueError),
        ("", ValueError),
        ("DIRECT", ValueError),
        (1, TypeError),
        (True, TypeError),
        (b"direct", TypeError),
    ],
    ids=repr,
)
def test_bad_algorithm(algorithm, exception):
    with pytest.raises(exception, match="conv2d: algorithm") as raised:
        F.conv2d(X, W, algorithm=algorithm)
    if exception is ValueError:
        assert "direct" in str(raised.value)


def test_reference_has_no_engine_arguments():
    for argument in ("out", "threads", "algorithm"):
        with pytest.raises(TypeError, match=argument):
            reference.conv2d(X, W, **{argument: None})


def _result(op):
    return getattr(reference, op)(**GOOD[op]).astype(np.float32)


@pytest.mark.parametrize("op", GOOD)
def test_bad_out(op):
    shape = _result(op).shape
    for out, exception, words in (
        ([0.0], TypeError, "list"),
        (0.0, TypeError, "float"),
        (np.float32(0), TypeError, "float32"),
        (np.zeros(shape, np.float64), TypeError, "(float64|f8)"),
        (np.zeros(shape, np.float16), TypeError, "(float16|f2)"),
        (np.zeros(shape, np.int32), TypeError, "(int32|i4)"),
        (np.zeros(shape, object), TypeError, "(object|O)"),
        (np.zeros((*shape[:-1], shape[-1] + 1), np.float32), ValueError, "shape"),
        (np.zeros((1, *shape), np.float32), ValueError, "shape"),
        (np.zeros(int(np.prod(shape)), np.float32)[None, None, None, None, :], ValueError, "shape"),
    ):
        with pytest.raises(exception, match=f"{op}: out.*{words}") as raised:
            getattr(F, op)(**GOOD[op], out=out)
        assert len(str(raised.value)) > 40
        assert not np.any(np.asarray(out, dtype=np.float64))
    fixed = poisoned(shape, np.float32)
    fixed.flags.writeable = False
    with pytest.raises(ValueError, match=f"{op}: out.*(read-only|writ)"):
        getattr(F, op)(**GOOD[op], out=fixed)
    assert np.isnan(fixed).all()


OVERLAPS = {
    "the input itself": lambda room: (room[:256], room[:256]),
    "shifted by one": lambda room: (room[:256], room[1:257]),
    "shifted back by one": lambda room: (room[1:257], room[:256]),
    "the last and the first": lambda room: (room[:256], room[255:511]),
    "inside out": lambda room: (room[:256], room[255::-1]),
}


@pytest.mark.parametrize("name", OVERLAPS)
@pytest.mark.parametrize("op", ["relu", "softmax", "conv2d", "linear", "max_pool2d", "avg_pool2d"])
def test_out_that_overlaps_an_input(op, name):
    room = np.arange(600, dtype=np.float32)
    before = room.copy()
    source, out = OVERLAPS[name](room)
    calls = {
        "relu": ({"input": source}, out),
        "softmax": ({"input": source, "dim": 0}, out),
        "conv2d": (
            {"input": source.reshape(1, 1, 16, 16), "weight": ones(1, 1, 1, 1)},
            out.reshape(1, 1, 16, 16),
        ),
        "linear": ({"input": source.reshape(16, 16), "weight": ones(16, 16)}, out.reshape(16, 16)),
        "max_pool2d": (
            {"input": source.reshape(1, 1, 16, 16), "kernel_size": 1},
            out.reshape(1, 1, 16, 16),
        ),
        "avg_pool2d": (
            {"input": source.reshape(1, 1, 16, 16), "kernel_size": 1},
            out.reshape(1, 1, 16, 16),
        ),
    }
    arguments, target = calls[op]
    assert np.shares_memory(target, room)
    with pytest.raises(ValueError, match=f"{op}: out.*(overlap|share).*input") as raised:
        getattr(F, op)(**arguments, out=target)
    assert ";" in str(raised.value)
    np.testing.assert_array_equal(room, before)


@pytest.mark.parametrize("name", ["weight", "bias", "residual"])
def test_out_that_overlaps_another_operand(name):
    operands = {
        "input": ones(1, 8, 4, 4),
        "weight": ones(8, 8, 1, 1),
        "bias": ones(8),
        "residual": ones(1, 8, 4, 4),
    }
    room = ones(256)
    operands[name] = room[: operands[name].size].reshape(operands[name].shape)
    out = room[4 : 4 + 128].reshape(1, 8, 4, 4)
    with pytest.raises(ValueError, match=f"conv2d: out.*(overlap|share).*{name}"):
        F.conv2d(**operands, out=out)
    np.testing.assert_array_equal(room, 1)
    if name != "residual":
        del operands["residual"]
        matrix = {"input": ones(2, 8), "weight": ones(8, 8), "bias": ones(8)}
        matrix[name] = room[: matrix[name].size].reshape(matrix[name].shape)
        with pytest.raises(ValueError, match=f"linear: out.*(overlap|share).*{name}"):
            F.linear(**matrix, out=room[7:23].reshape(2, 8))
        np.testing.assert_array_equal(room, 1)


def test_out_next_to_its_input_is_fine():
    """They touch, and share their base, but no byte."""
    room = np.zeros(512, np.float32)
    room[:256] = np.arange(-128, 128)
    assert F.relu(room[:256], out=room[256:]) is not None
    np.testing.assert_array_equal(room[256:], np.maximum(room[:256], 0))
    np.testing.assert_array_equal(room[:256], np.arange(-128, 128))


# --- sizes that no memory holds ------------------------------------------------------------------


def huge(*shape, dtype=np.float32):
    """An array of that many elements in the memory of one."""
    return np.broadcast_to(np.ones((), dtype), shape)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64], ids=("f16", "f32", "f64"))
@pytest.mark.parametrize(
    "call",
    {
        "conv2d: input": lambda d: F.conv2d(
            huge(1, 1, 2**26, 2**26, dtype=d), ones(1, 1, 1, 1, dtype=d)
        ),
        "conv2d: batch": lambda d: F.conv2d(
            huge(2**50, 1, 4, 4, dtype=d), ones(1, 1, 3, 3, dtype=d)
        ),
        "conv2d: weight": lambda d: F.conv2d(
            huge(1, 2**20, 3, 3, dtype=d), huge(2**32, 2**20, 3, 3, dtype=d)
        ),
        "conv2d: padding": lambda d: F.conv2d(
            ones(1, 1, 3, 3, dtype=d), ones(1, 1, 3, 3, dtype=d), padding=2**28
        ),
        "conv2d: padding 2**60": lambda d: F.conv2d(
            ones(1, 1, 3, 3, dtype=d), ones(1, 1, 3, 3, dtype=d), padding=2**60
        ),
        "conv2d: padding 2**62": lambda d: F.conv2d(
            ones(1, 1, 3, 3, dtype=d), ones(1, 1, 3, 3, dtype=d), padding=(2**62, 0)
        ),
        "conv2d: padding 2**63 - 1": lambda d: F.conv2d(
            ones(1, 1, 3, 3, dtype=d),
            ones(1, 1, 3, 3, dtype=d),
            padding=((2**63 - 1, 2**63 - 1), (0, 0)),
        ),
        "max_pool2d": lambda d: F.max_pool2d(huge(2**50, 1, 4, 4, dtype=d), 2),
        "avg_pool2d": lambda d: F.avg_pool2d(huge(1, 1, 2**26, 2**26, dtype=d), 1),
        "global_avg_pool2d": lambda d: F.global_avg_pool2d(huge(2**26, 2**26, 1, 1, dtype=d)),
        "linear": lambda d: F.linear(huge(2**45, 8, dtype=d), huge(2**45, 8, dtype=d)),
        "linear: both": lambda d: F.linear(huge(2**50, 1, dtype=d), huge(2**50, 1, dtype=d)),
        "relu": lambda d: F.relu(huge(2**26, 2**26, dtype=d)),
        "softmax": lambda d: F.softmax(huge(2**26, 2**26, dtype=d), 0),
    }.items(),
    ids=lambda item: item[0],
)
def test_sizes_beyond_memory(call, dtype):
    """An error and no crash, in no time; and the next call works."""
    name, function = call
    op = name.partition(":")[0]
    with pytest.raises((MemoryError, ValueError), match=f"{op}: "):
        function(dtype)
    assert F.relu(ones(3)).sum() == 3


def test_a_kernel_that_dwarfs_its_input():
    """It is allowed, with padding; it may be refused for want of memory, but not hang or crash."""
    code = """
    import numpy as np
    import fastconv.functional as F
    x = np.array([[[[1, 2], [3, 4]]]], np.float32)
    for size in (2**20, 2**40, 2**62):
        for call, expected in (
            (lambda: F.max_pool2d(x, size, padding=size // 2), 4),
            (lambda: F.avg_pool2d(x, size, padding=size // 2, count_include_pad=False), 2.5),
        ):
            try:
                result = call()
            except (MemoryError, ValueError) as error:
                assert "_pool2d: " in str(error)
            else:
                assert (result == expected).all(), result
    print("end")
    """
    assert children.run(code, timeout=60) == "end\n"


def test_empty_batch_with_a_huge_image_is_no_error():
    x = np.empty((0, 3, 2**20, 2**20), np.float32)
    assert F.conv2d(x, ones(5, 3, 1, 1)).shape == (0, 5, 2**20, 2**20)
    assert F.max_pool2d(x, 2).shape == (0, 3, 2**19, 2**19)


@pytest.mark.parametrize("stride", [2**31, 2**62, 2**63 - 1])
def test_a_stride_beyond_the_image_gives_one_pixel(stride):
    result = F.conv2d(X, W, stride=stride)
    np.testing.assert_array_equal(result, reference.conv2d(X, W, stride=stride))
    np.testing.assert_array_equal(F.max_pool2d(X, 3, stride), reference.max_pool2d(X, 3, stride))


def test_bad_input_is_told_before_an_empty_batch_is_returned():
    empty = np.empty((0, 4, 6, 6), np.float32)
    for changes in ({"stride": 0}, {"groups": 3}, {"padding": -1}, {"bias": ones(7)}):
        with pytest.raises(ValueError, match="conv2d: "):
            F.conv2d(empty, W, **changes)
    with pytest.raises(ValueError, match="conv2d: weight"):
        F.conv2d(empty, ones(8, 3, 3, 3))
    with pytest.raises(ValueError, match="max_pool2d: "):
        F.max_pool2d(empty, 9)
