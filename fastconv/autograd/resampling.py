"""Borders, windows as columns, and images in other sizes.

Functions take what those of ``ops`` take, with Tensors among the arrays.
"""

from .core import State
from .single import single


def pad(input, pad, mode, value, out, threads):
    return single("pad", input, (pad, mode, value), out, threads, "shape", (pad, mode))


def unfold(input, *how):
    *how, out, threads = how
    return single("unfold", input, how, out, threads, "height and width", how)


def fold(input, output_size, *how):
    *how, out, threads = how
    return single("fold", input, (output_size, *how), out, threads, "nothing", how)


def interpolate(input, size, scale_factor, mode, align_corners, out, threads):
    line = isinstance(input, State) and input._array.ndim == 3
    how = size, scale_factor, mode, align_corners
    return single(
        "interpolate", input, how, out, threads, "length" if line else "height and width", how[1:]
    )
