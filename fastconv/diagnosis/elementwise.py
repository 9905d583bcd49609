"""Why an operation on each element refused its arguments."""

from typing import NoReturn

from .arrays import float_array, output_array, unexplained


def unary(op: str, input: object, out: object) -> NoReturn:
    """Raise for what is wrong with an operation on each element."""
    float_array(op, "input", input)
    output_array(op, out, input.shape, input)
    unexplained(op, input, out)
