"""Picking pixels with the mouse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

if TYPE_CHECKING:
    from collections.abc import Iterator

    import napari.viewer

__all__ = ["Picker"]


class Picker(QObject):
    """Says where the mouse was pressed on the canvas, and where it is dragged to.

    Parameters
    ----------
    viewer
        The viewer whose canvas is watched while the picker is armed. Dragging does
        not move the camera then.
    """

    picked = Signal(object)
    """Position in the world of the viewer, one number per dimension."""

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._armed = False

    @property
    def is_armed(self) -> bool:
        """True while presses are told."""
        return self._armed

    def arm(self, armed: bool) -> None:
        """Begin or stop to watch."""
        if armed == self._armed:
            return
        self._armed = armed
        callbacks = self._viewer.mouse_drag_callbacks
        camera = self._viewer.scene.camera
        if armed:
            callbacks.append(self._on_pressed)
            # another layer that becomes active, or its mode, switches moving on again
            camera.events.mouse_pan.connect(self._hold_camera)
            camera.mouse_pan = False
        else:
            callbacks.remove(self._on_pressed)
            camera.events.mouse_pan.disconnect(self._hold_camera)
            active = self._viewer.layers.selection.active
            camera.mouse_pan = True if active is None else active.mouse_pan

    def _hold_camera(self, event: Any = None) -> None:
        self._viewer.scene.camera.mouse_pan = False

    def _on_pressed(self, viewer: Any, event: Any) -> Iterator[None]:
        if event.button != 1 or event.modifiers:
            return
        self.picked.emit(tuple(event.position))
        yield
        while event.type == "mouse_move" and self._armed:
            self.picked.emit(tuple(event.position))
            yield
