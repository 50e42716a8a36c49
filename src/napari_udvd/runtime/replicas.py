"""Several devices of one machine, each with a copy of the network.

A network that fits on one card is copied to all of them. Parts (runs of frames that are
denoised, clips of a batch) go to whichever card is free; results come back in order.
"""

from __future__ import annotations

import queue
import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from napari_udvd.runtime.executor import in_order

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence

    import torch

__all__ = ["Replicas", "replicas_on"]

Part = TypeVar("Part")
Result = TypeVar("Result")

AHEAD = 2
"""Parts on their way for each device: one that is computed, and one that waits."""


class Replicas:
    """Devices that compute parts at the same time, with a thread for each.

    Parameters
    ----------
    devices
        One for each replica; the same one may be there more than once.

    Attributes
    ----------
    devices
        As given.
    """

    def __init__(self, devices: Iterable[torch.device]) -> None:
        self.devices = tuple(devices)
        self._here = threading.local()
        free: queue.SimpleQueue[int] = queue.SimpleQueue()
        for number in range(len(self.devices)):
            free.put(number)

        def start() -> None:
            self._here.number = free.get()

        self._pool = ThreadPoolExecutor(
            len(self.devices), "napari-udvd-replica", initializer=start
        )

    @property
    def number(self) -> int:
        """Which replica it is that computes in this thread, counted from 0.

        Raises
        ------
        AttributeError
            In threads that are not of this object.
        """
        found: int = self._here.number
        return found

    def map(
        self, work: Callable[[Part], Result], parts: Iterable[Part]
    ) -> Generator[Result, None, None]:
        """Compute parts, see :class:`~napari_udvd.runtime.executor.Executor`.

        The function finds out by :attr:`number` which replica it is to use.
        """
        return in_order(
            lambda part: self._pool.submit(work, part),
            parts,
            lambda: AHEAD * len(self.devices),
            _settle,
        )


def _settle(futures: Sequence[Future[Any]]) -> None:
    for future in futures:
        future.cancel()
    wait(futures)


@cache
def replicas_on(devices: tuple[torch.device, ...]) -> Replicas:
    """Return the replicas on these devices; their threads are started once."""
    return Replicas(devices)
