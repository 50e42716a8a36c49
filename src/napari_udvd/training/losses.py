"""Losses of steps, read when somebody needs them.

To read a number from a card is to wait for all that it was given to do, and it idles
until the next step is there. So losses stay on the card for a few steps.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["Losses"]

MOST_UNREAD = 16
"""Steps after which losses on a card are read ..."""

MOST_SECONDS = 0.3
"""... or sooner, where these take longer: whoever keeps time by the clock must not see
a card that has work for minutes ahead."""

Loss = float | Tensor | None
"""Of one step; None where there was nothing to learn from."""


class Losses:
    """Losses that were not read yet."""

    def __init__(self) -> None:
        self._unread: list[tuple[int, Loss]] = []

    def add(self, step: int, loss: Loss) -> None:
        """Keep the loss of a step."""
        self._unread.append((step, loss))

    def is_due(self, seconds_per_step: float) -> bool:
        """Tell whether it is time to read them: numbers that are there, at once.

        Parameters
        ----------
        seconds_per_step
            What steps take that were waited for; 0 where none was yet.
        """
        count = len(self._unread)
        if not any(isinstance(loss, Tensor) for _, loss in self._unread):
            return count > 0
        return (
            not seconds_per_step
            or count >= MOST_UNREAD
            or count * seconds_per_step >= MOST_SECONDS
        )

    def read(self) -> list[tuple[int, float | None]]:
        """Return steps and losses that were not read yet, waiting once for all."""
        waiting = [loss for _, loss in self._unread if isinstance(loss, Tensor)]
        values = iter(torch.stack(waiting).tolist() if waiting else ())
        found = [
            (step, float(next(values)) if isinstance(loss, Tensor) else loss)
            for step, loss in self._unread
        ]
        self._unread = []
        return found
