"""Motion of the whole movie as a file."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_udvd._widgets.motion.jobs import MotionQuestion, export_motion
from napari_udvd._widgets.shared.messages import Message, said
from napari_udvd._widgets.shared.worker import Worker

__all__ = ["ExportSection"]

MOTION_FILES = (
    "Grid of displacements (*.npz);;Movie of dy and dx (*.ome.tif);;Tracks (*.csv)"
)
SUFFIXES = {"Grid": ".npz", "Movie": ".ome.tif", "Tracks": ".csv"}


class ExportSection(QWidget):
    """Asks for a file and writes it.

    Parameters
    ----------
    message
        Label that says how that went.
    """

    asked = Signal(object, bool)
    """A path was chosen, and whether what is there may be replaced."""

    ended = Signal()
    """The export is over, also where it failed or was cancelled."""

    def __init__(self, message: Message) -> None:
        super().__init__()
        self._message = message
        self._worker: Worker | None = None
        self._is_possible = False
        self.export_button = QPushButton("Export…")
        self.export_button.setToolTip(
            "Motion of the whole movie: a grid (NPZ), a movie of dy and dx (OME-TIFF), "
            "or tracks through the grid points (CSV)"
        )
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setToolTip("End the export; nothing is written")
        self.progress = QProgressBar()
        self.progress.setRange(0, 1000)
        buttons = QHBoxLayout()
        buttons.addWidget(self.export_button)
        buttons.addWidget(self.cancel_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(buttons)
        layout.addWidget(self.progress)
        self.export_button.clicked.connect(self._on_export_clicked)
        self.cancel_button.clicked.connect(self.cancel)
        self._enable()

    @property
    def is_running(self) -> bool:
        """True while a file is being written."""
        return self._worker is not None

    def allow(self, possible: bool) -> None:
        """Say whether there is anything to export."""
        self._is_possible = possible
        self._enable()

    def write(
        self,
        question: MotionQuestion,
        path: Path,
        least_confidence: float,
        *,
        overwrite: bool,
    ) -> None:
        """Begin to write the motion of all frames, found as that of one frame."""
        work = partial(export_motion, question, path, least_confidence, overwrite)
        worker = Worker(work)
        worker.told.connect(self._on_worker_told)
        worker.ended.connect(partial(self._on_worker_ended, worker, path))
        self._worker = worker
        self.progress.setValue(0)
        self._enable()
        worker.start()

    def cancel(self) -> None:
        """End early; no file is left."""
        if self._worker is not None:
            self._worker.cancel()

    def _on_export_clicked(self) -> None:
        name, kind = QFileDialog.getSaveFileName(
            self, "Export motion", "", MOTION_FILES
        )
        if not name:
            return
        path = Path(name)
        may_replace = bool(path.suffix) and path.exists()  # the dialog has asked
        if not path.suffix:
            path = path.with_name(path.name + SUFFIXES[kind.split()[0]])
        self.asked.emit(path, may_replace)

    def _on_worker_told(self, share: float) -> None:
        self.progress.setValue(int(self.progress.maximum() * share))

    def _on_worker_ended(
        self, worker: Worker, path: Path, error: BaseException | None
    ) -> None:
        self._worker = None
        self.ended.emit()  # first: what follows clears the message
        is_written = self.progress.value() == self.progress.maximum()
        if error is not None:
            self._message.fail(said(error))
        elif worker.is_cancelled and not is_written:
            self._message.inform("The export was cancelled; nothing was written.")
        else:
            self._message.done(f"The motion is exported as {path.name}.")
        self._enable()

    def _enable(self) -> None:
        self.export_button.setEnabled(self._is_possible and not self.is_running)
        self.cancel_button.setEnabled(self.is_running)
        self.progress.setVisible(self.is_running)
