"""Layers that docks draw over movies, and draw anew as what they show changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image

if TYPE_CHECKING:
    from collections.abc import Mapping

    import napari.viewer
    from napari.layers import Layer

__all__ = ["OWN", "put_over"]

OWN = "napari-udvd"
"""Key of a layer's metadata that says that a dock made it to show something."""


def put_over(
    viewer: napari.viewer.Viewer, layer: Layer, place: Mapping[str, Any]
) -> None:
    """Put a layer over a movie, above all pictures, and show it.

    Removing it and adding another would be slower.

    Parameters
    ----------
    viewer
        Has the layer.
    layer
        The layer.
    place
        Where, see :func:`~napari_udvd._widgets.shared.layers.drawn_like`.
    """
    for name, value in place.items():
        if not _is(layer, name, value):  # for each the viewer draws anew
            setattr(layer, name, value)
    at = viewer.layers.index(layer)
    if any(
        isinstance(other, Image) and OWN not in other.metadata
        for other in viewer.layers[at + 1 :]
    ):
        viewer.layers.move(at, len(viewer.layers))
    if not layer.visible:
        layer.visible = True


def _is(layer: Layer, name: str, value: Any) -> bool:
    now = getattr(layer, name)
    if name == "affine":
        return np.array_equal(now.affine_matrix, value.affine_matrix)
    return (
        bool(now == value) if isinstance(value, tuple) else np.array_equal(now, value)
    )
