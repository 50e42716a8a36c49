"""Losses of steps, read when somebody needs them.

To read a number from a card is to wait for all that it was given to do, and it idles
until the next step is there. So losses stay on the card for a few steps.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from napari_udvd.errors import TrainingFailed

__all__ = ["LossCurve", "Losses"]

MOST_UNREAD = 16
"""Steps after which losses on a card are read ..."""

MOST_SECONDS = 0.3
"""... or sooner, where these take longer: whoever keeps time by the clock must not see
a card that has work for minutes ahead."""

SMOOTHING = 0.95
"""Decay of the average loss that is shown."""

NOT_FINITE_IN_A_ROW = 10
"""Steps with a loss that is not finite after which training has failed."""

Loss = float | Tensor | None
"""Loss of one step; None where there was nothing to learn from."""


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


class LossCurve:
    """Average of the losses of the last steps, and what a step takes.

    Attributes
    ----------
    value
        The average; not a number where there was no loss yet.
    """

    def __init__(self) -> None:
        self.value = math.nan
        self._losses, self._not_finite = Losses(), 0
        self._seconds, self._steps = 0.0, 0

    def add(self, step: int, loss: Loss) -> None:
        """Keep the loss of a step."""
        self._losses.add(step, loss)

    def is_due(self, seconds_per_step: float) -> bool:
        """Tell whether it is time to read losses, see :class:`Losses`."""
        return self._losses.is_due(seconds_per_step)

    def read(self) -> None:
        """Take account of the losses of the last steps.

        Raises
        ------
        TrainingFailed
            If many in a row were not finite.
        """
        for step, loss in self._losses.read():
            is_bad = loss is not None and not math.isfinite(loss)
            self._not_finite = self._not_finite + 1 if is_bad else 0
            if self._not_finite >= NOT_FINITE_IN_A_ROW:
                raise TrainingFailed(
                    f"the loss is not finite since step {step - self._not_finite}; "
                    "try a lower learning rate"
                )
            if loss is not None and not is_bad:
                self._smooth(step, loss)

    def spend(self, seconds: float) -> None:
        """Take note of the time of a step, which may not have been waited for."""
        self._seconds += seconds
        self._steps += 1

    def seconds_per_step(self) -> float:
        """Return what a step took since the last call; after losses were read.

        A card begins steps faster than it takes them.
        """
        each = self._seconds / self._steps
        self._seconds, self._steps = 0.0, 0
        return each

    def _smooth(self, step: int, value: float) -> None:
        """Average over the last steps; few at first, where the loss falls fast."""
        share = max(1 - SMOOTHING, 1 / (1 + step / 4))
        before = self.value if math.isfinite(self.value) else value
        self.value = before + share * (value - before)
