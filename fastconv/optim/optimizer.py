"""What all optimisers have in common: groups of parameters, their state, and a step."""

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import numpy as np

from fastconv.autograd import enable_grad
from fastconv.autograd.core import State, wrap

from . import saving
from .options import Options


class Optimizer:
    """The base of all optimisers.

    Attributes:
        param_groups: list of dicts: 'params', a list of Tensors, and the options for these. They
            may be changed between steps; schedules do so.
        state: dict from a parameter to what is kept for it, a dict of Tensors and numbers.
        defaults: options of groups that do not say.

    A subclass sets these two, and defines ``_check`` and ``_update``.
    """

    _NAMES: ClassVar[tuple[str, ...]]  # of the arrays that may be kept for a parameter
    _COUNTS: ClassVar[bool]  # whether the steps of each parameter are counted, as 'step'

    def __init__(self, params: Any, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self.state: defaultdict[State, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        self._stepped = False  # schedules are to be stepped afterwards
        if isinstance(params, State) or not isinstance(params, Iterable):
            raise TypeError(
                f"{self._op}: params must be an iterable of Tensors or of dicts, not "
                f"{type(params).__name__}; give a list, [tensor] for one"
            )
        groups = list(params)
        if not groups:
            raise ValueError(f"{self._op}: params is empty; give at least one Tensor")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    @property
    def _op(self) -> str:
        return type(self).__name__

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters with options of their own.

        Args:
            param_group: 'params', a Tensor or an iterable of them, and options; others are the
                defaults.

        Raises:
            TypeError: it is no dict, or a parameter no Tensor of float32 or float64.
            ValueError: a parameter is the result of an operation, or is there already, or shares
                memory with one; an option is not in its range.
            Nothing is added then.
        """
        op = self._op
        if not isinstance(param_group, dict) or "params" not in param_group:
            raise TypeError(
                f"{op}: a group of parameters must be a dict with 'params', not {param_group!r:.80}"
            )
        params = param_group["params"]
        if isinstance(params, State):
            params = [params]
        elif isinstance(params, (set, frozenset)):
            raise TypeError(f"{op}: the parameters are a set, which has no order; give a list")
        params = list(params)
        for number, param in enumerate(params):
            _check_parameter(op, number, param)
        everything = [p for group in self.param_groups for p in group["params"]] + params
        if len({id(p) for p in everything}) != len(everything):
            raise ValueError(
                f"{op}: a parameter is given twice, and would be updated twice in a step; "
                f"give it once"
            )
        _check_memory(op, everything)
        group = self.defaults | param_group | {"params": params}
        self._check(Options(op, group))
        self.param_groups.append(group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Take the gradients away, or make them 0.

        Args:
            set_to_none: whether ``.grad`` becomes None; otherwise its elements become 0, which
                still counts as a gradient: momentum and weight decay then act on the parameter.
        """
        for group in self.param_groups:
            for param in group["params"]:
                if param._grad is None:
                    continue
                if set_to_none:
                    param.grad = None
                else:
                    param._grad.zero_()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient, in place.

        Args:
            closure: a function that computes the gradients anew, and returns the loss.

        Returns:
            What closure returned, or None.

        Raises:
            TypeError, ValueError: a parameter or gradient cannot be updated as it lies, or an
                option is not a number in its range. No parameter has been changed.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        updates = [self._prepared(group) for group in self.param_groups]
        if len(updates) > 1:  # nothing is to be changed if something is wrong further behind
            for update in updates:
                update.function(*update.arrays, **update.options, check_only=True)
        for update in updates:
            update.function(*update.arrays, **update.options)
            for entry, name, tensor in update.added:
                entry[name] = tensor
            for param, entry, step in zip(
                update.params, update.entries, update.arrays[3], strict=True
            ):
                if self._COUNTS:
                    entry["step"] = step
                if entry:
                    self.state[param] = entry
                param._version[0] += 1
        self._stepped = True
        return loss

    def _prepared(self, group: dict[str, Any]) -> "Update":
        """The update of those parameters of a group that have a gradient; changes nothing."""
        update = Update()
        update.params = params = []
        update.added = added = []
        weights, grads = [], []
        for param in group["params"]:
            grad = param._grad
            if grad is not None:
                params.append(param)
                weights.append(param._array)
                grads.append(grad._array)
        names, update.function, update.options = self._update(group)
        get = self.state.get
        update.entries = entries = [get(param) or {} for param in params]
        states = []
        for name in names:
            if name is None:
                states.append(None)
                continue
            arrays = []
            for entry, weight in zip(entries, weights, strict=True):
                tensor = entry.get(name)
                if tensor is None:
                    tensor = wrap(np.zeros(weight.shape, weight.dtype))
                    added.append((entry, name, tensor))
                arrays.append(tensor._array)
            states.append(arrays)
        if self._COUNTS:
            steps = [entry.get("step", 0) + 1 for entry in entries]
        else:
            fresh = {id(entry) for entry, _, _ in added}
            steps = [1 if id(entry) in fresh else 2 for entry in entries]
        update.arrays = weights, grads, tuple(states), steps
        return update

    # ---- what a subclass defines

    def _check(self, options: Options) -> None:
        """Require that the options of a group are in their ranges."""
        raise NotImplementedError

    def _update(self, group: dict[str, Any]) -> tuple[tuple[str | None, ...], Callable, dict]:
        """Names of the arrays kept, in the order of the function's `states`; the function of ops;
        its options."""
        raise NotImplementedError

    # ---- saving

    def state_dict(self) -> dict[str, Any]:
        """Options and state, with numbers in place of the parameters.

        Returns:
            dict with 'state', a dict from the number of a parameter to a dict of Tensors (not
            copies) and numbers; and 'param_groups', a list of dicts of options, whose 'params' are
            numbers.

        Source:
            torch.optim.Optimizer.state_dict, whose structure it is.
        """
        return saving.state_dict(self)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the options and state that ``state_dict`` gave. Arrays are copied, into the
        dtypes of the parameters.

        Args:
            state_dict: of an optimiser of the same class for as many parameters of the same shapes.

        Raises:
            TypeError: it has not this structure.
            ValueError: it does not fit; the message lists everything that does not. Nothing has
                been changed.
        """
        saving.load_state_dict(self, state_dict)

    def __repr__(self) -> str:
        lines = [f"{self._op} ("]
        for number, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {number}")
            lines += [f"    {k}: {group[k]}" for k in sorted(group) if k != "params"]
        return "\n".join([*lines, ")"])


class Update:
    """What a step does to a group: function(*arrays, **options), and what is kept afterwards."""

    __slots__ = ("added", "arrays", "entries", "function", "options", "params")

    function: Callable
    options: dict[str, Any]
    arrays: tuple  # weights, gradients, states, steps
    params: list[State]
    entries: list[dict[str, Any]]  # what is kept for each of params
    added: list[tuple[dict[str, Any], str, State]]  # to entries, under a name


def _check_parameter(op: str, number: int, param: Any) -> None:
    if not isinstance(param, State):
        raise TypeError(
            f"{op}: parameter {number} must be a Tensor, not {type(param).__name__}; make one with "
            f"fastconv.tensor(values, requires_grad=True)"
        )
    if param._array.dtype.type not in (np.float32, np.float64):
        raise TypeError(
            f"{op}: parameter {number} has dtype {param._array.dtype}, expected float32 or float64"
        )
    if not param._array.flags.carray:
        raise ValueError(
            f"{op}: parameter {number} is not contiguous or is read-only, and cannot be updated "
            f"where it lies; make the Tensor from numpy.array(values, dtype), which copies"
        )
    if not param.is_leaf:
        raise ValueError(
            f"{op}: parameter {number} is the result of an operation, and gets no gradient of its "
            f"own; give the Tensor that it was computed from, or detach().requires_grad_()"
        )


def _check_memory(op: str, params: list[State]) -> None:
    """Require that no two parameters share memory: sorted by address, neighbours would."""
    arrays = [param._array for param in params if param._array.size]
    begins = [array.__array_interface__["data"][0] for array in arrays]
    bounds = sorted(
        (begin, begin + array.nbytes) for begin, array in zip(begins, arrays, strict=True)
    )
    for (_, end), (begin, _) in itertools.pairwise(bounds):
        if begin < end:
            raise ValueError(
                f"{op}: two parameters share memory, which would be updated twice in a step; give "
                f"the one that the other is a view of, or clones"
            )
