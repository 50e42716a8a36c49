"""The list of movies as a table that files can be dropped on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QRect, Qt, Signal
from qtpy.QtGui import QColor, QPainter
from qtpy.QtWidgets import (
    QHeaderView,
    QStyledItemDelegate,
    QTableWidget,
    QTableWidgetItem,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtCore import QModelIndex
    from qtpy.QtGui import QDragEnterEvent, QDragMoveEvent, QDropEvent, QPaintEvent
    from qtpy.QtWidgets import QStyleOptionViewItem

    from napari_udvd._widgets.batch.rows import Row

__all__ = ["MovieTable"]

COLUMNS = {
    "Movie": "File or layer",
    "State": "How far it is; double click on a movie that is done opens it",
}

SHARE = Qt.ItemDataRole.UserRole
"""Role of the progress of a cell, 0 to 1."""

BAR_HEIGHT = 3
"""Of the line under the text of a cell, px."""

BAR = "#4d9de0"

COLOURS = {"failed": "#e05050", "done": "#4daf4a", "skipped": "#4daf4a"}
"""Of states that are worth a look, or none any longer."""

DOUBTFUL = "#d99000"

PALE = "#909090"

INVITATION = "Drop files and folders here"

HEIGHT = 190
"""Least height of the table, px: some six movies."""


class MovieTable(QTableWidget):
    """Shows rows; knows nothing of what is done with them."""

    dropped = Signal(list)
    """Files and folders were dropped on it."""

    chosen = Signal()
    """Other rows are selected."""

    opened = Signal(int)
    """A row was clicked twice: its number."""

    def __init__(self) -> None:
        super().__init__(0, len(COLUMNS))
        self.setHorizontalHeaderLabels(COLUMNS)
        for column, words in enumerate(COLUMNS.values()):
            self.horizontalHeaderItem(column).setToolTip(words)
        self.verticalHeader().setVisible(False)
        header = self.horizontalHeader()
        header.setStretchLastSection(True)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Interactive)
        header.resizeSection(0, 170)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setWordWrap(False)
        self.setShowGrid(False)
        self.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QTableWidget.SelectionBehavior.SelectRows)
        self.setMinimumHeight(HEIGHT)
        self.setToolTip(INVITATION)
        self.setAcceptDrops(True)
        self.setItemDelegateForColumn(1, _Bar(self))
        self.itemSelectionChanged.connect(self.chosen)
        self.cellDoubleClicked.connect(lambda row, _column: self.opened.emit(row))

    def selected(self) -> list[int]:
        """Return the numbers of the rows that are selected."""
        return sorted({index.row() for index in self.selectionModel().selectedRows()})

    def fill(self, rows: Sequence[Row], selected: Sequence[Row] = ()) -> None:
        """Show rows, and select some."""
        blocked = self.blockSignals(True)
        self.setRowCount(len(rows))
        self.clearSelection()
        for number, row in enumerate(rows):
            for column in range(len(COLUMNS)):
                if self.item(number, column) is None:
                    self.setItem(number, column, QTableWidgetItem())
            self.show_row(number, row)
            if row in selected:
                for column in range(len(COLUMNS)):
                    self.item(number, column).setSelected(True)
        self.blockSignals(blocked)
        self.chosen.emit()

    def show_row(self, number: int, row: Row) -> None:
        """Show one row as it is now."""
        for column, text in enumerate((row.name, row.text)):
            item = self.item(number, column)
            item.setText(text)
            item.setToolTip(row.told)
        item = self.item(number, 1)
        item.setData(SHARE, row.share)
        colour = COLOURS.get(row.state)
        if row.state == "done" and row.warnings:
            colour = DOUBTFUL
        usual = self.palette().text().color()
        item.setForeground(usual if colour is None else QColor(colour))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Say in an empty table what it is for."""
        super().paintEvent(event)
        if not self.rowCount():
            painter = QPainter(self.viewport())
            painter.setPen(QColor(PALE))
            place = self.viewport().rect()
            painter.drawText(place, Qt.AlignmentFlag.AlignCenter, INVITATION)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take what has files."""
        self._welcome(event)

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:
        """Take what has files."""
        self._welcome(event)

    def dropEvent(self, event: QDropEvent) -> None:
        """Tell which files were dropped."""
        urls = event.mimeData().urls()
        paths = [Path(url.toLocalFile()) for url in urls if url.isLocalFile()]
        if paths:
            event.acceptProposedAction()
            self.dropped.emit(paths)

    def _welcome(self, event: Any) -> None:
        if event.mimeData().hasUrls():
            event.acceptProposedAction()
        else:
            event.ignore()


class _Bar(QStyledItemDelegate):
    """Draws the progress of a cell as a line under its text."""

    def initStyleOption(self, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        """Leave out the end of what is too long, not its middle."""
        super().initStyleOption(option, index)
        option.textElideMode = Qt.TextElideMode.ElideRight

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex
    ) -> None:
        """Draw the cell, and the line over it."""
        super().paint(painter, option, index)
        share = float(index.data(SHARE) or 0.0)
        if share > 0:
            whole = option.rect
            width = round(whole.width() * min(share, 1.0))
            bottom = whole.bottom() + 1 - BAR_HEIGHT
            bar = QRect(whole.left(), bottom, width, BAR_HEIGHT)
            painter.fillRect(bar, QColor(BAR))
