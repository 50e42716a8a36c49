"""Adam for gradients that come in parts, one from each core.

What a network of many small layers costs between its gradients and the next step is
the starting of operations: five for each of fifty parameters, each of which takes all
cores and waits for them. Here weights, their moving average, moments and gradients lie
in a row each, and every core takes a stretch of all of them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from napari_udvd.runtime.parallel import run_parts
from napari_udvd.training.optimiser import EPSILON, NamedAdam, Row, average_share

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

__all__ = ["PartedAdam"]


class PartedAdam(NamedAdam):
    """Takes steps with gradients that are the sum of parts.

    Equal to :class:`~napari_udvd.training.optimiser.Adam` with the sum, and
    :func:`~napari_udvd.training.optimiser.follow`, up to rounding.

    Parameters
    ----------
    parameters
        What is learned, by name. They are moved into one row of memory, so that nobody
        may put other memory in their place.
    averages
        Moving averages of the parameters, in the same order; moved likewise.
    average_decay
        Of the moving averages later on.
    """

    def __init__(
        self,
        parameters: Mapping[str, Tensor],
        averages: Sequence[Tensor],
        average_decay: float,
    ) -> None:
        super().__init__(parameters, in_a_row=False)
        own = Row(self._parameters)
        self._cut, self._average_decay = own.cut, average_decay
        self.first, self.second = own.cut(own.first), own.cut(own.second)
        self._moments = own.first, own.second
        self._weights = own.gather(self._parameters)
        self._averages = own.gather(averages)
        self._kept: list[tuple[Tensor, list[Tensor]]] = []

    def make_room(self, parts: int) -> None:
        """Prepare for the gradients of so many parts."""
        while len(self._kept) < parts:
            row = torch.empty_like(self._weights)
            self._kept.append((row, self._cut(row)))

    @torch.no_grad()
    def keep(self, part: int, gradients: Sequence[Tensor]) -> None:
        """Keep the gradients of a part, in whichever thread computed them.

        Parameters
        ----------
        part
            Its number.
        gradients
            One for each parameter.
        """
        torch._foreach_copy_(self._kept[part][1], list(gradients))

    @torch.no_grad()
    def step_together(self, parts: int, entries: int, rate: float) -> bool:
        """Take a step, unless the gradient is not finite: it would leave no number.

        Parameters
        ----------
        parts
            Whose gradients were kept: these are added.
        entries
            That the sum is divided by.
        rate
            Learning rate.

        Returns
        -------
        bool
            The step was taken.
        """
        rows = [row for row, _ in self._kept[:parts]]
        length = -(-len(self._weights) // parts)
        spans = [slice(k * length, (k + 1) * length) for k in range(parts)]

        def add(span: slice) -> float:
            total = rows[0][span]
            for row in rows[1:]:
                total += row[span]
            return float(torch.linalg.vector_norm(total))

        norm = math.hypot(*run_parts(add, spans)) / entries
        if not math.isfinite(norm):
            return False
        share = min(self._largest_norm / (norm + 1e-6), 1.0) / entries
        slow, fast = self._decays
        size, spread = self._next_size(rate)
        followed = average_share(self.steps, self._average_decay)

        def move(span: slice) -> None:
            gradient = rows[0][span].mul_(share)
            first, second = (moment[span] for moment in self._moments)
            weights, averages = self._weights[span], self._averages[span]
            first.lerp_(gradient, 1 - slow)
            second.mul_(fast).addcmul_(gradient, gradient, value=1 - fast)
            scale = second.sqrt().div_(spread).add_(EPSILON)
            weights.addcdiv_(first, scale, value=-size)
            averages.lerp_(weights, followed)

        run_parts(move, spans)
        return True
