"""The border of a curtain, dragged with the mouse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_udvd._widgets.shared.layers import point_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import napari.viewer
    from napari.layers import Image

__all__ = ["CurtainDrag"]

REACH = 6.0
"""Pixels of the screen within which the border is taken hold of."""


class CurtainDrag(QObject):
    """Says where the border of the curtain is dragged to.

    Nothing happens while the mouse draws, or picks pixels: then the camera does not
    follow it either.

    Parameters
    ----------
    viewer
        The viewer whose canvas is watched.
    curtain
        Returns the layer, the axis of its columns and the column that the right part
        begins with; None where there is no curtain.
    """

    dragged = Signal(float)
    """Share of the width, 0 to 1."""

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        curtain: Callable[[], tuple[Image, int, int] | None],
    ) -> None:
        super().__init__()
        self._viewer, self._curtain = viewer, curtain
        viewer.mouse_drag_callbacks.append(self._on_pressed)

    def shut_down(self) -> None:
        """Let go of the viewer."""
        self._viewer.mouse_drag_callbacks.remove(self._on_pressed)

    def _on_pressed(self, viewer: Any, event: Any) -> Iterator[None]:
        camera = self._viewer.scene.camera
        is_plain = event.button == 1 and not event.modifiers
        if not is_plain or not camera.mouse_pan or not self._is_on_border(event):
            return
        camera.mouse_pan = False
        yield
        while event.type == "mouse_move":
            self._drag_to(event.position)
            yield
        camera.mouse_pan = True

    def _is_on_border(self, event: Any) -> bool:
        curtain = self._curtain()
        displayed = self._viewer.dims.displayed
        if curtain is None or len(displayed) != 2:
            return False
        layer, axis, column = curtain
        if axis + self._viewer.dims.ndim - layer.ndim not in displayed:
            return False
        at = np.asarray(event.position, dtype=float)
        x = point_at(self._viewer, layer, at)[axis]
        # how many columns of the movie, which may be turned, the reach is
        steps = REACH / event.camera_zoom * np.eye(len(at))[list(displayed)]
        reach = np.linalg.norm(
            [point_at(self._viewer, layer, at + step)[axis] - x for step in steps]
        )
        return bool(abs(x - _border(column)) <= reach)

    def _drag_to(self, position: Any) -> None:
        curtain = self._curtain()
        if curtain is not None:
            layer, axis, _ = curtain
            x = point_at(self._viewer, layer, position)[axis]
            share = (x - _border(0)) / layer.data.shape[axis]
            self.dragged.emit(float(np.clip(share, 0, 1)))


def _border(column: int) -> float:
    """Left border of a column: the middle of a pixel is a whole number."""
    return column - 0.5
