"""Movies whose truth is known, and what instruments and programs do to them."""

from __future__ import annotations

import numpy as np

GAIN, OFFSET, READ_NOISE = 2.0, 100.0, 4.0


def light(frames=24, height=96, width=112, seed=0):
    """Return the expected photons of spots that drift."""
    rng = np.random.default_rng(seed)
    t = np.arange(frames)[:, None, None]
    y, x = np.mgrid[:height, :width]
    photons = np.full((frames, height, width), 10.0)
    for _ in range(12):
        top, left = rng.uniform(0, height), rng.uniform(0, width)
        down, right = rng.uniform(-0.3, 0.3, 2)
        distance = (y - top - down * t) ** 2 + (x - left - right * t) ** 2
        photons += rng.uniform(40, 120) * np.exp(-distance / 50.0)
    return photons


def recorded(photons, seed=1):
    """Return what a camera makes of them, whole grey levels."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(0.0, READ_NOISE, photons.shape)
    return np.rint(GAIN * rng.poisson(photons) + OFFSET + noise)


def true_variance(level):
    return GAIN * (level - OFFSET) + READ_NOISE**2


def shifted(frame, dy, dx, fill):
    """Move a frame by whole pixels, as registration does."""
    height, width = frame.shape
    moved = np.full_like(frame, fill)
    moved[max(dy, 0) : height + min(dy, 0), max(dx, 0) : width + min(dx, 0)] = frame[
        max(-dy, 0) : height + min(-dy, 0), max(-dx, 0) : width + min(-dx, 0)
    ]
    return moved
