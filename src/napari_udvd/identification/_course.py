"""How far a training has come, who wants to know, and whether it shall go on."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_udvd.errors import InputError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator

__all__ = ["Cancelled", "Course", "Progress"]


class Cancelled(Exception):
    """A training was stopped by whoever asked for it; nothing was learned."""


@dataclass(frozen=True)
class Progress:
    """What a training tells after each step.

    Attributes
    ----------
    done
        Share of all of it that is over, from 0 to 1.
    what
        What is done at present, in a few words.
    """

    done: float
    what: str


class Course:
    """The steps of several trainings, one after the other.

    Parameters
    ----------
    shares
        Of the time, for each training; they sum to 1.
    steps
        Of the longest training where time is not counted; of the others as their share
        of the time says.
    seconds
        For all of them, instead of `steps`. What is learned then depends on how fast
        the computer is.
    cancel
        Set it to stop soon.
    report
        Told after each step.

    Raises
    ------
    InputError
        If there is no step, or no time.
    """

    def __init__(
        self,
        shares: dict[str, float],
        steps: int,
        seconds: float | None = None,
        cancel: threading.Event | None = None,
        report: Callable[[Progress], object] | None = None,
    ) -> None:
        if steps < 1:
            raise InputError(f"training takes at least 1 step, not {steps}")
        if seconds is not None and not seconds > 0:
            raise InputError(f"training takes more than {seconds:g} seconds")
        self._shares, self._steps, self._seconds = shares, steps, seconds
        self._cancel, self._report = cancel, report
        self._done = 0.0

    def steps(self, what: str) -> Iterator[float]:
        """Yield the share of a training that is over, before each of its steps.

        Raises
        ------
        Cancelled
            If it shall stop.
        """
        share, began, step, over = self._shares[what], time.monotonic(), 0, 0.0
        steps = max(round(self._steps * share / max(self._shares.values())), 1)
        while over < 1:
            if self._cancel is not None and self._cancel.is_set():
                raise Cancelled
            yield over
            step += 1
            over = step / steps
            if self._seconds is not None:
                over = (time.monotonic() - began) / (share * self._seconds)
            if self._report is not None:
                done = self._done + share * min(over, 1.0)
                self._report(Progress(min(done, 1.0), what))
        self._done += share
