"""Long work in a thread of its own, told to the window piece by piece."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Worker"]

_running: set[Worker] = set()
"""Workers whose thread is alive: each lives until it has said that it ended, also
where the widget that started it is long gone."""


class Worker(QObject):
    """Runs an iterator in a thread; its items arrive in the thread of the window.

    Unlike the generator workers of the viewer it always says that it ended, whatever
    was raised (out of memory on a GPU is a `RuntimeError`, which they take for
    their own), and cancelling lets the iterator clean up.

    Parameters
    ----------
    work
        Called in the thread with an event that is set by :meth:`cancel`; the iterator
        it returns looks at the event and ends soon after.
    """

    told = Signal(object)
    """An item of the iterator."""

    ended = Signal(object)
    """The exception that ended the iterator, or None. Emitted exactly once."""

    def __init__(self, work: Callable[[threading.Event], Iterator[Any]]) -> None:
        super().__init__()
        self._work = work
        self._cancel = threading.Event()
        # not a daemon: a checkpoint that is being written at exit is written to its end
        self._thread = threading.Thread(target=self._run, name="napari-udvd")
        self.ended.connect(self._forget)

    def start(self) -> None:
        """Start the thread."""
        _running.add(self)
        self._thread.start()

    def cancel(self) -> None:
        """Ask for an early end; `ended` follows."""
        self._cancel.set()

    def wait(self, seconds: float | None = None) -> bool:
        """Block until the thread is over; return whether it is."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    @property
    def is_cancelled(self) -> bool:
        """True once an early end was asked for."""
        return self._cancel.is_set()

    @property
    def is_running(self) -> bool:
        """True while the thread is alive."""
        return self._thread.is_alive()

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            for item in self._work(self._cancel):
                self.told.emit(item)
        except BaseException as raised:  # told to the window, which shows it
            error = raised
        self.ended.emit(error)
        del error  # its traceback holds this frame: a circle, and all that failed

    def _forget(self) -> None:
        self._thread.join()
        _running.discard(self)
