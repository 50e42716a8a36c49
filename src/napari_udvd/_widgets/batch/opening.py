"""A movie that is done and its result, as layers to compare."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_udvd._napari.layer_data import layer_data
from napari_udvd._widgets.restore.words import WORDS
from napari_udvd._widgets.shared.layers import RESULT
from napari_udvd._widgets.shared.messages import said
from napari_udvd._widgets.shared.worker import Worker
from napari_udvd.formats import movie_name, open_stack

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator
    from pathlib import Path

    import napari.viewer
    from napari.layers import Image

    from napari_udvd._widgets.batch.rows import Row
    from napari_udvd._widgets.shared.messages import Message

__all__ = ["Opening"]


class Opening(QObject):
    """Opens movie and result in the background, once each.

    Parameters
    ----------
    viewer
        Gets the layers.
    message
        Says what cannot be opened.
    """

    opened = Signal()
    """What was asked for is there, or cannot be opened."""

    def __init__(self, viewer: napari.viewer.Viewer, message: Message) -> None:
        super().__init__()
        self._viewer, self._message = viewer, message
        self._layers: dict[Path, Image] = {}
        self._worker: Worker | None = None
        self._is_shut_down = False

    @property
    def is_busy(self) -> bool:
        """Whether something is being opened."""
        return self._worker is not None

    def show(self, row: Row) -> None:
        """Add the movie of a row and its result, those that are not there yet."""
        status = row.status
        if self.is_busy or status is None or status.result is None or row.file is None:
            return
        viewer_has = self._viewer.layers
        self._layers = {
            f: each for f, each in self._layers.items() if each in viewer_has
        }
        if row.layer is not None and row.layer in viewer_has:
            self._layers[row.file] = row.layer
        name = movie_name(row.file) if row.layer is None else row.name
        named = {row.file: name, status.result: f"{name} ({WORDS[row.task].done})"}
        missing = {f: title for f, title in named.items() if f not in self._layers}
        result = status.result
        if not missing:
            self._select(result)
            return
        self._message.clear()
        self._worker = worker = Worker(lambda cancel: _read(missing, result, cancel))
        worker.told.connect(self._on_worker_told)
        worker.ended.connect(lambda error: self._on_worker_ended(result, error))
        worker.start()

    def shut_down(self) -> None:
        """Open nothing any more; the layers stay."""
        self._is_shut_down = True
        if self._worker is not None:
            self._worker.cancel()

    def _on_worker_told(self, found: tuple[Path, Any]) -> None:
        if not self._is_shut_down:
            file, (data, how, _) = found
            self._layers[file] = self._viewer.add_image(data, **how)

    def _on_worker_ended(self, result: Path, error: BaseException | None) -> None:
        self._worker = None
        if self._is_shut_down:
            return
        if error is not None:
            self._message.fail(said(error))
        else:
            self._select(result)
        self.opened.emit()

    def _select(self, file: Path) -> None:
        layer = self._layers[file]
        layer.visible = True
        self._viewer.layers.selection.active = layer


def _read(
    missing: dict[Path, str], result: Path, cancel: threading.Event
) -> Iterator[tuple[Path, Any]]:
    """Open files; pixels are read when they are shown."""
    for file, name in missing.items():
        if cancel.is_set():
            return
        more: dict[str, Any] = {"metadata": {RESULT: True}} if file == result else {}
        yield file, layer_data(open_stack(file), name, **more)
