"""The movies of a batch: added, removed and put in order."""

from __future__ import annotations

import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from napari.layers import Image
from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QGridLayout,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_udvd._widgets.batch.rows import Row
from napari_udvd._widgets.batch.table import MovieTable
from napari_udvd._widgets.shared.layers import RESULT, axes_of
from napari_udvd._widgets.shared.messages import Message
from napari_udvd._widgets.shared.overlays import OWN
from napari_udvd.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import napari.viewer
    from napari.layers import Layer

__all__ = ["MoviesSection"]

PATTERN = "*.tif *.tiff *.zarr"
"""Names that are looked for in a folder, to begin with."""

STORES = (".zarr", ".hspy", ".zspy")
"""Endings of folders that are movies by themselves."""


class MoviesSection(QWidget):
    """A table of movies with what adds to it and takes out of it.

    Parameters
    ----------
    viewer
        Its selected layers can be added.

    Attributes
    ----------
    rows
        The movies, in the order in which they are done.
    may_arrange
        Whether rows that wait can be moved and removed.
    """

    arranged = Signal()
    """Rows were added, moved or removed."""

    opened = Signal(object)
    """A row was clicked twice."""

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self.rows: list[Row] = []
        self.may_arrange = True
        self.table = MovieTable()
        self.message = Message()
        self.details = Message()
        self.pattern_edit = QLineEdit(PATTERN)
        self.pattern_edit.setToolTip(
            "Names that are taken from a folder: * stands for anything; several with "
            "blanks between"
        )
        self.buttons = {
            "files": _button("Files …", "Choose files; or drop them on the table"),
            "layers": _button(
                "Layers",
                "Add the image layers that are selected in the layer list. A layer "
                "whose file still holds it is read from there; any other is written to "
                "the folder 'movies' beside the results first",
            ),
            "folder": _button(
                "Folder …", "Add what is in a folder and its name fits the pattern"
            ),
            "remove": _button("Remove", "Take the selected rows out of the list"),
            "up": _button("Up", "Do the selected movies earlier"),
            "down": _button("Down", "Do the selected movies later"),
        }
        self._lay_out()
        self.buttons["files"].clicked.connect(self._on_files)
        self.buttons["folder"].clicked.connect(self._on_folder)
        self.buttons["layers"].clicked.connect(self.add_selected_layers)
        self.buttons["remove"].clicked.connect(self.remove_selected)
        self.buttons["up"].clicked.connect(lambda: self.move_selected(-1))
        self.buttons["down"].clicked.connect(lambda: self.move_selected(1))
        self.table.dropped.connect(self.add_paths)
        self.table.chosen.connect(self._on_chosen)
        self.table.opened.connect(lambda number: self.opened.emit(self.rows[number]))
        self._on_chosen()

    def _lay_out(self) -> None:
        grid = QGridLayout()
        for column, name in enumerate(("files", "layers", "folder")):
            grid.addWidget(self.buttons[name], 0, column)
        for column, name in enumerate(("remove", "up", "down")):
            grid.addWidget(self.buttons[name], 2, column)
        grid.addWidget(self.pattern_edit, 1, 0, 1, 3)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(grid)
        layout.addWidget(self.table, 1)
        layout.addWidget(self.details)
        layout.addWidget(self.message)

    # what is added

    def add_paths(self, paths: Iterable[Path]) -> None:
        """Add files, and what the pattern finds in folders that are no movies."""
        found: list[Path] = []
        empty: list[str] = []
        for path in paths:
            inside = [path] if _is_movie(path) else self._inside(path)
            if not inside:
                empty.append(
                    f"nothing in {str(path)!r} has a name like {self._pattern!r}"
                )
            found += inside
        self._add([Row(path.name, path) for path in found], "; ".join(empty))

    def add_selected_layers(self) -> None:
        """Add every movie among the layers that are selected."""
        selection = self._viewer.layers.selection
        chosen = [layer for layer in self._viewer.layers if layer in selection]
        if not chosen:
            self.message.fail(
                "no layer is selected; select one or more in the layer list, with Ctrl "
                "or Shift",
                notify=False,
            )
            return
        rows, refused = [], []
        for layer in chosen:
            try:
                check_layer(layer)
                rows.append(Row(layer.name, layer=layer))
            except InputError as error:
                refused.append(str(error))
        self._add(rows, "; ".join(refused))

    def _add(self, rows: Sequence[Row], refused: str) -> None:
        """Add those that are not there yet."""
        self.message.clear()
        known = {_identity(row) for row in self.rows}
        new = []
        for row in rows:
            if _identity(row) not in known:
                known.add(_identity(row))
                new.append(row)
        twice = len(rows) - len(new)
        if refused:
            self.message.fail(refused, notify=False)
        elif twice:
            is_one = twice == 1
            self.message.inform(
                f"{twice} {'was' if is_one else 'were'} in the list already."
            )
        if new:
            self.rows += new
            self.refresh(new)
            self.arranged.emit()

    @property
    def _pattern(self) -> str:
        return self.pattern_edit.text().strip() or "*"

    def _inside(self, folder: Path) -> list[Path]:
        patterns = self._pattern.split()
        return sorted(
            path
            for path in folder.iterdir()
            if not path.name.startswith(".")
            and any(fnmatch.fnmatch(path.name, pattern) for pattern in patterns)
        )

    # what is moved and taken out

    def remove_selected(self) -> None:
        """Take the selected rows out that nobody works on."""
        gone = [row for row in self._selected() if row.waits]
        if gone and self.may_arrange:
            self.rows = [row for row in self.rows if row not in gone]
            self.refresh()
            self.arranged.emit()

    def move_selected(self, step: int) -> None:
        """Move the selected rows up (-1) or down (1), past others that wait."""
        if not self.may_arrange:
            return
        chosen = [row for row in self._selected() if row.waits]
        rows = self.rows if step < 0 else self.rows[::-1]
        for row in chosen if step < 0 else chosen[::-1]:
            at = rows.index(row)
            if at and rows[at - 1] not in chosen and rows[at - 1].waits:
                rows[at - 1], rows[at] = rows[at], rows[at - 1]
        self.rows = rows if step < 0 else rows[::-1]
        self.refresh(chosen)
        self.arranged.emit()

    def refresh(self, selected: Sequence[Row] | None = None) -> None:
        """Show all rows; those that were selected stay so unless others are given."""
        kept = self._selected() if selected is None else selected
        self.table.fill(self.rows, [row for row in kept if row in self.rows])

    def show_row(self, row: Row) -> None:
        """Show one row as it is now."""
        if row in self.rows:
            number = self.rows.index(row)
            self.table.show_row(number, row)
            if self.table.selected() == [number]:
                self._on_chosen()

    def enable(self) -> None:
        """Enable what makes sense for the selected rows."""
        is_any = self.may_arrange and any(row.waits for row in self._selected())
        for name in ("remove", "up", "down"):
            self.buttons[name].setEnabled(is_any)

    def _selected(self) -> list[Row]:
        there = len(self.rows)
        return [self.rows[k] for k in self.table.selected() if k < there]

    def _on_chosen(self) -> None:
        """Say in full what a cell is too small for."""
        self.enable()
        self.details.clear()
        chosen = self._selected()
        if len(chosen) != 1:
            return
        row = chosen[0]
        if row.state == "failed":
            self.details.fail(row.told, notify=False)
        elif row.warnings:
            self.details.warn(row.told)
        elif row.is_explained:
            self.details.inform(row.told)

    def _on_files(self) -> None:
        names, _ = QFileDialog.getOpenFileNames(self, "Movies")
        if names:
            self.add_paths(Path(name) for name in names)

    def _on_folder(self) -> None:
        name = QFileDialog.getExistingDirectory(self, "Folder of movies")
        if name:
            self.add_paths([Path(name)])


def check_layer(layer: Layer) -> None:
    """See that a layer is a movie, and none that a dock of ours has made.

    Raises
    ------
    InputError
        If it is none.
    """
    axes_of(layer)
    if isinstance(layer, Image) and (OWN in layer.metadata or RESULT in layer.metadata):
        raise InputError(f"{layer.name!r} is a result; choose the movie it was made of")


def _identity(row: Row) -> object:
    if row.layer is not None:
        return ("layer", row.layer.unique_id)
    return None if row.file is None else row.file.absolute()


def _is_movie(path: Path) -> bool:
    """Tell whether a path is a movie by itself; else it is a folder of some."""
    return not path.is_dir() or path.suffix.lower() in STORES


def _button(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    return button
