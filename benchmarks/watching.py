"""The memory of a process and of all that it has started, while something runs."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from types import TracebackType

INTERVAL = 0.05
"""Seconds between two looks."""


def tree_memory(pid: int) -> float:
    """Return the resident memory of a process and its descendants, in MB.

    Pages that processes share count in each. A process that is gone counts nothing.
    """
    total = 0
    with contextlib.suppress(psutil.Error):
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                total += process.memory_info().rss
    return total / 1e6


class PeakMemory:
    """Context that looks at the memory of a process tree every few milliseconds.

    Attributes
    ----------
    peak
        The largest seen so far, in MB; what lasts less than the interval may be missed.
    """

    def __init__(self, pid: int, interval: float = INTERVAL) -> None:
        self.peak = 0.0
        self._pid, self._interval = pid, interval
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

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
        while True:
            self.peak = max(self.peak, tree_memory(self._pid))
            if self._over.wait(self._interval):
                return
