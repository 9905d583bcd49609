"""Checks of the options of a group of parameters."""

import math
from typing import Any

from fastconv.geometry import flag, real


class Options:
    """The options of a group. What is not in its range raises and names the optimiser."""

    def __init__(self, op: str, group: dict[str, Any]) -> None:
        self.op, self.group = op, group

    def not_negative(self, *names: str) -> None:
        """Require finite numbers of at least 0."""
        for name in names:
            value = self._number(name, self.group[name])
            if not value >= 0 or math.isinf(value):
                raise ValueError(f"{self.op}: {name} is {value}, expected a number of at least 0")

    def finite(self, *names: str) -> None:
        """Require finite numbers."""
        for name in names:
            value = self._number(name, self.group[name])
            if not math.isfinite(value):
                raise ValueError(f"{self.op}: {name} is {value}, expected a finite number")

    def share(self, name: str, value: Any) -> None:
        """Require a number of at least 0 and below 1."""
        if not 0 <= self._number(name, value) < 1:
            raise ValueError(
                f"{self.op}: {name} is {value}, expected at least 0 and below 1; it is the share "
                f"of the old in a running mean"
            )

    def pair(self, name: str) -> tuple:
        """Require two values."""
        value = self.group[name]
        if not isinstance(value, (tuple, list)) or len(value) != 2:
            raise ValueError(f"{self.op}: {name} is {value!r}, expected two numbers; give a tuple")
        return tuple(value)

    def flags(self, *names: str) -> None:
        """Require bools."""
        for name in names:
            flag(self.op, name, self.group[name])

    def _number(self, name: str, value: Any) -> float:
        return real(self.op, name, value)
