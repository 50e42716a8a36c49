"""Neurons with calcium transients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_udvd.simulation._drawing import field, scatter, step, wander

if TYPE_CHECKING:
    from napari_udvd.simulation._drawing import Drawing, Random


def draw_calcium(frames: int, height: int, width: int, rng: Random) -> Drawing:
    """Neurons that light up, in a neuropil that glows, under a rigid wobble."""
    margin = 8
    tall, wide = height + 2 * margin, width + 2 * margin
    grid_y, grid_x = np.mgrid[:tall, :wide].astype(np.float64)
    neuropil = np.exp(
        0.3 * field(rng, (tall, wide), 1.2) + 0.3 * field(rng, (tall, wide), 16.0)
    )
    still = 0.2 * neuropil
    somata, traces = [], []
    for y, x in scatter(rng, tall, wide, spacing=22.0):
        radius = rng.uniform(4.8, 6.6)
        tilt, stretch = rng.uniform(0, np.pi), rng.uniform(1.0, 1.3)
        dy, dx = grid_y - y, grid_x - x
        u = (np.cos(tilt) * dy + np.sin(tilt) * dx) * stretch
        v = (np.cos(tilt) * dx - np.sin(tilt) * dy) / stretch
        r = np.hypot(u, v) / radius
        # The indicator stays out of the nucleus: a ring with a dim centre.
        ring = step((1.0 - r) / 0.12) * (1.0 - 0.6 * step((0.5 - r) / 0.15))
        still = still * (1.0 - 0.5 * step((1.0 - r) / 0.12))
        somata.append(ring)
        traces.append(rng.lognormal(-1.3, 0.3) * (1.0 + _transients(rng, frames)))
    glow = 1.0 + 0.12 * np.sin(wander(rng, frames, speed=0.25))
    motion = 0.8 * np.stack(
        [np.sin(wander(rng, frames, speed=0.25)) for _ in "yx"], axis=1
    )
    motion -= motion[0]
    active = np.tensordot(np.array(traces).T, np.array(somata), axes=1)
    active += glow[:, None, None] * still
    active = ndimage.gaussian_filter(active, (0.0, 0.8, 0.8))
    clean = np.stack(
        [
            ndimage.shift(f, d, mode="nearest")
            for f, d in zip(active, motion, strict=True)
        ]
    )
    clean = clean[:, margin : margin + height, margin : margin + width]
    return np.clip(clean, 0.0, None).astype(np.float32), motion


def _transients(rng: Random, frames: int) -> npt.NDArray[np.float64]:
    """Relative fluorescence of one neuron: bursts with a fast rise and slow decay."""
    history = 40
    rate = rng.choice([0.004, 0.015, 0.04])
    spikes = rng.poisson(rate, frames + history) * rng.uniform(0.8, 2.5)
    age = np.arange(history, dtype=np.float64)
    response = (1.0 - np.exp(-age / 1.2)) * np.exp(-age / 9.0)
    return np.convolve(spikes, response)[history : history + frames]
