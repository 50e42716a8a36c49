"""Neurons with calcium transients."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_udvd.simulation._drawing import EventDrawing, field, scatter, step, wander
from napari_udvd.spans import spans_of_frames

if TYPE_CHECKING:
    from napari_udvd.simulation._drawing import Drawing, Floats, Random
    from napari_udvd.spans import Span

ONSET, REST = "onset", "rest"
RISE = 3
"""Frames from the first one that a spike makes brighter to the brightest one."""
INSIDE = 0.5
"""Share of a neuron in a pixel from which on it belongs to the region."""
SMALLEST = 25
"""Pixels of the smallest region; neurons that the border cuts are none."""


def draw_calcium(frames: int, height: int, width: int, rng: Random) -> Drawing:
    """Neurons that light up, in a neuropil that glows, under a rigid wobble."""
    scene = _scene(frames, height, width, rng)
    return scene.clean, scene.motion


def draw_onsets(frames: int, height: int, width: int, rng: Random) -> EventDrawing:
    """Draw the scene of :func:`draw_calcium`, and say when each neuron begins to rise.

    A neuron is a region where it is in the first frame, whose motion is none.
    """
    scene = _scene(frames, height, width, rng)
    labels = np.zeros((height, width), np.int32)
    brightest = np.full((height, width), INSIDE)
    spans: list[Span] = []
    for soma, spikes in zip(scene.somata, scene.spikes, strict=True):
        area = soma > brightest
        if area.sum() < SMALLEST:
            continue
        number = 1 + int(labels.max())
        labels[area] = number
        brightest[area] = soma[area]
        spans += spans_of_frames(str(number), _states(spikes))
    return EventDrawing(scene.clean, tuple(spans), labels=labels, motion=scene.motion)


class _Scene(NamedTuple):
    """Neurons: clean movie, motion, where each is, and when it fires.

    Attributes
    ----------
    clean, motion
        As a :data:`~napari_udvd.simulation._drawing.Drawing` has them.
    somata
        From 0 to 1 in the first frame, ``(Y, X)`` for each.
    spikes
        True where there is one or more, ``(T,)`` for each.
    """

    clean: Floats
    motion: npt.NDArray[np.float64]
    somata: list[npt.NDArray[np.float64]]
    spikes: list[npt.NDArray[np.bool_]]


def _scene(frames: int, height: int, width: int, rng: Random) -> _Scene:
    margin = 8
    tall, wide = height + 2 * margin, width + 2 * margin
    grid_y, grid_x = np.mgrid[:tall, :wide].astype(np.float64)
    neuropil = np.exp(
        0.3 * field(rng, (tall, wide), 1.2) + 0.3 * field(rng, (tall, wide), 16.0)
    )
    still = 0.2 * neuropil
    somata, traces, whole, spikes = [], [], [], []
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
        whole.append(step((1.0 - r) / 0.12))
        base = rng.lognormal(-1.3, 0.3)
        response, fired = _transients(rng, frames)
        traces.append(base * (1.0 + response))
        spikes.append(fired)
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
    frame = slice(margin, margin + height), slice(margin, margin + width)
    clean = clean[:, *frame]
    return _Scene(
        np.clip(clean, 0.0, None).astype(np.float32),
        motion,
        [soma[frame] for soma in whole],
        spikes,
    )


def _states(spikes: npt.NDArray[np.bool_]) -> list[str]:
    """Label every frame: a neuron rises for some frames from one after a spike on."""
    rising = np.zeros(len(spikes), bool)
    for t in np.flatnonzero(spikes):
        rising[t + 1 : t + 1 + RISE] = True
    return [ONSET if rises else REST for rises in rising]


def _transients(
    rng: Random, frames: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Draw bursts of one neuron, with a fast rise and slow decay, and its spikes."""
    history = 40
    rate = rng.choice([0.004, 0.015, 0.04])
    spikes = rng.poisson(rate, frames + history) * rng.uniform(0.8, 2.5)
    age = np.arange(history, dtype=np.float64)
    response = (1.0 - np.exp(-age / 1.2)) * np.exp(-age / 9.0)
    trace = np.convolve(spikes, response)[history : history + frames]
    return trace, spikes[history:] > 0
