"""Why an operation on each element refused its arguments."""

from typing import NoReturn

from .arrays import companion, float_array, output_array, unexplained


def unary(op: str, input: object, out: object) -> NoReturn:
    """Raise for what is wrong with an operation on each element."""
    float_array(op, "input", input)
    output_array(op, out, input.shape, input)
    unexplained(op, input, out)


def prelu(input: object, weight: object, out: object) -> NoReturn:
    """Raise for what is wrong with a PReLU."""
    op = "prelu"
    float_array(op, "input", input)
    companion(op, "weight", weight, input)
    channels = input.shape[1] if input.ndim >= 2 else 1
    if weight.ndim != 1 or weight.shape[0] not in (1, channels):
        raise ValueError(
            f"{op}: weight has shape {weight.shape} but input has {channels} channels "
            f"{input.shape}, expected (1,) or ({channels},); reshape weight or give the one that "
            f"belongs to this input"
        )
    if weight.shape[0] == 0:
        raise ValueError(
            f"{op}: input has shape {input.shape}, expected at least one channel; "
            f"check how input was made"
        )
    output_array(op, out, input.shape, input, weight=weight)
    unexplained(op, input, weight, out)
