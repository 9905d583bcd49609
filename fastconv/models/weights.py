"""Weights out of a file into a module, whichever of the known formats they are in."""

import os
from pathlib import Path

import numpy as np

from fastconv import nn
from fastconv.data.files import DataError, open_regular
from fastconv.nn.state import Keys

from . import pth, safetensors

__all__ = ["load_weights"]

_JSON_AT = 8  # where a safetensors file has the brace that opens its header


def load_weights(
    module: nn.Module,
    path: str | os.PathLike[str],
    key: str | None = None,
    *,
    strict: bool = True,
    max_bytes: int = 1 << 31,
) -> Keys:
    """Load a module's parameters and buffers from a safetensors file or a PyTorch checkpoint.

    Which of them a file is, its contents say and not its name. No code in it is run. Floating
    numbers are converted to the dtype of the module's parameters.

    Args:
        module: whose ``state_dict()`` has the file's names and shapes.
        path: a regular file.
        key: of a checkpoint, which of its entries has the tensors, as for ``pth.load``.
        strict: whether there must be no name missing and none too many, as for
            ``Module.load_state_dict``.
        max_bytes: refuse a larger file, and larger contents.

    Returns:
        (missing_keys, unexpected_keys)

    Raises:
        OSError: the file cannot be opened or read.
        ValueError (of PyTorch's a DataError): it is neither, is damaged, or is larger than allowed.
        KeyError: there is no such entry. TypeError: module is no Module, or key is given for a
            safetensors file, which has no entries.
        RuntimeError: the file does not fit. The message lists every name that is missing or too
            many and every shape and dtype that is another, and the module is as it was.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     safetensors.save(folder + "/a", {"weight": np.ones((1, 2)), "bias": np.zeros(1)})
    ...     load_weights(layer := nn.Linear(2, 1), folder + "/a")
    Keys(missing_keys=[], unexpected_keys=[])
    >>> layer.weight.detach()
    tensor([[1., 1.]])
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"load_weights: module must be a Module, not {type(module).__name__}")
    dtype = next((p.dtype for p in module.parameters()), np.dtype(np.float32))
    path = Path(path)
    with open_regular(path, max_bytes) as file:
        head = file.read(pth.HEAD_BYTES)
    if pth.is_checkpoint(head):
        state = pth.load(path, key, dtype, max_bytes=max_bytes)
    elif head[_JSON_AT : _JSON_AT + 1] == b"{":
        if key is not None:
            raise TypeError(f"load_weights: key is {key!a}, but {path} is a safetensors file")
        state = safetensors.load(path, dtype, max_file_bytes=max_bytes)
    else:
        raise DataError(
            f"{path}: neither a safetensors file nor a checkpoint of torch.save: it begins with "
            f"{head[:8]!r}"
        )
    return module.load_state_dict(state, strict)
