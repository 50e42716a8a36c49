"""The model that is looked into, by name, and a button that loads another."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QPushButton, QWidget

from napari_udvd import jobs as _jobs
from napari_udvd._widgets.shared.messages import Message, said
from napari_udvd._widgets.shared.worker import Worker

if TYPE_CHECKING:
    from napari_udvd._widgets.shared.session import Session

__all__ = ["MODEL_FILES", "SAVED_FILES", "ModelRow"]

MODEL_FILES = "Models (*.safetensors *.zip *.pt *.pth)"
"""Those that are read: ours, packages of bioimage.io, published checkpoints."""

SAVED_FILES = "Models (*.safetensors)"
"""The one that is written."""

NO_MODEL = "no model yet: train one in the dock Denoise movie, or load one"


class ModelRow(QWidget):
    """Names the model in use and loads another from a file.

    Parameters
    ----------
    session
        The session that has the model.
    message
        Label that says errors.
    """

    def __init__(self, session: Session, message: Message) -> None:
        super().__init__()
        self._session, self._message = session, message
        self._worker: Worker | None = None
        self.label = QLabel()
        self.label.setWordWrap(True)
        self.button = QPushButton("Load…")
        self.button.setToolTip("Read a model from a file")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.label, 1)
        layout.addWidget(self.button)
        self.button.clicked.connect(self._on_button_clicked)
        session.changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Name the model."""
        denoiser = self._session.denoiser
        if denoiser is None:
            self.label.setText(f"Model: {NO_MODEL}")
        else:
            self.label.setText(f"Model: {denoiser.net.title}, {denoiser.net.size}")

    def load(self, path: Path) -> None:
        """Read a model from a file and use it."""
        if self._worker is not None:
            return
        self._message.clear()
        worker = Worker(partial(_jobs.load_model, path))
        worker.told.connect(lambda found: self._session.update(denoiser=found))
        worker.ended.connect(self._on_worker_ended)
        self._worker = worker
        self.button.setEnabled(False)
        worker.start()

    def shut_down(self) -> None:
        """Let go of the session."""
        self._session.changed.disconnect(self.refresh)

    def _on_button_clicked(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Load model", "", MODEL_FILES)
        if name:
            self.load(Path(name))

    def _on_worker_ended(self, error: BaseException | None) -> None:
        self._worker = None
        self.button.setEnabled(True)
        if error is not None:
            self._message.fail(said(error))
