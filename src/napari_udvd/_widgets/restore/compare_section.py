"""Results side by side, over each other, and what was taken away."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QGridLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from napari_udvd._widgets.shared.messages import Message

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["CompareSection"]

ROWS = 3
"""Results that are seen without scrolling."""


class CompareSection(QWidget):
    """Asks for a result and for ways to look at it."""

    chosen = Signal(int)
    """Place of the result in the list."""

    residual = Signal(bool)
    linked = Signal(bool)
    side_by_side = Signal(bool)
    curtain = Signal(bool)
    curtain_at = Signal(float)
    """Share of the width, 0 to 1."""

    channels = Signal()
    traces = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.results = QListWidget()
        self.results.setToolTip(
            "Results of this session, the newest first. A click shows one and hides "
            "the others, and takes its network into use. Remove one by removing its "
            "layer"
        )
        line = self.results.fontMetrics().height() + 6
        self.results.setFixedHeight(ROWS * line)
        self.results.setTabKeyNavigation(False)
        self.residual_check = QCheckBox("Residual")
        self.residual_check.setToolTip(
            "A layer of what was taken away, noisy minus denoised: structure in it is "
            "signal that was lost"
        )
        self.link_check = QCheckBox("Same contrast")
        self.link_check.setToolTip(
            "Movie and result share their contrast limits; off, each has its own again"
        )
        self.split_check = QCheckBox("Side by side")
        self.split_check.setToolTip("Movie and result beside each other, moving as one")
        self.curtain_check = QCheckBox("Curtain")
        self.curtain_check.setToolTip(
            "One picture: the noisy movie on the left, the result on the right. Drag "
            "the border between them, in the picture or with the slider"
        )
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, 1000)
        self.slider.setValue(500)
        self.slider.setToolTip("Where the curtain hangs")
        self.channel_button = QPushButton("Colour the channels")
        self.channel_button.setToolTip(
            "A layer for each channel of the result, each in a colour, added up"
        )
        self.trace_button = QPushButton("Save traces …")
        self.trace_button.setToolTip(
            "Mean grey level of every shape or label of the selected layer in every "
            "frame, noisy and denoised, as a table (CSV)"
        )
        self.hint = QLabel("Press D to switch between movie and result.")
        self.hint.setWordWrap(True)
        self.message = Message()
        grid = QGridLayout()
        grid.addWidget(self.split_check, 0, 0)
        grid.addWidget(self.link_check, 0, 1)
        grid.addWidget(self.curtain_check, 1, 0)
        grid.addWidget(self.slider, 1, 1)
        grid.addWidget(self.residual_check, 2, 0)
        grid.addWidget(self.channel_button, 3, 0)
        grid.addWidget(self.trace_button, 3, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.results)
        layout.addLayout(grid)
        layout.addWidget(self.hint)
        layout.addWidget(self.message)
        self.results.currentRowChanged.connect(self._on_results_row)
        self.residual_check.toggled.connect(self.residual)
        self.link_check.toggled.connect(self.linked)
        self.split_check.toggled.connect(self.side_by_side)
        self.curtain_check.toggled.connect(self._on_curtain_toggled)
        self.slider.valueChanged.connect(self._on_slider_moved)
        self.channel_button.clicked.connect(self.channels)
        self.trace_button.clicked.connect(self.traces)
        self.offer((), -1, has_channels=False)
        self.slider.setVisible(False)

    def offer(
        self,
        names: Sequence[str],
        chosen: int,
        *,
        has_channels: bool,
        doubts: Sequence[str] = (),
    ) -> None:
        """List the results; nothing is told.

        Parameters
        ----------
        names
            What users call them, in their order.
        chosen
            Which one is looked at, -1 for none.
        has_channels
            The chosen one has several channels.
        doubts
            Why each must not be trusted, empty where nothing speaks against it.
        """
        self.results.blockSignals(True)
        self.results.clear()
        for name, doubt in zip_longest(names, doubts, fillvalue=""):
            item = QListWidgetItem(f"⚠ {name}" if doubt else name)
            item.setToolTip(doubt)
            self.results.addItem(item)
        self.results.setCurrentRow(chosen)
        self.results.blockSignals(False)
        self.results.setVisible(bool(names))
        for control in (
            self.residual_check,
            self.link_check,
            self.curtain_check,
            self.trace_button,
        ):
            control.setEnabled(chosen >= 0)
        self.channel_button.setVisible(has_channels)

    @property
    def curtain_share(self) -> float:
        """Place of the curtain, as a share of the width."""
        return float(self.slider.value() / self.slider.maximum())

    def hang_curtain(self, share: float) -> None:
        """Move the curtain, and the slider with it."""
        self.slider.setValue(round(share * self.slider.maximum()))

    def _on_results_row(self, row: int) -> None:
        if row >= 0:
            self.chosen.emit(row)

    def _on_curtain_toggled(self, on: bool) -> None:
        self.slider.setVisible(on)
        self.curtain.emit(on)

    def _on_slider_moved(self, _value: int) -> None:
        self.curtain_at.emit(self.curtain_share)
