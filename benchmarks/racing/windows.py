"""Windows of pooling, as the formats of other engines can have them."""

import dataclasses

from fastconv.graph.ir import Node


@dataclasses.dataclass(frozen=True)
class Windows:
    """(vertical, horizontal) each; ceil: windows that hang over the end count."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    ceil: bool = False

    def outputs(self, sizes: tuple[int, int]) -> tuple[int, ...]:
        """How many fit: the number that all formats agree on but for PyTorch's last window."""
        found = []
        for size, kernel, stride, padding, dilation in zip(
            sizes, self.kernel, self.stride, self.padding, self.dilation, strict=True
        ):
            room = size + 2 * padding - dilation * (kernel - 1) - 1
            found.append((-(-room // stride) if self.ceil else room // stride) + 1)
        return tuple(found)


def is_global(node: Node) -> bool:
    """Whether the window of a pool2d is all of the plane."""
    return node.options["adaptive"] == (1, 1)


def whole_windows(node: Node) -> Windows:
    """The windows of a pool2d.

    Raises:
        TypeError: they are of a kind that other formats lack or do otherwise: of several sizes,
            with PyTorch's rule for the last one at work, or means with another divisor.
    """
    o = node.options
    _, *sizes = node.inputs[0].shape
    _, *results = node.output.shape
    if o["adaptive"] is not None:
        if any(size % result for size, result in zip(sizes, results, strict=True)):
            raise TypeError(f"{node!r} has windows of several sizes")
        kernel = tuple(size // result for size, result in zip(sizes, results, strict=True))
        windows = Windows(kernel, kernel)
    else:
        windows = Windows(o["kernel"], o["stride"], o["padding"], o["dilation"], o["ceil_mode"])
    if windows.outputs(tuple(sizes)) != tuple(results):
        raise TypeError(f"{node!r} leaves out the last window, as other formats do not")
    floor = dataclasses.replace(windows, ceil=False)
    if floor.outputs(tuple(sizes)) == tuple(results):
        windows = floor
    if o["pool"] == "avg" and (o["divisor"] is not None or windows.ceil):
        raise TypeError(f"{node!r} divides by another number than other formats do")
    return windows
