"""Neurons with calcium transients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_udvd.pretraining.corpus._drawing import (
    FINE,
    Floats,
    Random,
    bent_curve,
    log_uniform,
    noise_field,
    power_law,
    splat,
    step,
    wander,
)

if TYPE_CHECKING:
    from napari_udvd.pretraining.corpus._motion import Motion


def draw_neurons(rng: Random, motion: Motion) -> Floats:
    """Somata and dendrites that light up and fade, in a glowing neuropil."""
    side, frames = motion.period * FINE, motion.frames
    neuropil = np.exp(
        rng.uniform(0.1, 0.5) * noise_field(rng, side, rng.uniform(2, 8))
        + rng.uniform(0.0, 0.5) * power_law(rng, side, rng.uniform(0.5, 1.2))
    )
    still = log_uniform(rng, 0.02, 0.6) * neuropil
    glow = 1 + 0.1 * np.sin(wander(rng, 1, frames, 0.3))[0]
    canvas = glow[:, None, None] * still
    radius = log_uniform(rng, 1.2, 9.0)
    n = int(rng.integers(3, int(12 + 400 / radius**2)))
    traces = _transients(rng, n, frames)
    base = rng.lognormal(-1.5, rng.uniform(0.2, 1.0), n)
    rest = rng.choice([0.0, 0.1, 1.0])
    hollow = rng.uniform(0.0, 0.9)
    for trace, dim in zip(traces, base, strict=True):
        r = radius * rng.uniform(0.75, 1.25) * FINE
        reach = int(1.7 * r) + 3
        local = np.arange(-reach, reach + 1, dtype=np.float32)
        tilt, stretch = rng.uniform(0, np.pi), rng.uniform(1.0, 1.4)
        y, x = local[:, None], local[None, :]
        u = (np.cos(tilt) * y + np.sin(tilt) * x) * stretch
        v = (np.cos(tilt) * x - np.sin(tilt) * y) / stretch
        d = np.hypot(u, v)
        soma = step((r - d) / (0.5 * FINE))
        if r > 3 * FINE:
            soma = soma * (1 - hollow * step((0.5 * r - d) / (0.15 * r)))
        rows, columns = (
            ((int(c) + np.arange(-reach, reach + 1)) % side)
            for c in rng.integers(0, side, 2)
        )
        light = (dim * (rest + trace)).astype(np.float32)
        canvas[:, rows[:, None], columns] += light[:, None, None] * soma
    for trace in _transients(rng, int(rng.integers(0, 5)), frames):
        curve = bent_curve(rng, side, side, rng.uniform(0.0, 0.1))
        sigma = log_uniform(rng, 0.6, 2.0) * FINE
        dendrite = splat(curve[None], 0.5 / sigma, sigma, side)[0]
        light = rng.uniform(0.1, 0.6) * (rest + trace)
        canvas += light.astype(np.float32)[:, None, None] * dendrite
    return motion.of_canvas(np.asarray(canvas, np.float32))


def _transients(rng: Random, n: int, frames: int) -> Floats:
    """Calcium traces ``(n, T)``: spikes with a fast rise and an exponential decay."""
    history = 48
    rate = np.exp(rng.uniform(np.log(0.003), np.log(0.15), (n, 1)))
    spikes = rng.poisson(rate, (n, frames + history)) * rng.uniform(0.5, 3.0, (n, 1))
    age = np.arange(history)
    rise, decay = log_uniform(rng, 0.2, 3.0), log_uniform(rng, 1.0, 25.0)
    response = (1 - np.exp(-(age + 1) / rise)) * np.exp(-age / decay)
    traces = [np.convolve(s, response)[history : history + frames] for s in spikes]
    return np.asarray(traces, np.float32).reshape(n, frames)
