"""What can be done with spans: mark, look through, learn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
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
        self.erase_button = _button("Erase", "Take the label of the selected span away")
        self.undo_button = _button("Undo", "Take the last change back (Ctrl+Z)")
        self.redo_button = _button("Redo", "Do it again (Ctrl+Shift+Z)")
        label = QLabel("Region")
        layout = _column(self)
        _row(layout, label, self.region_box, self.begin_button, self.end_button)
        _row(
            layout,
            self.accept_button,
            self.correct_button,
            self.erase_button,
            self.undo_button,
            self.redo_button,
        )

    def list_regions(self, names: Sequence[str], chosen: str | None) -> None:
        """Offer regions."""
        blocked = self.region_box.blockSignals(True)
        self.region_box.clear()
        self.region_box.addItems(list(names))
        self.region_box.setCurrentIndex(
            -1 if chosen is None else list(names).index(chosen)
        )
        self.region_box.blockSignals(blocked)


class LearnControls(QWidget):
    """Train and suggest."""

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
        self.flow_check = QCheckBox("Optical flow")
        self.flow_check.setToolTip(
            "Look at speed and divergence, too. Slow: a second a frame where frames "
            "are 512 x 512 pixels"
        )
        self.bar = QProgressBar()
        self.bar.setRange(0, STEPS)
        self.told = QLabel()
        self.told.setWordWrap(True)
        self.told.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        layout = _column(self)
        _row(layout, self.train_button, self.cancel_button, self.flow_check)
        layout.addWidget(self.bar)
        layout.addWidget(self.told)
        _row(layout, self.suggest_button, self.frames_spin)
        self.show_learned("")

    def tell(self, share: float, what: str) -> None:
        """Show how far a training is."""
        self.bar.setFormat(f"{what} … %p%")
        self.bar.setValue(round(STEPS * share))

    def show_learned(self, text: str) -> None:
        """Say what was learned."""
        self.told.setText(text)
        self.told.setVisible(bool(text))

    def show_busy(self, busy: bool) -> None:
        """Show the bar while something is computed."""
        self.bar.setVisible(busy)
        self.cancel_button.setEnabled(busy)


def _column(widget: QWidget) -> QVBoxLayout:
    layout = QVBoxLayout(widget)
    layout.setContentsMargins(0, 0, 0, 0)
    return layout


def _row(layout: QVBoxLayout, *widgets: QWidget) -> None:
    row = QHBoxLayout()
    for widget in widgets:
        row.addWidget(widget)
    layout.addLayout(row)


def _button(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    return button
