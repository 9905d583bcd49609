"""The generator that initial weights, dropout and shuffling draw from.

One generator of NumPy (PCG64) for the whole process, which starts anew, from the operating system's
entropy, in every process. Draws come in the order in which they are asked for: a program that
draws from one thread, after ``manual_seed``, does the same in every run.
"""

import operator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

_generator: "np.random.Generator | None" = None


def generator() -> "np.random.Generator":
    """The generator itself; what is drawn from it moves its state on.

    >>> from fastconv import random
    >>> _ = random.manual_seed(3)
    >>> first = random.generator().random()
    >>> _ = random.manual_seed(3)
    >>> random.generator().random() == first
    True
    """
    global _generator
    if _generator is None:
        from numpy.random import default_rng  # an import alone needs no random numbers

        _generator = default_rng()
    return _generator


def manual_seed(seed: int) -> "np.random.Generator":
    """Start the generator anew: what is drawn from now on depends on the seed alone.

    Args:
        seed: any int of at least 0.

    Returns:
        numpy.random.Generator, that of ``generator()``.

    Raises:
        TypeError: seed is not an int. ValueError: it is negative.

    Source:
        torch.manual_seed; M. O'Neill, "PCG: A Family of Simple Fast Space-Efficient Statistically
        Good Algorithms for Random Number Generation", 2014.

    >>> import fastconv
    >>> from fastconv import nn
    >>> _ = fastconv.manual_seed(0)
    >>> a = nn.Linear(2, 2)
    >>> _ = fastconv.manual_seed(0)
    >>> bool((nn.Linear(2, 2).weight.numpy() == a.weight.numpy()).all())
    True
    """
    if isinstance(seed, bool) or not hasattr(seed, "__index__"):
        raise TypeError(f"manual_seed: seed must be an int, not {type(seed).__name__} {seed!r}")
    number = operator.index(seed)
    if number < 0:
        raise ValueError(f"manual_seed: seed is {number}, expected at least 0")
    from numpy.random import PCG64

    # In place: who holds the generator goes on with the new seed, too.
    drawing = generator()
    drawing.bit_generator.state = PCG64(number).state
    return drawing


def get_rng_state() -> dict[str, Any]:
    """Where the generator stands: a dict of str and int, which pickle and JSON can store.

    A training that is to go on later exactly as it would have gone on saves it beside the weights
    and the optimiser.

    >>> from fastconv import random
    >>> state = random.get_rng_state()
    >>> first = random.generator().random(3)
    >>> random.set_rng_state(state)
    >>> bool((random.generator().random(3) == first).all())
    True
    """
    return generator().bit_generator.state


def set_rng_state(state: dict[str, Any]) -> None:
    """Have the generator go on from where ``get_rng_state`` was called.

    Raises:
        TypeError, ValueError: state is nothing that get_rng_state returned; the generator stands
        where it stood.
    """
    if not isinstance(state, dict):
        raise TypeError(
            f"set_rng_state: state must be the dict that get_rng_state returned, not "
            f"{type(state).__name__}"
        )
    from numpy.random import PCG64

    trial = PCG64(0)
    try:
        trial.state = state  # NumPy's own check; on a generator that nobody draws from
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(
            f"set_rng_state: state is no state of PCG64 ({error}); give what get_rng_state returned"
        ) from error
    generator().bit_generator.state = trial.state
