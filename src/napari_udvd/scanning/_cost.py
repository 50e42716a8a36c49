"""What a scan costs: dose and time, by arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_udvd.errors import InputError

if TYPE_CHECKING:
    from napari_udvd.scanning._mask import ScanMask

__all__ = ["Cost", "scan_cost"]

FRAMES = 8
"""Frames, spread over the movie, whose way is followed."""

MICRO = 1e-6


@dataclass(frozen=True)
class Cost:
    """Dose and time of a scan, beside those of the full one.

    It is arithmetic, not a measurement: a beam that needs time to settle or speeds up
    at the ends of a row is slower.

    Attributes
    ----------
    dose
        Dose of the full scan that this one costs, with the same dwell time: the share
        of the pixels that are visited.
    full
        Seconds a frame of the full scan, row by row.
    jumping
        Seconds a frame, if the beam goes from one visited pixel to the next: a scan
        generator that takes positions, acousto-optic deflectors.
    sweeping
        Seconds a frame, if the beam sweeps whole rows at one speed and is blanked where
        nothing is to be visited: galvanometers and resonant mirrors. Rows without a
        visit are left out. None for a pattern that is not scanned by rows.
    """

    dose: float
    full: float
    jumping: float
    sweeping: float | None

    @property
    def dwell_for_equal_dose(self) -> float:
        """How many times as long each pixel can be visited for the full scan's dose."""
        return 1 / self.dose


def scan_cost(
    mask: ScanMask, *, dwell: float = 1.0, flyback: float = 0.0, settle: float = 0.0
) -> Cost:
    """Reckon dose and time of a scan.

    Parameters
    ----------
    mask
        What is visited.
    dwell
        Time at each pixel, microseconds.
    flyback
        Time from the end of a row to the beginning of the next one that is visited, or
        of a spiral to the beginning of the next, microseconds.
    settle
        Time that a beam that jumps needs in addition where the next pixel is not beside
        the last, microseconds.

    Raises
    ------
    InputError
        If a time is negative, not finite, or there is no dwell time.
    """
    for name, value in (("dwell", dwell), ("flyback", flyback), ("settle", settle)):
        if not (0 <= value < np.inf) or (name == "dwell" and value == 0):
            least = "above 0" if name == "dwell" else "from 0 on"
            raise InputError(
                f"`{name}` is {value:g}; give microseconds, a number {least}"
            )
    frames, rows, columns = mask.shape
    ways = [
        _way(mask, int(t)) for t in np.unique(np.linspace(0, frames - 1, FRAMES) // 1)
    ]
    flybacks, jumps = (float(mean) for mean in np.mean(ways, axis=0))
    visits = mask.share * rows * columns
    swept = flybacks * (columns * dwell + flyback)
    return Cost(
        dose=mask.share,
        full=rows * (columns * dwell + flyback) * MICRO,
        jumping=(visits * dwell + flybacks * flyback + jumps * settle) * MICRO,
        sweeping=swept * MICRO if mask.pattern.by_rows else None,
    )


def _way(mask: ScanMask, t: int) -> tuple[int, int]:
    """How often the beam flies back in a frame, and jumps besides."""
    positions = mask.positions(t)
    steps = np.abs(np.diff(positions, axis=0))
    if not mask.pattern.by_rows:
        return 1, int((steps.max(axis=1, initial=0) > 1).sum())
    other_row = steps[:, 0] > 0
    jumps = int(((steps[:, 1] > 1) & ~other_row).sum())
    return (int(other_row.sum()) + 1 if len(positions) else 0), jumps
