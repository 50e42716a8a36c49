"""Circles over the movie: where regions are, in the colour of what happens there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_udvd._widgets.shared.layers import drawn_like
from napari_udvd._widgets.shared.overlays import OWN, put_over

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import napari.viewer
    from napari.layers import Image, Points

    from napari_udvd._widgets.shared.layers import Place
    from napari_udvd.stack import Stack

__all__ = ["RegionMarks"]

NAME = "events"
UNLABELLED = "#ffffff"
MOST_NAMES = 60
"""Regions whose names are written beside them; more would hide the movie."""


class RegionMarks:
    """Shows the regions of one frame at a time.

    Parameters
    ----------
    viewer
        Gets a layer of points.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        self._viewer = viewer
        self._layer: Points | None = None

    def show(
        self,
        source: Image,
        stack: Stack,
        place: Place,
        centres: Mapping[str, tuple[float, float]],
        colours: Sequence[str | None],
        radius: float,
    ) -> None:
        """Draw the regions of a frame.

        Parameters
        ----------
        source, stack
            The movie.
        place
            The frame.
        centres
            Row and column of each region, by name.
        colours
            Of each; None where nothing is known.
        radius
            Of the circles, px.
        """
        index = {"T": place.t, "C": place.c, "Z": place.z}
        data = np.zeros((len(centres), len(stack.axes)))
        for k, (y, x) in enumerate(centres.values()):
            at = {**index, "Y": y, "X": x}
            data[k] = [at[axis] for axis in stack.axes]
        edge = np.array([colour or UNLABELLED for colour in colours] or [UNLABELLED])
        names = [name if len(centres) <= MOST_NAMES else "" for name in centres]
        where = drawn_like(source)
        layer = self._usable(stack)
        if layer is None:
            if not len(data):
                return
            selected = set(self._viewer.layers.selection)
            self._layer = self._viewer.add_points(
                data,
                name=NAME,
                size=2 * radius,
                face_color="transparent",
                border_color=edge,
                border_width=0.08,
                features={"region": names},
                text={
                    "string": "{region}",
                    "color": "white",
                    "size": 9,
                    "anchor": "lower_left",
                    "translation": [
                        {"Y": -radius, "X": -radius}.get(axis, 0.0)
                        for axis in stack.axes
                    ],
                },
                metadata={OWN: "events"},
                **where,
            )
            self._viewer.layers.selection = selected
            return
        if len(layer.data) != len(data) or not np.array_equal(layer.data, data):
            layer.data = data
        layer.features = {"region": names}
        if len(data):
            layer.border_color = edge
            layer.size = 2 * radius
        put_over(self._viewer, layer, where)

    def hide(self) -> None:
        """Take them off the picture; the layer stays."""
        if self._layer is not None and self._layer in self._viewer.layers:
            self._layer.data = np.zeros((0, self._layer.ndim))

    def _usable(self, stack: Stack) -> Any:
        """Return the layer where it is in the viewer and has the axes of the movie."""
        layer = self._layer
        if layer is None or layer not in self._viewer.layers:
            return None
        if layer.ndim != len(stack.axes):
            self._viewer.layers.remove(layer)
            return None
        return layer
