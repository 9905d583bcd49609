"""fit: train a network."""

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from fastconv import random
from fastconv.data import DataLoader, Dataset
from fastconv.geometry import integer
from fastconv.nn import Module
from fastconv.optim.lr_scheduler import ReduceLROnPlateau

from . import packing
from .evaluation import Metrics, metric_functions
from .history import History
from .run import Options, Run

__all__ = ["fit"]

_DEFAULT_BATCH = 64


def fit(
    model: Module,
    train: Any,
    dev: Any = None,
    *,
    loss: Callable[[Any, Any], Any],
    optimizer: Any,
    epochs: int,
    scheduler: Any = None,
    scheduler_every: Literal["epoch", "batch"] = "epoch",
    batch_size: int | None = None,
    seed: int | None = None,
    metrics: Metrics = (),
    monitor: str | None = None,
    patience: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int | None = None,
    resume: bool | Literal["auto"] = False,
    config: Mapping[str, Any] | None = None,
    clip_norm: float | None = None,
    progress: bool = True,
    find_nan: bool = False,
    gradient_norms: bool = False,
    callbacks: Iterable[Any] = (),
) -> History:
    """Train a network: for each batch forward, loss, backward, and a step of the optimiser.

    Args:
        model: takes a batch x as a Tensor of its parameters' dtype.
        train: Dataset or pair (x, y), shuffled anew in each epoch; or a ``data.DataLoader``, which
            may also augment; or any other sized iterable of batches (x, y) of arrays.
        dev: the same, or None: it is evaluated after each epoch, in eval mode.
        loss: function of (output, y) that gives a Tensor of one number, the mean over the batch:
            ``functional.cross_entropy``, for example.
        optimizer: one of ``fastconv.optim``, of the model's parameters.
        epochs: how many, those before a resumption included.
        scheduler: changes the learning rate after each epoch, or after each batch if
            scheduler_every says so. One that watches a number (ReduceLROnPlateau) is given the
            monitored one.
        batch_size: of a Dataset or pair; 64 if None.
        seed: of the order of batches; drawn from ``fastconv.random`` if None.
        metrics: names of functions of ``fastconv.metrics``, or name → function(outputs, labels).
            While training each is the mean over batches; on dev it is given everything at once.
        monitor: the column of ``History.epochs`` by which epochs are compared; 'dev_loss' if None
            and there is a dev set. Of columns that end with 'loss' less is better, of others more.
        patience: stop after so many epochs without a better one, and put back the weights of the
            best, also if all epochs have been run. Takes a dev set.
        checkpoint: a file that is written after each epoch, at the end and on Ctrl-C.
        checkpoint_every: also after each so many steps.
        resume: go on from the checkpoint; 'auto': if there is one. What follows is, to the bit,
            what would have followed; epochs may be more than they were.
        config: facts about the program that the checkpoint keeps.
        clip_norm: scale the gradients so that the norm of all together is at most this.
        progress: one line on standard error that shows how far it is, if that is a terminal.
        find_nan: look at the gradients in each step, too; and if the loss is not finite, run the
            batch again to find the layer that made it so.
        gradient_norms: note the norm of each parameter's gradient in each step.
        callbacks: functions called with the ``Run`` after each epoch; of objects the methods
            ``after_step`` and ``after_epoch``. ``run.stop()`` ends the training.

    Returns:
        History.

    Raises:
        TypeError, ValueError: arguments do not fit.
        CheckpointError (a ValueError), OSError: the checkpoint cannot be read or does not fit;
            nothing has been changed.
        NonFinite (a FloatingPointError): the loss, or a gradient that was looked at, is NaN or
            infinite. The weights are those before that step; no checkpoint of it is written.
        Interrupted (a KeyboardInterrupt): Ctrl-C. The step that was running has been finished and
            the checkpoint written. A second Ctrl-C interrupts at once and writes nothing.

    Source:
        the formula of a step is the optimiser's; clipping: R. Pascanu, T. Mikolov, Y. Bengio, "On
        the difficulty of training recurrent neural networks", ICML 2013; early stopping: L.
        Prechelt, "Early stopping, but when?", 1998.

    >>> import numpy as np, fastconv
    >>> from fastconv import functional as F, nn, optim
    >>> _ = fastconv.manual_seed(0)
    >>> x = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)
    >>> y = (x.sum(axis=1) > 0).astype(np.int64)
    >>> model = nn.Linear(2, 2)
    >>> optimizer = optim.SGD(model.parameters(), lr=0.5)
    >>> history = fit(model, (x[:160], y[:160]), (x[160:], y[160:]), loss=F.cross_entropy,
    ...               optimizer=optimizer, epochs=5, metrics=["accuracy"])
    >>> history.epochs["dev_accuracy"][-1] > 0.9
    True
    """
    op = "fit"
    if not isinstance(model, Module):
        raise TypeError(f"{op}: model must be an nn.Module, not {type(model).__name__}")
    if not callable(loss):
        raise TypeError(f"{op}: loss must be a function of (output, y), not {type(loss).__name__}")
    if not hasattr(optimizer, "param_groups"):
        raise TypeError(
            f"{op}: optimizer must be one of fastconv.optim, not {type(optimizer).__name__}"
        )
    _check_parameters(op, model, optimizer)
    integer(op, "epochs", epochs, 1)
    if clip_norm is not None and not clip_norm > 0:
        raise ValueError(f"{op}: clip_norm is {clip_norm}, expected a number above 0")
    functions = metric_functions(op, metrics)
    monitor = _monitor(op, monitor, functions, dev is not None)
    if patience is not None:
        integer(op, "patience", patience, 1)
        if dev is None:
            raise ValueError(
                f"{op}: patience takes a dev set, whose {monitor or 'loss'} it watches"
            )
    if checkpoint_every is not None:
        integer(op, "checkpoint_every", checkpoint_every, 1)
    if resume not in (False, True, "auto"):
        raise ValueError(f"{op}: resume is {resume!r}, expected False, True or 'auto'")
    if checkpoint is None and (resume or checkpoint_every):
        raise ValueError(f"{op}: resume and checkpoint_every take checkpoint=path")
    loader = _loader(op, train, batch_size, seed)
    if checkpoint is not None:
        _check_checkpoint(op, Path(checkpoint), loader, scheduler, config)
    steppers, enders = _callbacks(op, callbacks)
    run = Run(
        model, loader, dev, optimizer, scheduler,
        Options(
            loss=loss,
            epochs=epochs,
            metrics=functions,
            monitor=monitor,
            patience=patience,
            scheduler_every=_schedule(op, scheduler, scheduler_every, monitor),
            batch_size=max(_DEFAULT_BATCH, batch_size or 0),
            checkpoint=None if checkpoint is None else Path(checkpoint),
            checkpoint_every=checkpoint_every,
            config=config,
            clip_norm=clip_norm,
            progress=progress,
            find_nan=find_nan,
            gradient_norms=gradient_norms,
            after_step=steppers,
            after_epoch=enders,
        ),
    )  # fmt: skip
    if resume and not (resume == "auto" and not Path(checkpoint).exists()):
        run.restore()
    return run.run()


def _check_parameters(op: str, model: Module, optimizer: Any) -> None:
    own = {id(parameter) for parameter in model.parameters()}
    given = {id(p) for group in optimizer.param_groups for p in group["params"]}
    if not own & given:
        raise ValueError(
            f"{op}: the optimizer has none of the model's parameters; make it with "
            f"model.parameters()"
        )


def _check_checkpoint(op: str, path: Path, loader: Any, scheduler: Any, config: Any) -> None:
    """Require what writing one takes: now, and not when the first epoch is over."""
    for name, part in (("loader", loader), ("scheduler", scheduler)):
        if part is not None and not hasattr(part, "load_state_dict"):
            raise TypeError(
                f"{op}: a checkpoint takes a {name} that has state_dict and load_state_dict, and "
                f"{type(part).__name__} has none; give one of fastconv's, or no checkpoint"
            )
    packing.dumps({} if config is None else dict(config), "config")
    if path.is_dir():
        raise IsADirectoryError(f"{op}: the checkpoint {path} is a folder; name a file")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{op}: there is no folder {path.parent} for the checkpoint")


def _monitor(
    op: str, monitor: str | None, metrics: Mapping[str, Any], with_dev: bool
) -> str | None:
    known = ["loss", *metrics]
    if with_dev:
        known += [f"dev_{name}" for name in known]
    if monitor is None:
        return "dev_loss" if with_dev else None
    if monitor not in known:
        raise ValueError(f"{op}: monitor is {monitor!r}, expected one of {', '.join(known)}")
    return monitor


def _schedule(op: str, scheduler: Any, every: str, monitor: str | None) -> str:
    """'epoch' or 'batch'; 'plateau' after each epoch with a number to watch."""
    if every not in ("epoch", "batch"):
        raise ValueError(f"{op}: scheduler_every is {every!r}, expected 'epoch' or 'batch'")
    if isinstance(scheduler, ReduceLROnPlateau):
        if every == "batch":
            raise ValueError(f"{op}: ReduceLROnPlateau watches epochs; scheduler_every='epoch'")
        watched = monitor or "loss"
        mode = "min" if watched.endswith("loss") else "max"
        if scheduler.mode != mode:
            raise ValueError(
                f"{op}: ReduceLROnPlateau has mode {scheduler.mode!r}, but of {watched}, which it "
                f"is to watch, the {'least' if mode == 'min' else 'largest'} is best; make it with "
                f"mode={mode!r}, or monitor another number"
            )
        return "plateau"
    return every


def _loader(op: str, train: Any, batch_size: int | None, seed: int | None) -> Any:
    if isinstance(train, (Dataset, tuple, list)):
        size = _DEFAULT_BATCH if batch_size is None else batch_size
        loader = DataLoader(train, size, shuffle=True, seed=seed)
        if seed is None:
            # Not given to it: it shall take over the seed of a state that is loaded.
            loader.seed = int(random.generator().integers(2**63))
        return loader
    if batch_size is not None or seed is not None:
        raise ValueError(f"{op}: batch_size and seed are the loader's own; leave them out")
    if not hasattr(train, "__iter__") or not hasattr(train, "__len__"):
        raise TypeError(
            f"{op}: train must be a Dataset, a pair (x, y) or a loader with a length, not "
            f"{type(train).__name__}"
        )
    return train


def _callbacks(op: str, callbacks: Iterable[Any]) -> tuple[tuple, tuple]:
    """(those after a step, those after an epoch)."""
    steppers, enders = [], []
    for callback in callbacks:
        found = False
        for method, where in (("after_step", steppers), ("after_epoch", enders)):
            if hasattr(callback, method):
                where.append(getattr(callback, method))
                found = True
        if found:
            continue
        if not callable(callback):
            raise TypeError(
                f"{op}: a callback must be a function, or have after_step or after_epoch; not "
                f"{type(callback).__name__}"
            )
        enders.append(callback)
    return tuple(steppers), tuple(enders)
