"""How far a network's training has come: by the time that it has, or by steps."""

from __future__ import annotations

import time
from dataclasses import dataclass

__all__ = ["DEFAULT", "Clock", "Effort"]


@dataclass(frozen=True)
class Effort:
    """What a network may cost for each channel.

    Attributes
    ----------
    minutes
        Of training, what it learns from included.
    steps
        Instead, if not None: so that a training can be repeated.
    seed
        Of all that is drawn.
    """

    minutes: float = 1.0
    steps: int | None = None
    seed: int = 0


DEFAULT = Effort()
"""A minute."""


class Clock:
    """Counts from when it is made.

    Parameters
    ----------
    effort
        That there is.
    """

    def __init__(self, effort: Effort) -> None:
        self._effort, self._began, self.steps = effort, time.monotonic(), 0

    steps: int
    """Taken so far."""

    @property
    def progress(self) -> float:
        """From 0 to 1, where it ends."""
        if self._effort.steps is not None:
            return min(self.steps / self._effort.steps, 1.0)
        seconds = time.monotonic() - self._began
        return min(seconds / (60 * self._effort.minutes), 1.0)
