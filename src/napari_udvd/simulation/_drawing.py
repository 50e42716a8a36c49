"""Pieces that several scenes are drawn with."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Floats = npt.NDArray[np.float32]
Random = np.random.Generator
Drawing = tuple[Floats, npt.NDArray[np.float64] | None]
"""Clean movie ``(T, Y, X)``, not negative, and the motion of the whole or ``None``."""


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


def step(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Smooth step from 0 to 1."""
    return np.asarray(0.5 + 0.5 * np.tanh(x))
