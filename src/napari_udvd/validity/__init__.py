"""Which pixels of a movie hold a measurement.

Registration leaves borders of zeros, cameras drop frames and have hot pixels, planes
of a volume are empty, masks are NaN. None of that is signal or noise: a number that
never changes would be taken for a movie without noise, and be averaged into its
neighbours. Here it is found once, by looking at the movie once; a mask of the movie is
asked first. Whoever reads frames for a network or for a statistic then gets a
*background* in its place: the mean of what was measured there in all frames, or around
there. It is never taken from the same frame or the next, since noise that is copied
would be taken for signal.
"""

from __future__ import annotations

from napari_udvd.validity._finite import refuse_infinite
from napari_udvd.validity._holes import with_holes
from napari_udvd.validity._inspect import inspect, remember
from napari_udvd.validity._notes import plane_notes
from napari_udvd.validity._validity import PlaneValidity, Validity

__all__ = [
    "PlaneValidity",
    "Validity",
    "inspect",
    "plane_notes",
    "refuse_infinite",
    "remember",
    "with_holes",
]
