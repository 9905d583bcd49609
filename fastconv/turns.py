"""The engine's time for calls that are compared: taken by turns, so that what disturbs one of them
(a clock that sinks, a neighbour on the machine) disturbs all alike.

A turn is a number of calls of the engine alone, about a millisecond of them: neither the Python
above nor conversions of the input count. A turn that ends early says less, one that lasts longer
gives the others other conditions.
"""

import statistics
from collections.abc import Callable, Iterable
from time import perf_counter

from fastconv import _core, ops

TURN_SECONDS = 1e-3
_MOST_CALLS = 4096


class Convolution:
    """A conv2d call that can be made again and again, each time by an algorithm that is named.

    Args:
        input, weight: arrays.
        options: further arguments of conv2d, but for algorithm, out and threads.
        threads: that it offers the engine, or None: as many as a call here and now would.

    >>> import numpy as np
    >>> call = Convolution(np.ones((1, 8, 9, 9)), np.ones((8, 8, 3, 3)), {"padding": 1}, 1)
    >>> "im2col" in call.takers(), "depthwise" in call.takers()
    (True, False)
    """

    def __init__(self, input, weight, options: dict, threads: int | None = None) -> None:
        self._arguments = {
            "input": input,
            "weight": weight,
            "bias": None,
            "stride": 1,
            "padding": 0,
            "dilation": 1,
            "groups": 1,
            "padding_mode": "zeros",
            "activation": None,
            "residual": None,
            "out": None,
            "threads": threads,
            "precision": None,
        } | options

    def probe(self, algorithm: str | None = None, calls: int = 0) -> _core.Probe:
        """What the engine would do, or with `calls`, how long each of so many took it.

        Raises:
            TypeError, ValueError, MemoryError: as conv2d would.
        """
        probe = _core.Probe(calls=calls)
        ops.conv2d(**self._arguments, algorithm=algorithm, probe=probe)
        return probe

    def takers(self) -> list[str]:
        """The algorithms that take this call when they are asked for by name, of those that its
        precision allows.

        Raises:
            TypeError, ValueError, MemoryError: as conv2d would.
        """
        self.probe()  # a call that nothing takes is an error, not an empty list
        found = []
        for name in _core.ALGORITHM_CODES:
            try:
                probe = self.probe(name)
            except ValueError:
                continue
            if probe.within_precision:
                found.append(name)
        return found

    def timer(self, algorithm: str | None = None) -> Callable[[], float]:
        """A function that takes one turn and returns the seconds of one call in it.

        The first turn finds out how many calls a millisecond holds.
        """
        calls = 0

        def turn() -> float:
            nonlocal calls
            if not calls:
                calls = _calls_of_a_turn(lambda count: self.probe(algorithm, count).seconds)
            return self.probe(algorithm, calls).seconds

        return turn


def _calls_of_a_turn(seconds_of: Callable[[int], float]) -> int:
    """How many calls make a turn; they double until they do, which also warms everything up."""
    calls = 1
    while calls < _MOST_CALLS and seconds_of(calls) * calls < TURN_SECONDS / 2:
        calls *= 2
    return calls


def by_turns(
    timers: Iterable[Callable[[], float]], seconds: float, least: int = 5, most: int = 101
) -> list[list[float]]:
    """Let each take a turn in each round, and return what each timer said, round by round.

    Args:
        timers: what is compared.
        seconds: of all together; after them no round is begun.
        least, most: how many rounds there are whatever they take, and whatever is left.
    """
    timers = list(timers)
    times: list[list[float]] = [[] for _ in timers]
    end = perf_counter() + seconds
    rounds = 0
    while rounds < least or (rounds < most and perf_counter() < end):
        for timer, found in zip(timers, times, strict=True):
            found.append(timer())
        rounds += 1
    return times


def ratio(times: list[float], others: list[float]) -> float:
    """The median over rounds of times / others: each pair was taken under the same conditions."""
    return statistics.median(a / b for a, b in zip(times, others, strict=True))
