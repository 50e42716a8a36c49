"""Plots of a report: what was taken away at every brightness, and the resolution."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyqtgraph as pg
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QVBoxLayout, QWidget

if TYPE_CHECKING:
    from napari_udvd.quality import PlaneReport

__all__ = ["Figures"]

CURVE, GUIDE = "#7fa7d8", "#a0a0a0"
"""Colours."""


class Figures(QWidget):
    """Two plots, hidden until there is something to show."""

    def __init__(self) -> None:
        super().__init__()
        self.residual = _plot("brightness, grey levels", "residual / noise")
        self.rings = _plot("frequency, cycles / px", "ring correlation")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.residual)
        layout.addWidget(self.rings)
        self.clear()

    def clear(self) -> None:
        """Show nothing."""
        self.setVisible(False)

    def show_plane(self, plane: PlaneReport) -> None:
        """Draw the curves of a plane."""
        residual = plane.residual
        _draw(self.residual, residual.level, residual.variance, 1.0)
        self.residual.setYRange(0, max(1.5, *residual.variance))
        resolution = plane.resolution
        self.rings.setVisible(resolution is not None)
        if resolution is not None:
            rings = resolution.rings
            _draw(self.rings, rings.frequency, rings.correlation, 1 / 7)
            self.rings.setYRange(0, 1)
        self.setVisible(True)


def _plot(x: str, y: str) -> pg.PlotWidget:
    plot = pg.PlotWidget(background=None)
    plot.setFixedHeight(150)
    plot.setLabel("bottom", x)
    plot.getAxis("bottom").enableAutoSIPrefix(False)
    plot.setLabel("left", y)
    plot.setMenuEnabled(False)
    plot.hideButtons()
    plot.setMouseEnabled(x=False, y=False)
    # else the outermost numbers and the letters of the label are cut
    plot.getPlotItem().layout.setContentsMargins(4, 0, 4, 6)
    return plot


def _draw(plot: pg.PlotWidget, x: object, y: object, guide: float) -> None:
    plot.clear()
    plot.addItem(
        pg.InfiniteLine(guide, angle=0, pen=pg.mkPen(GUIDE, style=Qt.PenStyle.DashLine))
    )
    plot.plot(
        list(x),  # type: ignore[call-overload]
        list(y),  # type: ignore[call-overload]
        pen=pg.mkPen(CURVE, width=2),
        symbol="o",
        symbolSize=4,
        symbolBrush=CURVE,
        symbolPen=None,
    )
