"""Batches of a dataset, epoch by epoch, in an order that a seed gives and a state can resume."""

import weakref
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from .dataset import Dataset, as_dataset, checked_seed, permutation
from .draws import Draws
from .prefetch import Prefetcher

__all__ = ["DataLoader"]

_VERSION = 1
Batch = tuple[np.ndarray, np.ndarray]


class DataLoader:
    """Iterating gives the batches (x, y) of one epoch: each example once.

    Args:
        dataset: Dataset, or a pair (x, y).
        batch_size: examples in a batch, at least 1; the last batch has what is left.
        shuffle: a new order in each epoch, which depends on (seed, epoch) alone.
        seed: of the orders and of random transforms; None: one is drawn now, and ``state_dict`` has
            it.
        drop_last: leave out a last batch that is not full.
        transform: called with the x of each batch; one of ``fastconv.data.transforms`` or any
            function. If it has a true attribute ``random`` it is called with x and a ``Draws``,
            whose numbers depend on (seed, epoch, index of the example) alone.
        prefetch: how many batches a thread makes ahead while others are worked on; 0: no thread.
            The batches are the same.

    Attributes:
        epoch: the number, from 0, of the epoch that is running, or else that begins next.
        seed: as given or drawn.

    Shapes:
        x: (B, …) float32, as transform leaves it, or the dataset's (integers become floats of the
            same value); y: (B,) int64. Both are C-contiguous, writeable, no views of the dataset.

    ``break`` ends an epoch and its thread; iterating once more begins the next one. To go on with
    the interrupted one, also in another process, give ``state_dict()`` to ``load_state_dict``: the
    batches that follow are the same to the bit.

    Raises:
        TypeError, ValueError: an argument is unfit; the dataset is empty, or gives no full batch
            with drop_last. While iterating: what transform raises, with its traceback, also if
            it was raised in the thread; ValueError if transform returns no array of B examples.

    >>> loader = DataLoader((np.arange(5.0), np.arange(5)), 2)
    >>> [y.tolist() for x, y in loader]
    [[0, 1], [2, 3], [4]]
    """

    def __init__(
        self,
        dataset: Dataset | tuple[np.ndarray, np.ndarray],
        batch_size: int,
        shuffle: bool = False,
        seed: int | None = None,
        drop_last: bool = False,
        transform: Callable[..., np.ndarray] | None = None,
        prefetch: int = 2,
    ) -> None:
        self.dataset = as_dataset(dataset, "DataLoader: dataset")
        self.batch_size = _at_least(1, batch_size, "batch_size")
        self.prefetch = _at_least(0, prefetch, "prefetch")
        self.shuffle, self.drop_last = bool(shuffle), bool(drop_last)
        if transform is not None and not callable(transform):
            raise TypeError(
                f"DataLoader: transform must be callable, not {type(transform).__name__}"
            )
        self.transform = transform
        self._given_seed = seed is not None
        if seed is None:
            self.seed = int(np.random.SeedSequence().entropy)
        else:
            self.seed = checked_seed(seed, "DataLoader")
        if not len(self.dataset):
            raise ValueError("DataLoader: the dataset is empty")
        if not len(self):
            raise ValueError(
                f"DataLoader: {len(self.dataset)} examples give no full batch of {batch_size}, and "
                f"drop_last leaves the rest out"
            )
        self._epoch, self._batch = 0, 0
        self._begun = False  # an epoch at the place (_epoch, _batch) was begun, and not loaded
        self._current: weakref.ref[_Ticket] | None = None

    def __len__(self) -> int:
        """Batches of an epoch."""
        count, size = len(self.dataset), self.batch_size
        return count // size if self.drop_last else -(-count // size)

    @property
    def epoch(self) -> int:
        return self._epoch

    def __iter__(self) -> Iterator[Batch]:
        if self._begun:
            self._epoch, self._batch = self._epoch + 1, 0
        self._begun = True
        ticket = _Ticket()
        self._current = weakref.ref(ticket)
        order = permutation(len(self.dataset), self.seed, 0, self._epoch) if self.shuffle else None
        make = partial(_make, self.dataset, self.batch_size, self.transform, order,
                       self.seed, self._epoch)  # fmt: skip
        return self._batches(ticket, make, self._batch)

    def state_dict(self) -> dict[str, Any]:
        """Where the epoch is, in ints and bools: after the last batch that was handed out.

        Neither the dataset nor transform is in it; they have to be the same for the batches to be.
        """
        over = self._batch == len(self)
        return {
            "version": _VERSION,
            "seed": self.seed,
            "epoch": self._epoch + over,
            "batch": 0 if over else self._batch,
            "examples": len(self.dataset),
            "batch_size": self.batch_size,
            "shuffle": self.shuffle,
            "drop_last": self.drop_last,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Let the next iteration go on where the state was taken.

        Raises:
            TypeError: it is no mapping, or an entry has a wrong type.
            ValueError: entries are missing or unknown; it is of a loader with other examples, batch
                size, order or seed (a loader that was given none takes the state's); numbers are
                out of range. The loader is then as it was.
        """
        if not isinstance(state, Mapping):
            raise TypeError(f"load_state_dict: state must be a dict, not {type(state).__name__}")
        mine = self.state_dict()
        if set(state) != set(mine):
            raise ValueError(
                f"load_state_dict: the state has {sorted(map(str, state))}, "
                f"expected are {sorted(mine)}"
            )
        for name, value in state.items():
            if type(value) is not type(mine[name]):
                raise TypeError(
                    f"load_state_dict: {name} must be {type(mine[name]).__name__}, "
                    f"not {type(value).__name__}"
                )
            place = name in ("epoch", "batch") or (name == "seed" and not self._given_seed)
            if not place and value != mine[name]:
                raise ValueError(
                    f"load_state_dict: the state is of {name} {value}, this loader's is "
                    f"{mine[name]}: it would not go on with the same batches"
                )
        seed = checked_seed(state["seed"], "load_state_dict")
        if not 0 <= state["epoch"] < 2**32 or not 0 <= state["batch"] < len(self):
            raise ValueError(
                f"load_state_dict: epoch {state['epoch']}, batch {state['batch']} is no place in "
                f"epochs of {len(self)} batches"
            )
        self.seed, self._epoch, self._batch = seed, state["epoch"], state["batch"]
        self._begun, self._current = False, None

    def _batches(
        self, ticket: "_Ticket", make: Callable[[int], Batch], first: int
    ) -> Iterator[Batch]:
        source = None
        try:
            for number in range(first, len(self)):
                if not self.prefetch:
                    batch = make(number)
                else:
                    if source is None:
                        source = Prefetcher(make, first, len(self), self.prefetch)
                    batch = source.take()
                if self._is_current(ticket):
                    self._batch = number + 1
                yield batch
                del batch
            if self._is_current(ticket):
                self._epoch, self._batch, self._begun = self._epoch + 1, 0, False
        finally:
            if source is not None:
                source.close()

    def _is_current(self, ticket: "_Ticket") -> bool:
        """Whether that iteration is the last that was begun: the place is that one's."""
        return self._current is not None and self._current() is ticket


class _Ticket:
    """Tells one iteration of a loader from another."""

    __slots__ = ("__weakref__",)


def _make(
    dataset: Dataset,
    size: int,
    transform: Callable[..., np.ndarray] | None,
    order: np.ndarray | None,
    seed: int,
    epoch: int,
    number: int,
) -> Batch:
    """The batch of that number. Holds no loader: the thread that calls it keeps none alive."""
    begin, end = number * size, min((number + 1) * size, len(dataset))
    chosen = np.arange(begin, end) if order is None else order[begin:end]
    x, y = dataset.x[chosen], dataset.y[chosen]  # copies, as they are chosen by numbers
    if transform is not None:
        if getattr(transform, "random", False):
            x = transform(x, Draws(seed, epoch, chosen))
        else:
            x = transform(x)
        if not isinstance(x, np.ndarray) or x.ndim < 1 or len(x) != len(y):
            got = x.shape if isinstance(x, np.ndarray) else type(x).__name__
            raise ValueError(
                f"DataLoader: transform must return an array of {len(y)} examples, not {got}"
            )
    return np.require(x, np.float32, ["C", "W"]), y.astype(np.int64, copy=False)


def _at_least(least: int, value: object, name: str) -> int:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"DataLoader: {name} must be an int, not {type(value).__name__}")
    if value < least:
        raise ValueError(f"DataLoader: {name} must be at least {least}, not {value}")
    return int(value)
