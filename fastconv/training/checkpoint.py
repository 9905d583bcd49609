"""Checkpoints: all that a training is made of, in one safetensors file.

    tensors     the model's parameters and buffers under their names in its state_dict; other
                readers of safetensors find them there. "@best/" + name: those of the best epoch, if
                they are kept. "@state.…": arrays of the optimiser, the history and so on.
    metadata    "format": "fastconv.checkpoint"; "version"; "config" and "state", JSON (see
                ``packing``); "digest", BLAKE2b of all the rest.

A file is written whole or not at all, and read with care: it may be cut off, altered, or made to do
harm. Everything in it is checked, and compared with what it is to be loaded into, before anything
is changed.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fastconv import random
from fastconv.models import safetensors
from fastconv.nn import Module

from . import packing

__all__ = ["Checkpoint", "CheckpointError", "load_checkpoint", "read_checkpoint", "save_checkpoint"]

VERSION = 1
MAX_CONFIG_BYTES = 1 << 20
_FORMAT = "fastconv.checkpoint"
_MAX_HEADER_BYTES = 1 << 26
_BEST, _STATE = "@best/", "@state"


class CheckpointError(ValueError):
    """A file that is no usable checkpoint, or does not fit; the text says all that is wrong."""


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds; nothing of it has been loaded into anything.

    Attributes:
        model: name → array.
        best: the same of the best epoch, or None.
        state: part → its state: of 'optimizer', 'scheduler', 'loader', 'random', 'run' those that
            were saved.
        config: what the program said about itself: the model's name and options, for example.
    """

    model: dict[str, np.ndarray]
    best: dict[str, np.ndarray] | None = None
    state: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)


def save_checkpoint(
    path: str | os.PathLike[str],
    model: Module,
    *,
    optimizer: Any = None,
    scheduler: Any = None,
    loader: Any = None,
    run: Any = None,
    best: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
) -> None:
    """Write a training's state to a file, all of it or nothing; an existing file is replaced.

    Args:
        path: where to.
        model: its parameters and buffers are saved.
        optimizer, scheduler, loader: their ``state_dict()`` is saved, if they are given.
        run: what keeps history, step and epoch, if there is such a thing; its ``state_dict()``,
            too. States are of what JSON and arrays can hold (see ``packing``).
        best: a state_dict of the model's best epoch.
        config: facts about the program, of at most 1 MiB as JSON.

    The state of the generator of ``fastconv.random`` is saved as well.

    Raises:
        TypeError: something is of a kind that a file cannot hold.
        ValueError: config is too long, or a parameter's name begins with '@'.
        OSError: the file cannot be written.

    >>> import tempfile
    >>> from fastconv import nn
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_checkpoint(folder + "/a", nn.Linear(2, 3), config={"model": "linear"})
    ...     checkpoint = read_checkpoint(folder + "/a")
    >>> checkpoint.config, checkpoint.model["weight"].shape
    ({'model': 'linear'}, (3, 2))
    """
    tensors = {name: tensor._array for name, tensor in model.state_dict().items()}
    reserved = [name for name in tensors if name.startswith("@")]
    if reserved:
        raise ValueError(
            f"save_checkpoint: the model has {reserved[0]!r}; names that begin with '@' are the "
            f"checkpoint's own: give the parameter another"
        )
    if best is not None:
        if set(best) != set(tensors):
            raise ValueError("save_checkpoint: best has other names than the model's state_dict")
        tensors |= {_BEST + name: _array(value) for name, value in best.items()}
    parts = {"optimizer": optimizer, "scheduler": scheduler, "loader": loader, "run": run}
    state = {name: part.state_dict() for name, part in parts.items() if part is not None}
    state["random"] = random.get_rng_state()
    state_text, arrays = packing.dumps(state, _STATE)
    config_text, none = packing.dumps({} if config is None else dict(config), "config")
    if none:
        raise TypeError(f"save_checkpoint: {next(iter(none))} is an array; give numbers or lists")
    if len(config_text.encode()) > MAX_CONFIG_BYTES:
        raise ValueError(
            f"save_checkpoint: config has {len(config_text):,} characters, more than fit into "
            f"{MAX_CONFIG_BYTES:,} bytes"
        )
    tensors |= arrays
    metadata = {
        "format": _FORMAT,
        "version": str(VERSION),
        "config": config_text,
        "state": state_text,
    }
    safetensors.save(path, tensors, metadata | {"digest": _digest(tensors, metadata)})


def read_checkpoint(path: str | os.PathLike[str], *, max_file_bytes: int = 1 << 36) -> Checkpoint:
    """Read a checkpoint, without loading it into anything.

    Args:
        max_file_bytes: refuse a larger file. Memory is bounded by the file's size.

    Raises:
        OSError: the file cannot be opened.
        CheckpointError: it is no checkpoint, of a newer version, cut off or damaged.
    """
    path = Path(path)
    try:
        tensors, metadata = safetensors.read(
            path, max_header_bytes=_MAX_HEADER_BYTES, max_file_bytes=max_file_bytes
        )
    except ValueError as error:
        raise CheckpointError(str(error)) from error
    if metadata.get("format") != _FORMAT:
        raise CheckpointError(
            f"{path}: a safetensors file, but no checkpoint of fastconv; its weights alone can be "
            f"read by fastconv.models.safetensors"
        )
    version = metadata.get("version", "")
    if version != str(VERSION):
        raise CheckpointError(
            f"{path}: a checkpoint of version {version[:20]!a}, and this fastconv reads version "
            f"{VERSION}"
        )
    digest = metadata.pop("digest", "")
    if set(metadata) != {"format", "version", "config", "state"}:
        raise CheckpointError(f"{path}: its metadata has {sorted(metadata)!a:.200}")
    if digest != _digest(tensors, metadata):
        raise CheckpointError(
            f"{path}: damaged: its contents do not agree with its digest; take an older copy"
        )
    if len(metadata["config"]) > MAX_CONFIG_BYTES:
        raise CheckpointError(f"{path}: its config is longer than {MAX_CONFIG_BYTES:,} bytes")
    arrays = {name: tensors.pop(name) for name in list(tensors) if name.startswith(_STATE)}
    best = {n[len(_BEST) :]: tensors.pop(n) for n in list(tensors) if n.startswith(_BEST)}
    # Whoever alters a file can alter its digest: its parts are checked all the same.
    try:
        state = packing.loads(metadata["state"], arrays)
        config = packing.loads(metadata["config"], {})
    except ValueError as error:
        raise CheckpointError(f"{path}: its state is not readable ({error})") from error
    if not isinstance(state, dict) or not isinstance(config, dict):
        raise CheckpointError(f"{path}: its state or config is no JSON object")
    return Checkpoint(tensors, best or None, state, config)


def load_checkpoint(
    path: str | os.PathLike[str] | Checkpoint,
    model: Module,
    *,
    optimizer: Any = None,
    scheduler: Any = None,
    loader: Any = None,
    run: Any = None,
    generator: bool = False,
    best: bool = False,
) -> Checkpoint:
    """Load a checkpoint into a model and, if they are given, the other parts of a training.

    Args:
        path: a file, or what ``read_checkpoint`` made of one.
        optimizer, scheduler, loader, run: of the kind and options that were saved.
        generator: whether the generator of ``fastconv.random`` shall go on from where it stood.
        best: take the weights of the best epoch, where the file has them.

    Returns:
        Checkpoint.

    Raises:
        OSError: the file cannot be opened.
        CheckpointError: it is not usable, or something does not fit. The message lists everything
            that does not, and all parts are as they were.
    """
    if isinstance(path, Checkpoint):
        checkpoint, where = path, "the checkpoint"
    else:
        checkpoint, where = read_checkpoint(path), str(path)
    weights = checkpoint.best if best and checkpoint.best is not None else checkpoint.model
    problems = _model_problems("model", model, checkpoint.model)
    if checkpoint.best is not None:
        problems += _model_problems("best", model, checkpoint.best)
    parts = {"optimizer": optimizer, "scheduler": scheduler, "loader": loader, "run": run}
    if generator:
        parts["random"] = _Generator
    undo = []
    for name, part in parts.items():
        if part is None:
            continue
        if name not in checkpoint.state:
            problems.append(f"{name}: the file has none")
            continue
        before = part.state_dict()
        try:
            part.load_state_dict(checkpoint.state[name])
        # Whatever a part says of a state that anyone may have written: it is a misfit.
        except Exception as error:
            problems.append(f"{name}: " + str(error or type(error).__name__).replace("\n", "\n  "))
        undo.append((part, before))
    if problems:
        for part, before in reversed(undo):
            part.load_state_dict(before)
        raise CheckpointError(
            f"nothing was loaded from {where}, because it does not fit:"
            + "".join(f"\n  {problem}" for problem in problems)
        )
    model.load_state_dict(weights)
    return checkpoint


class _Generator:
    """The generator of fastconv.random, as a part like the others."""

    state_dict = staticmethod(random.get_rng_state)
    load_state_dict = staticmethod(random.set_rng_state)


def _array(value: Any) -> np.ndarray:
    return value if isinstance(value, np.ndarray) else value._array


def _model_problems(what: str, model: Module, weights: Mapping[str, np.ndarray]) -> list[str]:
    """Why the weights cannot be copied into the model: all reasons."""
    own = {name: tensor._array for name, tensor in model.state_dict().items()}
    problems = []
    for name, array in own.items():
        given = weights.get(name)
        if given is None:
            problems.append(f"{what}: {name} is missing")
        elif (given.shape, given.dtype) != (array.shape, array.dtype):
            problems.append(
                f"{what}: {name} has shape {given.shape} and dtype {given.dtype}, expected "
                f"{array.shape} and {array.dtype}"
            )
        elif not array.flags.writeable:
            problems.append(f"{what}: {name} is read-only in the model")
    return problems + [f"{what}: {name} is not in the model" for name in weights if name not in own]


def _digest(tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> str:
    from hashlib import blake2b

    digest = blake2b(digest_size=16)
    for key in sorted(metadata):
        digest.update(f"{key}:{len(metadata[key])}:{metadata[key]}\n".encode())
    for name in sorted(tensors):
        array = tensors[name]
        little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        digest.update(f"{name}:{little.dtype.str}:{array.shape}\n".encode())
        digest.update(little.reshape(-1).view(np.uint8))
    return digest.hexdigest()
