"""Adam, without the compiler that torch's own brings along.

Making one of torch's optimisers imports its compiler: a second and a half before the
first step, and on some systems a crash. The compiler's code generator (LLVM) does not
get on with that of a graphics driver that the viewer has loaded before.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

__all__ = ["Adam"]

EPSILON = 1e-8

LARGEST_NORM = 1.0
"""That gradients are shrunk to."""


class Adam:
    """Kingma and Ba 2015, algorithm 1, with gradients that are shrunk where large.

    Parameters
    ----------
    parameters
        What is learned; changed in place.
    decays
        Of the averages of the gradient and of its square.
    largest_norm
        Gradients are shrunk so that their common norm is at most this.

    Attributes
    ----------
    steps
        Taken so far.
    first, second
        Averages of the gradients and of their squares, one for each parameter.
    """

    def __init__(
        self,
        parameters: Sequence[Tensor],
        decays: tuple[float, float] = (0.9, 0.99),
        largest_norm: float = LARGEST_NORM,
    ) -> None:
        self._parameters, self._decays = parameters, decays
        self._largest_norm = largest_norm
        self.steps = 0
        self.first = [torch.zeros_like(parameter) for parameter in parameters]
        self.second = [torch.zeros_like(parameter) for parameter in parameters]

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor], rate: float) -> bool:
        """Take a step, unless a gradient is not finite: it would leave no number.

        Parameters
        ----------
        gradients
            One for each parameter.
        rate
            Learning rate.

        Returns
        -------
        bool
            The step was taken.
        """
        norms = [torch.linalg.vector_norm(gradient) for gradient in gradients]
        norm = float(torch.linalg.vector_norm(torch.stack(norms)))
        if not math.isfinite(norm):
            return False
        share = min(self._largest_norm / (norm + 1e-6), 1.0)
        self.steps += 1
        slow, fast = self._decays
        size = rate / (1 - slow**self.steps)
        spread = math.sqrt(1 - fast**self.steps)
        for parameter, gradient, first, second in zip(
            self._parameters, gradients, self.first, self.second, strict=True
        ):
            shrunk = gradient * share
            first.lerp_(shrunk, 1 - slow)
            second.mul_(fast).addcmul_(shrunk, shrunk, value=1 - fast)
            scale = second.sqrt().div_(spread).add_(EPSILON)
            parameter.addcdiv_(first, scale, value=-size)
        return True
