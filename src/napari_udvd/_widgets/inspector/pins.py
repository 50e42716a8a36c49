"""Pixels that are kept to be compared: a table, and points on the movie."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QHeaderView, QTableWidget, QTableWidgetItem

from napari_udvd._widgets.shared.layers import drawn_like
from napari_udvd._widgets.shared.overlays import OWN, put_over

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Image, Points
    from napari.utils.events import Event

    from napari_udvd._widgets.inspector.inspection import Inspected
    from napari_udvd._widgets.inspector.trace_plot import Trace

__all__ = ["Pins"]

NAME = "pinned pixels"

COLOURS = ("#4daf4a", "#e377c2", "#17becf", "#bcbd22", "#9467bd", "#ff7f0e")

COLUMNS = {
    "": "Its letter in the picture and in the plot",
    "t, y, x": "The pixel",
    "averaged": "How many pixels",
    "own frame": "Share of the weights that is in the pixel's own frame",
    "width": "Width of the filter in the pixel's own frame",
    "motion": "Along y and x that the filter follows, pixels per frame",
}


class Pins(QTableWidget):
    """Table of pinned pixels, one row each, with a Points layer that shows them.

    Parameters
    ----------
    viewer
        Gets the layer.
    """

    chosen = Signal(object)
    """A row was selected: what was found there."""

    changed = Signal()
    """A pixel was added, or all were taken out."""

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__(0, len(COLUMNS))
        self._viewer = viewer
        self._layer: Points | None = None
        self._kept: list[Inspected] = []
        self.setHorizontalHeaderLabels(COLUMNS)
        for column, words in enumerate(COLUMNS.values()):
            self.horizontalHeaderItem(column).setToolTip(words)
        self.verticalHeader().setVisible(False)
        self.horizontalHeader().setSectionResizeMode(
            QHeaderView.ResizeMode.ResizeToContents
        )
        self.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QTableWidget.SelectionBehavior.SelectRows)
        self.setMaximumHeight(150)
        self.setToolTip("Pinned pixels; a click shows what was found there again")
        self.setVisible(False)
        self.cellClicked.connect(self._on_cell_clicked)
        viewer.layers.events.removed.connect(self._on_layer_removed)

    @property
    def kept(self) -> list[Inspected]:
        """Filters of the pinned pixels, in the order of pinning."""
        return list(self._kept)

    @property
    def _source(self) -> Image:
        """Movie of the pinned pixels, where there are any."""
        return self._kept[-1].question.shown.source

    def traces(self) -> list[tuple[str, str, Trace]]:
        """Name, colour and trace of every pinned pixel."""
        return [
            (_name(k), _colour(k), inspected.trace)
            for k, inspected in enumerate(self._kept)
        ]

    def pin(self, inspected: Inspected) -> None:
        """Keep a pixel; pixels of another movie are dropped."""
        if self._kept and self._source != inspected.question.shown.source:
            self.clear_pins()
        self._kept.append(inspected)
        found, row = inspected.found, self.rowCount()
        self.insertRow(row)
        own = found.pixel[0] - found.origin[0]
        motion = (
            "none"
            if found.velocity is None
            else "{:.1f}, {:.1f}".format(*(round(v, 1) + 0.0 for v in found.velocity))
        )
        t, _, _, y, x = found.pixel
        texts = (
            _name(row),
            f"{t}, {y}, {x}",
            f"{found.averaged:.0f} px",
            f"{found.shares[own]:.0%}",
            f"{found.width:.1f} px",
            motion,
        )
        for column, text in enumerate(texts):
            item = QTableWidgetItem(text)
            if column == 0:
                item.setForeground(QColor(_colour(row)))
            item.setTextAlignment(Qt.AlignmentFlag.AlignCenter)
            self.setItem(row, column, item)
        self.setVisible(True)
        self._draw()
        self.changed.emit()

    def clear_pins(self) -> None:
        """Drop all pins."""
        self._kept = []
        self.setRowCount(0)
        self.setVisible(False)
        if self._layer is not None and self._layer in self._viewer.layers:
            self._viewer.layers.remove(self._layer)
        self._layer = None
        self.changed.emit()

    def shut_down(self) -> None:
        """Let go of the viewer; the points stay."""
        self._viewer.layers.events.removed.disconnect(self._on_layer_removed)

    def _draw(self) -> None:
        question = self._kept[-1].question
        axes = question.shown.stack.axes
        points = []
        for inspected in self._kept:
            t, c, z, y, x = inspected.found.pixel
            index = {"T": t, "C": c, "Z": z, "Y": y, "X": x}
            points.append([index[axis] for axis in axes])
        count = len(points)
        names = [_name(k) for k in range(count)]
        colours = [_colour(k) for k in range(count)]
        place = drawn_like(self._source)
        if self._layer is not None:
            self._layer.data = np.array(points, dtype=float)
            self._layer.features = {"name": names}
            self._layer.face_color = colours
            put_over(self._viewer, self._layer, place)
            return
        selected = set(self._viewer.layers.selection)
        self._layer = self._viewer.add_points(
            np.array(points, dtype=float),
            name=NAME,
            symbol="ring",
            size=9,
            face_color=colours,
            border_width=0,
            out_of_slice_display=False,
            features={"name": names},
            text={
                "string": "{name}",
                "color": "white",
                "size": 10,
                "anchor": "upper_left",
            },
            metadata={OWN: "pins"},
            **place,
        )
        self._viewer.layers.selection = selected

    def _on_cell_clicked(self, row: int, _column: int) -> None:
        self.chosen.emit(self._kept[row])

    def _on_layer_removed(self, event: Event) -> None:
        is_layer = self._layer is not None and event.value == self._layer
        if is_layer:
            self._layer = None
        if is_layer or (self._kept and event.value == self._source):
            # the viewer may be in the middle of removing several layers
            QTimer.singleShot(0, self.clear_pins)


def _name(k: int) -> str:
    return chr(ord("A") + k) if k < 26 else str(k + 1)


def _colour(k: int) -> str:
    return COLOURS[k % len(COLOURS)]
