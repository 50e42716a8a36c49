"""A first look at a movie that is to be filled, while nothing is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject

from napari_udvd import jobs as _jobs
from napari_udvd._widgets.shared.latest import Latest
from napari_udvd._widgets.shared.layers import place_seen
from napari_udvd._widgets.shared.resting import Resting

if TYPE_CHECKING:
    import threading

    import napari.viewer
    from napari.layers import Image

    from napari_udvd._widgets.restore.preview import PreviewLayer
    from napari_udvd.stack import Stack

__all__ = ["FirstLooks"]


class FirstLooks(QObject):
    """Fills what is on view with averages, in the layer of the preview.

    Parameters
    ----------
    viewer
        Has the movie.
    preview
        Shows it; a training that begins shows its own there.
    """

    def __init__(self, viewer: napari.viewer.Viewer, preview: PreviewLayer) -> None:
        super().__init__()
        self._viewer, self._preview = viewer, preview
        self._layer: Image | None = None
        self._stack: Stack | None = None
        self._look: _jobs.FirstLook | None = None
        self._latest = Latest(_answer)
        self._latest.answered.connect(self._on_latest_answered)
        self._resting = Resting(viewer)
        self._resting.moved.connect(self._on_view_moved)
        self._resting.rests.connect(self._ask)

    @property
    def is_on(self) -> bool:
        """Whether a movie is looked at."""
        return self._stack is not None

    @property
    def is_busy(self) -> bool:
        """True while a look is to come."""
        return self._resting.is_awaited or self._latest.is_busy

    def begin(self, layer: Image, stack: Stack) -> None:
        """Look at this movie from now on."""
        if stack is self._stack:
            return
        self._layer, self._stack = layer, stack
        self._look = _jobs.FirstLook(stack)
        self._resting.wait()

    def end(self) -> None:
        """Look no more; what is shown stays until something else is."""
        self._layer = self._stack = self._look = None
        self._resting.forget()
        self._latest.forget()

    def shut_down(self) -> None:
        """Stop, and let go of the viewer."""
        self.end()
        self._resting.shut_down()

    def _on_view_moved(self) -> None:
        if self._stack is not None:
            self._resting.wait()

    def _ask(self) -> None:
        from napari_udvd.training import View

        if self._layer is None or self._stack is None:
            return
        if self._layer in self._viewer.layers:
            at = place_seen(self._viewer, self._layer, self._stack)
            view = View(at.t, at.z, at.rows, at.columns)
            self._latest.ask((self._look, view))

    def _on_latest_answered(self, answer: Any) -> None:
        from napari_udvd.training import LivePreview

        look, view, filled = answer
        if look is self._look and self._layer is not None and self._stack is not None:
            self._preview.show(self._layer, self._stack, LivePreview(0, view, filled))


def _answer(question: Any, _cancel: threading.Event) -> Any:
    look, view = question
    return look, *look.fill(view)
