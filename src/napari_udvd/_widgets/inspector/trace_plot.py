"""Brightness of a pixel over time: noisy, denoised, and its uncertainty."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyqtgraph as pg
from qtpy.QtWidgets import QVBoxLayout, QWidget

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["Trace", "TracePlot"]


class Trace(NamedTuple):
    """One pixel over time; NaN in frames that are not denoised yet.

    Attributes
    ----------
    frames
        Numbers of the frames, ``(F,)``.
    noisy, denoised, std
        Grey levels, ``(F,)``; the last two may be missing.
    """

    frames: npt.NDArray[np.intp]
    noisy: npt.NDArray[np.float64]
    denoised: npt.NDArray[np.float64] | None
    std: npt.NDArray[np.float64] | None


class TracePlot(QWidget):
    """Noisy and denoised values of one pixel, the band of one std, the frame on view.

    Pinned pixels are drawn as thin lines in their own colours.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        plot = pg.PlotWidget(background=None)
        plot.setMinimumHeight(130)
        plot.setMaximumHeight(200)
        plot.setLabel("bottom", "frame")
        plot.setLabel("left", "grey level")
        plot.setMenuEnabled(False)
        plot.hideButtons()
        plot.addLegend(offset=(-5, 5), labelTextSize="8pt")
        self._noisy = plot.plot(name="noisy", pen=pg.mkPen("#8a8a8a", width=1))
        self._denoised = plot.plot(name="denoised", pen=pg.mkPen("#f0a030", width=2))
        self._low, self._high = plot.plot(pen=None), plot.plot(pen=None)
        self._band = pg.FillBetweenItem(self._low, self._high, brush=(240, 160, 48, 70))
        plot.addItem(self._band)
        self._now = pg.InfiniteLine(angle=90, pen=pg.mkPen("#50c878", width=1))
        plot.addItem(self._now)
        self._plot = plot
        self._pinned: list[pg.PlotDataItem] = []
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(plot)
        self.clear()

    def clear(self) -> None:
        """Show nothing."""
        for line in (self._noisy, self._denoised, self._low, self._high):
            line.setData([], [])
        self._now.setVisible(False)

    def show_trace(self, trace: Trace, t: int) -> None:
        """Show a pixel; `t` is the frame it was looked at in."""
        self._noisy.setData(trace.frames, trace.noisy)
        if trace.denoised is None:
            self._denoised.setData([], [])
        else:
            self._denoised.setData(trace.frames, trace.denoised, connect="finite")
        known = (
            np.zeros(len(trace.frames), bool)
            if trace.denoised is None or trace.std is None
            else np.isfinite(trace.denoised) & np.isfinite(trace.std)
        )
        if known.any():
            assert trace.denoised is not None and trace.std is not None
            frames, middle = trace.frames[known], trace.denoised[known]
            self._low.setData(frames, middle - trace.std[known])
            self._high.setData(frames, middle + trace.std[known])
        else:
            self._low.setData([], [])
            self._high.setData([], [])
        self._now.setVisible(True)
        self._now.setValue(t)

    def show_pinned(self, traces: list[tuple[str, str, Trace]]) -> None:
        """Draw pinned pixels: name, colour and trace of each."""
        for line in self._pinned:
            self._plot.removeItem(line)
        self._pinned = []
        for name, colour, trace in traces:
            values = trace.noisy if trace.denoised is None else trace.denoised
            line = self._plot.plot(
                trace.frames,
                values,
                name=name,
                pen=pg.mkPen(colour, width=1),
                connect="finite",
            )
            self._pinned.append(line)
