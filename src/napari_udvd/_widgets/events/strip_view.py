"""Where regions and frames are on the timeline, in pixels of the screen."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["View"]

ROW, GUTTER, RULER, MARGIN = 18, 64, 20, 6
"""Height of a row, width of the names, height of the frame numbers, right margin."""

NICE = (1, 2, 5)
"""First digits of distances between frame numbers."""


@dataclass(frozen=True)
class View:
    """Part of a timeline that is seen.

    Attributes
    ----------
    width, height
        Of the widget, px.
    n_frames, n_rows
        Of all.
    first
        Frame at the left border of the part that is seen.
    shown
        Frames that are seen side by side.
    top
        Pixels that are scrolled away above.
    """

    width: int
    height: int
    n_frames: int
    n_rows: int
    first: float
    shown: float
    top: int

    @property
    def per_frame(self) -> float:
        """Pixels of one frame."""
        return max(self.width - GUTTER - MARGIN, 1) / self.shown

    @property
    def rows_seen(self) -> range:
        """Rows of which something is seen."""
        first = self.top // ROW
        last = (self.top + max(self.height - RULER, 0) - 1) // ROW
        return range(max(first, 0), min(last + 1, self.n_rows))

    def x(self, frame: float) -> float:
        """Where a frame begins."""
        return GUTTER + (frame - self.first) * self.per_frame

    def y(self, row: int) -> int:
        """Where a row begins."""
        return RULER + row * ROW - self.top

    def frame_at(self, x: float) -> int:
        """Frame at a place, the nearest one outside of the movie."""
        frame = math.floor((x - GUTTER) / self.per_frame + self.first)
        return min(max(frame, 0), self.n_frames - 1)

    def row_at(self, y: float) -> int | None:
        """Row at a height; None where there is none."""
        if y < RULER:
            return None
        row = int(y - RULER + self.top) // ROW
        return row if row < self.n_rows else None

    def ticks(self, least: int = 44) -> list[int]:
        """Frames that are numbered, at least so many pixels from one to the next."""
        step, power = 1, 1
        while step * self.per_frame < least:
            k = NICE.index(step // power)
            if k + 1 < len(NICE):
                step = NICE[k + 1] * power
            else:
                power *= 10
                step = power
        first = math.ceil(self.first / step) * step
        stop = min(self.first + self.shown, self.n_frames)
        return [t for t in range(first, int(stop) + 1, step) if t < self.n_frames]
