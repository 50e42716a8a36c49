"""Answers to the latest question only: for what follows the mouse or a slider."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_udvd._widgets.shared.worker import Worker

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator

__all__ = ["Latest"]


class Latest(QObject):
    """Computes one answer at a time in the background.

    A question asked while another is being answered waits; if yet another comes, it
    is dropped. So answers come as fast as they can be computed, and the last question
    is always answered. A forgotten question has the processor until it notices: the
    next one waits for that, too.

    Parameters
    ----------
    answer
        Called in a thread with the question, and an event that is set when nobody
        waits for the answer any more.
    """

    answered = Signal(object)
    """An answer."""

    failed = Signal(object)
    """The exception that a question ended with."""

    busy = Signal(bool)
    """True while an answer is to come."""

    def __init__(self, answer: Callable[[Any, threading.Event], Any]) -> None:
        super().__init__()
        self._answer = answer
        self._worker: Worker | None = None
        self._waiting: list[Any] = []

    @property
    def is_busy(self) -> bool:
        """True while an answer is to come."""
        is_wanted = self._worker is not None and not self._worker.is_cancelled
        return is_wanted or bool(self._waiting)

    def ask(self, question: Any) -> None:
        """Ask; the answer comes with a signal."""
        if self._worker is not None:
            self._waiting = [question]
            self.busy.emit(True)
            return
        worker = Worker(partial(_one, self._answer, question))
        worker.told.connect(partial(self._on_worker_told, worker))
        worker.ended.connect(partial(self._on_worker_ended, worker))
        self._worker = worker
        self.busy.emit(True)
        worker.start()

    def forget(self) -> None:
        """Drop all questions: their answers would be out of date."""
        self._waiting = []
        if self._worker is not None:
            self._worker.cancel()
        self.busy.emit(False)

    def _on_worker_told(self, worker: Worker, answer: Any) -> None:
        if not worker.is_cancelled:
            self.answered.emit(answer)

    def _on_worker_ended(self, worker: Worker, error: BaseException | None) -> None:
        self._worker = None
        if error is not None and not worker.is_cancelled:
            self.failed.emit(error)
        if self._waiting:
            self.ask(self._waiting.pop())
        else:
            self.busy.emit(self.is_busy)


def _one(
    answer: Callable[[Any, threading.Event], Any],
    question: Any,
    cancel: threading.Event,
) -> Iterator[Any]:
    yield answer(question, cancel)
