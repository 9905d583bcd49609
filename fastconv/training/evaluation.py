"""What a network makes of examples, and how good that is."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from fastconv import metrics as known_metrics
from fastconv.autograd import Tensor, no_grad
from fastconv.data import DataLoader
from fastconv.nn import Module

__all__ = ["Metric", "evaluate", "predict"]

Metric = Callable[[np.ndarray, np.ndarray], float]
Metrics = Mapping[str, Metric] | Sequence[str]


def predict(model: Module, x: np.ndarray, *, batch_size: int = 256) -> np.ndarray:
    """The network's outputs, computed in eval mode and without recording, batch by batch.

    Args:
        model: a module of one input and one result.
        x: (N, …) examples; integers and floats are converted to the dtype of its parameters.
        batch_size: how many at a time; in eval mode it changes neither meaning nor, in the engine's
            own operations, a bit of the result.

    Returns:
        (N, …) array.

    Raises:
        TypeError: x is no array. ValueError: batch_size is less than 1, or x has no example.

    >>> from fastconv import nn
    >>> predict(nn.Flatten(), np.ones((3, 1, 2, 2), np.float32)).shape
    (3, 4)
    """
    if not isinstance(x, np.ndarray) or not x.ndim:
        raise TypeError(f"predict: x must be an array (N, …), not {type(x).__name__}")
    if batch_size < 1 or not len(x):
        raise ValueError(f"predict: {len(x)} examples in batches of {batch_size}: both must be ≥ 1")
    dtype = dtype_of(model)
    with evaluating(model):
        parts = [
            run(model, np.ascontiguousarray(x[begin : begin + batch_size], dtype))
            for begin in range(0, len(x), batch_size)
        ]
    return np.concatenate(parts)


def evaluate(
    model: Module,
    data: Any,
    *,
    loss: Callable[[Any, Any], Any] | None = None,
    metrics: Metrics = ("accuracy",),
    batch_size: int = 256,
    stop: Callable[[], bool] = lambda: False,
) -> dict[str, float]:
    """The loss and metrics of a network on examples; in eval mode, without recording.

    Args:
        data: Dataset, pair (x, y), DataLoader, or another iterable of batches (x, y).
        loss: function of outputs and labels, the mean over a batch; its mean over all examples is
            reported as 'loss'.
        metrics: names of functions of ``fastconv.metrics``; or name → function(outputs, labels),
            which is given all of them at once.
        batch_size: for a Dataset or pair.
        stop: asked after each batch whether to give up; then the result is empty.

    Returns:
        name → number.

    Raises:
        ValueError: an unknown metric, no examples; TypeError: data is none of these.

    >>> from fastconv import nn
    >>> evaluate(nn.Identity(), (np.array([[1.0, 0.0]]), np.array([0])))
    {'accuracy': 1.0}
    """
    functions = metric_functions("evaluate", metrics)
    dtype = dtype_of(model)
    total, count, outputs, labels = 0.0, 0, [], []
    with evaluating(model):
        for x, y in batches(data, batch_size):
            output = run(model, converted(x, dtype))
            if loss is not None:
                total += float(loss(Tensor(output), y)) * len(y)
            count += len(y)
            if functions:
                outputs.append(output)
                labels.append(y)
            if stop():
                return {}
    if not count:
        raise ValueError("evaluate: there are no examples")
    result = {} if loss is None else {"loss": total / count}
    if functions:
        everything = np.concatenate(outputs), np.concatenate(labels)
        result |= {name: float(function(*everything)) for name, function in functions.items()}
    return result


# ---- what fit shares with them


def metric_functions(op: str, metrics: Metrics) -> dict[str, Metric]:
    """name → function, names of ``fastconv.metrics`` looked up."""
    if isinstance(metrics, Mapping):
        wrong = [name for name, function in metrics.items() if not callable(function)]
        if wrong or "loss" in metrics:
            raise TypeError(f"{op}: metrics must map names, other than 'loss', to functions")
        return dict(metrics)
    if isinstance(metrics, str):
        metrics = (metrics,)
    functions = {}
    for name in metrics:
        if name == "accuracy":
            functions[name] = known_metrics.accuracy
        elif name in ("precision", "recall", "f1_score"):
            functions[name] = _macro(getattr(known_metrics, name))
        elif name == "top_k_accuracy":
            functions[name] = known_metrics.top_k_accuracy
        else:
            raise ValueError(
                f"{op}: there is no metric {name!r}; known are accuracy, top_k_accuracy and, as "
                f"means of all classes, precision, recall and f1_score; or give "
                f"{{{name!r}: function}}"
            )
    return functions


def _macro(function: Callable[..., Any]) -> Metric:
    return lambda outputs, labels: function(outputs, labels, "macro")


def batches(data: Any, batch_size: int) -> Iterable[tuple[np.ndarray, np.ndarray]]:
    """An iterable of batches, made of a Dataset or pair if it is not one already."""
    if hasattr(data, "__len__") and not isinstance(data, (tuple, list)) and not _is_dataset(data):
        return data
    return DataLoader(data, batch_size, prefetch=0)


def _is_dataset(data: Any) -> bool:
    from fastconv.data import Dataset

    return isinstance(data, Dataset)


def dtype_of(model: Module) -> np.dtype:
    """That of the first floating parameter; float32 where there is none."""
    for parameter in model.parameters():
        if parameter.dtype.kind == "f":
            return parameter.dtype
    return np.dtype(np.float32)


def converted(x: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """x in the network's dtype."""
    return x if x.dtype == dtype else x.astype(dtype)


def run(model: Module, x: np.ndarray) -> np.ndarray:
    """The network's output as an array."""
    output = model(Tensor(x))
    return output.numpy() if isinstance(output, Tensor) else output


@contextmanager
def evaluating(model: Module) -> Iterator[None]:
    """Eval mode and no recording; afterwards each module is in the mode that it was in."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with no_grad():
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode
