"""``python -m fastconv train lenet5``."""

import sys
from pathlib import Path
from typing import Any

from fastconv import metrics
from fastconv.data.images import load_pillow, printable
from fastconv.training import Run

from . import lenet5

__all__ = ["run"]


def run(arguments: Any) -> int:
    """Train, and write checkpoint and pictures into the output folder; the exit status, 0.

    Raises:
        MissingPillow: Pillow is not installed; told before the training, not after.
        CheckpointError, OSError, Interrupted, NonFinite: see ``lenet5.learn``.
    """
    load_pillow()
    folder = Path(arguments.output)
    folder.mkdir(parents=True, exist_ok=True)
    print("LeNet-5 learns 80 % of the handwritten digits; 10 % watch it, 10 % test it.")
    learned = lenet5.learn(
        folder,
        epochs=arguments.epochs,
        batch_size=arguments.batch_size,
        learning_rate=arguments.learning_rate,
        seed=arguments.seed,
        resume=arguments.resume,
        # On a terminal there is the line of progress.
        callbacks=[] if sys.stderr.isatty() else [_say],
        activation=arguments.activation,
        pooling=arguments.pooling,
        connections=arguments.connections,
    )
    dev = learned.history.epochs["dev_accuracy"][-1]
    print(f"{learned.seconds:.1f} s. {100 * dev:.1f} % right of the dev part. On the test part:")
    print(metrics.classification_report(learned.scores, learned.labels))
    for path in [folder / lenet5.CHECKPOINT, *lenet5.draw(learned, folder)]:
        print(f"  {printable(path)}")
    return 0


def _say(run: Run) -> None:
    row = {name: values[-1] for name, values in run.history.epochs.items()}
    print(
        f"  epoch {run.epoch:>{len(str(run.options.epochs))}}/{run.options.epochs}"
        f"  loss {row['loss']:.4f}  dev loss {row['dev_loss']:.4f}"
        f"  dev accuracy {100 * row['dev_accuracy']:.1f} %  {row['seconds']:.2f} s",
        flush=True,
    )
