"""A first look at a movie that is to be filled, while nothing is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer

from napari_udvd import jobs as _jobs
from napari_udvd._widgets.shared.latest import Latest
from napari_udvd._widgets.shared.layers import place_seen

if TYPE_CHECKING:
    import threading

    import napari.viewer
    from napari.layers import Image

    from napari_udvd._widgets.restore.preview import PreviewLayer
    from napari_udvd.stack import Stack

__all__ = ["FirstLooks"]

AFTER = 100
"""Milliseconds that time slider and camera rest before the look is taken."""


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
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(AFTER)
        self._soon.timeout.connect(self._ask)
        viewer.dims.events.current_step.connect(self._on_view_moved)
        viewer.scene.camera.events.connect(self._on_view_moved)

    @property
    def is_on(self) -> bool:
        """Whether a movie is looked at."""
        return self._stack is not None

    @property
    def is_busy(self) -> bool:
        """True while a look is to come."""
        return self._soon.isActive() or self._latest.is_busy

    def begin(self, layer: Image, stack: Stack) -> None:
        """Look at this movie from now on."""
        if stack is self._stack:
            return
        self._layer, self._stack = layer, stack
        self._look = _jobs.FirstLook(stack)
        self._soon.start()

    def end(self) -> None:
        """Look no more; what is shown stays until something else is."""
        self._layer = self._stack = self._look = None
        self._soon.stop()
        self._latest.forget()

    def shut_down(self) -> None:
        """Stop, and let go of the viewer."""
        self.end()
        self._viewer.dims.events.current_step.disconnect(self._on_view_moved)
        self._viewer.scene.camera.events.disconnect(self._on_view_moved)

    def _on_view_moved(self, _event: Any = None) -> None:
        if self._stack is not None:
            self._soon.start()

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
