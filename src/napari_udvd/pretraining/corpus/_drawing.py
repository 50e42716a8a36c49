"""Textures, shapes, lines and sampling that the scenes are drawn with."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

FINE = 2
"""Points of a canvas per pixel of the movie, so that sampling it stays sharp."""

Floats = npt.NDArray[np.float32]
Random = np.random.Generator


def log_uniform(rng: Random, low: float, high: float) -> float:
    """Return a number whose logarithm is uniform, for what spans orders of size."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def step(x: Floats) -> Floats:
    """Smooth step from 0 to 1 around 0."""
    return np.asarray(0.5 + 0.5 * np.tanh(x), np.float32)


def wander(rng: Random, n: int, frames: int, speed: float) -> Floats:
    """`n` smooth random walks from 0, ``(n, T)``, with a typical step of `speed`.

    The velocity keeps its direction for a random time, from one frame to twenty.
    """
    memory = log_uniform(rng, 0.5, 10.0)
    lead = int(3 * memory) + 1
    steps = rng.normal(0, 1, (n, frames + 2 * lead))
    velocity = ndimage.gaussian_filter1d(steps, memory, axis=1)[:, lead : lead + frames]
    # Standard deviation of white noise after a Gaussian filter, 1 / (4 pi s^2)^(1/4),
    # or 1 where the filter is narrower than a frame.
    velocity *= speed * (1.0 + 4.0 * np.pi * memory**2) ** 0.25
    walk = np.cumsum(velocity, axis=1)
    return np.asarray(walk - walk[:, :1], np.float32)


def power_law(rng: Random, size: int, exponent: float) -> Floats:
    """Periodic ``(size, size)`` texture with amplitude 1 / frequency^exponent."""
    spectrum = np.fft.rfft2(rng.normal(0, 1, (size, size)).astype(np.float32))
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :])
    frequency[0, 0] = np.inf
    field = np.fft.irfft2(spectrum / (frequency * size) ** exponent, (size, size))
    return np.asarray(field / field.std(), np.float32)


def noise_field(rng: Random, size: int, waves: float) -> Floats:
    """Periodic smooth field of standard deviation 1, with `waves` bumps across."""
    spectrum = np.fft.rfft2(rng.normal(0, 1, (size, size)).astype(np.float32))
    frequency = np.hypot(
        np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :]
    ) * (size / max(waves, 1.2))
    frequency[0, 0] = 4.0
    field = np.fft.irfft2(spectrum * np.exp(-(frequency**2)), (size, size))
    return np.asarray(field / field.std(), np.float32)


def random_texture(rng: Random, size: int) -> Floats:
    """Positive periodic texture around 1: grainy, cloudy, striped or none."""
    kind = rng.integers(5)
    depth = rng.uniform(0.1, 0.6)
    if kind == 0:
        return np.ones((size, size), np.float32)
    if kind == 1:
        cycles = rng.integers(-12, 13, 2)
        grid = np.arange(size, dtype=np.float32) * (2 * np.pi / size)
        wave = np.sin(cycles[0] * grid[:, None] + cycles[1] * grid[None, :])
        return np.asarray(1.0 + depth * wave, np.float32)
    if kind == 2:
        field = noise_field(rng, size, log_uniform(rng, 3, size / 8))
    else:
        field = power_law(rng, size, rng.uniform(0.6, 2.0))
    return np.asarray(np.exp(depth * field), np.float32)


def sample(canvas: Floats, y: Floats, x: Floats) -> Floats:
    """Linear interpolation of a periodic canvas ``(Y, X)`` or ``(T, Y, X)``."""
    height, width = canvas.shape[-2:]
    top, left = np.floor(y), np.floor(x)
    dy, dx = y - top, x - left
    row, column = (top.astype(np.intp) % height, left.astype(np.intp) % width)
    below, right = row + 1, column + 1
    below[below == height] = 0
    right[right == width] = 0
    row *= width
    below *= width
    if canvas.ndim == 3:
        first = (np.arange(len(canvas)) * (height * width))[:, None, None]
        row += first
        below += first
    flat = canvas.reshape(-1)
    upper = flat.take(row + column)
    upper += dx * (flat.take(row + right) - upper)
    lower = flat.take(below + column)
    lower += dx * (flat.take(below + right) - lower)
    lower -= upper
    lower *= dy
    upper += lower
    return np.asarray(upper, np.float32)


def splat(at: Floats, weight: npt.ArrayLike, sigma: float, size: int) -> Floats:
    """Gaussians of height `weight` at sub-pixel ``(T, N, 2)``, in ``(T, Y, X)``.

    A cubic B-spline has a variance of 1/3 wherever its centre lies between pixels; a
    Gaussian filter adds what is missing to `sigma`, which is 0.6 at the least.
    """
    frames, sigma = len(at), max(sigma, 0.6)
    margin = int(np.ceil(2 * sigma)) + 2
    wide = size + 2 * margin
    weight = np.broadcast_to(np.asarray(weight, np.float32), at.shape[:2])
    near = ((at > 2 - margin) & (at < size + margin - 3)).all(axis=-1)
    frame = np.nonzero(near)[0]
    place, light = at[near] + margin, weight[near]
    corner = np.floor(place)
    profiles = [_spline(place[:, axis] - corner[:, axis]) for axis in (0, 1)]
    first = (frame * wide + corner[:, 0].astype(np.intp) - 1) * wide
    first += corner[:, 1].astype(np.intp) - 1
    steps = np.arange(4)
    where = first[:, None, None] + steps[:, None] * wide + steps
    what = (profiles[0] * light[:, None])[:, :, None] * profiles[1][:, None, :]
    total = np.bincount(where.ravel(), what.ravel(), frames * wide * wide)
    movie = total.reshape(frames, wide, wide).astype(np.float32)
    movie = blur(movie, np.sqrt(sigma**2 - 1 / 3))
    inner = slice(margin, margin + size)
    return movie[:, inner, inner] * np.float32(2 * np.pi * sigma**2)


def _spline(d: Floats) -> Floats:
    """Cubic B-spline weights ``(N, 4)`` of the points -1, 0, 1, 2 around `d`."""
    e = 1 - d
    inner = [2 / 3 - v * v * (1 - v / 2) for v in (d, e)]
    return np.stack([e**3 / 6, inner[0], inner[1], d**3 / 6], axis=1)


def blur(movie: Floats, sigma: float) -> Floats:
    """Gaussian blur of every frame ``(T, Y, X)``; below 0.15 pixels, none."""
    if sigma < 0.15:
        return movie
    return np.asarray(
        ndimage.gaussian_filter(movie, (0, sigma, sigma), truncate=3.0), np.float32
    )


def random_shape(rng: Random, u: Floats, v: Floats, radius: float) -> Floats:
    """Mask, from 0 to 1, of a random shape about as large as the unit disc.

    `radius` is the unit in pixels: the edge is one pixel wide.
    """
    kind = rng.integers(5)
    stretch = np.sqrt(log_uniform(rng, 1.0, 2.0))
    u, v = u / stretch, v * stretch
    if kind == 0:
        inside = 1.0 - np.hypot(u, v)
    elif kind == 1:
        inside = 0.9 - np.maximum(np.abs(u), np.abs(v))
    elif kind == 2:
        theta = np.arctan2(v, u)
        edge = sum(
            rng.normal(0, 0.12) * np.cos(k * theta + rng.uniform(0, 2 * np.pi))
            for k in (2, 3, 4, 5)
        )
        inside = 1.0 + edge - np.hypot(u, v)
    elif kind == 3:
        turns = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 7)))
        inside = np.min(
            [0.75 - np.cos(a) * u - np.sin(a) * v for a in turns]
            + [1.0 - np.hypot(u, v)],
            axis=0,
        )
    else:
        inside = rng.uniform(0.08, 0.3) - np.abs(np.hypot(u, v) - 0.75)
    return np.clip(0.5 + inside * radius, 0.0, 1.0)


def bent_curve(rng: Random, points: int, box: float, bend: float) -> Floats:
    """Bending curve ``(points, 2)`` with unit steps through a random place."""
    turn = ndimage.gaussian_filter1d(rng.normal(0, 1, points), 10.0) * 6.0 * bend
    heading = rng.uniform(0, 2 * np.pi) + np.cumsum(turn)
    curve = np.cumsum(np.stack([np.sin(heading), np.cos(heading)], 1), axis=0)
    return np.asarray(curve - curve[points // 2] + rng.uniform(0, box, 2), np.float32)
