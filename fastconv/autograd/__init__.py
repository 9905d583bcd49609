"""Gradients: a Tensor, operations that are recorded, and the way back through them.

Read core.py (what is recorded) and engine.py (how it is run) to know how it works; the other
modules are operations, each with its forward and its gradient side by side. docs/autograd.md is an
overview. Modules are imported when a name of theirs is first asked for: arrays alone need none.
"""

from typing import TYPE_CHECKING

from fastconv.lazy import lazily

if TYPE_CHECKING:
    from .choice import maximum, minimum, where
    from .differences import gradcheck
    from .engine import grad
    from .function import Function
    from .linalg import matmul
    from .modes import enable_grad, is_grad_enabled, no_grad
    from .shaping import cat, stack
    from .tensors import Tensor, tensor

__all__ = [
    "Function",
    "Tensor",
    "cat",
    "enable_grad",
    "grad",
    "gradcheck",
    "is_grad_enabled",
    "matmul",
    "maximum",
    "minimum",
    "no_grad",
    "stack",
    "tensor",
    "where",
]

_MODULES = {
    "activation": (
        "elu",
        "gelu",
        "hardsigmoid",
        "hardswish",
        "leaky_relu",
        "prelu",
        "relu",
        "relu6",
        "sigmoid",
        "silu",
        "softplus",
        "tanh",
    ),
    "choice": ("maximum", "minimum", "where"),
    "convolution": (
        "conv1d",
        "conv2d",
        "conv_transpose1d",
        "conv_transpose2d",
        "convolve2d",
        "linear",
    ),
    "differences": ("gradcheck",),
    "engine": ("grad",),
    "function": ("Function",),
    "linalg": ("matmul",),
    "losses": ("binary_cross_entropy", "cross_entropy", "nll_loss"),
    "modes": ("enable_grad", "is_grad_enabled", "no_grad"),
    "normalization": ("batch_norm", "local_response_norm", "log_softmax", "softmax"),
    "pooling": (
        "adaptive_avg_pool1d",
        "adaptive_avg_pool2d",
        "adaptive_max_pool1d",
        "adaptive_max_pool2d",
        "avg_pool1d",
        "avg_pool2d",
        "global_avg_pool2d",
        "global_max_pool2d",
        "lp_pool1d",
        "lp_pool2d",
        "max_pool1d",
        "max_pool2d",
        "max_unpool1d",
        "max_unpool2d",
    ),
    "resampling": ("fold", "interpolate", "pad", "unfold"),
    "shaping": ("cat", "stack"),
    "tensors": ("Tensor", "tensor"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__getattr__, __dir__ = lazily(__name__, _MODULE_OF)
