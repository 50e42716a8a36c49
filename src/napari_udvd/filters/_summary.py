"""Maps of what the filters of a frame do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_udvd.filters._cells import filter_cells, grid_points
from napari_udvd.filters._numbers import averaged_pixels, shares_of, width_of

if TYPE_CHECKING:
    import threading

    from napari_udvd.inference.restorer import Denoiser
    from napari_udvd.stack import Stack

__all__ = ["FilterSummary", "filter_summary"]

Map = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FilterSummary:
    """Numbers of :class:`AdaptiveFilter` on a grid; NaN where it was cancelled before.

    Attributes
    ----------
    t
        Frame.
    rows, columns
        Of the grid, ``(R,)`` and ``(K,)``.
    averaged
        Number of equal weights that would average as much, ``(R, K)``.
    shares
        Share of each frame in the sum of absolute weights, ``(F, R, K)``.
    steps
        Which frames these are, counted from `t`, ``(F,)``.
    width
        Root mean square distance of the weights from their frame's centroid, px, ``(R,
        K)``.
    sum
        Sum of the weights, ``(R, K)``.
    """

    t: int
    rows: npt.NDArray[np.intp]
    columns: npt.NDArray[np.intp]
    averaged: Map
    shares: Map
    steps: npt.NDArray[np.intp]
    width: Map
    sum: Map


def filter_summary(
    denoiser: Denoiser,
    stack: Stack,
    t: int,
    spacing: int = 16,
    *,
    c: int = 0,
    z: int = 0,
    cancel: threading.Event | None = None,
) -> FilterSummary:
    """Map how many pixels are averaged, from which frames, how wide, and the sum.

    Parameters
    ----------
    denoiser, stack, t, spacing, c, z, cancel
        As for :func:`filter_cells`.

    Raises
    ------
    InputError, MemoryError
        As :func:`filter_cells`.
    """
    height, width = stack.frame_shape
    rows = np.array(grid_points(height, spacing)) if spacing > 0 else np.arange(0)
    columns = np.array(grid_points(width, spacing)) if spacing > 0 else np.arange(0)
    context = denoiser.net.geometry.context
    shape = len(rows), len(columns)
    averaged, wide, total = (np.full(shape, np.nan) for _ in range(3))
    shares = np.full((2 * context + 1, *shape), np.nan)
    for cells in filter_cells(denoiser, stack, t, spacing, c=c, z=z, cancel=cancel):
        i = np.searchsorted(rows, cells.points[:, 0])
        k = np.searchsorted(columns, cells.points[:, 1])
        averaged[i, k] = averaged_pixels(cells.weights, axis=(-3, -2, -1))
        shares[:, i, k] = shares_of(cells.weights, frames=-3).T
        wide[i, k] = width_of(cells.weights)
        total[i, k] = cells.weights.sum(axis=(-3, -2, -1), dtype=np.float64)
    steps = np.arange(-context, context + 1)
    return FilterSummary(t, rows, columns, averaged, shares, steps, wide, total)
