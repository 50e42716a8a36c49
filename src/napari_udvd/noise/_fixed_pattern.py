"""Whether pixels of the camera have offsets of their own.

They are the same in every frame, so neither differences of frames nor the frames before
and after tell them from the specimen: they stay in the result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_udvd.noise._blocks import BLOCK
from napari_udvd.series import Series, missing_frames, read_measured

if TYPE_CHECKING:
    from napari_udvd.stack import Plane, Stack

__all__ = ["fixed_pattern"]

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


def fixed_pattern(stack: Stack, plane: Plane, fine_share: float) -> float:
    """Measure the standard deviation of the pixels' own offsets, in grey levels.

    What is left in the finest detail of a time average, beyond the noise that is left
    there after averaging, in the flattest parts of the frame: an image is smooth at
    that scale, whatever it shows, since the optics blurs it.

    Parameters
    ----------
    stack, plane
        The movie.
    fine_share
        Variance of the finest detail of the noise, relative to white noise.

    Returns
    -------
    float
        0 where it is not significant, or frames are few.
    """
    series = Series((plane.c,), plane.z)
    missing = missing_frames(stack, series)
    there = [t for t in range(stack.n_frames) if t not in missing]
    if len(there) < LEAST_FRAMES:
        return 0.0
    chosen = np.linspace(0, len(there) - 1, min(FRAMES, len(there))).astype(int)
    rows, columns = (
        slice((size - min(size, SIDE)) // 2, (size + min(size, SIDE)) // 2)
        for size in stack.frame_shape
    )
    total = squares = 0.0
    known: npt.NDArray[np.bool_] | None = None
    for k in np.unique(chosen):
        clip, measured = read_measured(stack, series, [there[int(k)]], rows, columns)
        frame = clip[0, 0].astype(np.float64)
        total, squares = total + frame, squares + frame**2
        if measured is not None:
            seen = measured[0, 0]
            known = seen if known is None else known & seen
    n = len(np.unique(chosen))
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
        return 0.0
    flat = usable & (structure <= np.quantile(structure[usable], FLAT))
    excess = (detail - expected)[flat]
    middle = float(np.median(excess))
    error = 1.2533 * float(excess.std()) / np.sqrt(excess.size)
    return float(np.sqrt(middle)) if middle > SURE * error else 0.0


def _detail(image: Doubles) -> Doubles:
    down = image[:-2] - 2.0 * image[1:-1] + image[2:]
    both = down[:, :-2] - 2.0 * down[:, 1:-1] + down[:, 2:]
    return np.asarray(both / 6.0)


def _block_mean(image: Doubles) -> Doubles:
    rows, columns = (size // BLOCK for size in image.shape)
    whole = image[: rows * BLOCK, : columns * BLOCK]
    return np.asarray(whole.reshape(rows, BLOCK, columns, BLOCK).mean(axis=(1, 3)))
