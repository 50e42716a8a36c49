"""Traces of regions, from layers of the viewer to a file."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari.layers import Labels, Shapes
from qtpy.QtCore import QObject
from qtpy.QtWidgets import QFileDialog

from napari_udvd._widgets.shared.layers import place_seen, polygons_of
from napari_udvd._widgets.shared.messages import said
from napari_udvd._widgets.shared.worker import Worker
from napari_udvd.errors import InputError

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

    import napari.viewer
    import numpy as np
    import numpy.typing as npt

    from napari_udvd._widgets.restore.comparing import Comparing
    from napari_udvd._widgets.restore.result import Result
    from napari_udvd.stack import Plane

__all__ = ["TraceFiles"]


class TraceFiles(QObject):
    """Measures regions of a result and writes a table.

    Parameters
    ----------
    viewer
        Its selected layer, of shapes or labels, has the regions.
    comparing
        Knows the result that is looked at; its section asks, and says what was
        written.
    """

    def __init__(self, viewer: napari.viewer.Viewer, comparing: Comparing) -> None:
        super().__init__()
        self._viewer, self._comparing = viewer, comparing
        self._section = comparing.section
        self._worker: Worker | None = None
        self._is_shut_down = False
        self._section.traces.connect(self._on_section_traces)

    def shut_down(self) -> None:
        """Stop measuring."""
        self._is_shut_down = True
        if self._worker is not None:
            self._worker.cancel()

    def _on_section_traces(self) -> None:
        name, _ = QFileDialog.getSaveFileName(
            self._section, "Save traces", "traces.csv", "Table (*.csv)"
        )
        if name:
            self.save_to(Path(name).with_suffix(".csv"))

    def save_to(self, path: Path) -> None:
        """Measure the regions of the selected layer and write them."""
        result = self._comparing.result
        if result is None or self._worker is not None:
            return
        try:
            masks = self._masks(result)
        except InputError as error:
            self._section.message.fail(str(error))
            return
        place = place_seen(self._viewer, result.source, result.stack)
        from napari_udvd.stack import Plane

        plane = Plane(place.c, place.z)
        worker = Worker(partial(_measure, result, masks, plane, path))
        worker.ended.connect(partial(self._on_worker_ended, path))
        self._worker = worker
        self._section.message.inform("Measuring …")
        worker.start()

    def _masks(self, result: Result) -> dict[str, npt.NDArray[np.bool_]]:
        from napari_udvd.traces import masks_of_labels, masks_of_polygons

        layer = self._viewer.layers.selection.active
        shape = result.stack.frame_shape
        if isinstance(layer, Shapes):
            polygons = polygons_of(layer, result.source, result.stack)
            return masks_of_polygons(polygons, shape)
        if isinstance(layer, Labels):
            labels = layer.data
            while labels.ndim > 2 and labels.shape[0] == 1:
                labels = labels[0]
            return masks_of_labels(labels, shape)
        raise InputError(
            "select a layer of shapes or labels first: it says which regions are "
            "measured"
        )

    def _on_worker_ended(self, path: Path, error: BaseException | None) -> None:
        self._worker = None
        if self._is_shut_down:
            return
        if error is not None:
            self._section.message.fail(said(error))
        else:
            self._section.message.done(f"Written: {path}")


def _measure(
    result: Result,
    masks: dict[str, npt.NDArray[np.bool_]],
    plane: Plane,
    path: Path,
    cancel: threading.Event,
) -> Iterator[None]:
    from napari_udvd.traces import mean_traces, write_traces

    frames = result.layer.data
    traces = mean_traces(result.stack, frames, masks, plane, cancel)
    if not cancel.is_set():
        write_traces(path, traces, result.stack)
    yield None
