"""The frame on view, sharpened anew whenever the blur is changed or the view moves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_udvd import jobs as _jobs
from napari_udvd._widgets.restore.preview import PreviewLayer
from napari_udvd._widgets.shared.latest import Latest
from napari_udvd._widgets.shared.layers import place_seen
from napari_udvd._widgets.shared.resting import Resting

if TYPE_CHECKING:
    import threading

    import napari.viewer
    from napari.layers import Image

    from napari_udvd.inference.restorer import Denoiser
    from napari_udvd.sharpening import Look, Optics
    from napari_udvd.stack import Stack

__all__ = ["SharpLooks"]


class SharpLooks(QObject):
    """Sharpens what is on view in the background, in a layer of its own.

    A look that is out of date is left at once: another blur, place or model asks anew.

    Parameters
    ----------
    viewer
        Has the movie.

    Attributes
    ----------
    preview
        The layer.
    """

    shown = Signal(object)
    """A :class:`~napari_udvd.sharpening.Look` that is in the viewer now."""

    failed = Signal(object)
    """Why there is none."""

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self.preview = PreviewLayer(viewer, "sharpened preview")
        self._about: tuple[Image, Stack, Denoiser, dict[str, Any]] | None = None
        self._optics: Optics | None = None
        self._look: Any = None
        self._latest = Latest(_answer)
        self._latest.answered.connect(self._on_latest_answered)
        self._latest.failed.connect(self.failed)
        self._resting = Resting(viewer)
        self._resting.moved.connect(self._on_view_moved)
        self._resting.rests.connect(self._ask)

    @property
    def is_on(self) -> bool:
        """Whether a movie is looked at."""
        return self._optics is not None

    @property
    def is_busy(self) -> bool:
        """True while a look is to come."""
        return self._resting.is_awaited or self._latest.is_busy

    def begin(
        self,
        layer: Image,
        stack: Stack,
        denoiser: Denoiser,
        optics: Optics,
        how: dict[str, Any],
    ) -> None:
        """Look at this movie from now on.

        Parameters
        ----------
        layer, stack
            The movie.
        denoiser
            The model in use.
        optics
            What blurred the movie.
        how
            Device and posterior, see :class:`~napari_udvd.inference.request.Request`.
        """
        about = (layer, stack, denoiser, how)
        if self._about is None or not _same(about, self._about):
            self._about, self._look = about, _looking(stack, denoiser, how)
        elif optics == self._optics:
            return
        self._optics = optics
        self._latest.forget()
        self._resting.wait()

    def end(self) -> None:
        """Look no more, and hide what was seen."""
        self._about = self._optics = self._look = None
        self._resting.forget()
        self._latest.forget()
        self.preview.rest()

    def shut_down(self) -> None:
        """Stop, and let go of the viewer."""
        self.end()
        self._resting.shut_down()

    def _on_view_moved(self) -> None:
        if self.is_on:
            self._resting.wait()

    def _ask(self) -> None:
        from napari_udvd.training import View

        if self._about is None or self._optics is None:
            return
        layer, stack, *_ = self._about
        if layer in self._viewer.layers:
            at = place_seen(self._viewer, layer, stack)
            view = View(at.t, at.z, at.rows, at.columns)
            self._latest.forget()  # what is being looked at is out of date
            self._latest.ask((self._look, view, self._optics))

    def _on_latest_answered(self, answer: tuple[Any, Look] | None) -> None:
        from napari_udvd.training import LivePreview

        if answer is None or self._about is None:
            return
        made_by, look = answer
        if made_by is not self._look:
            return
        layer, stack, *_ = self._about
        event = LivePreview(0, look.view, look.pixels)
        self.preview.show(layer, stack, event, look.zoom)
        self.shown.emit(look)


def _same(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    are_those = all(a is b for a, b in zip(one[:-1], other[:-1], strict=True))
    return are_those and one[-1] == other[-1]


def _looking(stack: Stack, denoiser: Denoiser, how: dict[str, Any]) -> _jobs.SharpLook:
    from napari_udvd.inference.request import Request  # the model brought torch along

    return _jobs.SharpLook(denoiser, stack, Request(**how, events=False, refine=False))


def _answer(question: Any, cancel: threading.Event) -> tuple[Any, Look] | None:
    look, view, optics = question
    for step in look.steps(view, optics):
        if cancel.is_set():
            return None
        if step is not None:
            return look, step
    return None
