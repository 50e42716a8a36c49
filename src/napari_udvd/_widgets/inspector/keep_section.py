"""Filters that are kept: as pins to compare, and as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_udvd._widgets.inspector.pins import Pins
from napari_udvd.errors import InputError, OutputError

if TYPE_CHECKING:
    import napari.viewer

    from napari_udvd._widgets.inspector.inspection import Inspected
    from napari_udvd._widgets.shared.messages import Message

__all__ = ["KeepSection"]

FILTER_FILES = "Picture (*.png);;Weights (*.npz);;Table (*.csv)"


class KeepSection(QWidget):
    """Pins the filter that is shown, or writes it to a file.

    Parameters
    ----------
    viewer
        The viewer, which shows the pins as points.
    message
        Label that says how writing went.
    """

    pinned = Signal()
    """A pixel was pinned, or all were taken out."""

    def __init__(self, viewer: napari.viewer.Viewer, message: Message) -> None:
        super().__init__()
        self._message = message
        self._inspected: Inspected | None = None
        self.pins = Pins(viewer)
        self.pin_button = QPushButton("Pin")
        self.pin_button.setToolTip("Keep this pixel to compare it with others")
        self.clear_button = QPushButton("Clear")
        self.clear_button.setToolTip("Take all pinned pixels out")
        self.save_button = QPushButton("Save…")
        self.save_button.setToolTip("Picture (PNG), weights (NPZ) or table (CSV)")
        row = QHBoxLayout()
        for button in (self.pin_button, self.clear_button, self.save_button):
            row.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.pins)
        layout.addLayout(row)
        self.pin_button.clicked.connect(self._on_pin_clicked)
        self.clear_button.clicked.connect(self.pins.clear_pins)
        self.save_button.clicked.connect(self._on_save_clicked)
        self.pins.changed.connect(self._on_pins_changed)
        self._enable()

    def shut_down(self) -> None:
        """Let go of the viewer; the points stay."""
        self.pins.shut_down()

    def take(self, inspected: Inspected | None) -> None:
        """Say which filter can be kept now; None where there is none."""
        self._inspected = inspected
        self._enable()

    def save_to(self, path: Path, *, overwrite: bool = False) -> None:
        """Write the filter to a file, ``.png``, ``.npz`` or ``.csv``."""
        from napari_udvd.filters import save_filter

        if self._inspected is None:
            return
        try:
            save_filter(self._inspected.found, path, overwrite=overwrite)
        except (InputError, OutputError) as error:
            self._message.fail(str(error))
        else:
            self._message.done(f"Saved as {path.name}.")

    def _on_pin_clicked(self) -> None:
        if self._inspected is not None:
            self.pins.pin(self._inspected)

    def _on_pins_changed(self) -> None:
        self._enable()
        self.pinned.emit()

    def _on_save_clicked(self) -> None:
        name, kind = QFileDialog.getSaveFileName(self, "Save filter", "", FILTER_FILES)
        if not name:
            return
        path = Path(name)
        may_replace = bool(path.suffix) and path.exists()  # the dialog has asked
        if not path.suffix:
            path = path.with_name(path.name + kind[kind.index("*") + 1 : -1])
        self.save_to(path, overwrite=may_replace)

    def _enable(self) -> None:
        for button in (self.pin_button, self.save_button):
            button.setEnabled(self._inspected is not None)
        self.clear_button.setEnabled(bool(self.pins.kept))
