"""When time slider and camera have come to rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

if TYPE_CHECKING:
    import napari.viewer

__all__ = ["Resting"]

AFTER = 100
"""Milliseconds without a move, after which they rest."""


class Resting(QObject):
    """Says when what is on view has moved and stays, or when it was asked to.

    Parameters
    ----------
    viewer
        Is watched until :meth:`shut_down`.
    """

    moved = Signal()
    """The view moves; :meth:`wait` if that matters."""

    rests = Signal()
    """There was a while in which nothing moved since :meth:`wait`."""

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(AFTER)
        self._soon.timeout.connect(self.rests)
        viewer.dims.events.current_step.connect(self._on_view_moved)
        viewer.scene.camera.events.connect(self._on_view_moved)

    @property
    def is_awaited(self) -> bool:
        """True between :meth:`wait` and :attr:`rests`."""
        return bool(self._soon.isActive())

    def wait(self) -> None:
        """Say so once nothing has moved for a while, from now on."""
        self._soon.start()

    def forget(self) -> None:
        """Say nothing of what was waited for."""
        self._soon.stop()

    def shut_down(self) -> None:
        """Let go of the viewer."""
        self.forget()
        self._viewer.dims.events.current_step.disconnect(self._on_view_moved)
        self._viewer.scene.camera.events.disconnect(self._on_view_moved)

    def _on_view_moved(self, _event: Any = None) -> None:
        self.moved.emit()
