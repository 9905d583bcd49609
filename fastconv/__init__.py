"""fastconv: convolution and pooling for NumPy arrays on CPUs, by hand-optimised kernels.

>>> import numpy as np
>>> import fastconv.functional as F
>>> image = np.ones((1, 1, 4, 4), np.float32)
>>> F.conv2d(image, np.ones((1, 1, 3, 3), np.float32), padding="same").shape
(1, 1, 4, 4)

The operations are in ``fastconv.functional``; their plain float64 mirror, for checking, is in
``fastconv.reference``.
"""

import importlib
from typing import TYPE_CHECKING, Any

try:
    import fastconv._core  # noqa: F401
except ModuleNotFoundError as error:
    if error.name != "fastconv._core":
        raise
    raise ImportError(
        f"fastconv: the compiled part, fastconv._core, is missing from {__path__[0]}: this folder "
        f"has not been built (pip install .), or was built for another version of Python"
    ) from error

from fastconv import autograd, functional, runtime
from fastconv.prepared import Conv2d
from fastconv.runtime import (
    empty_cache,
    get_num_threads,
    get_precision,
    memory_stats,
    num_threads,
    precision,
    set_num_threads,
    set_precision,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastconv import data, graph, metrics, nn, optim, random, reference, training
    from fastconv.autograd import (
        Tensor,
        enable_grad,
        gradcheck,
        is_grad_enabled,
        no_grad,
        tensor,
    )
    from fastconv.explanation import Explanation
    from fastconv.graph import compile, load_compiled
    from fastconv.random import get_rng_state, manual_seed, set_rng_state
    from fastconv.training import fit
    from fastconv.tuning import TuningReport, clear_tuning, load_tuning, tune

__version__ = "0.1.0"
runtime.version = __version__

__all__ = [
    "Conv2d",
    "Explanation",
    "Tensor",
    "TuningReport",
    "__version__",
    "autograd",
    "clear_tuning",
    "compile",
    "data",
    "empty_cache",
    "enable_grad",
    "explain",
    "fit",
    "functional",
    "get_num_threads",
    "get_precision",
    "get_rng_state",
    "gradcheck",
    "graph",
    "is_grad_enabled",
    "load_compiled",
    "load_tuning",
    "manual_seed",
    "memory_stats",
    "metrics",
    "nn",
    "no_grad",
    "num_threads",
    "optim",
    "precision",
    "random",
    "reference",
    "runtime_info",
    "set_num_threads",
    "set_precision",
    "set_rng_state",
    "show_runtime",
    "tensor",
    "training",
    "tune",
]


_OF_AUTOGRAD = ("Tensor", "enable_grad", "gradcheck", "is_grad_enabled", "no_grad", "tensor")
_OF_RANDOM = ("get_rng_state", "manual_seed", "set_rng_state")


def explain(
    op: "str | Callable[..., Any] | Conv2d", /, *args: Any, measure: bool = False, **kwargs: Any
) -> "Explanation":
    """Say how a call would be computed: algorithm, reasons, scratch, and on request its speed.

    Args:
        op: a function of ``fastconv.functional``, or its name; or a ``fastconv.Conv2d``.
        *args, **kwargs: what it would be called with.
        measure: also run it, for about 0.2 s, and measure the roof it is compared with. What is
            timed is the engine: neither the Python above it nor conversions of the input. An
            ``out`` array is then written.

    Returns:
        Explanation, whose ``str`` is a readable block.

    Raises:
        TypeError, ValueError, MemoryError: as the call itself would; ValueError also for an unknown
        op, and for measure=True on an empty input.

    >>> import numpy as np
    >>> image, kernel = np.ones((1, 8, 9, 9)), np.ones((8, 8, 3, 3))
    >>> explain("conv2d", image, kernel, padding=1).flops == 2 * 8 * 8 * 9 * 9 * 9
    True
    """
    from fastconv import explanation  # with dataclasses and inspect; an import alone needs neither

    return explanation.explain(op, args, kwargs, measure)


def runtime_info() -> dict[str, Any]:
    """Facts about the engine, this machine and the settings in force.

    Returns:
        dict with the keys
        version, python, numpy: version strings;
        tiers_compiled, tier_available, tier_in_use: instruction set tiers in this build, the best
        that this CPU offers, and the one in use (FASTCONV_MAX_ISA lowers it);
        openmp: whether the build has threads; threads: what a call offers; cores: usable ones;
        precision: how convolutions may round;
        forked_child: in a child of fork, where calls run on one thread;
        l1d_bytes, l2_bytes, l3_bytes: caches;
        memory: memory_stats();
        tuning: (file, number of choices) where tuned choices are in force, or None;
        environment: the variables that are set, of those the engine heeds.

    >>> runtime_info()["threads"] >= 1
    True
    """
    return {"version": __version__, **runtime.facts()}


def show_runtime() -> None:
    """Print version, tiers, threads, precision, caches and memory: what a bug report should carry.

    >>> show_runtime()  # doctest: +ELLIPSIS
    fastconv        ...
    """
    print(runtime.as_text(runtime_info()))


def __getattr__(name: str) -> Any:
    if name in ("data", "graph", "metrics", "nn", "optim", "random", "reference", "training"):
        # Not `from fastconv import …`, which would ask here again.
        return importlib.import_module(f"fastconv.{name}")
    if name == "Explanation":
        from fastconv.explanation import Explanation

        return Explanation
    if name in _OF_AUTOGRAD:  # of which arrays alone need nothing
        value = globals()[name] = getattr(autograd, name)
        return value
    if name in ("compile", "load_compiled"):
        return getattr(importlib.import_module("fastconv.graph"), name)
    if name == "fit":
        return importlib.import_module("fastconv.training").fit
    if name in _OF_RANDOM:
        return getattr(importlib.import_module("fastconv.random"), name)
    if name in ("TuningReport", "clear_tuning", "load_tuning", "tune"):
        # With json, dataclasses and more, of which an import alone needs nothing.
        return getattr(importlib.import_module("fastconv.tuning"), name)
    raise AttributeError(f"module 'fastconv' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if runtime.tune_file:
    importlib.import_module("fastconv.tuning").load_tuning()
