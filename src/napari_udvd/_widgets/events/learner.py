"""Learns and suggests in the background, one thing at a time."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_udvd._widgets.events.finding import Answer, Training, suggested, trained
from napari_udvd._widgets.shared.worker import Worker

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator

    from napari_udvd.spans import Span

__all__ = ["Learner"]


class Learner(QObject):
    """Holds what was learned last.

    Attributes
    ----------
    answer
        What was learned and found, or None.
    """

    told = Signal(object)
    """How far it is."""

    trained = Signal(object)
    """What was learned and found."""

    suggested = Signal(object)
    """Frames to be labelled next; None if all are."""

    failed = Signal(object)
    """The exception that it ended with."""

    changed = Signal()
    """It began or ended."""

    def __init__(self) -> None:
        super().__init__()
        self.answer: Answer | None = None
        self._worker: Worker | None = None

    @property
    def is_running(self) -> bool:
        """True while something is computed."""
        return self._worker is not None

    def train(self, training: Training) -> None:
        """Learn from labels; the answer comes with a signal."""
        before = None if self.answer is None else self.answer.training
        training = training.remembering(before)
        self._start(partial(trained, training, self.told.emit), self._on_trained)

    def suggest(self, spans: tuple[Span, ...], frames: int) -> None:
        """Look for frames to label; they come with a signal."""
        if self.answer is not None:
            self._start(
                partial(suggested, self.answer, spans, frames), self.suggested.emit
            )

    def cancel(self) -> None:
        """End early."""
        if self._worker is not None:
            self._worker.cancel()

    def forget(self) -> None:
        """Drop what was learned: there is another movie, or other regions."""
        self.cancel()
        self.answer = None

    def _start(
        self,
        work: Callable[[threading.Event], Iterator[Any]],
        then: Callable[[Any], None],
    ) -> None:
        if self._worker is not None:
            return
        worker = Worker(work)
        worker.told.connect(partial(self._on_worker_told, worker, then))
        worker.ended.connect(partial(self._on_worker_ended, worker))
        self._worker = worker
        self.changed.emit()
        worker.start()

    def _on_worker_told(
        self, worker: Worker, then: Callable[[Any], None], what: Any
    ) -> None:
        if not worker.is_cancelled:
            then(what)

    def _on_worker_ended(self, worker: Worker, error: BaseException | None) -> None:
        self._worker = None
        if error is not None and not worker.is_cancelled:
            self.failed.emit(error)
        self.changed.emit()

    def _on_trained(self, answer: Answer) -> None:
        self.answer = answer
        self.trained.emit(answer)
