"""Why a gradient of an activation, normalisation or loss refused its arguments."""

from typing import NoReturn

import numpy as np

from .arrays import companion, float_array, output_array, unexplained


def _same_shape(op: str, grad: object, name: str, value: object) -> None:
    float_array(op, "grad", grad)
    companion(op, name, value, grad, "grad")
    if value.shape != grad.shape:
        raise ValueError(
            f"{op}: {name} has shape {value.shape} but grad has {grad.shape}, expected the same; "
            f"give the gradient by the result that belongs to this {name}"
        )


def gradient_of_same_shape(
    op: str, grad: object, name: str, saved: object, out: object
) -> NoReturn:
    """Raise for what is wrong with the gradient of an operation on each element."""
    _same_shape(op, grad, name, saved)
    output_array(op, out, grad.shape, grad, grad=grad, saved=saved)
    unexplained(op, grad, saved, out)


def softmax_gradient(op: str, grad: object, result: object, dim: int, out: object) -> NoReturn:
    """Raise for what is wrong with the gradient of a softmax."""
    _same_shape(op, grad, "result", result)
    if grad.ndim == 0 or not -grad.ndim <= dim < grad.ndim:
        raise ValueError(
            f"{op}: dim is {dim} but grad has {grad.ndim} dimensions {grad.shape}; "
            f"give the dim of the forward operation"
        )
    output_array(op, out, grad.shape, grad, grad=grad, result=result)
    unexplained(op, grad, result, dim, out)


def local_response_norm_gradient(op: str, grad: object, input: object, out: object) -> NoReturn:
    """Raise for what is wrong with the gradient of a local response normalisation."""
    _same_shape(op, grad, "input", input)
    if grad.ndim < 3 or grad.shape[1] == 0:
        raise ValueError(
            f"{op}: input has shape {grad.shape}, expected (N, C, ...), 3 or more dimensions "
            f"and at least one channel; add axes with reshape"
        )
    output_array(op, out, grad.shape, input, grad=grad)
    unexplained(op, grad, input, out)


def prelu_gradient(grad: object, input: object, weight: object, out: object) -> NoReturn:
    """Raise for what is wrong with the gradient of a PReLU."""
    op = "prelu_gradient"
    _same_shape(op, grad, "input", input)
    companion(op, "weight", weight, input)
    channels = input.shape[1] if input.ndim >= 2 else 1
    if weight.ndim != 1 or weight.shape[0] not in (1, channels) or weight.shape[0] == 0:
        raise ValueError(
            f"{op}: weight has shape {weight.shape} but input has {channels} channels "
            f"{input.shape}, expected (1,) or ({channels},); give the one that belongs to it"
        )
    output_array(op, out, input.shape, input, grad=grad, weight=weight)
    unexplained(op, grad, input, weight, out)


def _channels(op: str, input: object) -> int:
    float_array(op, "input", input)
    if input.ndim < 2 or input.shape[1] == 0:
        raise ValueError(
            f"{op}: input has shape {input.shape}, expected (N, C, ...), 2 or more dimensions "
            f"and at least one channel; add axes with reshape"
        )
    return input.shape[1]


def _channel_values(op: str, channels: int, name: str, value: object, other: np.ndarray) -> None:
    companion(op, name, value, other)
    if value.shape != (channels,):
        raise ValueError(
            f"{op}: {name} has shape {value.shape}, expected ({channels},), one value for each "
            f"of input's channels; reshape it"
        )


def batch_norm_training(
    input: object, mean: object, variance: object, weight: object, bias: object, out: object
) -> None:
    """Raise where statistics of this batch make no sense or have nowhere to go."""
    op = "batch_norm"
    channels = _channels(op, input)
    if input.size == channels:
        raise ValueError(
            f"{op}: input has shape {input.shape}, one value for each channel, expected more when "
            f"training: such values have no variance; give more images or training=False"
        )
    if (mean is None) != (variance is None):
        raise ValueError(
            f"{op}: only one of running_mean and running_var is None, expected both or neither; "
            f"give the other one too"
        )
    for name, value in (("running_mean", mean), ("running_var", variance)):
        if value is None:
            continue
        _channel_values(op, channels, name, value, input)
        if not value.flags.writeable:
            raise ValueError(
                f"{op}: {name} is read-only, but training updates it; give an array that can be "
                f"written, or None"
            )
        if out is not None:
            output_array(op, out, input.shape, input, **{name: value})


def batch_norm_refused(input: object, weight: object, bias: object, out: object) -> NoReturn:
    """Raise for what else is wrong with batch normalisation while training."""
    op = "batch_norm"
    channels = _channels(op, input)
    for name, value in (("weight", weight), ("bias", bias)):
        if value is not None:
            _channel_values(op, channels, name, value, input)
    output_array(op, out, input.shape, input, weight=weight, bias=bias)
    unexplained(op, input, weight, bias, out)


def norm_gradient(
    op: str,
    grad: object,
    input: object,
    weight: object,
    mean: tuple[str, object],
    variance: tuple[str, object],
    computed: bool,
    out: object,
) -> NoReturn:
    """Raise for what is wrong with the gradient of a batch normalisation. `computed`: mean and
    variance have the type in which the engine computes."""
    channels = _channels(op, input)
    _same_shape(op, grad, "input", input)
    if weight is not None:
        _channel_values(op, channels, "weight", weight, input)
    half = computed and input.dtype.type is np.float16
    other = np.empty(0, np.float32) if half else input
    for name, value in (mean, variance):
        _channel_values(op, channels, name, value, other)
    named = {"grad": grad, "weight": weight, mean[0]: mean[1], variance[0]: variance[1]}
    output_array(op, out, input.shape, input, **named)
    unexplained(op, grad, input, weight, mean[1], variance[1], out)


def classification(op: str, input: object, target: object, weight: object, ignored: int) -> None:
    """Raise for what is wrong with logits and the classes that they are to tell."""
    float_array(op, "input", input)
    if input.ndim == 0 or 0 in input.shape[min(1, input.ndim - 1) :][:1]:
        raise ValueError(
            f"{op}: input has shape {input.shape}, expected (N, C, ...) or (C,) with at least one "
            f"class; reshape it"
        )
    classes = input.shape[0 if input.ndim == 1 else 1]
    if not isinstance(target, np.ndarray):
        raise TypeError(
            f"{op}: target must be a numpy.ndarray, not {type(target).__name__}; "
            f"convert it with numpy.asarray"
        )
    if target.dtype.type is not np.int64:
        raise TypeError(
            f"{op}: target has dtype {target.dtype}, expected int64, numbers of classes; convert "
            f"it with target.astype(numpy.int64)"
        )
    expected = input.shape[:1] + input.shape[2:] if input.ndim > 1 else ()
    if target.shape != expected:
        raise ValueError(
            f"{op}: target has shape {target.shape} but input has {input.shape}, expected "
            f"{expected}, input's without the classes; reshape it"
        )
    if weight is not None:
        companion(op, "weight", weight, input)
        if weight.shape != (classes,):
            raise ValueError(
                f"{op}: weight has shape {weight.shape}, expected ({classes},), one value for each "
                f"class; reshape it"
            )
    if target.size and not (target.min() >= 0 and target.max() < classes):
        wrong = target[((target < 0) | (target >= classes)) & (target != ignored)]
        if wrong.size:
            raise ValueError(
                f"{op}: target holds {int(wrong.flat[0])}, expected a class from 0 to "
                f"{classes - 1} or ignore_index {ignored}; check how classes are numbered"
            )


def loss_gradient(
    op: str, grad: object, input: np.ndarray, target: np.ndarray, saved: object, shape: tuple
) -> None:
    """Raise for what is wrong with what a loss's gradient takes besides."""
    companion(op, "grad", grad, input)
    if grad.shape != shape:
        raise ValueError(
            f"{op}: grad has shape {grad.shape}, expected {shape}, that of the loss; reshape it"
        )
    kind = np.float64 if input.dtype.type is np.float64 else np.float32
    good = (
        isinstance(saved, np.ndarray)
        and saved.dtype == kind
        and saved.shape == (2, *target.shape)
        and saved.flags.c_contiguous
        and saved.flags.aligned
    )
    if not good:
        raise ValueError(
            f"{op}: saved is not what cross_entropy returned for this input; give that array"
        )
