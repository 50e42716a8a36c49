"""Sudden events, optics and exposure."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from napari_udvd.pretraining.corpus._drawing import (
    Floats,
    Random,
    blur,
    log_uniform,
    noise_field,
)


def add_flashes(movie: Floats, rng: Random) -> None:
    """Add events that last one to three frames, points to patches, into `movie`."""
    frames, size, _ = movie.shape
    if rng.random() > 0.4:
        return
    sign = -1.0 if rng.random() < 0.15 else 1.0
    big = rng.random() < 0.3
    for _ in range(int(log_uniform(rng, 1, 40))):
        sigma = log_uniform(rng, 2.0, 10.0) if big else log_uniform(rng, 0.35, 1.3)
        start = int(rng.integers(frames))
        length = int(rng.choice([1, 1, 2, 3]))
        y, x = rng.uniform(0, size, 2)
        reach = int(3 * sigma) + 1
        rows = np.arange(max(0, int(y) - reach), min(size, int(y) + reach + 1))
        columns = np.arange(max(0, int(x) - reach), min(size, int(x) + reach + 1))
        profile = np.exp(-0.5 * ((rows[:, None] - y) / sigma) ** 2) * np.exp(
            -0.5 * ((columns[None, :] - x) / sigma) ** 2
        )
        window = movie[
            start : start + length, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1
        ]
        window += (sign * rng.uniform(0.15, 1.3) * profile).astype(np.float32)
    np.clip(movie, 0.0, None, out=movie)


def optics(movie: Floats, rng: Random) -> Floats:
    """Blur, light from out of focus, uneven illumination, and inversion."""
    if rng.random() < 0.5:
        movie = blur(movie, rng.uniform(0.0, 2.0) ** 2 / 2)
    if rng.random() < 0.3:
        wide = rng.uniform(4.0, 15.0)
        coarse = blur(movie[:, ::3, ::3], wide / 3)
        haze = ndimage.zoom(coarse, (1, 3, 3), order=1)[:, : movie.shape[1], :]
        haze = haze[:, :, : movie.shape[2]]
        movie = movie + np.float32(rng.uniform(0.1, 1.0)) * haze
    if rng.random() < 0.25:
        uneven = np.exp(rng.uniform(0.1, 0.5) * noise_field(rng, movie.shape[1], 1.5))
        movie = movie * uneven
    if rng.random() < 0.15:
        movie = movie.max() - movie
    return movie


def exposure(movie: Floats, rng: Random) -> Floats:
    """Gamma, dynamic range, background level, bleaching and flicker."""
    frames = len(movie)
    low, high = np.percentile(movie[:: max(1, frames // 8)], (0.1, 99.9))
    movie = (movie - low) * np.float32(1.0 / max(high - low, 1e-6))
    movie = movie.clip(0.0, None, out=movie)
    if rng.random() < 0.4:
        movie **= np.float32(log_uniform(rng, 0.5, 2.0))
    elif rng.random() < 0.15:  # a few bright things, and much that is far darker
        movie **= np.float32(log_uniform(rng, 2.0, 5.0))
    contrast = (
        rng.uniform(0.6, 1.0) if rng.random() < 0.5 else log_uniform(rng, 0.05, 0.7)
    )
    if rng.random() < 0.15:  # a pedestal: bright field, electrons through a thin foil
        contrast = log_uniform(rng, 0.005, 0.1)
    movie = np.float32(1 - contrast) + np.float32(contrast) * movie
    gain = np.ones(frames)
    if rng.random() < 0.2:
        gain *= np.exp(-np.arange(frames) / log_uniform(rng, 8, 200))
    if rng.random() < 0.2:
        gain *= np.exp(rng.normal(0, log_uniform(rng, 0.005, 0.15), frames))
    if rng.random() < 0.05:
        gain[rng.integers(frames)] *= rng.uniform(0.3, 2.0)
    return movie * gain.astype(np.float32)[:, None, None]
