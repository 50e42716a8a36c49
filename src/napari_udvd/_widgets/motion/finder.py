"""Motion of frames, found in the background and remembered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_udvd._widgets.motion.jobs import MotionQuestion, find_motion
from napari_udvd._widgets.shared.latest import Latest
from napari_udvd.jobs.ways import WAYS

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_udvd.motion import Motion

__all__ = ["MotionFinder"]

KEPT_FRAMES = 200
"""Motions that are kept, so that going back in time is instant."""


class MotionFinder(QObject):
    """Answers the latest question; what was found before is told at once."""

    found = Signal(object, object)
    """A question and the motion that answers it."""

    failed = Signal(object)
    """The exception that a question ended with."""

    busy = Signal(bool)
    """An answer is to come, or no longer."""

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[Any, Motion] = {}
        self._asked: Any = None
        self._latest = Latest(find_motion)
        self._latest.answered.connect(self._on_latest_answered)
        self._latest.failed.connect(self.failed)
        self._latest.busy.connect(self.busy)

    def ask(self, question: MotionQuestion) -> None:
        """Find a motion; one that is being looked for already is not asked twice."""
        key = _key(question)
        known = self._known.get(key)
        if known is not None:
            self._latest.forget()
            self.found.emit(question, known)
        elif key != self._asked or not self._latest.is_busy:
            self._asked = key
            self._latest.ask(question)

    def forget(self) -> None:
        """Drop the questions that are not answered yet."""
        self._latest.forget()

    def forget_movie(self, layer: Layer) -> None:
        """Let go of a movie that was removed, and of all motion in it."""
        self._known = {  # the questions hold the movie
            key: motion
            for key, motion in self._known.items()
            if key[0].shown.source != layer
        }
        if self._asked is not None and self._asked[0].shown.source == layer:
            self._asked = None

    def _on_latest_answered(self, answer: tuple[MotionQuestion, Motion]) -> None:
        question, motion = answer
        if len(self._known) >= KEPT_FRAMES:
            self._known.pop(next(iter(self._known)))
        self._known[_key(question)] = motion
        self.found.emit(question, motion)


def _key(question: MotionQuestion) -> Any:
    """Return what an answer depends on."""
    shown = question.shown
    needs_model = WAYS[question.method].needs_model
    model = shown.denoiser if needs_model else shown.result
    return question, id(shown.stack.data), id(model)
