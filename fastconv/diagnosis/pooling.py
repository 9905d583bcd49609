"""Why a pooling refused its arguments."""

from typing import NoReturn

from .arrays import Pair, at_least, fits_memory, images, output_array, unexplained, windows


def pool2d(
    op: str,
    input: object,
    out: object,
    kernel: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    ceil_mode: bool,
    with_indices: bool,
) -> NoReturn:
    """Raise for what is wrong with a pooling."""
    images(op, input)
    at_least(op, "kernel_size", kernel, 1)
    at_least(op, "stride", stride, 1)
    at_least(op, "padding", padding, 0)
    at_least(op, "dilation", dilation, 1)
    most = tuple(size // 2 for size in kernel)
    if padding[0] > most[0] or padding[1] > most[1]:
        raise ValueError(
            f"{op}: padding is {padding} but kernel_size is {kernel}; padding must be at most half "
            f"of kernel_size, here {most}"
        )
    sizes = tuple(
        windows(
            op,
            "kernel_size",
            direction,
            input.shape[axis - 2],
            (padding[axis],) * 2,
            kernel[axis],
            stride[axis],
            dilation[axis],
            ceil_mode,
        )
        for axis, direction in enumerate(("height", "width"))
    )
    shape = (*input.shape[:-2], *sizes)
    fits_memory(op, shape, 8 if with_indices else input.itemsize)
    output_array(op, out, shape, input)
    unexplained(op, input, out, kernel, stride, padding, dilation, ceil_mode)


def global_pool2d(op: str, input: object, out: object) -> NoReturn:
    """Raise for what is wrong with a global pooling."""
    images(op, input)
    output_array(op, out, (*input.shape[:-2], 1, 1), input)
    unexplained(op, input, out)
