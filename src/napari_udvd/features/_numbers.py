"""Numbers of a region in one frame: how bright it is, and of which shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from napari_udvd.features._footprint import Footprint

__all__ = ["INTENSITY", "LEAST", "SHAPE", "Body", "body", "intensity"]

INTENSITY = ("mean", "std", "skewness", "low", "high", "maximum")
"""Of the grey levels; ``low`` and ``high`` are the 10th and the 90th percentile."""

SHAPE = ("length", "breadth", "roundness", "off centre")
"""Of what is bright, in pixels; ``roundness`` is breadth divided by length."""

LEAST = 3
"""Pixels that must have been measured of a region."""

Floats = npt.NDArray[np.float64]


def intensity(values: Floats) -> list[float]:
    """Numbers of :data:`INTENSITY` of grey levels ``(n,)``, rising."""
    mean, std = values.mean(), values.std()
    cubes = ((values - mean) ** 3).mean()
    skewness = cubes / std**3 if std > 1e-6 * abs(mean) else 0.0
    low, high = (_rank(values, percent) for percent in (10, 90))
    return [float(v) for v in (mean, std, skewness, low, high, values[-1])]


def _rank(rising: Floats, percent: int) -> float:
    """Percentile of values that rise: the nearest one of them."""
    return float(rising[round(percent / 100 * (len(rising) - 1))])


class Body(NamedTuple):
    """What is bright in a region, as an ellipse.

    Attributes
    ----------
    middle
        Row and column, px.
    half_axes
        The short and the long one, px.
    axes
        Unit vectors ``(2, 2)``: along the columns of this matrix, in the same order.
    """

    middle: Floats
    half_axes: Floats
    axes: Floats

    def shape(self, centre: tuple[float, float]) -> list[float]:
        """Numbers of :data:`SHAPE`, in a region with this centre."""
        breadth, length = self.half_axes
        # a body of one pixel is round
        roundness = breadth / length if length > 0 else 1.0
        off = np.hypot(*(self.middle - centre))
        return [float(v) for v in (length, breadth, roundness, off)]


def body(
    values: Floats, rising: Floats, seen: npt.NDArray[np.bool_], where: Footprint
) -> Body:
    """Find what is bright.

    The light above the middle between dark and bright is taken for a body, and its
    second moments for those of an ellipse.

    Parameters
    ----------
    values
        Grey levels ``(n,)`` of the pixels that are seen, row by row.
    rising
        The same, sorted.
    seen
        Which pixels of the footprint's box they are.
    where
        The footprint.
    """
    rows, columns = np.nonzero(seen)
    dark, bright = (_rank(rising, percent) for percent in (10, 95))
    light = np.clip(values - (dark + bright) / 2, 0.0, None)
    total = light.sum()
    if not total:  # all alike: the region itself is the body
        light, total = np.ones_like(values), float(len(values))
    at = np.stack([rows + where.rows.start, columns + where.columns.start])
    middle = (at * light).sum(axis=1) / total
    apart = at - middle[:, None]
    variances, axes = np.linalg.eigh((apart * light) @ apart.T / total)
    return Body(middle, 2 * np.sqrt(np.clip(variances, 0.0, None)), axes)
