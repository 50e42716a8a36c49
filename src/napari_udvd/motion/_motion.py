"""A field of displacements."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter, map_coordinates

__all__ = ["Motion", "agreement"]

Field = npt.NDArray[np.float32]

SMOOTHING = 0.7
"""Standard deviation of the Gaussian that joins neighbours, in grid steps."""


@dataclass(frozen=True, eq=False)
class Motion:
    """Displacements of one frame, on a grid, in pixels.

    Attributes
    ----------
    t
        Frame.
    shape
        Rows and columns of the frame.
    rows, columns
        Of the grid, ``(R,)`` and ``(K,)``.
    to_next, to_previous
        Displacement (dy, dx) of what is at the grid point to where it is in the next
        and in the previous frame, ``(R, K, 2)``; NaN where there is no such frame or
        nothing was found.
    confidence
        From 0 (nothing to follow) to 1, ``(R, K)``.
    method
        How it was found.
    """

    t: int
    shape: tuple[int, int]
    rows: npt.NDArray[np.intp]
    columns: npt.NDArray[np.intp]
    to_next: Field
    to_previous: Field
    confidence: Field
    method: str

    @property
    def per_frame(self) -> Field:
        """Motion (dy, dx) in px per frame, ``(R, K, 2)``.

        Half the way from the previous to the next frame; at the ends of the movie,
        from the one there is.
        """
        both = np.stack([self.to_next, -self.to_previous])
        known = np.isfinite(both)
        count = known.sum(axis=0)
        total = np.where(known, both, 0).sum(axis=0)
        return np.where(count, total / np.maximum(count, 1), np.nan).astype(np.float32)

    def dense(self, field: Field | None = None) -> Field:
        """Interpolate between the grid points, weighted by confidence.

        Parameters
        ----------
        field
            One of the fields, ``(R, K, 2)``; :attr:`per_frame` if None.

        Returns
        -------
        ndarray
            ``(2, H, W)``; zero where nothing nearby is known.
        """
        field = self.per_frame if field is None else field
        height, width = self.shape
        if self.confidence.shape == self.shape:
            return np.nan_to_num(np.moveaxis(field, -1, 0)).astype(np.float32)
        weight = np.where(np.isfinite(field).all(axis=-1), self.confidence, 0) + 1e-6
        parts = [np.nan_to_num(field[..., k]) * weight for k in range(2)]
        smooth = [
            gaussian_filter(part, SMOOTHING, mode="nearest")
            for part in (*parts, weight)
        ]
        y = np.interp(np.arange(height), self.rows, np.arange(len(self.rows)))
        x = np.interp(np.arange(width), self.columns, np.arange(len(self.columns)))
        at = np.meshgrid(y, x, indexing="ij")
        rise, run, total = (map_coordinates(part, at, order=1) for part in smooth)
        return np.stack([rise / total, run / total]).astype(np.float32)


def agreement(to_next: Field, to_previous: Field) -> Field:
    """Tell how well the ways to both neighbours agree, ``(..., 2)`` to ``(...)``.

    What moves evenly was as far away on the other side one frame before. One where
    they cancel; where only one is known, one half.
    """
    gap = np.square(to_next + to_previous).sum(axis=-1)
    return np.where(np.isfinite(gap), np.exp(-np.nan_to_num(gap) / 2), 0.5).astype(
        np.float32
    )
