"""What the noise of a movie is: how strong, how correlated, and what follows.

Measured from the movie alone, without a camera calibration:

- its strength at every grey level, as a :class:`NoiseModel`;
- whether it is independent between pixels and between frames;
- from that the *hole*: the pixels a blind-spot network must not see;
- whether the movie was compressed, interpolated, interlaced, or frames come again;
- a verdict in plain words, :func:`diagnose`.

:func:`check_pixels` says before a long run whether a movie can be used at all.
"""

from __future__ import annotations

from napari_udvd.noise._checks import (
    check_finite,
    check_pixels,
    check_time,
    check_varies,
)
from napari_udvd.noise._dark import AUTO, subtract_dark
from napari_udvd.noise._diagnosis import Diagnosis, diagnose
from napari_udvd.noise._fixed_pattern import Offsets, fixed_pattern
from napari_udvd.noise._own_pattern import own_pattern
from napari_udvd.noise._photon_transfer import Line, NoiseModel, fit_line
from napari_udvd.noise._reasons import NOT_INDEPENDENT, left_empty
from napari_udvd.noise._recorrupted import Recorruption

__all__ = [
    "AUTO",
    "NOT_INDEPENDENT",
    "Diagnosis",
    "Line",
    "NoiseModel",
    "Offsets",
    "Recorruption",
    "check_finite",
    "check_pixels",
    "check_time",
    "check_varies",
    "diagnose",
    "fit_line",
    "fixed_pattern",
    "left_empty",
    "own_pattern",
    "subtract_dark",
]
