"""Whether the noise of a sparse scan is independent between neighbours."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_udvd.noise._correlation import BACKGROUND, LEAK, MAX_LAG, Correlation
from napari_udvd.noise._sparse import nearest_visits

if TYPE_CHECKING:
    from napari_udvd.noise._sparse import Scan

__all__ = ["correlation_of_scan", "share_in_rows"]

Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]

CALM = 0.5
"""Share of the pixels, those with the least texture, where little can have moved."""
LEAST_PAIRS = 400
"""Pairs of neighbours that tell of a correlation: to 0.06."""
OVERLAP = 1.5
"""How much more the mean of products scatters, since a visit is in two differences."""
SURE = 3.0
"""Standard errors from which on a correlation is none by chance."""
FAR = 3
"""Pixels further apart than the noise of a detector goes."""
LEAST_SHARE = 0.2
"""Least variance of second differences that is believed, relative to white noise."""


def correlation_of_scan(scan: Scan) -> tuple[Correlation, bool]:
    """Measure the correlation of neighbours that were measured in the same frames.

    Of differences of two visits, since what stands still cancels, and where there is
    little texture.

    Returns
    -------
    correlation
        0 at distances at which hardly any pixels were measured together. Whether noise
        is independent in time is not known, nor how it is where it is bright.
    is_known
        Whether neighbours along rows and along columns were measured together.
    """
    shape = scan.texture.shape
    calm = scan.texture <= np.quantile(scan.texture[scan.count.sum(axis=0) > 0], CALM)
    steps = [(0, lag) for lag in range(1, MAX_LAG + 1)]
    steps += [(lag, 0) for lag in range(1, MAX_LAG + 1)]
    steps += [(1, 1), (1, -1)]
    products, numbers = np.zeros((2, len(steps)))
    power = pixels = 0.0
    pairs = nearest_visits(scan.pairs)
    pairs = pairs.chosen(calm[pairs.y, pairs.x])
    pairs = pairs.chosen(np.argsort(pairs.t, kind="stable"))
    _, firsts = np.unique(pairs.t, return_index=True)
    for start, stop in pairwise([*firsts, len(pairs.t)]):
        visits = pairs.chosen(np.arange(start, stop))
        gap = np.zeros(shape, np.intp)
        gap[visits.y, visits.x] = visits.gap
        difference = np.zeros(shape, np.float32)
        difference[visits.y, visits.x] = visits.difference
        noise = _without_background(difference, (gap > 0).astype(np.float32))
        power += float((noise**2).sum(dtype=np.float64))
        pixels += stop - start
        for k, (dy, dx) in enumerate(steps):
            here, there = _shifted(shape, dy, dx)
            both = (gap[here] > 0) & (gap[here] == gap[there])
            numbers[k] += np.count_nonzero(both)
            products[k] += float((noise[here] * noise[there])[both].sum())
    variance = power / max(pixels, 1.0)
    told = (numbers >= LEAST_PAIRS) & (variance > 0)
    found = np.where(told, products / np.maximum(numbers, 1), 0.0)
    found /= variance if variance > 0 else 1.0
    x, y, diagonals = np.split(found, [MAX_LAG, 2 * MAX_LAG])
    error = float((OVERLAP / numbers[told].min()) ** 0.5) if told.any() else 0.0
    if variance > 0:
        error = max(error, _in_common(products, numbers, variance))
    correlation = Correlation(
        x=x,
        y=y,
        bright_x=float(x[0]),
        bright_y=float(y[0]),
        diagonal=float(max(diagonals, key=abs)),
        error=error,
        whiteness_t=np.nan,
        whiteness_error=np.nan,
        fine_share=_fine_share(x, error) * _fine_share(y, error),
        excess=0.0,
    )
    return correlation, bool(told[0] and told[MAX_LAG])


def _in_common(products: Doubles, numbers: Doubles, variance: float) -> float:
    """Correlation of pixels further apart than noise goes.

    Where things move, neighbours change together, whatever the direction: along rows
    alone it is noise of whole rows, which is no less noise.
    """
    found = []
    for start in (0, MAX_LAG):
        far = slice(start + FAR - 1, start + MAX_LAG)
        told = numbers[far] >= LEAST_PAIRS
        if not told.any():
            return 0.0
        each = products[far][told] / numbers[far][told] / variance
        found.append(float(np.sqrt(np.mean(each**2))))
    return min(found)


def share_in_rows(correlation: Correlation) -> float:
    """Variance of second differences along a row, relative to that of white noise."""
    return _fine_share(correlation.x, correlation.error)


def _fine_share(along: npt.NDArray[np.float64], error: float) -> float:
    """Variance of the second difference along an axis; chance is left out."""
    near, next_ = np.where(np.abs(along[:2]) >= max(LEAK, SURE * error), along[:2], 0.0)
    return max(1.0 - (4.0 * float(near) - float(next_)) / 3.0, LEAST_SHARE)


def _without_background(difference: Floats, known: Floats) -> Floats:
    """Take off the local mean: flicker of the light is wider than noise goes."""
    total = ndimage.uniform_filter(difference, BACKGROUND, mode="constant")
    count = ndimage.uniform_filter(known, BACKGROUND, mode="constant")
    return np.asarray((difference - total / np.maximum(count, 1e-6)) * known)


def _shifted(
    shape: tuple[int, ...], dy: int, dx: int
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Where every pixel is, and the one `dy` rows and `dx` columns further."""
    height, width = shape
    left, right = max(0, -dx), width - max(0, dx)
    here = slice(0, height - dy), slice(left, right)
    there = slice(dy, height), slice(left + dx, right + dx)
    return here, there
