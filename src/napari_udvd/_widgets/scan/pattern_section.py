"""The pattern of a scan, and its parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QFormLayout, QPushButton, QVBoxLayout, QWidget
from superqt import QCollapsible

from napari_udvd._widgets.scan.settings import ScanSettings, ScanTimes
from napari_udvd._widgets.shared.form import SettingsForm
from napari_udvd.scanning import PATTERNS

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PatternSection"]

CENTRE = "centre"

INSTEAD = ("every", "outer")
"""Parameters that say the share."""

TIPS = {
    "blue-noise": "single pixels, evenly spaced in the frame and in time",
    "rows": "whole rows, one in so many, others in each frame",
    "random": "single pixels at random",
    "foveated": "dense around a point, which a click in the picture chooses",
    "spiral": "from the centre outwards",
}


class PatternSection(QWidget):
    """Asks which pixels are to be visited, and how fast the microscope is."""

    changed = Signal()
    """Another pattern, or another value."""

    picking = Signal(bool)
    """Whether clicks in the picture choose the centre."""

    def __init__(self) -> None:
        super().__init__()
        self.pattern_box = QComboBox()
        for name in PATTERNS:
            self.pattern_box.addItem(name, name)
        self.pattern_box.setToolTip(
            "; ".join(f"{name}: {TIPS.get(name, name)}" for name in PATTERNS)
        )
        self.common = SettingsForm(ScanSettings, only=("share", "fixed", "seed"))
        self.own = {
            name: SettingsForm(ScanSettings, only=pattern.parameters)
            for name, pattern in PATTERNS.items()
        }
        self.pick_button = QPushButton("Pick the centre")
        self.pick_button.setCheckable(True)
        self.pick_button.setToolTip("Click in the picture, or drag, to move the centre")
        self.times = SettingsForm(ScanTimes)
        self.times_fold = QCollapsible("Times of the microscope")
        self._lay_out()
        self.pattern_box.activated.connect(self._on_pattern_activated)
        self.pick_button.toggled.connect(self.picking)
        for form in (self.common, self.times, *self.own.values()):
            form.changed.connect(self._on_form_changed)
        self._show()

    def _lay_out(self) -> None:
        self.times_fold.setContent(self.times)
        self.times_fold.collapse(animate=False)
        self.times_fold.toggleButton().setToolTip(
            "How long a pixel, the way to the next row and a jump take"
        )
        row = QFormLayout()
        row.addRow("Pattern", self.pattern_box)
        label = row.labelForField(self.pattern_box)
        width = 0 if label is None else label.sizeHint().width()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(row)
        for form in (self.common, *self.own.values()):
            form.align(width)
            layout.addWidget(form)
        layout.addWidget(self.pick_button)
        layout.addWidget(self.times_fold)

    @property
    def pattern(self) -> str:
        """Name of the pattern."""
        return str(self.pattern_box.currentData())

    def choose(self, pattern: str) -> None:
        """Take a pattern, as if a user had."""
        self.pattern_box.setCurrentIndex(self.pattern_box.findData(pattern))
        self._on_pattern_activated()

    def move_centre(self, row: float, column: float) -> None:
        """Put the centre to a place."""
        self.own[self.pattern].set_values({CENTRE: (round(row, 1), round(column, 1))})

    def chosen(self) -> dict[str, Any]:
        """Return the arguments of the mask that were chosen.

        Raises
        ------
        InputError
            If what was typed is no value.
        """
        own, common = self.own[self.pattern].values(), self.common.values()
        if not any(name in own for name in INSTEAD):
            common["share"] = self.common.controls["share"].value
        else:
            common.pop("share", None)
        return common | own

    def microseconds(self) -> Mapping[str, float]:
        """Return the times, by name.

        Raises
        ------
        InputError
            If one is none.
        """
        return self.times.values()

    def _on_pattern_activated(self, _index: int = 0) -> None:
        self._show()
        self.changed.emit()

    def _on_form_changed(self) -> None:
        self.changed.emit()

    def _show(self) -> None:
        for name, form in self.own.items():
            form.setVisible(name == self.pattern)
        has_centre = CENTRE in PATTERNS[self.pattern].parameters
        self.pick_button.setVisible(has_centre)
        if not has_centre:
            self.pick_button.setChecked(False)
