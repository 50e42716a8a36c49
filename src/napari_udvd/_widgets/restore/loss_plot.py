"""Curve of the loss while a network trains."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pyqtgraph as pg
from qtpy.QtWidgets import QVBoxLayout, QWidget

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["LossPlot"]

MOST_POINTS = 400
"""Points drawn of the training loss; every other one is dropped beyond that."""


TRAINING, HELD_OUT, USED = "#7fa7d8", "#f0a030", "#50c878"
"""Colours."""

LEGEND = (
    f'<span style="color: {TRAINING}">— training</span>',
    f'<span style="color: {HELD_OUT}">• held out</span>',
    f'<span style="color: {USED}">★ used</span>',
)


class LossPlot(QWidget):
    """Loss on frames learned from and on frames held out, against time.

    The weights that will be used are those of the best loss on held-out frames; a
    mark shows them.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._plot = pg.PlotWidget(background=None)
        self._plot.setMinimumHeight(150)
        self._plot.setMaximumHeight(200)
        self._plot.setLabel("bottom", "training", units="s")
        self._plot.setLabel("left", "loss")
        self._plot.setMenuEnabled(False)
        self._plot.hideButtons()
        # above the curves, which it would hide
        self._plot.setTitle(" &nbsp; ".join(LEGEND), size="8pt")
        # else the outermost numbers and the letters of the label are cut
        self._plot.getPlotItem().layout.setContentsMargins(4, 0, 4, 6)
        self._training = self._plot.plot(
            name="training", pen=pg.mkPen(TRAINING, width=1)
        )
        self._held_out = self._plot.plot(
            name="held out",
            pen=pg.mkPen(HELD_OUT, width=2),
            symbol="o",
            symbolSize=4,
            symbolBrush=HELD_OUT,
            symbolPen=None,
        )
        self._best = self._plot.plot(
            name="used",
            pen=None,
            symbol="star",
            symbolSize=14,
            symbolBrush=USED,
            symbolPen=None,
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._plot)
        self.clear()

    def clear(self) -> None:
        """Forget the last training."""
        self._steps: list[tuple[float, float]] = []
        self._measured: list[tuple[float, float]] = []
        self._stride = self._skipped = 0
        self._draw()

    def add(self, seconds: float, loss: float, held_out: float | None) -> None:
        """Add a step.

        Parameters
        ----------
        seconds
            Seconds of training so far.
        loss
            Loss on the frames learned from.
        held_out
            Loss on the others; None in steps where it was not measured.
        """
        new = (
            held_out is not None
            and math.isfinite(held_out)
            and (not self._measured or self._measured[-1][1] != held_out)
        )
        if held_out is not None and new:
            self._measured.append((seconds, held_out))
        self._skipped += 1
        if self._skipped > self._stride:
            self._skipped = 0
            if loss == loss:  # not the first steps of a movie without a target
                self._steps.append((seconds, loss))
            if len(self._steps) > MOST_POINTS:
                self._steps = self._steps[::2]
                self._stride = 2 * self._stride + 1
            new = True
        if new:
            self._draw()

    @property
    def best(self) -> tuple[float, float] | None:
        """Time and loss of the weights that will be used."""
        return min(self._measured, key=lambda point: point[1], default=None)

    def _draw(self) -> None:
        self._training.setData(*_columns(self._steps))
        self._held_out.setData(*_columns(self._measured))
        self._best.setData(*_columns([self.best] if self.best else []))


def _columns(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]
