"""The part of the frame on view, denoised with the weights of the moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_udvd._widgets._layers import drawn_like

if TYPE_CHECKING:
    import napari.viewer
    import numpy.typing as npt
    from napari.layers import Image

    from napari_udvd.stack import Stack
    from napari_udvd.training import LivePreview

__all__ = ["PreviewLayer", "contrast_limits"]


class PreviewLayer:
    """An image layer over the movie, one frame long.

    Attributes
    ----------
    layer
        None until the first preview, and after it was removed.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        self._viewer = viewer
        self.layer: Image | None = None

    def show(self, movie: Image, stack: Stack, preview: LivePreview) -> None:
        """Put a preview where it belongs."""
        view = preview.view
        starts = {
            "T": view.t,
            "Z": view.z,
            "Y": view.rows.start,
            "X": view.columns.start,
        }
        data = _in_axes(preview.denoised, stack.axes)
        place = drawn_like(movie, [starts.get(axis, 0) for axis in stack.axes])
        if self.layer is not None and self.layer in self._viewer.layers:
            if self.layer.data.shape == data.shape:
                self.layer.translate = place["translate"]
                self.layer.data = data
                return
            limits = self.layer.contrast_limits
            visible = self.layer.visible
            self.remove()
        else:
            limits, visible = contrast_limits(data), True
        selected = set(self._viewer.layers.selection)
        self.layer = self._viewer.add_image(
            data,
            name=f"{movie.name} (preview)",
            colormap=movie.colormap,
            contrast_limits=limits,
            visible=visible,
            rgb=False,
            **place,
        )
        self._viewer.layers.selection = selected

    def remove(self) -> None:
        """Take it out of the viewer."""
        if self.layer is not None and self.layer in self._viewer.layers:
            self._viewer.layers.remove(self.layer)
        self.layer = None


def contrast_limits(frame: npt.NDArray[np.floating]) -> tuple[float, float]:
    """Range of grey levels that shows a denoised frame well."""
    low, high = (float(q) for q in np.nanpercentile(frame, (0.1, 99.9)))
    return low, max(high, np.nextafter(low, np.inf, dtype=np.float32) + 1e-6)


def _in_axes(denoised: npt.NDArray[np.float32], axes: str) -> npt.NDArray[np.float32]:
    """Arrange ``(C, Y, X)`` in the axes of the movie, others of length one."""
    whole = denoised[np.newaxis, :, np.newaxis]  # (T, C, Z, Y, X)
    kept = "".join(axis for axis in "TCZYX" if axis in axes)
    dropped = tuple(k for k, axis in enumerate("TCZYX") if axis not in axes)
    squeezed = whole.squeeze(axis=dropped)
    return squeezed.transpose([kept.index(axis) for axis in axes])
