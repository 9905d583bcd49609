"""Schedules of learning rates: rules by which 'lr' changes from one epoch, or step, to the next.

Each changes the groups of an optimiser when it is made and at each ``step()``, which is called
after the optimiser's. All but ``LambdaLR``, ``OneCycleLR`` and ``ReduceLROnPlateau`` compute a rate
from the one before, as PyTorch does, so that several can act on one optimiser: then their factors
multiply.

>>> from fastconv import Tensor, optim
>>> optimizer = optim.SGD([Tensor([1.0], requires_grad=True)], lr=0.5)
>>> schedule = optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
>>> rates = []
>>> for epoch in range(5):
...     optimizer.step()
...     rates += schedule.get_last_lr()
...     schedule.step()
>>> rates
[0.5, 0.5, 0.25, 0.25, 0.125]
"""

from .base import LambdaLR, LRScheduler
from .decay import CosineAnnealingLR, ExponentialLR, LinearLR, MultiStepLR, StepLR
from .one_cycle import OneCycleLR
from .plateau import ReduceLROnPlateau
from .sequence import SequentialLR

__all__ = [
    "CosineAnnealingLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "OneCycleLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]
