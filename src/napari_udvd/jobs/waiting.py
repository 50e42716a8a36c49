"""Movies of a batch that nobody has begun yet: their order may change until then."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from napari_udvd.runtime.schedule import Schedule

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

__all__ = ["SteeredSchedule", "WaitingList"]


class WaitingList:
    """What waits, in the order in which it is begun.

    Whoever runs the batch takes movies out in one thread, while a user arranges those
    that are left in another.

    Parameters
    ----------
    files
        The movies.

    Attributes
    ----------
    lock
        Held while the list changes; whoever holds it sees one order.
    """

    def __init__(self, files: Iterable[Path]) -> None:
        self.lock = threading.RLock()
        self._files = list(files)
        self._dropped: set[Path] = set()
        self._is_arranged = False

    @property
    def is_arranged(self) -> bool:
        """Whether the order is that of a user."""
        return self._is_arranged

    @property
    def dropped(self) -> frozenset[Path]:
        """Movies that a user took out."""
        with self.lock:
            return frozenset(self._dropped)

    def files(self) -> list[Path]:
        """Return what waits, the next one first."""
        with self.lock:
            return list(self._files)

    def arrange(self, files: Iterable[Path]) -> None:
        """Bring what waits into another order.

        Parameters
        ----------
        files
            The order. What waits and is not in it is dropped: it is never begun, and
            nothing is told of it. What does not wait any longer is passed over.
        """
        with self.lock:
            waits = set(self._files)
            order = [file for file in files if file in waits]
            self._dropped |= waits - set(order)
            kept = [file for file in self._files if file not in self._dropped]
            self._is_arranged |= order != kept
            self._files = order

    def take(self, file: Path) -> None:
        """Take one out that is begun, or is done already."""
        with self.lock:
            if file in self._files:
                self._files.remove(file)

    def next(self) -> Path | None:
        """Take the first one out; None where none is left."""
        with self.lock:
            return self._files.pop(0) if self._files else None


class SteeredSchedule(Schedule["Path"]):
    """Gives movies to workers in the order of a waiting list.

    The largest come first unless a user has said otherwise.

    Parameters
    ----------
    costs
        As of :class:`~napari_udvd.runtime.schedule.Schedule`.
    waiting
        The list.
    """

    def __init__(self, costs: Mapping[Path, float], waiting: WaitingList) -> None:
        super().__init__(costs)
        self._waiting = waiting

    @property
    def dropped(self) -> frozenset[Path]:
        """Movies that are never given out."""
        return self._waiting.dropped

    def place(self, workers: Mapping[str, int]) -> list[tuple[Path, str]]:
        """Give out what there is room for, see the base class."""
        waiting = self._waiting
        with waiting.lock:
            dropped, order = waiting.dropped, waiting.files()
            left = [file for file in self._left if file not in dropped]
            if waiting.is_arranged:
                # what lost its worker waits no longer, and is begun again first
                left.sort(key=lambda file: order.index(file) if file in order else -1)
            self._left = left
            placed = super().place(workers)
            for file, _ in placed:
                waiting.take(file)
        return placed
