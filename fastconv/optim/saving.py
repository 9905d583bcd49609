"""The state of optimisers as dicts, in PyTorch's structure, and back."""

from typing import Any

import numpy as np

from fastconv.autograd.core import State, wrap

from .options import Options

# Options of PyTorch's that choose an implementation, not a result.
_IGNORED = ("foreach", "fused", "capturable", "differentiable")


def state_dict(optimizer: Any) -> dict[str, Any]:
    """Optimizer.state_dict."""
    numbers: dict[int, int] = {}
    groups = []
    for group in optimizer.param_groups:
        for param in group["params"]:
            numbers[id(param)] = len(numbers)
        groups.append(group | {"params": [numbers[id(param)] for param in group["params"]]})
    state = {
        numbers[id(param)]: dict(entry)
        for param, entry in optimizer.state.items()
        if id(param) in numbers and entry
    }
    return {"state": state, "param_groups": groups}


def load_state_dict(optimizer: Any, saved: Any) -> None:
    """Optimizer.load_state_dict."""
    op = f"{optimizer._op}.load_state_dict"
    if not isinstance(saved, dict) or not {"state", "param_groups"} <= saved.keys():
        raise TypeError(
            f"{op}: expected a dict with 'state' and 'param_groups', as state_dict gives"
        )
    if not isinstance(saved["state"], dict) or not isinstance(saved["param_groups"], (list, tuple)):
        raise TypeError(f"{op}: expected 'state' to be a dict and 'param_groups' a list")
    wrong: list[str] = []
    groups, order = _groups(optimizer, saved["param_groups"], wrong)
    state = {}
    for number, entry in saved["state"].items():
        if number not in order:
            wrong.append(f"there is state of a parameter {number!r}, which is in no group")
            continue
        param, group = order[number]
        loaded = _entry(optimizer, number, entry, param, group, wrong)
        if loaded:
            state[param] = loaded
    if wrong:
        lines = "".join(f"\n  - {line}" for line in wrong)
        raise ValueError(
            f"{op}: the state does not fit this optimiser, which is as it was:{lines}\n"
            f"give the state of one of the same class and parameters"
        )
    optimizer.state.clear()
    optimizer.state.update(state)
    for group, loaded in zip(optimizer.param_groups, groups, strict=True):
        params = group["params"]
        group.clear()
        group.update(loaded)
        group["params"] = params


def _groups(optimizer: Any, saved: Any, wrong: list[str]) -> tuple[list[dict], dict]:
    """The groups' new options; and number → (parameter, its options), as far as they fit."""
    own = optimizer.param_groups
    if len(saved) != len(own):
        wrong.append(f"it has {len(saved)} groups of parameters, expected {len(own)}")
    groups, order = [], {}
    for number, (group, new) in enumerate(zip(own, saved, strict=False)):
        if not isinstance(new, dict) or not isinstance(new.get("params"), (list, tuple)):
            wrong.append(f"group {number} is no dict with a list of 'params'")
            continue
        options = {k: v for k, v in new.items() if k not in _IGNORED}
        missing = [name for name in optimizer.defaults if name not in options]
        if missing:
            wrong.append(f"group {number} lacks {', '.join(map(repr, missing))}")
            options = group | options
        try:
            optimizer._check(Options(f"group {number}", options))
        except (TypeError, ValueError) as error:
            wrong.append(str(error))
        if len(new["params"]) != len(group["params"]):
            wrong.append(
                f"group {number} has {len(new['params'])} parameters, expected "
                f"{len(group['params'])}"
            )
        groups.append(options)
        for key, param in zip(new["params"], group["params"], strict=False):
            order[key] = param, options
    return groups, order


def _entry(
    optimizer: Any, number: Any, saved: Any, param: State, group: dict, wrong: list[str]
) -> dict[str, Any]:
    """What is kept for a parameter."""
    if not isinstance(saved, dict):
        wrong.append(f"the state of parameter {number} is no dict")
        return {}
    entry: dict[str, Any] = {}
    for name, value in saved.items():
        if value is None:
            continue
        if name == "step" and optimizer._COUNTS:
            try:
                entry[name] = int(np.asarray(value))
            except (TypeError, ValueError):
                wrong.append(f"'step' of parameter {number} is {value!r}, expected a number")
        elif name in optimizer._NAMES:
            array = np.asarray(value._array if isinstance(value, State) else value)
            shape = param._array.shape
            if array.dtype.kind != "f" or array.shape != shape:
                wrong.append(
                    f"{name!r} of parameter {number} has shape {array.shape} and dtype "
                    f"{array.dtype}, expected {shape} and {param._array.dtype}"
                )
            else:
                entry[name] = wrap(array.astype(param._array.dtype, order="C"))
        elif name != "step":
            wrong.append(f"parameter {number} has {name!r}, which {optimizer._op} does not keep")
    if optimizer._COUNTS:
        names = ["step", *(name for name in optimizer._update(group)[0] if name)]
        missing = [repr(name) for name in names if saved.get(name) is None]
        if missing and saved:
            wrong.append(f"the state of parameter {number} lacks {', '.join(missing)}")
    return entry
