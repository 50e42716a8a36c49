"""Events that were put back, as points over the result."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_udvd._widgets.shared.layers import drawn_like

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Image, Points

    from napari_udvd.inference.flashes import Flash
    from napari_udvd.inference.live_movie import Filled
    from napari_udvd.stack import Stack

__all__ = ["FlashLayer"]

COLOURS = {"pixel": "yellow", "3x3": "cyan", "spot": "magenta"}
"""Of events, by what they look like."""

SIZE = 1
"""Of a circle, in pixels: it reaches into other frames as well, which is no more."""

ON_SCREEN = 18, 10_000
"""Least and largest size of a circle on the screen: the event stays in sight in it."""


class FlashLayer:
    """A layer of points that grows with the result; there is none without events.

    Parameters
    ----------
    viewer
        Gets the layer.
    result
        Layer of the denoised movie.
    stack
        The movie.

    Attributes
    ----------
    layer
        None until something was found.
    """

    def __init__(
        self, viewer: napari.viewer.Viewer, result: Image, stack: Stack
    ) -> None:
        self._viewer, self._result, self._stack = viewer, result, stack
        self._found: dict[tuple[int, int, int], tuple[Flash, ...]] = {}
        self.layer: Points | None = None

    def take(self, filled: Filled) -> None:
        """Show the events of frames that were denoised just now."""
        before = dict(self._found)
        for plane in filled.planes:
            for t in range(filled.start, filled.stop):
                self._found[plane.c, plane.z, t] = tuple(
                    flash
                    for flash in filled.flashes
                    if (flash.channel, flash.plane, flash.frame) == (*plane, t)
                )
        flashes = [flash for key in sorted(self._found) for flash in self._found[key]]
        if flashes == [flash for key in sorted(before) for flash in before[key]]:
            return
        self._show(flashes)

    def hide(self) -> None:
        """Show no more events: what they were put into is gone.

        The layer stays: one that goes while it is drawn crashes software renderers.
        """
        if self.layer is not None:
            self.layer.visible = False

    def _show(self, flashes: list[Flash]) -> None:
        points = np.array([self._place(flash) for flash in flashes], dtype=float)
        features = {
            name: [getattr(flash, name) for flash in flashes]
            for name in ("kind", "amplitude", "z", "probability")
        }
        colours = [COLOURS[flash.kind] for flash in flashes]
        if self.layer is None:
            selected = set(self._viewer.layers.selection)
            self.layer = self._viewer.add_points(
                points,
                name=f"{self._result.name} events",
                features=features,
                size=SIZE,
                face_color="transparent",
                border_color=colours,
                border_width=0.08,
                canvas_size_limits=ON_SCREEN,
                out_of_slice_display=False,
                # places are in pixels of the movie, whatever the grid of the result
                **drawn_like(self._result, shape=self._stack.shape),
            )
            self.layer.current_size = SIZE  # of those to come
            self._viewer.layers.selection = selected
        elif self.layer in self._viewer.layers:  # else the user does not want it
            self.layer.data = points.reshape(-1, self._result.ndim)
            self.layer.features = features
            if colours:  # none are taken for white, with a warning
                self.layer.border_color = colours

    def _place(self, flash: Flash) -> list[int]:
        at = {
            "T": flash.frame,
            "C": flash.channel,
            "Z": flash.plane,
            "Y": flash.row,
            "X": flash.column,
        }
        return [at[axis] for axis in self._stack.axes]
