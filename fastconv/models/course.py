"""The first whole network of Andrew Ng's course "Convolutional Neural Networks".

    layer    what                             result (N, …)   parameters
    input                                      3 × 39 × 39
    conv1    10 filters 3 × 3, stride 1       10 × 37 × 37           280
    conv2    20 filters 5 × 5, stride 2       20 × 17 × 17         5,020
    conv3    40 filters 5 × 5, stride 2       40 ×  7 ×  7        20,040
    flatten                                          1,960
    output   logistic unit                               1         1,961

No convolution is padded: a side of n becomes ⌊(n - f) / s⌋ + 1.

Source: A. Ng, "Convolutional Neural Networks" (DeepLearning.AI), week 1, "Simple Convolutional
Network Example". Each convolution is followed by ReLU.
"""

from typing import Any

from fastconv import functional as F
from fastconv import nn
from fastconv.autograd import Tensor

__all__ = ["CourseCNN"]


class CourseCNN(nn.Module):
    """The course's network for images of 39 × 39 × 3; 27,301 parameters with one output.

    Args:
        classes: 1 for a logistic unit (is it a cat?), more for a softmax over so many.
        dtype: float32, which None is, or float64.

    Shapes:
        input: (N, 3, 39, 39); result: (N, classes), logits: what ``F.cross_entropy``, or of one
        output ``F.binary_cross_entropy_with_logits``, is given, and ``probabilities`` is made of.

    >>> import numpy as np
    >>> model = CourseCNN()
    >>> model.probabilities(np.zeros((2, 3, 39, 39), np.float32)).shape
    (2, 1)
    """

    def __init__(self, classes: int = 1, dtype: Any = None) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 10, 3)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(10, 20, 5, stride=2)
        self.relu2 = nn.ReLU()
        self.conv3 = nn.Conv2d(20, 40, 5, stride=2)
        self.relu3 = nn.ReLU()
        self.flatten = nn.Flatten()
        self.output = nn.Linear(7 * 7 * 40, classes)
        self.to(dtype=dtype)

    def forward(self, x: Any) -> Tensor:
        x = nn.chain(x, self.conv1, self.relu1)
        x = nn.chain(x, self.conv2, self.relu2)
        x = nn.chain(x, self.conv3, self.relu3)
        return self.output(self.flatten(x))

    def probabilities(self, x: Any) -> Tensor:
        """(N, classes) probabilities: the softmax of the logits, or of one its sigmoid."""
        logits = self(x)
        return F.sigmoid(logits) if logits.shape[1] == 1 else F.softmax(logits, 1)
