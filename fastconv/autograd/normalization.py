"""Normalisation and softmax.

Functions take what those of ``ops`` take, with Tensors among the arrays.
"""

from fastconv import ops

from .activation import after, fused
from .core import Operation, State, parted, record, wrap
from .single import single


def softmax(input, dim, out, threads):
    return single("softmax", input, (dim,), out, threads, "result", (dim,))


def log_softmax(input, dim, out, threads):
    return single("log_softmax", input, (dim,), out, threads, "result", (dim,))


def local_response_norm(input, *how):
    *how, out, threads = how
    return single("local_response_norm", input, how, out, threads, "input", how)


class BatchNorm(Operation):
    """parameters: its name, the gradients' function, its numbers, threads"""

    __slots__ = ()

    def backward(self, gradient, needed):
        _, function, how, threads = self.parameters
        return function(gradient, *self.saved, *how, threads=threads)


def batch_norm(
    input, running_mean, running_var, weight, bias, training, momentum, eps, activation, out,
    threads,
):  # fmt: skip
    parts = parted("batch_norm", out, input, weight, bias, running_mean, running_var)
    if parts is None:
        return ops.batch_norm(
            input, running_mean, running_var, weight, bias, training, momentum, eps, activation,
            out, threads,
        )  # fmt: skip
    (x, w, b, mean, var), (*edges, by_mean, by_var) = parts
    if by_mean is not None or by_var is not None:
        raise ValueError(
            "batch_norm: running_mean or running_var requires a gradient, and there is none; give "
            "what detach() makes of it"
        )
    done = activation and fused(activation, edges)
    if training is True:
        array, mean, inverse_std = ops.batch_norm_train(
            x, mean, var, w, b, momentum, eps, done, None, threads
        )
        for running in (running_mean, running_var):
            if isinstance(running, State):
                running._version[0] += 1
        saved = input, weight, mean, inverse_std
        how = "batch_norm", ops.batch_norm_gradient, (), threads
    else:
        array = ops.batch_norm(x, mean, var, w, b, training, momentum, eps, done, None, threads)
        saved = input, weight, running_mean, running_var
        how = "batch_norm", ops.batch_norm_inference_gradient, (eps,), threads
    result = record(wrap(array), BatchNorm, tuple(edges), saved, how)
    return result if activation is None else after(result, activation, done, threads)
