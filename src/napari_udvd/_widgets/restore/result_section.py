"""The trained network: use it, keep it, and take its results home."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_udvd._widgets.restore.words import WORDS
from napari_udvd._widgets.shared.messages import Message

__all__ = ["ResultSection"]


class ResultSection(QWidget):
    """Asks to denoise, save, load, apply, export, compare."""

    denoise = Signal()
    save_model = Signal()
    load_model = Signal()
    apply = Signal()
    export = Signal()
    cancel = Signal()
    denoise_now = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.model_message = Message()
        self.denoise_button = QPushButton("Denoise")
        self.denoise_button.setToolTip(
            "Add a layer with the restored movie: the frame on view first, the others "
            "in the background"
        )
        self.apply_button = QPushButton("Apply to selected layers")
        self.apply_button.setToolTip("Restore every selected movie with this network")
        self.save_button = QPushButton("Save model …")
        self.save_button.setToolTip("Keep the network in a file (.safetensors)")
        self.load_button = QPushButton("Load model …")
        self.load_button.setToolTip(
            "A model saved before (.safetensors), or a published checkpoint (.pt)"
        )
        self.export_button = QPushButton("Export …")
        self.export_button.setToolTip(
            "Write the restored movie as OME-TIFF or OME-Zarr"
        )
        self.dtype_box = QComboBox()
        self.dtype_box.addItem("type as needed", "auto")
        self.dtype_box.addItem("type as input", "input")
        self.dtype_box.addItem("float32", "float32")
        self.dtype_box.setToolTip(
            "Data type of the exported pixels; as needed is that of the movie, or "
            "float32 where rounding would cost more than the noise that is left"
        )
        self.now_button = QPushButton("Denoise now")
        self.now_button.setToolTip(
            "Restore with the weights that come with the plugin, without training: "
            "good where the movie is like those that they learned from"
        )
        self.what_box = QComboBox()
        for title, quantity in (
            ("denoised movie", "mean"),
            ("uncertainty", "std"),
            ("residual", "residual"),
        ):
            self.what_box.addItem(title, quantity)
        self.what_box.setToolTip(
            "What to export; the uncertainty has to be asked for under Advanced before "
            "denoising"
        )
        self.part_check = QCheckBox("only the part above")
        self.part_check.setToolTip(
            "Export the frames and the rectangle of 'Learn from a part of the movie'"
        )
        self.bar = QProgressBar()
        self.bar.setRange(0, 1000)
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setToolTip("What is done is kept")
        self.message = Message()

        grid = QGridLayout()
        grid.addWidget(self.denoise_button, 0, 0)
        grid.addWidget(self.apply_button, 0, 1)
        grid.addWidget(self.save_button, 1, 0)
        grid.addWidget(self.load_button, 1, 1)
        grid.addWidget(self.export_button, 2, 0)
        grid.addWidget(self.dtype_box, 2, 1)
        grid.addWidget(self.what_box, 3, 0)
        grid.addWidget(self.part_check, 3, 1)
        grid.addWidget(self.now_button, 4, 0, 1, 2)
        progress = QHBoxLayout()
        progress.addWidget(self.bar, 1)
        progress.addWidget(self.cancel_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.model_message)
        layout.addLayout(grid)
        layout.addLayout(progress)
        layout.addWidget(self.message)

        self.denoise_button.clicked.connect(self.denoise)
        self.apply_button.clicked.connect(self.apply)
        self.save_button.clicked.connect(self.save_model)
        self.load_button.clicked.connect(self.load_model)
        self.export_button.clicked.connect(self.export)
        self.cancel_button.clicked.connect(self.cancel)
        self.now_button.clicked.connect(self.denoise_now)
        self.end_progress()

    def ask_for(self, task: str) -> None:
        """Name the buttons by what they do."""
        words = WORDS[task]
        self.denoise_button.setText(words.title)
        self.now_button.setText(f"{words.title} now")
        self.what_box.setItemText(0, words.result)

    def allow(
        self,
        *,
        denoise: bool,
        now: bool,
        apply: bool,
        save: bool,
        load: bool,
        export: bool,
    ) -> None:
        """Enable what makes sense."""
        self.denoise_button.setEnabled(denoise)
        self.now_button.setEnabled(now)
        self.apply_button.setEnabled(apply)
        self.save_button.setEnabled(save)
        self.load_button.setEnabled(load)
        self.export_button.setEnabled(export)

    def show_progress(self, share: float, text: str) -> None:
        """Show how far the work is, 0 to 1."""
        self.bar.setVisible(True)
        self.cancel_button.setVisible(True)
        self.cancel_button.setEnabled(True)
        self.bar.setValue(round(1000 * share))
        self.bar.setFormat(text)

    def end_progress(self) -> None:
        """Hide the bar."""
        self.bar.setVisible(False)
        self.cancel_button.setVisible(False)
