"""Paths of points that go with the motion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.ndimage import map_coordinates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_udvd.motion._motion import Motion

__all__ = ["tracks_through"]


def tracks_through(
    motions: Sequence[Motion], least_confidence: float = 0.0
) -> npt.NDArray[np.float64]:
    """Follow the grid points of the middle frame through the movie, in both ways.

    Parameters
    ----------
    motions
        Of every frame, in order.
    least_confidence
        A track ends where the motion is less sure.

    Returns
    -------
    ndarray
        Row and column of every point in every frame, ``(P, T, 2)``; NaN where a track
        has ended or has left the frame.
    """
    middle = len(motions) // 2
    start = motions[middle]
    points = np.stack(np.meshgrid(start.rows, start.columns, indexing="ij"), axis=-1)
    tracks = np.full((points.size // 2, len(motions), 2), np.nan)
    tracks[:, middle] = points.reshape(-1, 2)
    for step, stop in ((1, len(motions)), (-1, -1)):
        for k in range(middle, stop - step, step):
            motion = motions[k]
            field = motion.to_next if step == 1 else motion.to_previous
            here = tracks[:, k]
            moved = here + _sampled(motion.dense(field), here)
            sure = np.where(np.isfinite(field).all(axis=-1), motion.confidence, 0)
            is_sure = _on_grid(motion, sure, here) >= least_confidence
            inside = ((moved >= 0) & (moved <= np.array(motion.shape) - 1)).all(axis=1)
            tracks[:, k + step] = np.where((is_sure & inside)[:, None], moved, np.nan)
    return tracks


def _sampled(
    flow: npt.NDArray[np.float32], points: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    at = np.nan_to_num(points).T
    ways = [map_coordinates(part, at, order=1, mode="nearest") for part in flow]
    return np.stack(ways, axis=-1)


def _on_grid(
    motion: Motion, values: npt.NDArray[np.float32], points: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    at = np.nan_to_num(points)
    y = np.interp(at[:, 0], motion.rows, np.arange(len(motion.rows)))
    x = np.interp(at[:, 1], motion.columns, np.arange(len(motion.columns)))
    return np.asarray(map_coordinates(values, (y, x), order=1, mode="nearest"))
