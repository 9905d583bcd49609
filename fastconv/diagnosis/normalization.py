"""Why a normalisation refused its arguments."""

from typing import NoReturn

from .arrays import companion, float_array, output_array, unexplained


def softmax(op: str, input: object, dim: int, out: object) -> NoReturn:
    """Raise for what is wrong with a softmax or its logarithm."""
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


def batch_norm(
    input: object, mean: object, variance: object, weight: object, bias: object, out: object
) -> NoReturn:
    """Raise for what is wrong with a batch normalisation."""
    op = "batch_norm"
    float_array(op, "input", input)
    if input.ndim < 2:
        raise ValueError(
            f"{op}: input has {input.ndim} dimensions {input.shape}, expected (N, C, ...), 2 or "
            f"more; add axes with reshape"
        )
    channels = input.shape[1]
    if channels == 0:
        raise ValueError(
            f"{op}: input has shape {input.shape}, expected at least one channel; "
            f"check how input was made"
        )
    named = {"running_mean": mean, "running_var": variance, "weight": weight, "bias": bias}
    for name, value in named.items():
        if value is None and name in ("weight", "bias"):
            continue
        companion(op, name, value, input)
        if value.shape != (channels,):
            raise ValueError(
                f"{op}: {name} has shape {value.shape}, expected ({channels},), one value for each "
                f"of input's channels; reshape it"
            )
    output_array(op, out, input.shape, input, **named)
    unexplained(op, input, mean, variance, weight, bias, out)


def local_response_norm(input: object, out: object) -> NoReturn:
    """Raise for what is wrong with a local response normalisation."""
    op = "local_response_norm"
    float_array(op, "input", input)
    if input.ndim < 3:
        raise ValueError(
            f"{op}: input has {input.ndim} dimensions {input.shape}, expected (N, C, ...), 3 or "
            f"more; add axes with reshape"
        )
    if input.shape[1] == 0:
        raise ValueError(
            f"{op}: input has shape {input.shape}, expected at least one channel; "
            f"check how input was made"
        )
    output_array(op, out, input.shape, input)
    unexplained(op, input, out)
