"""What can be done with spans: mark, learn, look through, keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["BEGIN_KEY", "END_KEY", "SUGGEST_KEY", "LearnControls", "MarkControls"]

BEGIN_KEY, END_KEY, SUGGEST_KEY = "J", "K", "N"
"""Keys that the viewer itself does not use."""

STEPS = 1000


class MarkControls(QWidget):
    """The region, and buttons that label frames of it."""

    def __init__(self) -> None:
        super().__init__()
        self.region_box = QComboBox()
        self.region_box.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.region_box.setMinimumContentsLength(8)
        self.region_box.setToolTip(
            "The region that is labelled; a click on its row chooses it, too"
        )
        self.begin_button = _button(
            f"Begin ({BEGIN_KEY})",
            "The frame on view is the first one of a span of the chosen label",
        )
        self.end_button = _button(
            f"End ({END_KEY})", "The frame on view is the last one of the span"
        )
        self.accept_button = _button(
            "Accept", "The selected span, which was found, becomes a label"
        )
        self.correct_button = _button(
            "Correct", "The selected span gets the chosen label"
        )
        self.erase_button = _button(
            "Erase", "Take the label of the selected span away"
        )
        self.undo_button = _button("Undo", "Take the last change back (Ctrl+Z)")
        self.redo_button = _button("Redo", "Do it again (Ctrl+Shift+Z)")
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.addWidget(self.region_box, 0, 0)
        grid.addWidget(self.begin_button, 0, 1)
        grid.addWidget(self.end_button, 0, 2)
        grid.addWidget(self.accept_button, 1, 0)
        grid.addWidget(self.correct_button, 1, 1)
        grid.addWidget(self.erase_button, 1, 2)
        row = QHBoxLayout()
        row.addWidget(self.undo_button)
        row.addWidget(self.redo_button)
        grid.addLayout(row, 2, 0, 1, 3)

    def list_regions(self, names: Sequence[str], chosen: str | None) -> None:
        """Offer regions."""
        blocked = self.region_box.blockSignals(True)
        self.region_box.clear()
        self.region_box.addItems(list(names))
        self.region_box.setCurrentIndex(
            list(names).index(chosen) if chosen in names else -1
        )
        self.region_box.blockSignals(blocked)


class LearnControls(QWidget):
    """Train, suggest, and files."""

    def __init__(self) -> None:
        super().__init__()
        self.train_button = _button(
            "Train",
            "Learn from the labelled spans, and find in all frames of all regions",
        )
        self.cancel_button = _button("Cancel", "End the training; nothing changes")
        self.suggest_button = _button(
            f"Suggest the next span ({SUGGEST_KEY})",
            "Go to the frames without label whose label would help most",
        )
        self.frames_spin = QSpinBox()
        self.frames_spin.setRange(1, 1000)
        self.frames_spin.setValue(10)
        self.frames_spin.setSuffix(" frames")
        self.frames_spin.setToolTip("How many frames are suggested at a time")
        self.flow_check = QCheckBox("Look at the optical flow, too (slow)")
        self.flow_check.setToolTip(
            "Speed and divergence as two more features; a second a frame where frames "
            "are 512 x 512 pixels"
        )
        self.import_button = _button(
            "Import …", "Read labelled spans from a table (CSV)"
        )
        self.export_button = _button(
            "Export …", "Write all spans, labelled and found, to a table (CSV)"
        )
        self.bar = QProgressBar()
        self.bar.setRange(0, STEPS)
        self.told = QLabel()
        self.told.setWordWrap(True)
        self.told.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widgets in (
            (self.train_button, self.cancel_button),
            (self.suggest_button, self.frames_spin),
            (self.import_button, self.export_button),
        ):
            row = QHBoxLayout()
            for widget in widgets:
                row.addWidget(widget, 2 if widget is self.suggest_button else 1)
            layout.addLayout(row)
        layout.insertWidget(1, self.bar)
        layout.insertWidget(1, self.flow_check)
        layout.addWidget(self.told)

    def tell(self, share: float, what: str) -> None:
        """Show how far a training is."""
        self.bar.setFormat(f"{what} … %p%")
        self.bar.setValue(round(STEPS * share))

    def show_busy(self, busy: bool) -> None:
        """Show the bar while something is computed."""
        self.bar.setVisible(busy)
        self.cancel_button.setEnabled(busy)


def _button(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    return button
