"""Why a normalisation refused its arguments."""

from typing import NoReturn

from .arrays import float_array, output_array, unexplained


def softmax(input: object, dim: int, out: object) -> NoReturn:
    """Raise for what is wrong with a softmax."""
    op = "softmax"
    float_array(op, "input", input)
    if input.ndim == 0:
        raise ValueError(
            f"{op}: input has 0 dimensions, expected at least 1; give it an axis with reshape(1)"
        )
    if not -input.ndim <= dim < input.ndim:
        raise ValueError(
            f"{op}: dim is {dim} but input has {input.ndim} dimensions {input.shape}; "
            f"give a dim from {-input.ndim} to {input.ndim - 1}"
        )
    output_array(op, out, input.shape, input)
    unexplained(op, input, dim, out)
