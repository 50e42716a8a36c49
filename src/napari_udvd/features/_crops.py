"""Small pictures of regions, and what they are made of."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

__all__ = ["SIDE", "Components", "learned_components", "thumbnail"]

Floats = npt.NDArray[np.float32]

SIDE = 8
"""Rows and columns of a small picture."""


def thumbnail(
    frame: npt.NDArray[np.float64],
    known: npt.NDArray[np.bool_],
    centre: tuple[float, float],
    size: tuple[int, int],
) -> Floats:
    """Part of a frame around a place, as 8 x 8 means.

    Parameters
    ----------
    frame, known
        Grey levels, and which of them were measured, one at least; ``(Y, X)``.
    centre
        Middle of the part, px.
    size
        Its rows and columns; what lies beyond the frame was not measured.

    Returns
    -------
    ndarray
        ``(8, 8)``. Where nothing was measured, the mean of all that was.
    """
    parts, weights = [], []
    for middle, length, whole in zip(centre, size, frame.shape, strict=True):
        start = round(middle - (length - 1) / 2)
        first, last = max(start, 0), min(start + length, whole)
        parts.append(slice(first, last))
        weights.append(_bins(length)[:, first - start : last - start])
    part, there = frame[*parts], known[*parts]
    rows, columns = weights
    share = rows @ there @ columns.T
    total = rows @ np.where(there, part, 0.0) @ columns.T
    seen = share > 1e-9
    # a region may lie around a hole that is larger than the part
    mean = part[there].mean() if there.any() else frame[known].mean()
    return np.where(seen, total / np.where(seen, share, 1.0), mean).astype(np.float32)


@lru_cache(16)
def _bins(length: int) -> npt.NDArray[np.float64]:
    """Share of each of `length` pixels in eight equal parts, ``(8, length)``."""
    edges = np.linspace(0, length, SIDE + 1)
    pixels = np.arange(length)
    high = np.minimum(edges[1:, None], pixels + 1)
    low = np.maximum(edges[:-1, None], pixels)
    return np.asarray(np.clip(high - low, 0.0, None))


@dataclass(frozen=True, eq=False)
class Components:
    """Principal components of small pictures.

    Attributes
    ----------
    mean
        ``(64,)``.
    axes
        ``(K, 64)``, of length one or zero, the one of most variance first.
    """

    mean: Floats
    axes: Floats

    def of(self, pictures: Floats) -> Floats:
        """Coordinates ``(n, K)`` of pictures ``(n, 64)``."""
        return np.asarray((pictures - self.mean) @ self.axes.T, np.float32)


def learned_components(pictures: Floats, number: int) -> Components:
    """Learn the components of pictures ``(n, 64)``, without labels.

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
