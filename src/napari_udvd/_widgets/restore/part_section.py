"""Part of a movie to learn from: some frames, or a rectangle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from napari_udvd._widgets.shared.layers import box_of, row_of
from napari_udvd._widgets.shared.messages import Message
from napari_udvd.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari.layers import Image, Shapes

    from napari_udvd.stack import Stack

__all__ = ["PartSection"]


class PartSection(QWidget):
    """Asks for a range of frames and for a layer with a rectangle; folded at first."""

    def __init__(self) -> None:
        super().__init__()
        self.region_box = QComboBox()
        self.region_box.setToolTip(
            "Learn from a part of the frame only: draw a rectangle in a Shapes layer "
            "and choose it here. The whole movie is denoised all the same"
        )
        self.first_frame, self.last_frame = QSpinBox(), QSpinBox()
        for spin, which in ((self.first_frame, "first"), (self.last_frame, "last")):
            spin.setToolTip(f"The {which} frame to learn from")
        self.message = Message()
        frames = QHBoxLayout()
        frames.addWidget(self.first_frame, 1)
        frames.addWidget(QLabel("to"), 0, Qt.AlignmentFlag.AlignCenter)
        frames.addWidget(self.last_frame, 1)
        inside = QWidget()
        form = QFormLayout(inside)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Learn from", self.region_box)
        form.addRow("Frames", frames)
        self.fold = QCollapsible("Learn from a part of the movie")
        self.fold.setContent(inside)
        self.fold.collapse(animate=False)
        self.fold.toggleButton().setToolTip(
            "Some frames, or a rectangle: training looks at these only"
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.fold)
        layout.addWidget(self.message)

    def offer(self, regions: Iterable[Shapes]) -> None:
        """List the layers that may hold the rectangle; one that was chosen stays."""
        chosen = self.region_box.currentData()
        self.region_box.clear()
        self.region_box.addItem("the whole frame", None)
        for layer in regions:
            self.region_box.addItem(layer.name, layer)
        self.region_box.setCurrentIndex(max(row_of(self.region_box, chosen), 0))

    def show_movie(self, stack: Stack | None) -> None:
        """Choose all frames of another movie."""
        self.message.clear()
        self.fold.setEnabled(stack is not None)
        if stack is None:
            return
        for spin in (self.first_frame, self.last_frame):
            spin.setRange(0, stack.n_frames - 1)
        self.first_frame.setValue(0)
        self.last_frame.setValue(stack.n_frames - 1)

    def chosen(self, stack: Stack, layer: Image) -> tuple[slice, slice, slice]:
        """Return frames, rows and columns of a movie that are chosen.

        Raises
        ------
        InputError
            If the part is empty.
        """
        first, last = self.first_frame.value(), self.last_frame.value()
        if first > last:
            raise InputError(
                f"the first frame to learn from, {first}, comes after the last, {last}"
            )
        height, width = stack.frame_shape
        rows, columns = slice(0, height), slice(0, width)
        shapes = self.region_box.currentData()
        if shapes is not None:
            rows, columns = box_of(shapes, layer, stack)
        return slice(first, last + 1), rows, columns

    def cropped(self, stack: Stack, layer: Image) -> Stack:
        """Return the part of a movie; the very same where all of it is chosen.

        Raises
        ------
        InputError
            If the part is empty; the message says so too.
        """
        self.message.clear()
        try:
            part = self.chosen(stack, layer)
        except InputError as error:
            self.message.fail(str(error), notify=False)
            raise
        height, width = stack.frame_shape
        whole = slice(0, stack.n_frames), slice(0, height), slice(0, width)
        return stack if part == whole else stack.crop(*part)
