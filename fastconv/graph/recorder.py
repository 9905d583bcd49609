"""Records what a network does with ``Traced`` values, as nodes of a graph.

``functional`` hands an operation on a Traced value to that value's recorder, as it would to
``autograd``: so the methods have the names of autograd's functions, and their arguments. Each
first runs the operation itself on a batch of no images, which checks the arguments and tells the
shape of the result, and costs nothing.
"""

from typing import Any

import numpy as np

from fastconv import ops
from fastconv.autograd import Tensor
from fastconv.geometry import ends, integer, pair, sides, single
from fastconv.ops.convolution import named_padding

from .extents import Extent
from .recording import Recording
from .traced import Traced

_POOL = {
    "kernel": None,
    "stride": None,
    "padding": (0, 0),
    "dilation": (1, 1),
    "ceil_mode": False,
    "count_include_pad": True,
    "divisor": None,
    "norm": None,
    "adaptive": None,
}


class Recorder(Recording):
    """Operations of autograd's names on Traced values, each a node or several."""

    # ---- convolution and linear layers

    def conv2d(
        self, input, weight, bias, stride, padding, dilation, groups, padding_mode, activation,
        residual, out, threads, algorithm, precision,
    ):  # fmt: skip
        self._plain(out, precision)
        op, same = "conv2d", None
        x, w = self._empty(self._value(input)), self._constant(weight)
        ops.conv2d(
            x, w, self._constant(bias), stride, padding, dilation, groups, padding_mode,
            activation, None, None, None, algorithm, None,
        )  # fmt: skip
        stride, dilation = pair(op, "stride", stride, 1), pair(op, "dilation", dilation, 1)
        if padding == "valid":
            padding = 0, 0, 0, 0
        elif isinstance(padding, str):
            same = padding if stride != (1, 1) else None
            padding = named_padding(op, x, w, padding, stride, dilation)
        else:
            padding = sides(op, padding)
        options = {
            "stride": stride,
            "padding": padding,
            "same": same,
            "dilation": dilation,
            "groups": groups,
            "border": padding_mode,
            "activation": activation,
            "algorithm": algorithm,
        }
        inputs = [input] if residual is None else [input, residual]
        return self._node("conv2d", inputs, options, weight=weight, bias=bias)

    def conv1d(
        self, input, weight, bias, stride, padding, dilation, groups, padding_mode, activation,
        residual, out, threads, algorithm, precision,
    ):  # fmt: skip
        self._plain(out, precision)
        op = "conv1d"
        w = self._constant(weight)
        ops.conv1d(
            self._empty(self._value(input)), w, self._constant(bias), stride, padding, dilation,
            groups, padding_mode, activation, None, None, None, algorithm, None,
        )  # fmt: skip
        stride, dilation = single(op, "stride", stride, 1), single(op, "dilation", dilation, 1)
        row = self._row(input)
        w = self._constant(w[:, :, np.newaxis])
        if not isinstance(padding, str):
            padding = (0, 0), ends(op, padding)
        result = self.conv2d(
            row, w, bias, (1, stride), padding, (1, dilation), groups, padding_mode, activation,
            None if residual is None else self._row(residual), None, None, algorithm, None,
        )  # fmt: skip
        return self._no_row(result)

    def conv_transpose2d(
        self, input, weight, bias, stride, padding, output_padding, groups, dilation, activation,
        out, threads, precision,
    ):  # fmt: skip
        self._plain(out, precision)
        op = "conv_transpose2d"
        options = {
            "stride": pair(op, "stride", stride, 1),
            "padding": sides(op, padding, named=False),
            "output_padding": pair(op, "output_padding", output_padding, 0),
            "dilation": pair(op, "dilation", dilation, 1),
            "groups": groups,
            "activation": activation,
        }
        return self._node("conv_transpose2d", [input], options, weight=weight, bias=bias)

    def linear(self, input, weight, bias, activation, out, threads):
        self._plain(out)
        return self._node("linear", [input], {"activation": activation}, weight=weight, bias=bias)

    # ---- pooling

    def _pool(self, x, pool, **options):
        return self._node("pool2d", [x], {"pool": pool, **_POOL, **options})

    def _windows(self, op, kernel_size, stride, padding=0):
        kernel = pair(op, "kernel_size", kernel_size, 1)
        return {
            "kernel": kernel,
            "stride": kernel if stride is None else pair(op, "stride", stride, 1),
            "padding": pair(op, "padding", padding, 0),
        }

    def max_pool2d(
        self, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices, out, threads
    ):
        self._plain(out)
        if return_indices:
            self.refuse("return_indices=True")
        op = "max_pool2d"
        return self._pool(
            input, "max", **self._windows(op, kernel_size, stride, padding),
            dilation=pair(op, "dilation", dilation, 1), ceil_mode=ceil_mode,
        )  # fmt: skip

    def avg_pool2d(
        self, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override,
        out, threads,
    ):  # fmt: skip
        self._plain(out)
        return self._pool(
            input, "avg", **self._windows("avg_pool2d", kernel_size, stride, padding),
            ceil_mode=ceil_mode, count_include_pad=count_include_pad, divisor=divisor_override,
        )  # fmt: skip

    def lp_pool2d(self, input, norm_type, kernel_size, stride, ceil_mode, out, threads):
        self._plain(out)
        windows = self._windows("lp_pool2d", kernel_size, stride)
        return self._pool(input, "lp", **windows, ceil_mode=ceil_mode, norm=norm_type)

    def adaptive_max_pool2d(self, input, output_size, return_indices, out, threads):
        self._plain(out)
        if return_indices:
            self.refuse("return_indices=True")
        shape = ops.adaptive_max_pool2d(
            self._empty(self._value(input)), output_size, False, None, None
        ).shape
        return self._pool(input, "max", adaptive=_adaptive(output_size, shape))

    def adaptive_avg_pool2d(self, input, output_size, out, threads):
        self._plain(out)
        shape = ops.adaptive_avg_pool2d(
            self._empty(self._value(input)), output_size, None, None
        ).shape
        return self._pool(input, "avg", adaptive=_adaptive(output_size, shape))

    def global_avg_pool2d(self, input, out, threads):
        return self.adaptive_avg_pool2d(input, 1, out, threads)

    def global_max_pool2d(self, input, out, threads):
        return self.adaptive_max_pool2d(input, 1, False, out, threads)

    # ---- normalisation and activations

    def batch_norm(
        self, input, running_mean, running_var, weight, bias, training, momentum, eps, activation,
        out, threads,
    ):  # fmt: skip
        self._plain(out)
        if training:
            self.refuse("statistics of the batch: call eval() first")
        return self._node(
            "batch_norm", [input], {"eps": float(eps), "activation": activation},
            mean=running_mean, var=running_var, weight=weight, bias=bias,
        )  # fmt: skip

    def affine(self, x, factor, shift):
        """x * factor + shift, of each channel or of all."""
        channels = x._value.shape[0]
        arrays = {}
        for name, value in (("weight", factor), ("bias", shift)):
            value = np.asarray(value, self.graph.dtype)
            axes = value.ndim - x.ndim + 1
            if value.ndim and (axes < 0 or value.size not in (1, value.shape[axes])):
                self.refuse(f"an operator with an array of shape {value.shape}")
            arrays[name] = np.broadcast_to(value.reshape(-1), channels).copy()
        return self._node(
            "batch_norm", [x], {"eps": 0.0, "activation": None},
            mean=np.zeros(channels, self.graph.dtype), var=np.ones(channels, self.graph.dtype),
            **arrays,
        )  # fmt: skip

    def local_response_norm(self, input, size, alpha, beta, k, window, out, threads):
        self._plain(out)
        options = {"size": size, "alpha": alpha, "beta": beta, "k": k, "window": window}
        return self._node("lrn", [input], options)

    def _along(self, input, dim, out, logarithm):
        self._plain(out)
        axis = dim % input.ndim
        if axis == 0:
            self.refuse("softmax over the batch")
        return self._node("softmax", [input], {"axis": axis - 1, "logarithm": logarithm})

    def softmax(self, input, dim, out, threads):
        return self._along(input, dim, out, False)

    def log_softmax(self, input, dim, out, threads):
        return self._along(input, dim, out, True)

    def _activation(self, name, input, out, alpha=0.0, beta=0.0):
        self._plain(out)
        options = {"name": name, "alpha": float(alpha), "beta": float(beta)}
        return self._node("activation", [input], options)

    def relu(self, input, out, threads):
        return self._activation("relu", input, out)

    def relu6(self, input, out, threads):
        return self._activation("relu6", input, out)

    def sigmoid(self, input, out, threads):
        return self._activation("sigmoid", input, out)

    def tanh(self, input, out, threads):
        return self._activation("tanh", input, out)

    def silu(self, input, out, threads):
        return self._activation("silu", input, out)

    def hardsigmoid(self, input, out, threads):
        return self._activation("hardsigmoid", input, out)

    def hardswish(self, input, out, threads):
        return self._activation("hardswish", input, out)

    def gelu(self, input, approximate, out, threads):
        return self._activation("gelu_tanh" if approximate == "tanh" else "gelu", input, out)

    def leaky_relu(self, input, negative_slope, out, threads):
        return self._activation("leaky_relu", input, out, negative_slope)

    def elu(self, input, alpha, out, threads):
        return self._activation("elu", input, out, alpha)

    def softplus(self, input, beta, threshold, out, threads):
        return self._activation("softplus", input, out, beta, threshold)

    def prelu(self, input, weight, out, threads):
        self._plain(out)
        return self._node("prelu", [input], {}, weight=weight)

    # ---- sums, products, moving

    def add(self, a, b):
        """The sum of two results of one shape, or with a constant."""
        if not isinstance(b, Traced):
            held = b._array if isinstance(b, Tensor) else b
            return self.affine(a, 1.0, held)
        if a._value.shape != b._value.shape:
            self.refuse(f"a sum of shapes {a.shape} and {b.shape}")
        return self._node("add", [a, b], {"activation": None})

    def scale(self, a, b):
        """A product by a factor for each channel."""
        if a._value.size < b._value.size:
            a, b = b, a
        shape = a._value.shape
        if b._value.shape != (shape[0], *(1,) * (len(shape) - 1)):
            self.refuse(f"a product of shapes {a.shape} and {b.shape}")
        return self._node("scale", [a, self.reshape(b, ((0,),))], {})

    def cat(self, tensors, dim):
        first = tensors[0]
        if dim % first.ndim != 1:
            self.refuse(f"cat along dim={dim}; only channels, dim=1, are known")
        return self._node("concat", list(tensors), {})

    def part(self, x, start, stop):
        """Channels start to stop."""
        if stop - start == x._value.shape[0]:
            return x
        return self._node("part", [x], {"start": start, "stop": stop})

    def pad(self, input, pad, mode, value, out, threads):
        self._plain(out)
        if len(pad) > 2 * (input.ndim - 1):
            self.refuse("a border around the batch")
        # From the last axis on, (before, after) of each.
        numbers = [*pad, *(0,) * (2 * (input.ndim - 1) - len(pad))]
        options = {
            "before": tuple(numbers[::2][::-1]),
            "after": tuple(numbers[1::2][::-1]),
            "border": mode,
            "value": None if value is None else float(value),
        }
        return self._node("pad", [input], options)

    def permute(self, x, axes):
        if axes == tuple(range(len(axes))):
            return x
        return self._node("permute", [x], {"axes": axes})

    def interpolate(self, input, size, scale_factor, mode, align_corners, out, threads):
        self._plain(out)
        several = isinstance(size, (tuple, list))
        options = {
            "size": tuple(map(self._extent, size)) if several else size,
            "scale": scale_factor,
            "mode": mode,
            "align_corners": align_corners,
        }
        return self._node("interpolate", [input], options)

    def _extent(self, size: Any) -> Any:
        """A size as a number, or where it is one of the network's input, which that is."""
        if isinstance(size, Extent) and size.value in self.graph.inputs:
            return self.graph.inputs.index(size.value), size.axis
        return size if isinstance(size, int) else integer("interpolate", "size", size, 1)


def _adaptive(wanted: Any, shape: tuple[int, ...]) -> tuple[int | None, int | None]:
    """The size of an adaptive pooling's result, None where it is the input's."""
    pair = wanted if isinstance(wanted, (tuple, list)) else (wanted, wanted)
    return tuple(None if n is None else m for n, m in zip(pair, shape[-2:], strict=True))
