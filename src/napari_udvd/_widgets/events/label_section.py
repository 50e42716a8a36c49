"""What spans are called, and in which colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import (
    QAbstractItemView,
    QColorDialog,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_udvd.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_udvd._widgets.events.record import Record
    from napari_udvd._widgets.events.state import Known
    from napari_udvd._widgets.shared.messages import Message

__all__ = ["LabelSection"]

SWATCH = 14
ROWS = 4
"""Labels that are seen at once."""


class LabelSection(QWidget):
    """Lists the labels; the one that is chosen is what spans are marked with.

    Parameters
    ----------
    record
        Has the labels.
    message
        Says what is wrong.
    """

    chosen = Signal()
    """Another label was chosen."""

    def __init__(self, record: Record, message: Message) -> None:
        super().__init__()
        self._record, self._message = record, message
        self._shown: list[tuple[str, str]] = []
        self.list = QListWidget()
        self.list.setIconSize(QSize(SWATCH, SWATCH))
        self.list.setEditTriggers(
            QAbstractItemView.EditTrigger.DoubleClicked
            | QAbstractItemView.EditTrigger.EditKeyPressed
        )
        self.list.setToolTip(
            "What frames are labelled with. Frames without a label teach nothing: "
            "give quiet time a label, too. A double click renames"
        )
        self.add_button = QPushButton("Add")
        self.add_button.setToolTip("Add a label, and type its name")
        self.rename_button = QPushButton("Rename")
        self.rename_button.setToolTip("Rename the label, in all spans")
        self.colour_button = QPushButton("Colour")
        self.colour_button.setToolTip("Choose the colour of the label")
        self.remove_button = QPushButton("Remove")
        self.remove_button.setToolTip("Remove the label, where no span is called so")
        buttons = QHBoxLayout()
        for button in (
            self.add_button,
            self.rename_button,
            self.colour_button,
            self.remove_button,
        ):
            buttons.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.list)
        layout.addLayout(buttons)
        self.list.itemChanged.connect(self._on_item_changed)
        self.list.currentRowChanged.connect(self._on_row_changed)
        self.add_button.clicked.connect(self._on_add_clicked)
        self.rename_button.clicked.connect(self._on_rename_clicked)
        self.colour_button.clicked.connect(self._on_colour_clicked)
        self.remove_button.clicked.connect(self._on_remove_clicked)
        record.changed.connect(self.refresh)
        self.refresh()
        self.list.setFixedHeight(ROWS * (self.list.fontMetrics().height() + 3) + 4)

    @property
    def label(self) -> str | None:
        """The label that is chosen."""
        item = self.list.currentItem()
        return None if item is None else str(item.data(Qt.ItemDataRole.UserRole))

    def choose(self, label: str) -> None:
        """Choose a label, as if a user had."""
        self.list.setCurrentRow(list(self._record.labels).index(label))

    def refresh(self) -> None:
        """Show the labels that there are; the one that was chosen stays."""
        labels = list(self._record.labels.items())
        if labels == self._shown:
            return
        chosen, names = self.label, [name for name, _ in labels]
        is_longer = len(labels) != self.list.count()
        self._shown = labels
        blocked = self.list.blockSignals(True)
        # in place: an editor may be open in the list
        while self.list.count() > len(labels):
            self.list.takeItem(self.list.count() - 1)
        while self.list.count() < len(labels):
            item = QListWidgetItem()
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsEditable)
            self.list.addItem(item)
        for row, (name, colour) in enumerate(labels):
            item = self.list.item(row)
            item.setText(name)
            item.setIcon(_swatch(colour))
            item.setData(Qt.ItemDataRole.UserRole, name)
        if is_longer and chosen in names:
            self.list.setCurrentRow(names.index(chosen))
        if self.list.currentRow() < 0 and labels:
            self.list.setCurrentRow(0)
        self.list.blockSignals(blocked)
        self._enable()
        self.chosen.emit()

    def recolour(self, colour: str) -> None:
        """Give the chosen label a colour, ``#rrggbb``."""
        if self.label is not None:
            self._record.put(self._record.now.recoloured(self.label, colour))

    def _on_row_changed(self, _row: int) -> None:
        self._enable()
        self.chosen.emit()

    def _on_add_clicked(self) -> None:
        number = len(self._record.labels) + 1
        while f"label {number}" in self._record.labels:
            number += 1
        self._record.put(self._record.now.with_label(f"label {number}"))
        self.list.setCurrentRow(self.list.count() - 1)
        self._on_rename_clicked()

    def _on_rename_clicked(self) -> None:
        item = self.list.currentItem()
        if item is not None:
            self.list.setFocus()
            self.list.editItem(item)

    def _on_item_changed(self, item: QListWidgetItem) -> None:
        before, name = str(item.data(Qt.ItemDataRole.UserRole)), item.text()
        if name.strip() == before:
            return
        self._try(lambda known: known.renamed(before, name))

    def _on_colour_clicked(self) -> None:
        if self.label is None:
            return
        before = QColor(self._record.labels[self.label])
        colour = QColorDialog.getColor(before, self, "Colour of the label")
        if colour.isValid():
            self.recolour(colour.name())

    def _on_remove_clicked(self) -> None:
        label = self.label
        if label is not None:
            self._try(lambda known: known.without_label(label))

    def _try(self, change: Callable[[Known], Known]) -> None:
        try:
            known = change(self._record.now)
        except InputError as error:
            self._message.fail(str(error), notify=False)
            self._shown = []  # what was typed is taken back
            self.refresh()
            return
        self._message.clear()
        self._record.put(known)

    def _enable(self) -> None:
        is_any = self.label is not None
        for button in (self.rename_button, self.colour_button, self.remove_button):
            button.setEnabled(is_any)


def _swatch(colour: str) -> QIcon:
    picture = QPixmap(SWATCH, SWATCH)
    picture.fill(QColor(colour))
    icon = QIcon(picture)
    icon.addPixmap(picture, QIcon.Mode.Selected)  # else it is tinted
    return icon
