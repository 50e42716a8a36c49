"""Small pictures of regions, and what they are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import ndimage

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "DARK",
    "QUARTER",
    "Components",
    "folded_picture",
    "learned_components",
    "relative",
    "upright_picture",
]

Floats = npt.NDArray[np.float32]
Floats64 = npt.NDArray[np.float64]

QUARTER = 6
"""Rows and columns of a small picture: of a quarter, where all four are one."""

DARK = 5
"""Percentile of all pictures that is taken for darkness."""

FAINT = 0.3
"""Least brightness that a region is divided by, in that of half of them."""


def folded_picture(
    frame: npt.NDArray[np.float64],
    known: npt.NDArray[np.bool_],
    middle: Floats64,
    axes: Floats64,
    size: tuple[int, int],
) -> Floats:
    """Part of a frame around a body, turned as it lies, its four quarters averaged.

    So it is the same whichever way a body points, and does not change when it turns: a
    plate is a plate, and two halves beside each other are two halves.

    Parameters
    ----------
    frame, known
        Grey levels, and which of them were measured, one at least; ``(Y, X)``.
    middle
        Of the body, px.
    axes
        Unit vectors along the columns: across the body, and along it.
    size
        Rows and columns of the part; the longer side lies along the body.

    Returns
    -------
    ndarray
        ``(6, 6)``, from the middle outwards: across the body, along it. Where nothing
        was measured, the mean of all that was.
    """
    steps = np.sort(size) / 2 / QUARTER
    # about as wide as what a point of the picture stands for
    blur = 0.6 * steps.mean()
    reach = int(np.hypot(*size) / 2 + 3 * blur) + 2
    whole = [
        slice(max(round(at) - reach, 0), min(round(at) + reach + 1, length))
        for at, length in zip(middle, frame.shape, strict=True)
    ]
    part, there = frame[*whole], known[*whole]
    weight, light = (
        ndimage.gaussian_filter(each, blur, mode="constant", truncate=3.0)
        for each in (there.astype(np.float64), np.where(there, part, 0.0))
    )
    out = (np.arange(QUARTER) + 0.5)[:, None] * steps
    both = np.concatenate([-out[::-1], out])
    origin = middle - [each.start for each in whole]
    at = (
        origin[:, None, None]
        + axes[:, 0, None, None] * both[:, None, 0]
        + axes[:, 1, None, None] * both[None, :, 1]
    )
    weight, light = (
        _folded(ndimage.map_coordinates(each, at, order=1, mode="constant"))
        for each in (weight, light)
    )
    seen = weight > 1e-3
    # a region may lie around a hole that is larger than the part
    mean = part[there].mean() if there.any() else frame[known].mean()
    return np.where(seen, light / np.where(seen, weight, 1.0), mean).astype(np.float32)


def _folded(picture: Floats64) -> Floats64:
    """Sum of the four quarters, each from the middle outwards."""
    half = picture[QUARTER:] + picture[QUARTER - 1 :: -1]
    return np.asarray(half[:, QUARTER:] + half[:, QUARTER - 1 :: -1])


def upright_picture(
    frame: npt.NDArray[np.float64], known: npt.NDArray[np.bool_]
) -> Floats:
    """Whole frame, as it is: it has places in it, and something happens in one of them.

    Parameters
    ----------
    frame, known
        Grey levels, and which of them were measured, one at least; ``(Y, X)``.

    Returns
    -------
    ndarray
        ``(6, 6)``: means of as many parts. Where nothing was measured, or the frame has
        fewer pixels, the mean of all that was.
    """
    rows, columns = (np.arange(length) * QUARTER // length for length in frame.shape)
    part = (rows[:, None] * QUARTER + columns)[known]
    light = frame[known]
    count = np.bincount(part, minlength=QUARTER**2)
    total = np.bincount(part, light, minlength=QUARTER**2)
    means = np.where(count > 0, total / np.maximum(count, 1), light.mean())
    return means.reshape(QUARTER, QUARTER).astype(np.float32)


def relative(pictures: Mapping[str, Floats]) -> dict[str, Floats]:
    """Make the pictures of bright and of dim regions alike.

    Parameters
    ----------
    pictures
        ``(T, n)`` of each region; NaN where it was not measured.

    Returns
    -------
    dict
        How much brighter they are than the darkest ones of all, divided by how much
        that is of the region's most of the time.
    """
    every = np.concatenate([its[np.isfinite(its[:, 0])] for its in pictures.values()])
    dark = float(np.percentile(every, DARK))
    usual = {
        name: float(np.median(its[np.isfinite(its[:, 0])].mean(axis=1))) - dark
        for name, its in pictures.items()
        if np.isfinite(its[:, 0]).any()
    }
    # noise of a region in which there is nothing must not become large
    least = FAINT * float(np.median([*usual.values()]))
    level = {name: max(its, least) for name, its in usual.items()}
    return {
        name: np.asarray((its - dark) / (level.get(name, 1.0) or 1.0), np.float32)
        for name, its in pictures.items()
    }


@dataclass(frozen=True, eq=False)
class Components:
    """Principal components of small pictures.

    Attributes
    ----------
    mean
        ``(n,)``.
    axes
        ``(K, n)``, of length one or zero, the one of most variance first.
    """

    mean: Floats
    axes: Floats

    def of(self, pictures: Floats) -> Floats:
        """Coordinates ``(N, K)`` of pictures ``(N, n)``."""
        return np.asarray((pictures - self.mean) @ self.axes.T, np.float32)


def learned_components(pictures: Floats, number: int) -> Components:
    """Learn the components of pictures ``(N, n)``, without labels.

    The sign of an axis is that of its largest element: the same pictures always give
    the same components. Where there are fewer, axes are zero, and so are coordinates.
    """
    values = pictures.astype(np.float64)
    mean = values.mean(axis=0)
    away = values - mean
    variances, axes = np.linalg.eigh(away.T @ away / len(values))
    axes = axes[:, ::-1][:, :number].T
    # what single precision leaves of pictures that are alike says nothing
    least = max(1e-9 * variances[-1], (1e-6 * np.abs(mean).max()) ** 2)
    axes[variances[::-1][:number] <= least] = 0.0
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1)
    axes = axes * np.sign(largest)
    return Components(mean.astype(np.float32), axes.astype(np.float32))
