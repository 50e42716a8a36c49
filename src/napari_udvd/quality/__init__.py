"""What a result is worth, judged without the truth.

A noisy movie and its denoised version are compared: what was taken away must look
like the noise, and like nothing else. Where the model is there that made the result,
more can be known. It is given the movie with a little more noise, which shows how far
its result follows noise; copies with fresh noise, whose results are compared; and noise
with nothing in it.

What cannot be known so: whether the noise model itself is right beyond what the movie
tells, and whether structures are right that every copy shows alike because the network
expects them.
"""

from __future__ import annotations

from napari_udvd.quality._accuracy import Accuracy
from napari_udvd.quality._added import Added, Spot
from napari_udvd.quality._coverage import Coverage
from napari_udvd.quality._judge import judge
from napari_udvd.quality._pair import Pair
from napari_udvd.quality._regions import Region
from napari_udvd.quality._report import (
    PlaneReport,
    Reason,
    Report,
    Resolution,
    Verdict,
)
from napari_udvd.quality._residual import Maps, Residual

__all__ = [
    "Accuracy",
    "Added",
    "Coverage",
    "Maps",
    "Pair",
    "PlaneReport",
    "Reason",
    "Region",
    "Report",
    "Residual",
    "Resolution",
    "Spot",
    "Verdict",
    "judge",
]
