"""Spots that appear and vanish."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_udvd.simulation._drawing import (
    EventDrawing,
    field,
    gaussians,
    scatter,
    wander,
)
from napari_udvd.spans import spans_of_frames

if TYPE_CHECKING:
    from napari_udvd.simulation._drawing import Random
    from napari_udvd.spans import Span

PRESENT, ABSENT = "present", "absent"

SPACING = 13.0
"""Typical distance of spots, px."""
SHORTEST = 3
"""Least number of frames that a spot stays or is away."""
EDGE = 3.0
"""Spots that come closer to the border, px, are drawn and not tracked."""


def draw_particles(frames: int, height: int, width: int, rng: Random) -> EventDrawing:
    """Spots of many brightnesses that jitter, and appear and vanish at one go.

    A track goes on where the spot would be while it is not there.
    """
    haze = np.exp(0.6 * field(rng, (height, width), 18.0))
    clean = np.repeat((0.07 * haze).astype(np.float32)[None], frames, axis=0)
    start = scatter(rng, height, width, SPACING)
    stage = np.stack([wander(rng, frames, speed=0.05) for _ in "yx"])
    ways = (
        start[:, :, None]
        + stage
        + np.stack([[wander(rng, frames, speed=0.12) for _ in "yx"] for _ in start])
    )  # (N, 2, T)
    weight = rng.lognormal(-0.9, 0.45, len(start))
    there = np.stack([_there(frames, rng) for _ in start])
    glow = np.exp(
        0.15 * np.stack([np.sin(wander(rng, frames, speed=0.3)) for _ in start])
    )
    for t in range(frames):
        light = weight * there[:, t] * glow[:, t]
        clean[t] += gaussians(ways[:, :, t], light, 1.4, height, width)
    tracks: list[npt.NDArray[np.float64]] = []
    spans: list[Span] = []
    last = np.array([height, width])[:, None] - 1 - EDGE
    for way, states in zip(ways, there, strict=True):
        if ((way >= EDGE) & (way <= last)).all():
            name = len(tracks) + 1
            times = np.arange(frames)
            tracks.append(np.column_stack([np.full(frames, name), times, way.T]))
            labels = [PRESENT if state else ABSENT for state in states]
            spans += spans_of_frames(str(name), labels)
    return EventDrawing(
        clean=clean,
        spans=tuple(spans),
        tracks=np.concatenate(tracks) if tracks else np.empty((0, 4)),
    )


def _there(frames: int, rng: Random) -> npt.NDArray[np.bool_]:
    """Draw when a spot is there: it changes up to three times, never for an instant."""
    states = np.full(frames, rng.random() < 0.7)
    t = 0
    for _ in range(rng.integers(4)):
        t += SHORTEST + int(rng.exponential(frames / 4))
        if t > frames - SHORTEST:
            break
        states[t:] = ~states[t:]
    return states
