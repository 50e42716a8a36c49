"""A mask and the scan of a movie as layers of the viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.colormaps import direct_colormap

from napari_udvd._napari.layer_data import KEPT
from napari_udvd._widgets.shared.layers import drawn_like

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Image, Labels

    from napari_udvd.stack import Stack

__all__ = ["MaskLayer", "add_scan"]

COLOUR = "#f0a030"
OPACITY = 0.6
UNSEEN = np.zeros(4)


class MaskLayer:
    """A layer of labels, 1 where visited, that follows what is planned.

    Parameters
    ----------
    viewer
        Gets the layer.

    Attributes
    ----------
    layer
        None until a mask is shown, and after the user took it out.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        self._viewer = viewer
        self.layer: Labels | None = None

    def show(self, pixels: Any, movie: Image | None, name: str) -> None:
        """Show a mask on a movie, or by itself."""
        place = {} if movie is None else drawn_like(movie)
        if self.layer is not None and self.layer not in self._viewer.layers:
            self.layer = None
        if self.layer is not None and self.layer.data.shape == pixels.shape:
            self.layer.data = pixels
            self.layer.name = name
            for attribute, value in place.items():
                setattr(self.layer, attribute, value)
            self.layer.visible = True
            return
        selected = set(self._viewer.layers.selection)
        self.hide()  # one of another size: it may be the mask of a movie by now
        colours = {None: UNSEEN, 0: UNSEEN, 1: COLOUR}
        self.layer = self._viewer.add_labels(
            pixels,
            name=name,
            opacity=OPACITY,
            colormap=direct_colormap(colours),
            **place,
        )
        if selected:
            self._viewer.layers.selection = selected

    def hide(self) -> None:
        """Show no mask; the layer stays."""
        if self.layer is not None and self.layer in self._viewer.layers:
            self.layer.visible = False


def add_scan(
    viewer: napari.viewer.Viewer, movie: Image, sparse: Stack, name: str
) -> Image:
    """Add the scan of a movie where the movie is, in the same grey levels."""
    return viewer.add_image(
        sparse.data,
        name=name,
        colormap=movie.colormap,
        contrast_limits=movie.contrast_limits,
        rgb=False,
        multiscale=False,
        metadata={KEPT: movie.metadata.get(KEPT, {})},
        **drawn_like(movie),
    )
