"""Motion in numbers, and what its colours mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from qtpy.QtWidgets import QHBoxLayout, QLabel, QWidget

from napari_udvd._widgets.shared.picture import pixmap_of

if TYPE_CHECKING:
    from napari_udvd.motion import Motion
    from napari_udvd.stack import Stack

__all__ = ["Legend", "Speeds"]

WHEEL = 72
"""Rows and columns of the wheel of colours."""

LEAST_FULL = 0.25
"""Speed in px per frame that colours are full at where all is slower."""


class Speeds(NamedTuple):
    """Speeds of the grid points that are sure enough, px per frame.

    Attributes
    ----------
    points
        Number of all grid points.
    sure
        Number of those that are sure.
    median, fast
        Median and 95th percentile of the sure ones; 0 where there are none.
    """

    points: int
    sure: int
    median: float
    fast: float

    @classmethod
    def of(cls, motion: Motion, least_confidence: float) -> Speeds:
        """Measure the speeds of a motion."""
        speed = np.hypot(*np.moveaxis(motion.per_frame, -1, 0))
        sure = speed[np.isfinite(speed) & (motion.confidence >= least_confidence)]
        if not sure.size:
            return cls(speed.size, 0, 0.0, 0.0)
        median, fast = float(np.median(sure)), float(np.percentile(sure, 95))
        return cls(speed.size, sure.size, median, fast)

    @property
    def full(self) -> float:
        """Speed drawn in full colour."""
        return max(self.fast, LEAST_FULL)


class Legend(QWidget):
    """Wheel of colours, and a sentence about the frame that is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.wheel, self.statistics = QLabel(), QLabel()
        self.statistics.setWordWrap(True)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.wheel)
        layout.addWidget(self.statistics, 1)

    def show_speeds(self, t: int, speeds: Speeds, stack: Stack) -> None:
        """Say how fast things are in frame `t` of a movie."""
        from napari_udvd.motion import colour_wheel

        self.wheel.setPixmap(pixmap_of(colour_wheel(WHEEL)))
        if not speeds.sure:
            self.statistics.setText(
                f"Frame {t}: nothing is sure enough; lower the confidence, or "
                "there is nothing to follow."
            )
            return
        text = (
            f"Frame {t}: {speeds.sure} of {speeds.points} points are sure. Speed "
            f"{speeds.median:.2f} px/frame (median), {speeds.fast:.2f} (95 %)"
        )
        step, unit = stack.scale.get("X"), stack.units.get("X", "")
        pause, time = stack.scale.get("T"), stack.units.get("T", "")
        if step and unit and pause and time:
            text += f" = {speeds.median * step / pause:.3g} {unit}/{time} (median)"
        self.statistics.setText(f"{text}. Full colour is {speeds.full:.2g} px/frame.")
