"""Sharpen the movie: what blurred it, shown before anything is computed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from napari_udvd._widgets.restore.blur_fields import BlurFields
from napari_udvd._widgets.shared.growing import Growing
from napari_udvd._widgets.shared.messages import Message
from napari_udvd._widgets.shared.picture import Picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

__all__ = ["SharpenSection"]

ENLARGED = 8
"""Pixels of the picture to a pixel of the movie."""

MOST_SHOWN = 24
"""Pixels of the movie on each side of the middle, at most."""

DARK = 0.4
"""Exponent of brightness, so that rings are seen beside the middle."""

TIP = (
    "Undo the blur of the denoised movie, as far as an independent noisy copy of it "
    "asks for; adds a layer"
)


class SharpenSection(QWidget):
    """Asks for the microscope, a width or a bead; folded at first.

    Attributes
    ----------
    fields
        What blurred the movie.
    network_box
        What goes on from Richardson-Lucy; its data is a name, or None.
    live_check
        Show the frame on view sharpened.
    fold
        Of all of it.
    picture, blur
        What a point looks like, and its width in words.
    live
        What is said of the frame on view.
    button, message
        To sharpen the movie, and what is said of that.
    """

    changed = Signal()
    """Something else was chosen, and no more for a moment."""

    asked = Signal()
    """Sharpen now, or stop that."""

    def __init__(self) -> None:
        super().__init__()
        self.fields = BlurFields()
        self.network_box = QComboBox()
        self.network_box.addItem("Richardson-Lucy", None)
        self.network_box.setToolTip(
            "What sharpens. A network learns from the movie to go on from "
            "Richardson-Lucy, for the time of a training, and is used only where an "
            "independent noisy copy is for it"
        )
        self.live_check = QCheckBox("Show the frame on view sharpened")
        self.live_check.setChecked(True)
        self.live_check.setToolTip(
            "As soon as there is a model: the middle 256 x 256 pixels on view, "
            "sharpened anew whenever the blur is changed or the view moves"
        )
        self.picture, self.blur, self.live = Picture(), Message(), Message()
        self.button = QPushButton("Sharpen")
        self.button.setToolTip(TIP)
        self.button.clicked.connect(self.asked)
        self.message = Message()
        self.fold = QCollapsible("Sharpen")
        self._lay_out()
        self.fields.changed.connect(self.changed)
        self.live_check.toggled.connect(self.changed)

    def _lay_out(self) -> None:
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, 0, 0)
        by = QFormLayout()
        by.addRow("By", self.network_box)
        column.addWidget(self.fields)
        column.addLayout(by)
        for widget in (
            self.blur,
            self.picture,
            self.live_check,
            self.live,
            self.button,
            self.message,
        ):
            column.addWidget(widget)
        self.fold.setContent(inside)
        Growing(self.fold)
        self.fold.collapse(animate=False)
        self.fold.toggleButton().setToolTip(
            "Undo the blur of the optics, after the movie was denoised"
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.fold)

    def offer(self, networks: Sequence[str]) -> None:
        """List networks that go on from Richardson-Lucy."""
        for name in networks:
            self.network_box.addItem(f"Richardson-Lucy, then {name}", name)

    @property
    def network(self) -> str | None:
        """Name of the network that was chosen, or None."""
        name = self.network_box.currentData()
        return None if name is None else str(name)

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

    def allow(self, *, begin: bool, is_busy: bool) -> None:
        """Let the user begin, or stop what is going on."""
        self.button.setText("Stop" if is_busy else "Sharpen")
        self.button.setEnabled(begin or is_busy)

    def shut_down(self) -> None:
        """Wait for nothing any more."""
        self.fields.shut_down()
