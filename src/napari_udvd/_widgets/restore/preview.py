"""The part of the frame on view, denoised with the weights of the moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_udvd._widgets.shared.layers import RESULT, drawn_like

if TYPE_CHECKING:
    import napari.viewer
    import numpy.typing as npt
    from napari.layers import Image

    from napari_udvd.stack import Stack
    from napari_udvd.training import LivePreview

__all__ = ["PreviewLayer", "contrast_limits"]


PREVIEW = "preview"
"""Value of a layer's metadata that says that it is one of these."""


class PreviewLayer:
    """An image layer over the movie, one frame long.

    Parameters
    ----------
    viewer
        Gets it.
    word
        Which stands in its name, behind that of the movie.

    Attributes
    ----------
    layer
        None until the first preview, and after it was removed; hidden while no
        training runs.
    """

    def __init__(self, viewer: napari.viewer.Viewer, word: str = PREVIEW) -> None:
        self._viewer, self._word = viewer, word
        self.layer: Image | None = None
        self._movie: Image | None = None
        self._rests = False

    def show(
        self, movie: Image, stack: Stack, preview: LivePreview, zoom: int = 1
    ) -> None:
        """Put a preview where it belongs.

        Parameters
        ----------
        movie, stack
            The movie.
        preview
            A part of one of its frames.
        zoom
            Pixels of the preview to a pixel of the movie, along rows and columns.
        """
        view = preview.view
        starts = {
            "T": view.t,
            "Z": view.z,
            "Y": view.rows.start,
            "X": view.columns.start,
        }
        data = _in_axes(preview.denoised, stack.axes)
        sizes = np.array([1 / zoom if axis in "YX" else 1.0 for axis in stack.axes])
        # from centre to centre of the first pixels
        begin = [starts.get(axis, 0) for axis in stack.axes] + (sizes - 1) / 2
        place = drawn_like(movie, begin)
        place["scale"] = place["scale"] * sizes
        name = f"{movie.name} ({self._word})"
        if movie != self._movie:
            self.remove()
            self.layer, self._movie = self._left_over(name, movie.ndim), movie
            self._rests = self.layer is not None
        if self.layer is not None and self.layer in self._viewer.layers:
            for name, value in place.items():
                setattr(self.layer, name, value)
            self.layer.data = data
            if self._rests:
                self.layer.visible, self._rests = True, False
            return
        selected = set(self._viewer.layers.selection)
        self.layer = self._viewer.add_image(
            data,
            name=name,
            colormap=movie.colormap,
            contrast_limits=contrast_limits(data),
            rgb=False,
            metadata={RESULT: PREVIEW},
            **place,
        )
        self._rests = False
        self._viewer.layers.selection = selected

    def _left_over(self, name: str, ndim: int) -> Image | None:
        """Find the layer of a dock that was closed while it rested."""
        for layer in self._viewer.layers:
            is_one = layer.metadata.get(RESULT) == PREVIEW
            if is_one and layer.name == name and layer.ndim == ndim:
                return layer
        return None

    def rest(self) -> None:
        """Hide it until the next preview.

        It is not removed: where graphics are drawn by the processor, the viewer may
        crash when it draws after a layer was removed that it has just drawn.
        """
        if self.layer is not None and self.layer in self._viewer.layers:
            self.layer.visible, self._rests = False, True

    def remove(self) -> None:
        """Take it out of the viewer."""
        if self.layer is not None and self.layer in self._viewer.layers:
            self._viewer.layers.remove(self.layer)
        self.layer = None


def contrast_limits(frame: npt.NDArray[np.floating]) -> tuple[float, float]:
    """Range of grey levels that shows a denoised frame well."""
    frame = frame[np.isfinite(frame)]
    if not frame.size:
        return 0.0, 1.0
    low, high = (float(q) for q in np.percentile(frame, (0.1, 99.9)))
    return low, max(high, np.nextafter(low, np.inf, dtype=np.float32) + 1e-6)


def _in_axes(denoised: npt.NDArray[np.float32], axes: str) -> npt.NDArray[np.float32]:
    """Arrange ``(C, Y, X)`` in the axes of the movie, others of length one."""
    whole = denoised[np.newaxis, :, np.newaxis]  # (T, C, Z, Y, X)
    kept = "".join(axis for axis in "TCZYX" if axis in axes)
    dropped = tuple(k for k, axis in enumerate("TCZYX") if axis not in axes)
    squeezed = whole.squeeze(axis=dropped)
    return squeezed.transpose([kept.index(axis) for axis in axes])
