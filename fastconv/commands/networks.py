"""Networks by name, and out of checkpoints."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastconv.models import LeNet5, prepare_digits
from fastconv.nn import Module
from fastconv.training import CheckpointError, load_checkpoint, predict, read_checkpoint

__all__ = ["Network", "build", "load"]

_CHUNK = 1000  # images that are prepared at a time

_KNOWN: dict[str, tuple[Callable[..., Module], Callable[[np.ndarray], np.ndarray]]] = {
    "lenet5": (LeNet5, prepare_digits),
}


@dataclass(frozen=True)
class Network:
    """A network with what its images go through first.

    Attributes:
        name: as on the command line.
        model: the module.
        prepare: from (N, 28, 28) uint8, ink bright on 0, to its input.
    """

    name: str
    model: Module
    prepare: Callable[[np.ndarray], np.ndarray]

    def scores(self, images: np.ndarray) -> np.ndarray:
        """(N, K) logits of images (N, 28, 28) uint8."""
        return np.concatenate(
            [
                predict(self.model, self.prepare(images[begin : begin + _CHUNK]))
                for begin in range(0, len(images), _CHUNK)
            ]
        )


def build(name: str, options: dict[str, Any]) -> Network:
    """A new network.

    Raises:
        KeyError: there is none of that name. TypeError, ValueError: the options are not its own.
    """
    make, prepare = _KNOWN[name]
    return Network(name, make(**options), prepare)


def load(path: str | os.PathLike[str]) -> Network:
    """The network of a checkpoint, with the weights of its best epoch if they were kept.

    Raises:
        OSError: it cannot be opened.
        CheckpointError: it is no checkpoint, or not one that train has written.
    """
    checkpoint = read_checkpoint(path)
    name, options = checkpoint.config.get("network"), checkpoint.config.get("options")
    if not isinstance(name, str) or name not in _KNOWN or not isinstance(options, dict):
        raise CheckpointError(
            f"{path}: does not say which network it is of; give a checkpoint that "
            f"python -m fastconv train has written"
        )
    try:
        network = build(name, options)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: its options do not fit {name}: {error}") from error
    load_checkpoint(checkpoint, network.model, best=True)
    return network
