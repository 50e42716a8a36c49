"""Controls of the dock "Motion": how it is found, and how it is drawn."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)
from superqt import QLabeledDoubleSlider

from napari_udvd.jobs.ways import WAYS

__all__ = ["MotionControls"]


class MotionControls(QWidget):
    """Choices of a user about motion."""

    asked = Signal()
    """Another way to find motion was chosen."""

    restyled = Signal()
    """The same motion is to be drawn in another way."""

    def __init__(self) -> None:
        super().__init__()
        self.method_box = QComboBox()
        for name, way in WAYS.items():
            self.method_box.addItem(way.title, name)
        self.method_box.setToolTip(
            "Implied: the shift of the network's filters. Learned: the optical flow "
            "that a network has learned. The others are classical optical flow, to "
            "compare"
        )
        self.frames_box = QComboBox()
        self.frames_box.addItem("denoised frames", True)
        self.frames_box.addItem("noisy frames", False)
        self.frames_box.setToolTip(
            "What classical optical flow looks at; the network's own motion needs "
            "no choice"
        )
        self.spacing_spin = QSpinBox()
        self.spacing_spin.setRange(4, 128)
        self.spacing_spin.setValue(16)
        self.spacing_spin.setSuffix(" px")
        self.spacing_spin.setToolTip("Pixels from one arrow to the next")
        self.confidence_slider = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
        self.confidence_slider.setRange(0, 1)
        self.confidence_slider.setValue(0.5)
        self.confidence_slider.setToolTip("Motion that is less sure is not shown")
        self.length_spin = QDoubleSpinBox()
        self.length_spin.setRange(0.1, 10)
        self.length_spin.setSingleStep(0.5)
        self.length_spin.setValue(1)
        self.length_spin.setSuffix(" x")
        self.length_spin.setToolTip(
            "At 1 the arrow of fast motion (95 %) is as long as a step of the grid"
        )
        self.arrows_check = QCheckBox("Arrows")
        self.arrows_check.setChecked(True)
        self.arrows_check.setToolTip("Draw motion as arrows over the movie")
        self.colours_check = QCheckBox("Colours")
        self.colours_check.setToolTip(
            "Draw motion as colours: the hue is the direction, as the wheel shows"
        )
        self._lay_out()

        for box in (self.method_box, self.frames_box):
            box.currentIndexChanged.connect(self._on_choice_changed)
        self.spacing_spin.valueChanged.connect(self._on_choice_changed)
        for changed in (
            self.confidence_slider.valueChanged,
            self.length_spin.valueChanged,
            self.arrows_check.toggled,
            self.colours_check.toggled,
        ):
            changed.connect(self._on_style_changed)
        self._enable()

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.addRow("Motion", self.method_box)
        form.addRow("Compared are", self.frames_box)
        form.addRow("Grid", self.spacing_spin)
        form.addRow("Confidence", self.confidence_slider)
        form.addRow("Arrows", self.length_spin)
        checks = QHBoxLayout()
        checks.addWidget(self.arrows_check)
        checks.addWidget(self.colours_check)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(form)
        layout.addLayout(checks)

    @property
    def method(self) -> str:
        """Name of the way to find motion."""
        return str(self.method_box.currentData())

    @property
    def needs_model(self) -> bool:
        """True where the motion is that of a network."""
        return WAYS[self.method].needs_model

    @property
    def on_denoised(self) -> bool:
        """True where classical flow looks at the denoised frames."""
        return bool(self.frames_box.currentData())

    @property
    def spacing(self) -> int:
        """Pixels from one arrow to the next."""
        return int(self.spacing_spin.value())

    @property
    def least_confidence(self) -> float:
        """Confidence below which motion is not shown, 0 to 1."""
        return float(self.confidence_slider.value())

    @property
    def length(self) -> float:
        """Length of the arrow of fast motion, in steps of the grid."""
        return float(self.length_spin.value())

    def _on_choice_changed(self, _value: Any = None) -> None:
        self._enable()
        self.asked.emit()

    def _on_style_changed(self, _value: Any = None) -> None:
        self.restyled.emit()

    def _enable(self) -> None:
        self.frames_box.setEnabled(not self.needs_model)
