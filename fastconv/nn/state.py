"""A module's state by names: how it is saved, and loaded all or not at all."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fastconv.autograd import Tensor, no_grad

if TYPE_CHECKING:
    from .module import Module


class Keys(NamedTuple):
    """What load_state_dict(strict=False) went without."""

    missing_keys: list[str]
    unexpected_keys: list[str]


def state_dict(module: "Module", prefix: str = "") -> dict[str, Tensor]:
    """Dotted name → Tensor of all parameters and buffers that are saved.

    The Tensors share the module's memory: they change when it is trained. Their names and order are
    PyTorch's; a parameter that two modules share is there under each of its names.
    """
    return {name: tensor.detach() for name, tensor, _ in _entries(module, prefix)}


def load_state_dict(module: "Module", state_dict: Mapping[str, Any], strict: bool = True) -> Keys:
    """Copy a state into the module's parameters and buffers.

    Args:
        state_dict: name → Tensor, numpy.ndarray or whatever converts to one, a torch.Tensor for
            example, with the shapes and dtypes of ``state_dict()``.
        strict: whether there must be no name missing and none too many. Without, the module keeps
            what it has where one is missing. num_batches_tracked may always be missing: older files
            do not have it.

    Returns:
        (missing_keys, unexpected_keys)

    Raises:
        TypeError: state_dict is no mapping.
        RuntimeError: something does not fit. The message lists everything that does not, and the
            module is as it was.
    """
    owner = type(module).__name__
    if not isinstance(state_dict, Mapping):
        raise TypeError(
            f"{owner}.load_state_dict: state_dict must be a mapping of names to arrays, not "
            f"{type(state_dict).__name__}; read files with fastconv.models.safetensors or "
            f"numpy.load"
        )
    missing, problems, given, known = [], [], [], set()
    for name, tensor, optional in _entries(module, ""):
        known.add(name)
        if name not in state_dict:
            if not optional:
                missing.append(name)
            continue
        value = state_dict[name]
        array = value._array if isinstance(value, Tensor) else np.asarray(value)
        problem = _problem(array, tensor._array)
        if problem:
            problems.append(f"{name} {problem}")
        given.append((tensor, array))
    unexpected = [name for name in state_dict if name not in known]
    if strict:
        problems[:0] = [
            f"{what}: {', '.join(map(str, names))}"
            for what, names in (("missing", missing), ("unexpected", unexpected))
            if names
        ]
    if problems:
        hint = ""
        if strict and (missing or unexpected):
            hint = "\n  (strict=False passes over names that are missing or unexpected)"
        raise RuntimeError(
            f"{owner}.load_state_dict: nothing was loaded, because the state does not fit:"
            + "".join(f"\n  {problem}" for problem in problems)
            + hint
        )
    with no_grad():
        for tensor, array in given:
            tensor.copy_(array)
    return Keys(missing, unexpected)


def _entries(module: "Module", prefix: str) -> Iterator[tuple[str, Tensor, bool]]:
    """(name, tensor, whether a state may lack it), in PyTorch's order: a module's parameters, its
    buffers, then its children's."""
    for kind in ("parameter", "buffer"):
        for name, tensor in module._own(kind).items():
            if tensor is not None:
                yield prefix + name, tensor, name in module._optional_state
    for name, child in module._own("module").items():
        if child is not None:
            yield from _entries(child, f"{prefix}{name}.")


def _problem(array: np.ndarray, own: np.ndarray) -> str | None:
    """Why array cannot be copied into a module's own."""
    found = []
    if array.shape != own.shape:
        found.append(f"has shape {array.shape}, expected {own.shape}")
    if array.dtype != own.dtype:
        found.append(f"has dtype {array.dtype}, expected {own.dtype}")
    if not own.flags.writeable:
        found.append("is read-only in the module")
    return " and ".join(found) or None
