"""Single steps of programs, for tests."""

import numpy as np

from fastconv._core import ARENA, ARGUMENT, PackedStore, ProgramBuilder

ONE, TWO, NO_PAD = (1, 1), (2, 2), (0, 0, 0, 0)


def argument(number, offset=0, advance=0):
    """The operand at `offset` of an argument."""
    return (ARGUMENT, number, offset, advance)


def arena(offset=0, advance=0):
    """The operand at `offset` of the arena."""
    return (ARENA, 0, offset, advance)


def single(dtype, make, inputs, result, threads=1):
    """A program of one step: make(builder, operands of the inputs…, operand of the result)."""
    builder = ProgramBuilder(np.dtype(dtype).name, PackedStore(), threads)
    make(builder, *[argument(i) for i in range(len(inputs))], argument(len(inputs)))
    builder.section(1)
    sizes = [array.nbytes for array in inputs] + [result.nbytes]
    return builder.build(0, sizes, [False] * len(inputs) + [True])
