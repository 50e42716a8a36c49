"""Answers to the latest question only: for what follows the mouse or a slider."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_udvd._widgets._worker import Worker

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator

__all__ = ["Latest"]


class Latest(QObject):
    """Computes one answer at a time in the background.

    A question asked while another is being answered waits; if yet another comes, it
    is dropped. So answers come as fast as they can be computed, and the last question
    is always answered.

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
    """Work has begun, or nothing is left to do."""

    def __init__(self, answer: Callable[[Any, threading.Event], Any]) -> None:
        super().__init__()
        self._answer = answer
        self._worker: Worker | None = None
        self._waiting: list[Any] = []

    @property
    def is_busy(self) -> bool:
        """Whether a question is being answered."""
        return self._worker is not None

    def ask(self, question: Any) -> None:
        """Ask; the answer comes with a signal."""
        if self._worker is not None:
            self._waiting = [question]
            return
        worker = Worker(partial(_one, self._answer, question))
        worker.told.connect(partial(self._on_told, worker))
        worker.ended.connect(partial(self._on_ended, worker))
        self._worker = worker
        self.busy.emit(True)
        worker.start()

    def forget(self) -> None:
        """Drop all questions: their answers would be out of date."""
        self._waiting = []
        if self._worker is not None:
            self._worker.cancel()
            self._worker = None
            self.busy.emit(False)

    def _on_told(self, worker: Worker, answer: Any) -> None:
        if worker is self._worker:
            self.answered.emit(answer)

    def _on_ended(self, worker: Worker, error: BaseException | None) -> None:
        if worker is not self._worker:
            return
        self._worker = None
        if error is not None:
            self.failed.emit(error)
        if self._waiting and self._worker is None:
            self.ask(self._waiting.pop())
        elif self._worker is None:
            self.busy.emit(False)


def _one(
    answer: Callable[[Any, threading.Event], Any],
    question: Any,
    cancel: threading.Event,
) -> Iterator[Any]:
    yield answer(question, cancel)
