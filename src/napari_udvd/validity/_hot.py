"""Hot and dead pixels: those that stand out as no specimen can."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import ndimage

if TYPE_CHECKING:
    from napari_udvd.validity._validity import Mask

__all__ = ["hot_pixels"]

HOT = 6.0
"""Standard deviations of the noise by which a hot pixel stands out."""
LASTING = 2.0
"""Standard deviations in time of its own that it stands out by: always, that is."""
SQUARE = 5
"""Side of the square that a hot pixel is compared with."""
SPREAD = 0.1
"""Share of its brightness that a point of the specimen gives to a neighbour at least:
its image is never sharper than a pixel."""
UNEQUAL = 0.3
"""Departure of a square of 2 x 2 pixels from the image of a point, from which on it is
none."""
MOST_HOT = 0.01
"""Share of pixels above which they are the specimen."""


def hot_pixels(
    mean: npt.NDArray[np.float64], std: npt.NDArray[np.float64], measured: Mask
) -> Mask:
    """Pixels, or pairs and squares of them, that no specimen can make."""
    # a median is slow, and few pixels stand out of an average, in which they count
    average = ndimage.uniform_filter(mean, SQUARE)
    usual = ndimage.uniform_filter(std, SQUARE)
    apart = np.abs(mean - average)
    candidates = (apart > LASTING / 2 * std) & (apart > HOT / 4 * usual)
    near = ndimage.binary_dilation(candidates, np.ones((3, 3)))
    around = _median_around(mean, near)
    noise = _median_around(std, near)
    measured = measured & near
    hot = np.zeros(mean.shape, bool)
    for sign in (1.0, -1.0):
        excess = sign * (mean - around)
        labels, _ = ndimage.label(
            measured & (excess > HOT * noise) & (excess > LASTING * std) & (noise > 0),
            np.ones((3, 3)),
        )
        for k, box in enumerate(ndimage.find_objects(labels), start=1):
            if any(part.stop - part.start > 2 for part in box):
                continue
            wide = tuple(slice(max(part.start - 1, 0), part.stop + 1) for part in box)
            own = labels[wide] == k
            ring = ~own & measured[wide]
            if own.sum() == 4 and _is_point(excess[box]):
                continue
            peak = float(excess[wide][own].min())
            if ring.any() and float(excess[wide][ring].max()) < SPREAD * peak:
                hot[wide] |= own
    return hot if hot.sum() <= MOST_HOT * hot.size else np.zeros_like(hot)


def _median_around(
    image: npt.NDArray[np.float64], where: Mask
) -> npt.NDArray[np.float64]:
    """Median of the square around each of some pixels; the others stay as they are."""
    padded = np.pad(image, SQUARE // 2, mode="symmetric")
    squares = np.lib.stride_tricks.sliding_window_view(padded, (SQUARE, SQUARE))
    result = image.copy()
    result[where] = np.median(squares[where].reshape(-1, SQUARE**2), axis=1)
    return result


def _is_point(square: npt.NDArray[np.float64]) -> bool:
    """Whether 2 x 2 pixels may be the image of a point between them.

    Optics that are as sharp as that blur rows and columns alike, so the square is a
    product of both.
    """
    one, other = square[0, 0] * square[1, 1], square[0, 1] * square[1, 0]
    return bool(abs(one - other) < UNEQUAL * max(one, other))
