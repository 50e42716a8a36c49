"""Where the model comes from, where results go, and who computes."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QWidget,
)

from napari_udvd._widgets.shared.messages import Message
from napari_udvd._widgets.shared.model_row import MODEL_FILES
from napari_udvd.errors import InputError

__all__ = ["HERE", "Executor", "ExecutorChoice", "ModelChoice", "OutputChoice"]

HOW_TO_GET = (
    "Several processes, and other machines, need Dask: pip install "
    '"napari-udvd[cluster]" into this environment, and start napari again.'
)

WORKERS = 2
"""Processes to begin with."""

MOST_WORKERS = 256


class Executor(NamedTuple):
    """Who computes; this process if neither is given.

    Attributes
    ----------
    scheduler
        Address of a scheduler of Dask, or the file that it wrote.
    workers
        Processes to start on this machine.
    """

    scheduler: str | None = None
    workers: int | None = None


HERE = Executor()
"""This process."""


class ModelChoice(QWidget):
    """Asks whether to train on each movie, or for one model that all are given to."""

    changed = Signal()
    """Something else was chosen."""

    def __init__(self) -> None:
        super().__init__()
        self.box = QComboBox()
        self.box.addItem("Train on each movie", False)
        self.box.addItem("One model for all", True)
        self.box.setToolTip(
            "A model of one movie does for others of the same sample, camera and "
            "settings"
        )
        self.line = _PathLine("file (.safetensors)", "The model", self._on_browse)
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        self._label = QLabel("Model")
        form.addRow(self._label, self.box)
        form.addRow(self.line)
        self.box.currentIndexChanged.connect(self._on_box_changed)
        self._on_box_changed()

    def align(self, label_width: int) -> None:
        """Begin the box where those of a form beside it begin, px."""
        self._label.setMinimumWidth(label_width)

    @property
    def trains(self) -> bool:
        """Whether a network is trained on each movie."""
        return not self.box.currentData()

    def model(self) -> Path | None:
        """Return the file of the model; None where one is trained.

        Raises
        ------
        InputError
            If it is not there.
        """
        if self.trains:
            return None
        path = self.line.path
        if path is None or not path.is_file():
            named = "no model is chosen" if path is None else f"no file {str(path)!r}"
            raise InputError(f"{named}: choose the file of a model, or train on each")
        return path

    def take(self, path: Path) -> None:
        """Use a model for all."""
        self.line.edit.setText(str(path))
        self.box.setCurrentIndex(self.box.findData(True))

    def _on_box_changed(self, _index: int = 0) -> None:
        self.line.setVisible(not self.trains)
        self.changed.emit()

    def _on_browse(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Model", "", MODEL_FILES)
        if name:
            self.take(Path(name))


class OutputChoice(QWidget):
    """Asks for the folder and format of results, and what to do with those there."""

    def __init__(self) -> None:
        super().__init__()
        self.line = _PathLine("folder", "Folder of the results", self._on_browse)
        self.format_box = QComboBox()
        self.format_box.addItem("OME-TIFF", ".ome.tif")
        self.format_box.addItem("OME-Zarr", ".ome.zarr")
        self.format_box.setToolTip("Format of the results")
        self.existing_box = QComboBox()
        self.existing_box.addItem("Skip what is done", False)
        self.existing_box.addItem("Replace results", True)
        self.existing_box.setToolTip(
            "Movies whose result is in the folder, made of the same movie and as is "
            "asked now, are skipped; other results are made anew, and trainings that "
            "were interrupted are gone on with. Or all is done anew"
        )
        both = QHBoxLayout()
        both.addWidget(self.format_box, 1)
        both.addWidget(self.existing_box, 1)
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        self._label = QLabel("Results")
        form.addRow(self._label, self.line)
        form.addRow(both)

    def align(self, label_width: int) -> None:
        """Begin the line where the boxes of a form above it begin, px."""
        self._label.setMinimumWidth(label_width)

    def folder(self) -> Path:
        """Return the folder.

        Raises
        ------
        InputError
            If none is named.
        """
        if self.line.path is None:
            raise InputError("there is no folder for the results yet: choose one")
        return self.line.path

    @property
    def suffix(self) -> str:
        """Ending of the results' names."""
        return str(self.format_box.currentData())

    @property
    def replaces(self) -> bool:
        """Whether results that are there are replaced."""
        return bool(self.existing_box.currentData())

    def _on_browse(self) -> None:
        name = QFileDialog.getExistingDirectory(self, "Folder of the results")
        if name:
            self.line.edit.setText(name)


class ExecutorChoice(QWidget):
    """Asks who computes; what is not installed can be seen, and how to get it."""

    def __init__(self) -> None:
        super().__init__()
        self.box = QComboBox()
        for title, name in (
            ("This machine, one by one", "here"),
            ("Several processes here", "workers"),
            ("A Dask scheduler", "scheduler"),
        ):
            self.box.addItem(title, name)
        self.box.setToolTip(
            "Movies one after the other, or each by a process of its own, here or on a "
            "cluster"
        )
        self.spin = QSpinBox()
        self.spin.setRange(1, MOST_WORKERS)
        self.spin.setValue(WORKERS)
        self.spin.setToolTip("Processes; they share the cores of this machine")
        self.edit = QLineEdit()
        self.edit.setPlaceholderText("tcp://HOST:8786, or scheduler.json")
        self.edit.setToolTip(
            "Address of a scheduler that runs, or the file that it wrote. All machines "
            "have to see movies and results by the same path"
        )
        self.note = Message()
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        row = QHBoxLayout()
        row.addWidget(self.box, 1)
        row.addWidget(self.spin)
        self._label = QLabel("Where")
        form.addRow(self._label, row)
        form.addRow(self.edit)
        form.addRow(self.note)
        self.box.currentIndexChanged.connect(self._on_box_changed)
        self._on_box_changed()

    def align(self, label_width: int) -> None:
        """Begin the box where those of a form above it begin, px."""
        self._label.setMinimumWidth(label_width)

    def executor(self) -> Executor:
        """Return who computes.

        Raises
        ------
        InputError
            If Dask is needed and not installed, or no scheduler is named.
        """
        name = self.box.currentData()
        if name != "here" and not has_dask():
            raise InputError(HOW_TO_GET[:-1])
        if name == "workers":
            return Executor(workers=self.spin.value())
        if name == "here":
            return HERE
        address = self.edit.text().strip()
        if not address:
            raise InputError(
                "there is no address of a scheduler: start one with `dask scheduler`, "
                "and type what it prints, such as tcp://HOST:8786"
            )
        return Executor(scheduler=address)

    def choose(self, name: str) -> None:
        """Take ``here``, ``workers`` or ``scheduler``, as if a user had."""
        self.box.setCurrentIndex(self.box.findData(name))

    def _on_box_changed(self, _index: int = 0) -> None:
        name = self.box.currentData()
        self.spin.setVisible(name == "workers")
        self.edit.setVisible(name == "scheduler")
        self.note.clear()
        if name != "here" and not has_dask():
            self.note.warn(HOW_TO_GET)


class _PathLine(QWidget):
    """A path that is typed or chosen."""

    def __init__(self, hint: str, tip: str, browse: object) -> None:
        super().__init__()
        self.edit = QLineEdit()
        self.edit.setPlaceholderText(hint)
        self.edit.setToolTip(tip)
        self.button = QPushButton("…")
        self.button.setToolTip(f"Choose: {tip[:1].lower()}{tip[1:]}")
        self.button.clicked.connect(browse)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.edit, 1)
        layout.addWidget(self.button)

    @property
    def path(self) -> Path | None:
        """What is named, or None."""
        text = self.edit.text().strip()
        return Path(text).expanduser() if text else None


def has_dask() -> bool:
    """Whether work can be shared out."""
    return find_spec("distributed") is not None
