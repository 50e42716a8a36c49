"""Pieces that several scenes are drawn with."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage

if TYPE_CHECKING:
    from napari_udvd.spans import Span

Floats = npt.NDArray[np.float32]
Random = np.random.Generator
Drawing = tuple[Floats, npt.NDArray[np.float64] | None]
"""Clean movie ``(T, Y, X)``, not negative, and the motion of the whole or ``None``."""


class EventDrawing(NamedTuple):
    """Clean movie with what happens in it.

    Attributes
    ----------
    clean
        ``(T, Y, X)``, not negative.
    spans
        Of every region, without gaps while it is there.
    tracks
        Regions that move: rows of number, frame, y and x, px, ``(N, 4)``; or None.
    labels
        Regions that stay: an image ``(Y, X)`` of their numbers, 0 elsewhere; or None.
    motion
        Of the whole, ``(T, 2)``, or None.
    """

    clean: Floats
    spans: tuple[Span, ...]
    tracks: npt.NDArray[np.float64] | None = None
    labels: npt.NDArray[np.int32] | None = None
    motion: npt.NDArray[np.float64] | None = None


def wander(
    rng: Random, frames: int, speed: float, memory: float = 6.0
) -> npt.NDArray[np.float64]:
    """Return a smooth random walk from 0 with a typical step of `speed` a frame.

    The velocity keeps its direction for about `memory` frames.
    """
    steps = rng.normal(0.0, 1.0, frames + 8 * int(memory))
    velocity = ndimage.gaussian_filter1d(steps, memory)[4 * int(memory) :][:frames]
    # Standard deviation of white noise after a Gaussian filter, 1 / (4 pi s^2)^(1/4).
    velocity *= speed * (4.0 * np.pi * memory**2) ** 0.25
    return np.asarray(np.cumsum(velocity) - velocity[0])


def field(rng: Random, shape: tuple[int, int], grain: float) -> npt.NDArray[np.float64]:
    """Smooth random field of mean about 0 and standard deviation 1."""
    # A field that fits the frame less than three times would be flat.
    grain = min(grain, min(shape) / 3)
    field = ndimage.gaussian_filter(rng.normal(0, 1, shape), grain, mode="wrap")
    return np.asarray((field - field.mean()) / field.std())


def scatter(
    rng: Random, height: int, width: int, spacing: float
) -> npt.NDArray[np.float64]:
    """Positions ``(N, 2)`` on a jittered grid: they fill the frame, not overlap."""
    rows = np.arange(0.5 * spacing, height + 0.5 * spacing, spacing)
    columns = np.arange(0.5 * spacing, width + 0.5 * spacing, spacing)
    grid = np.stack(np.meshgrid(rows, columns, indexing="ij"), -1).reshape(-1, 2)
    grid = grid[rng.random(len(grid)) < 0.85] if len(grid) > 4 else grid
    return np.asarray(grid + rng.uniform(-0.4, 0.4, grid.shape) * spacing)


def gaussians(
    at: npt.NDArray[np.float64],
    weight: npt.NDArray[np.float64],
    sigma: float,
    height: int,
    width: int,
) -> npt.NDArray[np.float64]:
    """Sum of Gaussians of height `weight` at sub-pixel positions ``(N, 2)``.

    A Gaussian is a product of a row and a column profile, so the frame is one
    matrix product.
    """
    rows, columns = (
        # Cut before the tails become denormal numbers, which are slow.
        np.exp(-0.5 * np.clip((np.arange(size)[:, None] - centre) / sigma, -9, 9) ** 2)
        for size, centre in ((height, at[:, 0]), (width, at[:, 1]))
    )
    return np.asarray((rows * weight) @ columns.T)


class Window(NamedTuple):
    """Part of a frame around a place.

    Attributes
    ----------
    rows, columns
        Where it is.
    dy, dx
        Distances of its rows ``(n, 1)`` and columns ``(1, m)`` from the place.
    """

    rows: slice
    columns: slice
    dy: npt.NDArray[np.float64]
    dx: npt.NDArray[np.float64]


def window(centre: npt.ArrayLike, reach: int, height: int, width: int) -> Window | None:
    """Part of a frame up to `reach` pixels from a place; None where there is none."""
    cy, cx = np.asarray(centre)
    rows = np.arange(max(0, int(cy) - reach), min(height, int(cy) + reach + 1))
    columns = np.arange(max(0, int(cx) - reach), min(width, int(cx) + reach + 1))
    if not (rows.size and columns.size):
        return None
    return Window(
        slice(int(rows[0]), int(rows[-1]) + 1),
        slice(int(columns[0]), int(columns[-1]) + 1),
        rows[:, None] - cy,
        columns[None, :] - cx,
    )


def step(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Smooth step from 0 to 1."""
    return np.asarray(0.5 + 0.5 * np.tanh(x))
