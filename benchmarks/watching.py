"""The memory of a process and of all that it has started, while something runs."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from types import TracebackType

INTERVAL = 0.05
"""Seconds between two looks."""


def tree_memory(pid: int, *, itself: bool = True) -> float:
    """Return the resident memory of a process and its descendants, in MB.

    Pages that processes share count in each. A process that is gone counts nothing.
    The process `itself` may be left out.
    """
    total = 0
    with contextlib.suppress(psutil.Error):
        root = psutil.Process(pid)
        for process in (*[root] * itself, *root.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                total += process.memory_info().rss
    return total / 1e6


class PeakMemory:
    """Context that looks at the memory of a process tree every few milliseconds.

    Attributes
    ----------
    course
        Seconds since the beginning and MB, of every look; what lasts less than the
        interval may be missed.
    """

    def __init__(
        self, pid: int, interval: float = INTERVAL, *, itself: bool = True
    ) -> None:
        self.course: list[tuple[float, float]] = []
        self._pid, self._interval, self._itself = pid, interval, itself
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    @property
    def peak(self) -> float:
        """The largest seen so far, in MB."""
        return max((mb for _, mb in self.course), default=0.0)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        began = time.monotonic()
        while True:
            found = tree_memory(self._pid, itself=self._itself)
            self.course.append((time.monotonic() - began, found))
            if self._over.wait(self._interval):
                return
