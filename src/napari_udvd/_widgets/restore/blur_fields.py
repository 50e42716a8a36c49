"""What blurred the movie, asked: a microscope, a width, or the picture of a bead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

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

from napari_udvd._widgets.shared.growing import Growing

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["BlurFields"]

SETTLES_WITHIN = 300
"""Milliseconds without a change after which what was typed is taken for meant."""


class _Number(NamedTuple):
    """A field, its largest value, decimals, unit and explanation."""

    name: str
    label: str
    most: float
    decimals: int
    unit: str
    tip: str


USUAL = (
    _Number("na", "Aperture (NA)", 1.7, 3, "", "Numerical aperture of the objective"),
    _Number(
        "wavelength",
        "Wavelength",
        1e6,
        1,
        " nm",
        "Wavelength of the light that is detected",
    ),
    _Number(
        "pixel_size",
        "Pixel size",
        1e3,
        4,
        " µm",
        "Edge of a pixel in the specimen; that of the movie if empty",
    ),
    _Number(
        "sigma",
        "or sigma",
        64,
        2,
        " px",
        "A Gaussian blur instead: its standard deviation",
    ),
)

RARE = (
    _Number(
        "index",
        "Medium (index)",
        2.5,
        4,
        "",
        "Refractive index of the immersion medium; the usual one for the aperture if "
        "empty",
    ),
    _Number(
        "pinhole",
        "Pinhole",
        100,
        2,
        " AU",
        "Pinhole of a confocal microscope, in Airy units; widefield if empty",
    ),
    _Number(
        "excitation",
        "Excitation",
        1e6,
        1,
        " nm",
        "Wavelength of the laser of a confocal microscope; that of the light that is "
        "detected if empty",
    ),
)
"""Folded away at first."""


class BlurFields(QWidget):
    """Fields for the blur and the grid of the result; what is empty is not known.

    Attributes
    ----------
    spins
        Numbers, by the names that the library gives them.
    bead_edit
        File with the picture of a bead.
    zoom_box
        Pixels of the result to a pixel of the movie.
    more
        The fold of what is rarely needed.
    """

    changed = Signal()
    """Something else was chosen, and no more for a moment."""

    def __init__(self) -> None:
        super().__init__()
        self.spins = {each.name: _spin(each) for each in (*USUAL, *RARE)}
        self.bead_edit = QLineEdit()
        self.bead_edit.setPlaceholderText("file")
        self.bead_edit.setToolTip("The picture of a bead instead, in its middle")
        self.zoom_box = QComboBox()
        self.zoom_box.setToolTip(
            "Pixels of the result to a pixel of the movie: worth something where the "
            "blur is less than a pixel wide"
        )
        for zoom in (1, 2, 3):
            self.zoom_box.addItem(f"x {zoom}", zoom)
        self.more = QCollapsible("Medium and pinhole")
        self._lay_out()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(SETTLES_WITHIN)
        self._timer.timeout.connect(self.changed)
        for spin in self.spins.values():
            spin.valueChanged.connect(self._timer.start)
        self.bead_edit.textChanged.connect(self._timer.start)
        self.zoom_box.currentIndexChanged.connect(self._timer.start)

    def _lay_out(self) -> None:
        browse = QPushButton("…")
        browse.setToolTip("Choose the file with the picture of a bead")
        browse.clicked.connect(self._on_browse)
        bead = QHBoxLayout()
        bead.addWidget(self.bead_edit, 1)
        bead.addWidget(browse)
        usual = self._form(USUAL)
        usual.addRow("or bead", bead)
        usual.addRow("Grid", self.zoom_box)
        inside = QWidget()
        inside.setLayout(self._form(RARE))
        self.more.setContent(inside)
        Growing(self.more)
        self.more.collapse(animate=False)
        self.more.toggleButton().setToolTip(
            "What the file or the aperture mostly tell, and what a confocal microscope "
            "has besides"
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(usual)
        layout.addWidget(self.more)

    def _form(self, numbers: Sequence[_Number]) -> QFormLayout:
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        for each in numbers:
            form.addRow(each.label, self.spins[each.name])
        return form

    def values(self) -> dict[str, Any]:
        """Return what was said of the blur, by the names that the library gives it."""
        given: dict[str, Any] = {
            name: spin.value() for name, spin in self.spins.items() if spin.value()
        }
        if self.bead_edit.text().strip():
            given["psf"] = self.bead_edit.text().strip()
        return {**given, "zoom": int(self.zoom_box.currentData())}

    @property
    def says_something(self) -> bool:
        """Whether anything but the grid was said."""
        return len(self.values()) > 1

    def shut_down(self) -> None:
        """Wait for nothing any more."""
        self._timer.stop()

    def _on_browse(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Picture of a bead")
        if name:
            self.bead_edit.setText(name)


def _spin(number: _Number) -> QDoubleSpinBox:
    """Make a field that is empty at zero."""
    spin = QDoubleSpinBox()
    spin.setDecimals(number.decimals)
    spin.setRange(0.0, number.most)
    spin.setSingleStep(10.0 ** -min(number.decimals, 2) if number.most < 1e3 else 10.0)
    spin.setSuffix(number.unit)
    spin.setSpecialValueText(" ")
    spin.setToolTip(number.tip)
    return spin
