"""Spots that run, jitter or stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_udvd.simulation._drawing import field, gaussians, wander

if TYPE_CHECKING:
    from napari_udvd.simulation._drawing import Drawing, Random


def draw_vesicles(frames: int, height: int, width: int, rng: Random) -> Drawing:
    """Spots of many brightnesses: some run, some jitter, some stay."""
    haze = np.exp(0.6 * field(rng, (height, width), 18.0))
    clean = np.repeat((0.07 * haze).astype(np.float32)[None], frames, axis=0)
    n = max(10, height * width // 220)
    start = rng.uniform((0, 0), (height, width), (n, 2))
    speed = rng.choice([0.02, 0.25, 0.9], n, p=[0.3, 0.4, 0.3])
    paths = np.stack(
        [[wander(rng, frames, speed=v) for _ in "yx"] for v in speed]
    )  # (N, 2, T)
    weight = rng.lognormal(-1.2, 0.6, n)
    for t in range(frames):
        clean[t] += gaussians(start + paths[:, :, t], weight, 1.4, height, width)
    return clean, None
