"""What of a movie was not measured, where the movie does not say it by NaN."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QFormLayout, QLineEdit, QVBoxLayout, QWidget
from superqt import QCollapsible

from napari_udvd._widgets.shared.layers import row_of
from napari_udvd._widgets.shared.messages import Message
from napari_udvd.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari.layers import Image, Labels, Layer

    from napari_udvd.stack import Stack

__all__ = ["MeasuredSection"]

NAME_LENGTH = 16
"""Letters of a layer's name that are always seen; the list shows all of them."""


class MeasuredSection(QWidget):
    """Asks for a layer with a mask and for a value; folded at first."""

    changed = Signal()
    """A user has chosen another mask, or typed another value."""

    def __init__(self) -> None:
        super().__init__()
        self.mask_box = QComboBox()
        self.mask_box.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.mask_box.setMinimumContentsLength(NAME_LENGTH)
        self.mask_box.setToolTip(
            "A layer of labels, or an image, that is 0 where nothing was measured and "
            "any other number where something was: one picture for all frames, or one "
            "for each. Pixels that are NaN were not measured, with and without it"
        )
        self.value_edit = QLineEdit()
        self.value_edit.setPlaceholderText("NaN alone")
        self.value_edit.setToolTip(
            "Grey level that pixels have which were not measured, such as 0; empty "
            "where only NaN says so"
        )
        self.message = Message()
        self._value = ""
        self._told: tuple[Layer | None, str] = (None, "")
        inside = QWidget()
        form = QFormLayout(inside)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Mask", self.mask_box)
        form.addRow("Value", self.value_edit)
        self.fold = QCollapsible("What was not measured")
        self.fold.setContent(inside)
        self.fold.collapse(animate=False)
        self.fold.toggleButton().setToolTip(
            "Say which pixels were not measured, if they are not NaN: by a mask, or by "
            "their value"
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.fold)
        layout.addWidget(self.message)
        self.offer(())
        self.mask_box.activated.connect(self._on_mask_activated)
        self.value_edit.editingFinished.connect(self._on_value_edited)

    @property
    def mask(self) -> Image | Labels | None:
        """The layer that holds the mask, or None."""
        layer: Image | Labels | None = self.mask_box.currentData()
        return layer

    def offer(self, layers: Iterable[Layer]) -> None:
        """List the layers that may hold a mask; one that was chosen stays."""
        chosen = self.mask
        self.mask_box.clear()
        self.mask_box.addItem("none", None)
        for layer in layers:
            self.mask_box.addItem(layer.name, layer)
        self.mask_box.setCurrentIndex(max(row_of(self.mask_box, chosen), 0))

    def choose(self, layer: Layer) -> None:
        """Take a layer as mask, as if a user had."""
        self.mask_box.setCurrentIndex(row_of(self.mask_box, layer))
        self.fold.expand(animate=False)
        self.changed.emit()

    def forget(self) -> None:
        """Another movie: NaN alone says what was not measured."""
        self._told = None, ""
        self.take_back()
        self.message.clear()

    def take_back(self) -> None:
        """Show again what was chosen when the movie was last told of it."""
        layer, self._value = self._told
        self.mask_box.setCurrentIndex(max(row_of(self.mask_box, layer), 0))
        self.value_edit.setText(self._value)

    def told_of(self, stack: Stack) -> Stack:
        """Return a movie with the mask that was chosen.

        Raises
        ------
        InputError
            If the mask does not fit, or the value is none.
        """
        self.message.clear()
        self._told = self.mask, self._value
        if self.mask is None and not self._value:
            return stack
        mask = None if self.mask is None else _finest(self.mask)
        return stack.with_mask(mask, unmeasured=_number(self._value))

    def _on_mask_activated(self, _index: int) -> None:
        self.changed.emit()

    def _on_value_edited(self) -> None:
        text = self.value_edit.text().strip()
        if text != self._value:
            self._value = text
            self.changed.emit()


def _finest(layer: Image | Labels) -> object:
    return layer.data[0] if layer.multiscale else layer.data


def _number(text: str) -> float | None:
    if not text:
        return None
    try:
        return float(text)
    except ValueError as error:
        raise InputError(
            f"the value of pixels that were not measured is {text!r}; type a number, "
            "such as 0, or nothing where NaN says it"
        ) from error
