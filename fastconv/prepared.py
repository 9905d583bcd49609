"""Convolution with weights that are packed once: what a program that runs one layer again and again
holds on to."""

import numpy as np

from fastconv import _core, diagnosis
from fastconv.functional.types import (
    Activation,
    Algorithm,
    IntOrPair,
    Padding,
    PaddingMode,
    Precision,
)
from fastconv.geometry import choice, integer, pair, sides
from fastconv.ops.convolution import border_code, named_padding, padding_code, precision_code

_OP = "Conv2d"
_ACTIVATIONS = _core.ACTIVATION_CODES
_ALGORITHMS = _core.ALGORITHM_CODES


class Conv2d(_core.PreparedConv2d):
    """Two-dimensional convolution by given weights, prepared for many calls.

    ``Conv2d(weight, bias, ...)(input)`` gives what ``functional.conv2d(input, weight, bias, ...)``
    gives: the same formula, shapes, dtypes and errors. The object owns a copy of weight and bias,
    and keeps the weights in the engine's packed layout, which ``functional.conv2d`` makes anew in
    every call. To change the arrays afterwards that were given changes nothing here.

    Args:
        weight: (OC, C/groups, KH, KW) of float16, float32 or float64; inputs must have its dtype.
            float16 is computed in float32.
        bias: (OC,) of the same dtype, or None.
        stride, padding, dilation, groups, padding_mode, activation, algorithm: as in
            ``functional.conv2d``; they are checked here, once.
        precision: as there; None is what is in force at each call, not here: a layer made when a
            program started obeys ``with fastconv.precision('strict')`` around its use.

    Call: ``conv(input, *, residual=None, out=None, threads=None)``, as in ``functional.conv2d``.
        ``fastconv.explain(conv, input, ...)`` tells how it would be computed.

    Memory: the copies, one packed form for each algorithm and blocking that the sizes of its inputs
        led to (mostly a single one, never more than four, of which the oldest leaves), and the
        plans of the last eight shapes. A packed form is made by the first call that needs it. All
        of it is in ``fastconv.memory_stats()["in_use_bytes"]`` and is released with the object.

    Threads: any number of threads may call one object at once.

    Copies and pickles hold weights and arguments; what was packed is packed anew.

    Attributes (read-only):
        weight, bias: views of the copies; bias may be None.
        stride, dilation: (h, w). padding: ((top, bottom), (left, right)), or 'same', 'same_lower'.
        groups, padding_mode, activation, algorithm, precision: as given.

    Raises:
        TypeError, ValueError, MemoryError: as ``functional.conv2d``, here for what concerns weights
        and numbers, in a call for what concerns its arrays. Errors name the operation Conv2d.

    >>> import numpy as np
    >>> edge = np.repeat([[1.0, 0.0, -1.0]], 3, axis=0).reshape(1, 1, 3, 3)
    >>> conv = Conv2d(edge, activation="relu")
    >>> image = np.repeat([[10.0, 10.0, 10.0, 0.0, 0.0, 0.0]], 4, axis=0).reshape(1, 1, 4, 6)
    >>> conv(image)
    array([[[[ 0., 30., 30.,  0.],
             [ 0., 30., 30.,  0.]]]])
    >>> conv
    Conv2d(1, 1, kernel_size=(3, 3), bias=False, dtype=float64, activation='relu')
    """

    __slots__ = ()

    def __new__(
        cls,
        weight: np.ndarray,
        bias: np.ndarray | None = None,
        *,
        stride: IntOrPair = 1,
        padding: Padding = 0,
        dilation: IntOrPair = 1,
        groups: int = 1,
        padding_mode: PaddingMode = "zeros",
        activation: Activation | None = None,
        algorithm: Algorithm | None = None,
        precision: Precision | None = None,
    ) -> "Conv2d":
        return _made(
            cls, False, weight, bias, stride, padding, dilation, groups, padding_mode, activation,
            algorithm, precision,
        )  # fmt: skip

    def explained(self, input, *, residual=None, out=None, threads=None, probe=None):
        """A call that fills a probe instead of answering; what explain uses."""
        return self.probe(probe, input, residual, out, threads)

    def __repr__(self) -> str:
        out_channels, per_group, *kernel = self.weight.shape
        shown = [
            str(per_group * self.groups),
            str(out_channels),
            f"kernel_size={tuple(kernel)}",
            f"bias={self.bias is not None}",
            f"dtype={self.weight.dtype}",
        ]
        shown += [f"{k}={v!r}" for k, v in self._arguments().items() if v != _DEFAULTS[k]]
        return f"{type(self).__name__}({', '.join(shown)})"

    def __reduce__(self):
        return _restored, (type(self), self.weight, self.bias, self._arguments())

    def _arguments(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in _DEFAULTS}


def borrowing(
    weight: np.ndarray,
    bias: np.ndarray | None,
    stride: IntOrPair,
    padding: Padding,
    dilation: IntOrPair,
    groups: int,
    padding_mode: PaddingMode,
    activation: Activation | None,
) -> Conv2d:
    """A ``Conv2d`` that reads the weights where they are, for who makes another if they change."""
    return _made(
        Conv2d, True, weight, bias, stride, padding, dilation, groups, padding_mode, activation,
        None, None,
    )  # fmt: skip


def _made(
    cls, borrowed, weight, bias, stride, padding, dilation, groups, padding_mode, activation,
    algorithm, precision,
):  # fmt: skip
    stride = pair(_OP, "stride", stride, 1)
    dilation = pair(_OP, "dilation", dilation, 1)
    groups = integer(_OP, "groups", groups, 1)
    border = border_code(_OP, padding_mode)
    act = 0 if activation is None else choice(_OP, "activation", activation, _ACTIVATIONS)
    forced = 0 if algorithm is None else choice(_OP, "algorithm", algorithm, _ALGORITHMS)
    rounding = precision_code(_OP, precision)
    named, ends = 0, (0, 0, 0, 0)
    if isinstance(padding, str):
        named = padding_code(_OP, padding)
    else:
        ends = sides(_OP, padding)
    if not named:
        padding = (ends[:2], ends[2:])
    diagnosis.convolution_weights(_OP, weight, bias, groups)
    return _core.PreparedConv2d.__new__(
        cls, _OP, weight, bias, *stride, named, *ends, border, *dilation, groups, act, forced,
        rounding, _refuse,
        (stride, padding, dilation, groups, padding_mode, activation, algorithm, precision),
        borrowed,
    )  # fmt: skip


_DEFAULTS: dict[str, object] = {
    "stride": (1, 1),
    "padding": ((0, 0), (0, 0)),
    "dilation": (1, 1),
    "groups": 1,
    "padding_mode": "zeros",
    "activation": None,
    "algorithm": None,
    "precision": None,
}


def _restored(cls, weight, bias, arguments):
    return cls(weight, bias, **arguments)


def _refuse(conv, input, residual, out):
    """Raise for what is wrong with a call."""
    padding = conv.padding
    if isinstance(padding, str):
        ends = named_padding(_OP, input, conv.weight, padding, conv.stride, conv.dilation)
        padding = (ends[:2], ends[2:])
    diagnosis.convolution(
        _OP, input, conv.weight, conv.bias, residual, out, conv.stride, padding,
        conv.padding_mode, conv.dilation, conv.groups,
    )  # fmt: skip
