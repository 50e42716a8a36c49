"""How far it is from a pixel to the nearest one that was visited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt

if TYPE_CHECKING:
    from napari_udvd.scanning._mask import ScanMask

__all__ = ["Evenness", "evenness"]

FRAMES = 8
PIXELS = 2**20
"""Most frames, and about as many pixels of them, that are measured."""


class Evenness(NamedTuple):
    """Distances from every pixel to the nearest visited one.

    Attributes
    ----------
    mean
        Of all pixels, px; visited ones are at distance 0.
    most
        95 % are at most so far away, px.
    farthest
        The largest, px: half the width of the largest hole.
    """

    mean: float
    most: float
    farthest: float


def evenness(
    mask: ScanMask | npt.NDArray[np.bool_], within: int = 0, frames: int | None = None
) -> Evenness:
    """Measure how evenly a mask covers the frame.

    Parameters
    ----------
    mask
        ``(T, Y, X)``.
    within
        Frames before and after that count as well: 0 for the frame alone.
    frames
        Frames that are measured, spread over the movie; about a million pixels of up
        to eight if None. Those near the ends, which lack neighbours, are taken only if
        there are no others.

    Returns
    -------
    Evenness
        Euclidean distances in the plane; infinite where nothing is visited.
    """
    count, rows, columns = mask.shape
    if frames is None:
        frames = min(max(PIXELS // (rows * columns), 2), FRAMES)
    moments = range(within, count - within) or range(count)
    chosen = np.linspace(0, len(moments) - 1, min(frames, len(moments))).round()
    found = []
    for k in chosen.astype(int):
        t = moments[k]
        near = mask[max(t - within, 0) : t + within + 1]
        found.append(_distances(np.any(near, axis=0)))
    pooled = np.concatenate(found, axis=None)
    return Evenness(
        float(pooled.mean()),
        float(np.percentile(pooled, 95, method="higher")),
        float(pooled.max()),
    )


def _distances(visited: Any) -> npt.NDArray[np.float64]:
    if not visited.any():
        return np.full(visited.shape, np.inf)
    distances: npt.NDArray[np.float64] = distance_transform_edt(~visited)
    return distances
