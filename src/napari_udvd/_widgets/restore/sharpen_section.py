"""Sharpen the movie: what blurred it, shown before anything is computed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from napari_udvd._widgets.shared.messages import Message
from napari_udvd._widgets.shared.picture import Picture

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["SharpenSection"]

SETTLES_WITHIN = 300
"""Milliseconds without a change after which the blur is shown anew."""

ENLARGED = 8
"""Pixels of the picture to a pixel of the movie."""

MOST_SHOWN = 24
"""Pixels of the movie on each side of the middle, at most."""

DARK = 0.4
"""Exponent of brightness, so that rings are seen beside the middle."""


class SharpenSection(QWidget):
    """Asks for the microscope, a width or a bead; folded at first."""

    changed = Signal()
    """Something else was chosen, and no more for a moment."""

    asked = Signal()
    """Sharpen now."""

    def __init__(self) -> None:
        super().__init__()
        self.na_spin = _number(1.7, 3, "", "Numerical aperture of the objective")
        self.wavelength_spin = _number(
            1e6, 1, " nm", "Wavelength of the light that is detected"
        )
        self.pixel_spin = _number(
            1e3, 4, " µm", "Edge of a pixel in the specimen; that of the movie if empty"
        )
        self.pinhole_spin = _number(
            100, 2, " AU", "Pinhole of a confocal microscope, in Airy units"
        )
        self.sigma_spin = _number(
            64, 2, " px", "A Gaussian blur instead: its standard deviation"
        )
        self.bead_edit = QLineEdit()
        self.bead_edit.setPlaceholderText("file")
        self.bead_edit.setToolTip("The picture of a bead instead, in its middle")
        browse = QPushButton("…")
        browse.setToolTip("Choose the file with the picture of a bead")
        browse.clicked.connect(self._on_browse)
        self.zoom_box = QComboBox()
        self.zoom_box.setToolTip(
            "Pixels of the result to a pixel of the movie: worth something where the "
            "blur is less than a pixel wide"
        )
        for zoom in (1, 2, 3):
            self.zoom_box.addItem(f"x {zoom}", zoom)
        self.picture, self.blur = Picture(), Message()
        self.button = QPushButton("Sharpen")
        self.button.setToolTip(
            "Undo the blur of the denoised movie, as far as an independent noisy copy "
            "of it asks for; adds a layer"
        )
        self.button.clicked.connect(self.asked)
        self.message = Message()
        self._lay_out(browse)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(SETTLES_WITHIN)
        self._timer.timeout.connect(self.changed)
        for spin in self._numbers.values():
            spin.valueChanged.connect(self._timer.start)
        self.bead_edit.textChanged.connect(self._timer.start)
        self.zoom_box.currentIndexChanged.connect(self._timer.start)

    @property
    def _numbers(self) -> dict[str, QDoubleSpinBox]:
        return {
            "na": self.na_spin,
            "wavelength": self.wavelength_spin,
            "pixel_size": self.pixel_spin,
            "pinhole": self.pinhole_spin,
            "sigma": self.sigma_spin,
        }

    def _lay_out(self, browse: QPushButton) -> None:
        bead = QHBoxLayout()
        bead.addWidget(self.bead_edit, 1)
        bead.addWidget(browse)
        inside = QWidget()
        form = QFormLayout(inside)
        form.setContentsMargins(0, 0, 0, 0)
        for label, field in (
            ("Aperture (NA)", self.na_spin),
            ("Wavelength", self.wavelength_spin),
            ("Pixel size", self.pixel_spin),
            ("Pinhole", self.pinhole_spin),
            ("or sigma", self.sigma_spin),
        ):
            form.addRow(label, field)
        form.addRow("or bead", bead)
        form.addRow("Grid", self.zoom_box)
        for widget in (self.blur, self.picture, self.button, self.message):
            form.addRow(widget)
        self.fold = QCollapsible("Sharpen")
        self.fold.setContent(inside)
        self.fold.collapse(animate=False)
        self.fold.toggleButton().setToolTip(
            "Undo the blur of the optics, after the movie was denoised"
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.fold)

    def values(self) -> dict[str, Any]:
        """Return what was said of the blur, by the names that the library gives it."""
        given: dict[str, Any] = {
            name: spin.value() for name, spin in self._numbers.items() if spin.value()
        }
        if self.bead_edit.text().strip():
            given["psf"] = self.bead_edit.text().strip()
        return {**given, "zoom": int(self.zoom_box.currentData())}

    @property
    def says_something(self) -> bool:
        """Whether anything but the grid was said."""
        return len(self.values()) > 1

    def show_blur(self, text: str, kernel: npt.NDArray[np.float64]) -> None:
        """Show what a point looks like, and how wide it is."""
        self.blur.inform(text)
        rows, columns = (
            slice(max(n // 2 - MOST_SHOWN, 0), n // 2 + MOST_SHOWN + 1)
            for n in kernel.shape
        )
        part = kernel[rows, columns]
        grey = np.uint8(255 * (part / part.max()).clip(0, 1) ** DARK)
        large = grey.repeat(ENLARGED, axis=0).repeat(ENLARGED, axis=1)
        self.picture.show_picture(np.stack([large] * 3, axis=-1))

    def show_problem(self, text: str) -> None:
        """Say why there is no blur to show."""
        self.blur.fail(text, notify=False)
        self.picture.setVisible(False)

    def show_nothing(self) -> None:
        """Forget the last blur."""
        self.blur.clear()
        self.picture.setVisible(False)

    def shut_down(self) -> None:
        """Wait for nothing any more."""
        self._timer.stop()

    def _on_browse(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Picture of a bead")
        if name:
            self.bead_edit.setText(name)


def _number(most: float, decimals: int, suffix: str, tip: str) -> QDoubleSpinBox:
    """Make a field that is empty at zero."""
    spin = QDoubleSpinBox()
    spin.setDecimals(decimals)
    spin.setRange(0.0, most)
    spin.setSingleStep(10.0 ** -min(decimals, 2) if most < 1e3 else 10.0)
    spin.setSuffix(suffix)
    spin.setSpecialValueText(" ")
    spin.setToolTip(tip)
    return spin
