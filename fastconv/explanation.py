"""How a call would be computed: the answer of ``fastconv.explain``."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fastconv import _core, functional, ops
from fastconv.autograd.core import State
from fastconv.prepared import Conv2d

_PRECISIONS = {code: name for name, code in _core.PRECISION_CODES.items()}


@dataclass(frozen=True)
class Explanation:
    """How the engine computes one call.

    Attributes:
        op: the operation's name.
        algorithm: what computes it.
        tier: the instruction set.
        dtype: the input's; float16 is computed in float32.
        precision: how a convolution may round; None for other operations.
        reason: why this algorithm.
        refusals: algorithm -> why not that one.
        scratch_bytes: temporary memory of one call with these threads; packed weights are part of
            it, unless they are a Conv2d's.
        packed_weight_bytes: the size of the weights in the engine's own layout; 0 if it reads them
            as they are.
        copied_bytes: input copied or converted by each call, because the engine cannot read it as
            it lies.
        flops: nominal additions and multiplications (padding counted), 0 for an empty batch.
        threads: that the call takes of those on offer; what is too small to share takes one.
        ms: median time of the engine, in milliseconds. This and the following are None unless
            measured.
        gflops: 1e9 flops a second.
        peak_gflops: the machine's roof for independent multiply-adds on as many threads: the
            median of runs that alternate with the engine's.
        percent_of_peak: 100 * gflops / peak_gflops.
    """

    op: str
    algorithm: str
    tier: str
    dtype: str
    precision: str | None
    reason: str
    refusals: dict[str, str] = field(hash=False)
    scratch_bytes: int
    packed_weight_bytes: int
    copied_bytes: int
    flops: int
    threads: int
    ms: float | None = None
    gflops: float | None = None
    peak_gflops: float | None = None
    percent_of_peak: float | None = None

    def __str__(self) -> str:
        lines = [
            ("operation", f"{self.op} {self.dtype}"),
            ("algorithm", f"{self.algorithm}: {self.reason}" if self.reason else self.algorithm),
            ("tier", self.tier + (" (no vector instructions)" if self.tier == "scalar" else "")),
            *([("precision", self.precision)] if self.precision else []),
            ("threads", str(self.threads)),
            ("work", f"{self.flops:,} flops"),
            ("scratch", f"{self.scratch_bytes:,} bytes"),
            ("packed weights", f"{self.packed_weight_bytes:,} bytes"),
            ("input copied", f"{self.copied_bytes:,} bytes"),
        ]
        if self.ms is not None:
            lines += [
                ("time", f"{self.ms:.4g} ms"),
                ("speed", f"{self.gflops:.4g} GFLOP/s"),
                ("peak", f"{self.peak_gflops:.4g} GFLOP/s"),
                ("of peak", f"{self.percent_of_peak:.3g} %"),
            ]
        lines += [(f"not {name}", why) for name, why in self.refusals.items()]
        width = max(len(name) for name, _ in lines)
        return "\n".join(f"{name:<{width}}  {value}" for name, value in lines)


# A loss has no algorithms to choose from, and next to nothing to compute.
_UNEXPLAINED = {
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "dropout",
    "dropout2d",
    "l1_loss",
    "mse_loss",
    "nll_loss",
    "smooth_l1_loss",
}


def explain(
    op: str | Callable[..., Any], args: tuple, kwargs: dict[str, Any], measure: bool
) -> Explanation:
    """See fastconv.explain. The call takes its ordinary way down, with a probe in its last place,
    and so cannot be explained otherwise than it is computed."""
    if isinstance(op, Conv2d):
        name, place, signature, run = "Conv2d", "fastconv.Conv2d", op.explained, op.explained
    else:
        name = _name(op)
        place = f"fastconv.functional.{name}"
        signature, run = getattr(functional, name), getattr(ops, name)
    if not isinstance(measure, bool):
        raise TypeError(
            f"explain: measure must be a bool, not {type(measure).__name__} {measure!r}; "
            f"give True or False"
        )
    try:
        call = inspect.signature(signature).bind(*args, **kwargs)
    except TypeError as error:
        raise TypeError(f"{name}: {error}; see help({place})") from None
    call.apply_defaults()
    for argument, value in call.arguments.items():
        if isinstance(value, State):  # a Tensor is computed as the array in it
            call.arguments[argument] = value._array
    probe = _core.Probe(measure)
    run(**{**call.arguments, "probe": probe})

    measured: dict[str, float] = {}
    if measure:
        gflops, peak = probe.flops / probe.seconds * 1e-9, probe.peak * 1e-9
        measured = {
            "ms": probe.seconds * 1e3,
            "gflops": gflops,
            "peak_gflops": peak,
            "percent_of_peak": 100 * gflops / peak,
        }
    return Explanation(
        op=name,
        algorithm=probe.algorithm,
        tier=probe.tier,
        dtype=call.arguments["input"].dtype.name,
        precision=_PRECISIONS.get(probe.precision),
        reason=probe.reason,
        refusals=probe.refusals,
        scratch_bytes=probe.scratch_bytes,
        packed_weight_bytes=probe.packed_weight_bytes,
        copied_bytes=probe.copied_bytes,
        flops=probe.flops,
        threads=probe.threads,
        **measured,
    )


def _name(op: object) -> str:
    """The name of an operation given as such or as the function."""
    if not isinstance(op, str) and not callable(op):
        raise TypeError(
            f"explain: op must be a function of fastconv.functional or its name, or a Conv2d, "
            f"not {type(op).__name__}; give fastconv.functional.conv2d, or 'conv2d'"
        )
    explained = [name for name in functional.__all__ if name not in _UNEXPLAINED]
    for name in explained:
        if op == name or op is getattr(functional, name):
            return name
    raise ValueError(
        f"explain: op is {op!r}, expected one of {', '.join(explained)}, or a Conv2d; "
        f"give that function of fastconv.functional, or its name"
    )
