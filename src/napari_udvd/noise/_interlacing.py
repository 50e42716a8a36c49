"""Whether odd and even rows were recorded at different times."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari_udvd.noise._windows import Sample

__all__ = ["delay_of_fields"]

STRIP = 16
"""Rows over which the comparison is averaged; their scatter is the error."""
LEAST_STRIPS = 8
SIGNIFICANT = 6.0
"""Standard errors of a delay that is not chance."""
LEAST_DELAY = 0.2
"""Frames; the fields of interlaced video are half a frame apart."""


def delay_of_fields(sample: Sample) -> float:
    """Measure by how much odd rows are later than even rows, in frames.

    Where something moves, a row that was recorded later than its neighbours is more
    like them in the next frame than in the last. Rows that are recorded one after
    the other (a rolling shutter, a scan) are later than the row above and earlier
    than the one below, which cancels; so does the noise, whether it is correlated
    in space or not, and whatever grows or fades.

    With rows that are later by a share ``d`` of the frame interval, the mean squares
    ``(1 + d)**2`` and ``(1 - d)**2`` of what moved differ by ``4 d``, in units of
    what moves in one interval. Of that, frames that are two apart differ by
    ``2**2 - 1**2`` more than those that are one apart.

    Returns
    -------
    float
        0 where it is not significant or nothing moves.
    """
    strips: list[float] = []
    motion: list[float] = []
    for window, (top, _) in zip(sample.windows, sample.corners, strict=True):
        if len(window) < 3:
            continue
        before, here, after = window[:, 1:-1]
        neighbours = 0.5 * (window[:, :-2] + window[:, 2:])
        later = (here - neighbours[0]) ** 2 - (here - neighbours[2]) ** 2
        odd = (top + 1 + np.arange(len(here))) % 2 == 1
        signed = np.where(odd[:, None], later, -later).mean(axis=1)
        whole = len(signed) // STRIP * STRIP
        strips += signed[:whole].reshape(-1, STRIP).mean(axis=1).tolist()
        two_apart = (after - before) ** 2
        one_apart = 0.5 * ((here - before) ** 2 + (after - here) ** 2)
        motion.append(float((two_apart - one_apart).mean()) / 3.0)
    if len(strips) < LEAST_STRIPS:
        return 0.0
    mean, error = float(np.mean(strips)), float(np.std(strips)) / len(strips) ** 0.5
    unit = float(np.mean(motion))
    # Without the first test, chance would be divided by chance.
    if abs(mean) <= SIGNIFICANT * error or unit <= 0:
        return 0.0
    delay = mean / (4.0 * unit)
    return delay if abs(delay) >= LEAST_DELAY else 0.0
