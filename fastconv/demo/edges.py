"""Edge maps: what fastconv does with kernels that are made by hand.

The kernels slide over the photograph unflipped, as neural networks convolve. A derivative in x
answers to vertical edges, its transpose, in y, to horizontal ones; the length of the two together,
the gradient's magnitude, answers to edges of every direction.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastconv import functional

__all__ = ["EDGE_MAPS", "PREWITT", "SCHARR", "SOBEL", "EdgeMap"]

# Derivatives in x, positive where it gets brighter to the right. J. M. S. Prewitt, "Object
# enhancement and extraction", 1970; I. Sobel, G. Feldman, 1968; H. Scharr, "Optimal operators in
# digital image processing", 2000.
PREWITT = np.array([[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]], np.float32)
SOBEL = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], np.float32)
SCHARR = np.array([[-3, 0, 3], [-10, 0, 10], [-3, 0, 3]], np.float32)


@dataclass(frozen=True)
class EdgeMap:
    """One way to look at a photograph's edges.

    One kernel: the map is signed. Two kernels (x and y): the map is the gradient's magnitude.
    """

    title: str
    kernels: tuple[np.ndarray, ...]
    padding: str
    stride: int = 1

    @property
    def signed(self) -> bool:
        """Whether the map has dark-to-bright and bright-to-dark edges apart."""
        return len(self.kernels) == 1

    def convolve(self, grey: np.ndarray, ops: Any = functional) -> np.ndarray:
        """(kernels, OH, OW) responses to grey (H, W), by fastconv.functional or its reference."""
        weight = np.stack(self.kernels)[:, np.newaxis].astype(grey.dtype)
        image = grey[np.newaxis]
        return ops.conv2d(image, weight, stride=self.stride, padding=self.padding)

    def __call__(self, grey: np.ndarray, ops: Any = functional) -> np.ndarray:
        """The map of grey (H, W): (OH, OW).

        >>> step = np.array([[0, 0, 1, 1]] * 3, np.float32)
        >>> EDGE_MAPS[0](step)
        array([[3., 3.]], dtype=float32)
        """
        responses = self.convolve(grey, ops)
        return responses[0] if self.signed else np.hypot(responses[0], responses[1])


EDGE_MAPS = (
    EdgeMap("Vertical edges", (PREWITT,), "valid"),
    EdgeMap("Horizontal edges", (PREWITT.T,), "valid"),
    EdgeMap("Sobel", (SOBEL, SOBEL.T), "same"),
    EdgeMap("Scharr", (SCHARR, SCHARR.T), "same"),
    EdgeMap("Sobel, stride 2", (SOBEL, SOBEL.T), "same", stride=2),
)
