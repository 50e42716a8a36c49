"""Whether there are one or two bright spots in a region, and how compact they are."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import ndimage

if TYPE_CHECKING:
    from napari_udvd.features._footprint import Footprint

__all__ = ["SPOTS", "spots"]

SPOTS = ("valley", "distance", "evenness", "half area", "spread of light")
"""Of the two spots with the deepest valley in between: its depth and the height of the
lower one, both in that of the brightest, and their distance, px; zeros if there is but
one. Pixels above half of the brightest, and over how many pixels light is spread."""

MOST = 6
"""Spots, the brightest, that are compared."""

BLUR = 0.12
"""Standard deviation of the Gaussian before, in radii of a disc as large."""

Floats = npt.NDArray[np.float64]


def spots(
    frame: Floats, known: npt.NDArray[np.bool_], where: Footprint, dark: float
) -> list[float]:
    """Numbers of :data:`SPOTS`.

    Parameters
    ----------
    frame, known
        Grey levels, and which of them were measured; ``(Y, X)``.
    where
        The region, in which some were.
    dark
        Grey level without light.
    """
    box = where.rows, where.columns
    there = where.inside & known[box]
    blur = BLUR * float(np.sqrt(where.inside.sum() / np.pi))
    weight, light = (
        ndimage.gaussian_filter(each, blur)
        for each in (there.astype(float), np.where(there, frame[box] - dark, 0.0))
    )
    light = np.where(there, light / np.maximum(weight, 1e-6), 0.0).clip(0.0)
    values = light[there]
    top = float(values.max())
    if not top > 0:
        return [0.0] * len(SPOTS)
    peaks = np.argwhere((light == ndimage.maximum_filter(light, 3)) & there)
    peaks = peaks[np.argsort(-light[*peaks.T], kind="stable")[:MOST]]
    deepest = (0.0, 0.0, 0.0)
    for one, other in combinations(peaks, 2):  # the first is the brighter one
        apart = float(np.hypot(*(one - other)))
        line = np.linspace(one, other, int(apart) + 2).T
        lower = float(light[*other])
        depth = lower - float(ndimage.map_coordinates(light, line, order=1).min())
        if depth / top > deepest[0]:
            deepest = (depth / top, apart, lower / top)
    half = float((values > top / 2).sum())
    return [*deepest, half, float(values.sum() ** 2 / np.square(values).sum())]
