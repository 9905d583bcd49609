"""The engine against fastconv.reference, layer by layer: the same answer, and how much sooner.

The reference is not a rival (it is written to be seen to be right); it is what everyone has who has
NumPy and a formula. For races against other engines see the benchmarks.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Call", "Recorder", "Row", "median_ms", "race", "table"]


@dataclass(frozen=True)
class Call:
    """One call of an operation: what went in, what came out, how long it took."""

    op: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    result: np.ndarray
    seconds: float

    @property
    def flops(self) -> int:
        """Multiplications and additions of a convolution, by its shapes; 0 for other operations.

        Formula:
            2 · N · OC · OH · OW · (IC/groups) · KH · KW
        """
        if self.op != "conv2d":
            return 0
        weight = self.args[1]
        return 2 * self.result.size * int(np.prod(weight.shape[1:]))


class Recorder:
    """Stands in for a module of operations, hands every call on to it and keeps the record.

    >>> from fastconv import reference
    >>> recorder = Recorder(reference)
    >>> recorder.conv2d(np.ones((1, 2, 4, 4)), np.ones((3, 2, 3, 3))).shape
    (1, 3, 2, 2)
    >>> [(call.op, call.flops) for call in recorder.calls]
    [('conv2d', 432)]
    """

    def __init__(self, ops: Any, watch: Callable[[str], None] = lambda op: None) -> None:
        """ops: the module; watch: is told the operation's name after each call."""
        self._ops = ops
        self._watch = watch
        self.calls: list[Call] = []

    def __getattr__(self, op: str) -> Callable[..., np.ndarray]:
        function = getattr(self._ops, op)

        def recorded(*args: Any, **kwargs: Any) -> np.ndarray:
            begun = time.perf_counter()
            result = function(*args, **kwargs)
            self.calls.append(Call(op, args, kwargs, result, time.perf_counter() - begun))
            self._watch(op)
            return result

        return recorded


@dataclass(frozen=True)
class Row:
    """One line of the table: times in milliseconds; flops 0 where there is no such count."""

    name: str
    shape: str
    engine_ms: float
    reference_ms: float
    flops: int
    difference: float

    @property
    def gflops(self) -> float:
        """Billions of floating-point operations a second, by the engine."""
        return self.flops / self.engine_ms / 1e6

    @property
    def ratio(self) -> float:
        """How many times sooner the engine has the result."""
        return self.reference_ms / self.engine_ms


def median_ms(call: Callable[[], Any], seconds: float = 0.2, least: int = 5) -> float:
    """The median time of a call in milliseconds: after two calls to warm up, over at least
    ``least`` calls and ``seconds`` seconds.
    """
    call()
    call()
    times: list[float] = []
    while len(times) < least or sum(times) < seconds:
        begun = time.perf_counter()
        call()
        times.append(time.perf_counter() - begun)
    return 1e3 * float(np.median(times))


def race(name: str, engine_call: Call, reference_call: Call, engine: Any) -> Row:
    """Time one operation again on the engine, with the very arguments it had in the network.

    Args:
        name: of the layer.
        engine_call, reference_call: the two records of the layer; the reference is not run again.
        engine: the module of operations whose function is timed.
    """
    function = getattr(engine, engine_call.op)
    return Row(
        name=name,
        shape=_describe(engine_call),
        engine_ms=median_ms(lambda: function(*engine_call.args, **engine_call.kwargs)),
        reference_ms=1e3 * reference_call.seconds,
        flops=engine_call.flops,
        difference=relative_difference(engine_call.result, reference_call.result),
    )


def relative_difference(result: np.ndarray, exact: np.ndarray) -> float:
    """The largest difference, as a fraction of the largest exact value.

    >>> relative_difference(np.array([1.0, 4.0]), np.array([1.0, 5.0]))
    0.2
    """
    return float(np.abs(result - exact).max() / max(np.abs(exact).max(), np.finfo(float).tiny))


def table(rows: Sequence[Row]) -> Iterator[str]:
    """The rows as lines of text, under a heading.

    >>> row = Row("conv1", "3×227×227 → 64×114×114", 0.2, 30.0, 45_000_000, 1e-7)
    >>> for line in table([row]):
    ...     print(line)
    layer   shape                   engine ms  reference ms  GFLOP/s   ratio  difference
    conv1   3×227×227 → 64×114×114      0.200         30.00      225    150×       1e-07
    """
    name_width = max(7, *(len(row.name) for row in rows))
    shape_width = max(23, *(len(row.shape) for row in rows))
    yield (
        f"{'layer':<{name_width}} {'shape':<{shape_width}} {'engine ms':>9}  {'reference ms':>12}"
        f"  {'GFLOP/s':>7}  {'ratio':>6}  {'difference':>10}"
    )
    for row in rows:
        rate = f"{row.gflops:.0f}" if row.flops else "–"
        yield (
            f"{row.name:<{name_width}} {row.shape:<{shape_width}} {row.engine_ms:9.3f}"
            f"  {row.reference_ms:12.2f}  {rate:>7}  {_times(row.ratio):>6}  {row.difference:10.0e}"
        )


def _times(ratio: float) -> str:
    digits = 0 if ratio >= 10 else 1 if ratio >= 1 else 2
    return f"{ratio:.{digits}f}×"


def _describe(call: Call) -> str:
    """3×227×227 → 64×114×114, the batch of one left out, and the kernel."""
    before, after = (
        "×".join(map(str, shape[1:])) for shape in (call.args[0].shape, call.result.shape)
    )
    text = f"{before} → {after}"
    if call.op == "conv2d":
        kernel = "×".join(map(str, call.args[1].shape[2:]))
    elif call.op == "max_pool2d":
        kernel = f"max {call.args[1]}×{call.args[1]}"
    else:
        return text
    stride = call.kwargs.get("stride", 1)
    return f"{text}, {kernel}" + (f" /{stride}" if stride != 1 else "")
