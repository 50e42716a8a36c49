"""Filaments that glide and bend."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_udvd.simulation._drawing import field, gaussians, wander

if TYPE_CHECKING:
    from napari_udvd.simulation._drawing import Drawing, Random


def draw_filaments(frames: int, height: int, width: int, rng: Random) -> Drawing:
    """Semi-flexible filaments that glide along themselves and sway."""
    haze = np.exp(0.5 * field(rng, (height, width), 20.0))
    clean = np.repeat((0.05 * haze).astype(np.float32)[None], frames, axis=0)
    paths = []
    for _ in range(max(5, height * width // 1300)):
        points = 160
        bend = ndimage.gaussian_filter1d(rng.normal(0, 1, points), 12.0) * 0.12
        heading = rng.uniform(0, 2 * np.pi) + np.cumsum(bend)
        curve = np.cumsum(np.stack([np.sin(heading), np.cos(heading)], 1), axis=0)
        start = rng.uniform((0, 0), (height, width))
        curve += start - curve[points // 2]
        paths.append((curve, rng.uniform(30, 70), rng.uniform(0.5, 1.0)))
    glide = [wander(rng, frames, speed=0.5) for _ in paths]
    sway = [np.stack([wander(rng, frames, speed=0.08) for _ in "yx"], 1) for _ in paths]
    for t in range(frames):
        spots, weights = [], []
        for (curve, length, weight), along, shift in zip(
            paths, glide, sway, strict=True
        ):
            first = (len(curve) - length) / 2 + along[t]
            position = np.clip(first + np.arange(0, length, 0.8), 0, len(curve) - 1)
            index = np.arange(len(curve))
            at = np.stack([np.interp(position, index, c) for c in curve.T], axis=1)
            spots.append(at + shift[t])
            weights.append(np.full(len(at), 0.22 * weight))
        clean[t] += gaussians(
            np.concatenate(spots), np.concatenate(weights), 1.25, height, width
        )
    return clean, None
