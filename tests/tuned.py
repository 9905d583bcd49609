"""Tuned choices for tests: a call, a file with a choice for it, and times that are made up."""

import numpy as np

import fastconv
import fastconv.functional as F
from fastconv import _core, tuning, tuning_file, turns

INPUT, WEIGHT = (2, 8, 12, 13), (16, 8, 3, 3)
CALL = (INPUT, WEIGHT, {"padding": 1})
RNG = np.random.default_rng(11)
X = RNG.standard_normal(INPUT).astype(np.float32)
W = RNG.standard_normal(WEIGHT).astype(np.float32)


# What the engine chooses for this call: not im2col, which the tests' choices name.
DEFAULT = turns.Convolution(X, W, CALL[2], 1).probe().automatic
assert DEFAULT != "im2col"
# And with prepared weights, whose packing no longer counts.
PREPARED_DEFAULT = fastconv.explain(fastconv.Conv2d(W, padding=1), X).algorithm
assert PREPARED_DEFAULT != "im2col"


def key(x=X, weight=W, prepared=False, **options):
    options = {"padding": 1} | options
    kind = tuning._Prepared if prepared else turns.Convolution
    return kind(x, weight, options, 1).probe().tuned_call


def choice(algorithm="im2col", ms=0.5):
    return {"algorithm": algorithm, "ms": ms, "default": "direct", "default_ms": 1.0}


def written(file, *keys, algorithm="im2col"):
    """Put the same choice for these calls into the file."""
    tuning_file.update(file, {k: choice(algorithm) for k in keys or [key()]})
    return file


def algorithm(call, *args, **kwargs):
    """What computed a call."""
    record = []
    _core._trace(record)
    call(*args, **kwargs)
    _core._trace(None)
    return record[-1][1]


def conv(x=X, weight=W, **options):
    return algorithm(F.conv2d, x, weight, **({"padding": 1} | options))


def fake_times(monkeypatch, default, im2col):
    """Let the engine's own choice and im2col take so long in each turn: a number, or one for each
    turn; and all others longer."""
    seconds = {DEFAULT: default, "im2col": im2col}

    def timer(self, name=None):
        turns_taken = seconds.get(name, 1e3)
        if isinstance(turns_taken, float):
            return lambda: turns_taken
        return iter(turns_taken).__next__

    monkeypatch.setattr(turns.Convolution, "timer", timer)


def tune(file, *calls, **options):
    return fastconv.tune(calls or [CALL], file=file, threads=1, seconds=0.0, **options)
