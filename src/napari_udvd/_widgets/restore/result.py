"""The denoised movie as a layer that is there at once and fills up."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from qtpy.QtCore import QObject, QTimer, Signal

from napari_udvd._napari.layer_data import KEPT
from napari_udvd._widgets.restore.flash_layer import FlashLayer
from napari_udvd._widgets.restore.preview import contrast_limits
from napari_udvd._widgets.restore.words import WORDS
from napari_udvd._widgets.shared.layers import RESULT, drawn_like, place_seen
from napari_udvd._widgets.shared.worker import Worker
from napari_udvd.stack import Plane

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator
    from pathlib import Path

    import napari.viewer
    from napari.layers import Image, Layer
    from napari.utils.events import Event

    from napari_udvd.inference.live_movie import DenoisedMovie, Filled
    from napari_udvd.inference.restorer import Denoiser
    from napari_udvd.inference.stream import Progress
    from napari_udvd.stack import Stack

__all__ = ["Result"]


class Result(QObject):
    """One movie, its denoised frames, and the layers that show them.

    Parameters
    ----------
    viewer
        Gets the layers.
    source
        Layer of the noisy movie.
    movie
        Its denoised frames; closed with the layer.
    denoiser
        The network that they come from.
    number
        How many results of this movie there were, with this one: tells layers apart.
    is_foreign
        The network has learned from another movie: see whether it suits this one.

    Attributes
    ----------
    warnings
        Why the result must not be trusted, one sentence each.
    limits
        Contrast limits that suit it; None until a frame is denoised.
    """

    progressed = Signal(float)
    """Share of the frames that are denoised."""

    redrawn = Signal()
    """The frame on view was denoised."""

    filled = Signal(object)
    """Filling has ended: with the exception, or None (complete, or cancelled)."""

    closed = Signal()
    """Its layer was removed from the viewer; the frames are gone."""

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        source: Image,
        movie: DenoisedMovie,
        denoiser: Denoiser,
        number: int = 1,
        is_foreign: bool = False,
    ) -> None:
        super().__init__()
        self._viewer, self.source, self.denoiser = viewer, source, denoiser
        self._movie, self.stack = movie, movie.stack
        self._worker: Worker | None = None
        self._is_exported = self._is_closed = False
        self.limits: tuple[float, float] | None = None
        self._is_foreign = is_foreign
        self.warnings: tuple[str, ...] = ()
        self._number = "" if number == 1 else f" {number}"
        selected = set(viewer.layers.selection)
        done = WORDS[denoiser.task].done
        self.layer = self._add(self._movie.mean, done, source.colormap)
        self.std_layer: Image | None = None
        if self._movie.std is not None:
            self.std_layer = self._add(self._movie.std, "uncertainty", "magma")
            self.std_layer.visible = False
        self._flashes = FlashLayer(viewer, self.layer, self.stack)
        viewer.layers.selection = selected
        viewer.dims.events.current_step.connect(self._on_dims_moved)
        viewer.layers.events.removed.connect(self._on_layer_removed)

    @property
    def layers(self) -> list[Layer]:
        """Those that show it."""
        found = (self.layer, self.std_layer, self._flashes.layer)
        return [layer for layer in found if layer is not None]

    @property
    def is_complete(self) -> bool:
        """True once every frame is denoised."""
        return self._movie.complete

    def lacks_frames_of(self, denoiser: Denoiser | None, stack: Stack) -> bool:
        """Tell whether frames are missing of what a network makes of a movie."""
        same = self.denoiser is denoiser and self.stack is stack
        return same and not self._movie.complete

    @property
    def is_filling(self) -> bool:
        """True while frames are being denoised in the background."""
        return self._worker is not None

    def fill(self) -> None:
        """Denoise what is missing, in the background, from the frame on view on."""
        if self._worker is not None or self._movie.complete:
            return
        self._on_dims_moved()
        self._worker = Worker(self._fill)
        self._worker.told.connect(self._on_worker_told)
        self._worker.ended.connect(self._on_worker_ended)
        self._worker.start()

    def _fill(self, cancel: threading.Event) -> Iterator[Filled]:
        if self._is_foreign:
            self.warnings = warnings_for(self.denoiser, self.stack)
        yield from self._movie.fill(cancel)

    def cancel(self) -> None:
        """Stop filling; what is done is kept."""
        if self._worker is not None:
            self._worker.cancel()

    def export(
        self,
        path: Path,
        dtype: str,
        overwrite: bool,
        quantity: Literal["mean", "std", "residual"],
        part: tuple[slice, slice, slice] | None,
        cancel: threading.Event,
    ) -> Iterator[Progress]:
        """Write the movie, denoising first what is missing; for a worker."""
        self._is_exported = True
        try:
            yield from self._movie.export(
                path,
                dtype,
                quantity=quantity,
                part=part,
                overwrite=overwrite,
                cancel=cancel,
            )
        finally:
            self._is_exported = False
            if self._is_closed:
                self._movie.close()

    def close(self) -> None:
        """Stop, let go of the viewer, and drop the frames once nobody needs them."""
        self._is_closed = True
        self._viewer.dims.events.current_step.disconnect(self._on_dims_moved)
        self._viewer.layers.events.removed.disconnect(self._on_layer_removed)
        if self._worker is not None:  # it needs the frames until it has ended
            self._worker.ended.connect(partial(_close, self._movie))
            self._worker.cancel()
        elif not self._is_exported:
            self._movie.close()

    def _add(self, frames: Any, what: str, colormap: Any) -> Image:
        # until a frame is there, the range of the noisy movie is the best guess
        return self._viewer.add_image(
            frames,
            name=f"{self.source.name.removesuffix(' (noisy)')} ({what}{self._number})",
            colormap=colormap,
            contrast_limits=self.source.contrast_limits,
            rgb=False,
            multiscale=False,
            metadata={KEPT: self.source.metadata.get(KEPT, {}), RESULT: True},
            **drawn_like(self.source, shape=frames.shape),
        )

    def _on_dims_moved(self, event: Event | None = None) -> None:
        if self._movie.complete or self.source not in self._viewer.layers:
            return
        place = place_seen(self._viewer, self.source, self.stack)
        self._movie.want(place.t, Plane(place.c, place.z))

    def _on_worker_told(self, filled: Filled) -> None:
        self.progressed.emit(filled.progress.done / filled.progress.total)
        if self.layer not in self._viewer.layers:
            return
        self._flashes.take(filled)
        if self.limits is None:
            self._set_limits(filled)
        place = place_seen(self._viewer, self.layer, self.stack)
        time = self._viewer.dims.ndim - self.layer.ndim + self.stack.axes.index("T")
        # with time as an axis of the picture, all is read anew: once is enough
        is_seen = (
            self._movie.complete
            if time in self._viewer.dims.displayed
            else filled.start <= place.t < filled.stop
        )
        if is_seen:
            for layer in (self.layer, self.std_layer):
                if layer is not None:
                    layer.refresh()
            self.redrawn.emit()

    def _set_limits(self, filled: Filled) -> None:
        plane = filled.planes[0]
        index: dict[str, Any] = {"T": filled.start, "C": plane.c, "Z": plane.z}
        key = tuple(index.get(axis, slice(None)) for axis in self.stack.axes)
        self.limits = low, high = contrast_limits(self.layer.data[key])
        spare = high - low  # what later frames may need
        self.layer.contrast_limits_range = low - spare, high + spare
        self.layer.contrast_limits = low, high
        if self.std_layer is not None:
            _, high = contrast_limits(self.std_layer.data[key])
            self.std_layer.contrast_limits_range = 0.0, 2 * high
            self.std_layer.contrast_limits = 0.0, high

    def _on_worker_ended(self, error: BaseException | None) -> None:
        self._worker = None
        self.filled.emit(error)

    def _on_layer_removed(self, event: Event) -> None:
        if event.value == self.layer:
            self.close()
            # the viewer may be in the middle of removing several layers
            QTimer.singleShot(0, self._remove_others)
            self.closed.emit()

    def _remove_others(self) -> None:
        for layer in (self.layer, self.std_layer):
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)
        self._flashes.hide()


def warnings_for(denoiser: Denoiser, stack: Stack) -> tuple[str, ...]:
    """Say why a network does not suit a movie that it has not learned from."""
    return denoiser.match(stack).warnings


def _close(movie: DenoisedMovie, error: BaseException | None) -> None:
    movie.close()
