"""Whether pixels, rows or columns of the camera have offsets of their own.

They are the same in every frame, so neither differences of frames nor the frames before
and after tell them from the specimen: they stay in the result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_udvd.cutting import central, spread
from napari_udvd.noise._blocks import BLOCK
from napari_udvd.planes import Series, read_measured, recorded_frames

if TYPE_CHECKING:
    from napari_udvd.stack import Plane, Stack

__all__ = ["Offsets", "fixed_pattern"]

Doubles = npt.NDArray[np.float64]

FRAMES = 64
"""Frames that are averaged, at most."""
LEAST_FRAMES = 8
SIDE = 256
"""Longest side of the crop that is looked at, in pixels."""
FLAT = 0.3
"""Share of the blocks, those with the least structure, that tell."""
SURE = 6.0
"""Standard errors from which on there is a pattern."""
ACROSS = np.array([1.0, -6.0, 15.0, -20.0, 15.0, -6.0, 1.0]) / 924.0**0.5
"""Sixth difference, which leaves the variance of what is independent from line to line.
Of structure as fine as optics allows, with a period of five pixels, it leaves 9 %."""
PARTS = 4
"""Parts of a line that must have the same offset."""
APART = range(8, 32)
"""Lines between two that have nothing to do with one another."""
ALIKE = 3.17
"""Sum of the squared correlations of what this leaves of independent lines."""
FLAT_FOR_LINES = 0.6
"""Share of the blocks that tell of lines; what they show is not the same along a line.
"""
SURE_OF_LINES = 5.0
"""Standard errors from which on lines have offsets of their own."""


class Offsets(NamedTuple):
    """Standard deviation of offsets, in grey levels; 0 where they are not significant.

    Attributes
    ----------
    pixels
        Of single pixels.
    rows, columns
        Of whole rows and columns.
    """

    pixels: float = 0.0
    rows: float = 0.0
    columns: float = 0.0


def fixed_pattern(stack: Stack, plane: Plane, fine_share: float) -> Offsets:
    """Measure the offsets of pixels, rows and columns.

    What is left in the finest detail of a time average, beyond the noise that is left
    there after averaging, in the flattest parts of the frame: an image is smooth at
    that scale, whatever it shows, since the optics blurs it. Offsets of lines are what
    parts of a line have in common that are far from one another.

    Parameters
    ----------
    stack, plane
        The movie.
    fine_share
        Variance of the finest detail of the noise, relative to white noise.

    Returns
    -------
    Offsets
        Nothing where frames are few.
    """
    series = Series((plane.c,), plane.z)
    there = recorded_frames(stack, series)
    if len(there) < LEAST_FRAMES:
        return Offsets()
    rows, columns = (central(size, SIDE) for size in stack.frame_shape)
    total = squares = 0.0
    known: npt.NDArray[np.bool_] | None = None
    chosen = spread(len(there), FRAMES)
    for k in chosen:
        clip, measured = read_measured(stack, series, [there[k]], rows, columns)
        frame = clip[0, 0].astype(np.float64)
        total, squares = total + frame, squares + frame**2
        if measured is not None:
            seen = measured[0, 0]
            known = seen if known is None else known & seen
    n = len(chosen)
    mean = np.asarray(total / n)
    # of what changed in time all counts as noise, so motion hides a pattern
    noise = np.asarray(squares / n - mean**2) / (n - 1)
    detail = _block_mean(_detail(mean) ** 2)
    smooth = ndimage.gaussian_filter(mean, 2.0)
    slope_y, slope_x = np.gradient(smooth)
    structure = _block_mean((slope_y**2 + slope_x**2)[1:-1, 1:-1])
    expected = _block_mean(noise[1:-1, 1:-1]) * fine_share
    usable = np.ones(detail.shape, bool)
    if known is not None:
        usable = _block_mean(known[1:-1, 1:-1].astype(np.float64)) == 1
    if not usable.any():
        return Offsets()
    flat = usable & (structure <= np.quantile(structure[usable], FLAT))
    excess = (detail - expected)[flat]
    middle = float(np.median(excess))
    error = 1.2533 * float(excess.std()) / np.sqrt(excess.size)
    calm = usable & (structure <= np.quantile(structure[usable], FLAT_FOR_LINES))
    there_flat = np.zeros(mean.shape, bool)
    inner = np.repeat(np.repeat(calm, BLOCK, 0), BLOCK, 1)
    there_flat[1 : 1 + inner.shape[0], 1 : 1 + inner.shape[1]] = inner
    return Offsets(
        pixels=float(np.sqrt(middle)) if middle > SURE * error else 0.0,
        rows=_of_rows(mean, there_flat),
        columns=_of_rows(mean.T, there_flat.T),
    )


def _of_rows(mean: Doubles, flat: npt.NDArray[np.bool_]) -> float:
    """Offsets that far parts of a row have in common, in flat places."""
    edge = len(ACROSS) // 2
    height = len(mean) - 2 * edge
    if height < 2 * APART.stop or mean.shape[1] < PARTS * BLOCK:
        return 0.0
    detail = ndimage.correlate1d(mean, ACROSS, axis=0)[edge:-edge]
    parts = np.array_split(np.arange(mean.shape[1]), PARTS)
    seen = flat[edge:-edge]
    sums = np.stack([(detail * seen)[:, part].sum(axis=1) for part in parts])
    counts = np.stack([seen[:, part].sum(axis=1) for part in parts])

    def common(shift: int) -> float:
        """Mean product of two parts, of rows that are so far from one another."""
        product = weight = 0.0
        for a in range(PARTS):
            for b in range(PARTS):
                if a != b:
                    here, there = slice(height - shift), slice(shift, height)
                    product += float(sums[a, here] @ sums[b, there])
                    weight += float(counts[a, here] @ counts[b, there])
        return product / weight if weight else 0.0

    found = max(common(0), 0.0)
    chance = float(np.mean([common(shift) ** 2 for shift in APART]))
    # offsets that are there make products by chance as well, of rows that are apart
    lines = counts.sum(axis=0).astype(np.float64)
    number = float(lines.sum() ** 2 / max((lines**2).sum(), 1.0))
    chance = max(chance - found**2 * ALIKE / max(number, 1.0), 0.1 * chance)
    return float(np.sqrt(found)) if found > SURE_OF_LINES * chance**0.5 else 0.0


def _detail(image: Doubles) -> Doubles:
    down = image[:-2] - 2.0 * image[1:-1] + image[2:]
    both = down[:, :-2] - 2.0 * down[:, 1:-1] + down[:, 2:]
    return np.asarray(both / 6.0)


def _block_mean(image: Doubles) -> Doubles:
    rows, columns = (size // BLOCK for size in image.shape)
    whole = image[: rows * BLOCK, : columns * BLOCK]
    return np.asarray(whole.reshape(rows, BLOCK, columns, BLOCK).mean(axis=(1, 3)))
