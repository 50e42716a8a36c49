"""The weights of a filter over the movie, in place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.utils import Colormap

from napari_udvd._widgets.shared.layers import drawn_like
from napari_udvd._widgets.shared.overlays import OWN, put_over

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Image

    from napari_udvd.filters import AdaptiveFilter
    from napari_udvd.stack import Stack

__all__ = ["FilterLayer"]

NAME = "filter weights"

WEIGHTS = Colormap(
    # negative is blue, positive is red, and zero cannot be seen
    [
        [0.1, 0.3, 1, 1],
        [0.3, 0.6, 1, 0.6],
        [1, 1, 1, 0],
        [1, 0.6, 0.2, 0.6],
        [1, 0.1, 0.1, 1],
    ],
    controls=[0, 0.3, 0.5, 0.7, 1],
    name="filter weights",
)
"""Diverging, with a clear middle."""


class FilterLayer:
    """Shows one filter at a time, in the frames that its weights are in.

    Parameters
    ----------
    viewer
        Gets the layer.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        self._viewer = viewer
        self._layer: Image | None = None

    @property
    def layer(self) -> Image | None:
        """The layer, or None where there is none (yet, or any more)."""
        if self._layer is not None and self._layer not in self._viewer.layers:
            self._layer = None
        return self._layer

    def show(self, found: AdaptiveFilter, source: Image, stack: Stack) -> None:
        """Put the weights over the movie."""
        t, c, z = found.origin[0], found.pixel[1], found.pixel[2]
        start = {"T": t, "C": c, "Z": z, "Y": found.origin[1], "X": found.origin[2]}
        shape = dict(zip("TYX", found.weights.shape, strict=True))
        order = ["TYX".index(axis) for axis in stack.axes if axis in "TYX"]
        weights = found.weights if "T" in stack.axes else found.weights[:1]
        data = weights.transpose(order + [k for k in range(3) if k not in order])
        data = data.reshape([shape.get(axis, 1) for axis in stack.axes])
        place = drawn_like(source, [start[axis] for axis in stack.axes])
        largest = float(np.abs(found.weights).max()) or 1.0
        layer = self.layer
        if layer is not None and layer.ndim == data.ndim:
            layer.data = data
            put_over(self._viewer, layer, place)
            layer.contrast_limits_range = -largest, largest
            layer.contrast_limits = -largest, largest
            return
        self.remove()
        selected = set(self._viewer.layers.selection)
        self._layer = self._viewer.add_image(
            data,
            name=NAME,
            colormap=WEIGHTS,
            contrast_limits=(-largest, largest),
            blending="translucent_no_depth",
            rgb=False,
            multiscale=False,
            metadata={OWN: "filter"},
            **place,
        )
        self._viewer.layers.selection = selected

    def hide(self) -> None:
        """Take the weights off the picture; the layer stays."""
        if self.layer is not None:
            self.layer.visible = False

    def remove(self) -> None:
        """Take the layer out of the viewer."""
        if self.layer is not None:
            self._viewer.layers.remove(self.layer)
        self._layer = None
