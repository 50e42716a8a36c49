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

SPOTS = (
    "valley",
    "relative valley",
    "distance",
    "evenness",
    "half area",
    "bright area",
    "spread of light",
)
"""Of the two spots with the deepest valley in between: its depth in the mean light, and
in that of the brightest spot; their distance, px; the height of the lower one in that
of the brightest. Zeros if there is but one. Pixels above half of the brightest, those
above the middle between dark and bright, and over how many pixels light is spread."""

MOST = 6
"""Spots, the brightest, that are compared."""

BLUR = 0.13
"""Standard deviation of the Gaussian before, in radii of a disc as large."""

BEYOND = 0.1
"""How far beyond the region spots may be, in the same: what divides moves apart."""

FAINT = 0.1
"""Least mean light that a depth is divided by, in that of the brightest spot."""

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
    radius = float(np.sqrt(where.inside.sum() / np.pi))
    box, inside = _wider(where, int(np.ceil((BEYOND + BLUR) * radius)), frame.shape)
    there = known[box]
    weight, light = (
        ndimage.gaussian_filter(each, BLUR * radius)
        for each in (there.astype(float), np.where(there, frame[box] - dark, 0.0))
    )
    light = np.where(there, light / np.maximum(weight, 1e-6), 0.0)
    values = light[inside & there]
    top, mean = float(values.max()), float(values.mean())
    if not top > 0:
        return [0.0] * len(SPOTS)
    near = ndimage.distance_transform_edt(~inside) <= BEYOND * radius
    peaks = np.argwhere((light == ndimage.maximum_filter(light, 3)) & near & there)
    peaks = peaks[np.argsort(-light[*peaks.T], kind="stable")[:MOST]]
    highest = float(light[*peaks.T].max(initial=top))
    depth = apart = evenness = 0.0
    for one, other in combinations(peaks, 2):  # the first is the brighter one
        length = float(np.hypot(*(one - other)))
        line = np.linspace(one, other, int(length) + 2).T
        lower = float(light[*other])
        drop = lower - float(ndimage.map_coordinates(light, line, order=1).min())
        if drop > depth:
            depth, apart, evenness = drop, length, lower / highest
    half, bright = (
        float((values > level).sum())
        for level in (top / 2, np.percentile(values, (10, 95)).mean())
    )
    spread = float(np.clip(values, 0.0, None).sum() ** 2 / np.square(values).sum())
    mean = max(mean, FAINT * top)
    return [depth / mean, depth / highest, apart, evenness, half, bright, spread]


def _wider(
    where: Footprint, margin: int, shape: tuple[int, ...]
) -> tuple[tuple[slice, slice], npt.NDArray[np.bool_]]:
    """Add a margin to the box of a region, as far as the frame goes."""
    rows, columns = (
        slice(max(part.start - margin, 0), min(part.stop + margin, length))
        for part, length in zip((where.rows, where.columns), shape, strict=True)
    )
    inside = np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.bool_)
    y, x = where.rows.start - rows.start, where.columns.start - columns.start
    height, width = where.inside.shape
    inside[y : y + height, x : x + width] = where.inside
    return (rows, columns), inside
