"""What reports by calling someone, as an iterator."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

__all__ = ["told_while"]

Told = TypeVar("Told")
Result = TypeVar("Result")


def told_while(
    work: Callable[[Callable[[Told], None], threading.Event], Result],
    cancel: threading.Event | None = None,
) -> Generator[Told, None, Result]:
    """Run something in a thread of its own, and yield what it tells meanwhile.

    Parameters
    ----------
    work
        ``work(tell, cancel)`` calls `tell` with what is to be yielded, and comes to an
        end soon after `cancel` was set.
    cancel
        Set it to stop the work. Closing the generator sets it, too, and waits.

    Returns
    -------
    object
        What the work returns.

    Raises
    ------
    Exception
        What the work raises.
    """
    stop = threading.Event() if cancel is None else cancel
    told: SimpleQueue[Told | _End] = SimpleQueue()
    with ThreadPoolExecutor(1, "napari-udvd-work") as pool:
        future = pool.submit(work, told.put, stop)
        future.add_done_callback(lambda _: told.put(_End()))
        try:
            while not isinstance(event := told.get(), _End):
                yield event
        except BaseException:  # nobody waits for it any more
            stop.set()
            raise
    return future.result()


class _End:
    """The work is over."""
