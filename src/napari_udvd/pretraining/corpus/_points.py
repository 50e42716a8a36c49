"""Scenes made of points: vesicles, filaments, atomic columns."""

from __future__ import annotations

import numpy as np

from napari_udvd.pretraining.corpus._drawing import (
    Floats,
    Random,
    bent_curve,
    blur,
    log_uniform,
    splat,
    wander,
)
from napari_udvd.pretraining.corpus._motion import Motion, haze, paths, scatter


def draw_vesicles(rng: Random, motion: Motion) -> Floats:
    """Spots that diffuse, run, stay, blink, appear and vanish."""
    movie = haze(rng, motion)
    for _ in range(int(rng.integers(1, 4))):
        sigma = log_uniform(rng, 0.6, 3.0)
        n = int(log_uniform(rng, 8, 40 + 500 / sigma**2))
        speed = motion.tempo * rng.choice([0.05, 1.0, 2.0])
        start = scatter(rng, motion, n)
        if rng.random() < 0.4:
            heading = rng.uniform(0, 2 * np.pi, n)
            run = np.stack([np.sin(heading), np.cos(heading)], 1)
            t = np.arange(motion.frames)[:, None, None]
            start = start + (t * run * speed * rng.random((n, 1))).astype(np.float32)
            at = motion.of_points(start)
        else:
            at = paths(rng, motion, start, speed)
        weight = rng.lognormal(-1.2, rng.uniform(0.1, 1.0), n) * _presence(
            rng, n, motion.frames
        )
        movie += splat(at, weight, sigma, motion.size)
    return movie


def _presence(rng: Random, n: int, frames: int) -> Floats:
    """Brightness in time ``(T, n)``: steady, blinking, or there for a while."""
    kind = rng.integers(4)
    if kind <= 1:
        return np.ones((frames, n), np.float32)
    if kind == 2:
        switch = rng.random((frames, n)) < log_uniform(rng, 0.03, 0.5)
        state = (np.cumsum(switch, axis=0) + rng.integers(0, 2, n)) % 2
        return state.astype(np.float32)
    t = np.arange(frames)[:, None]
    birth = rng.integers(-frames // 2, frames, n)
    life = np.exp(rng.uniform(0, np.log(2 * frames), n))
    return ((t >= birth) & (t < birth + life)).astype(np.float32)


def draw_filaments(rng: Random, motion: Motion) -> Floats:
    """Thin lines, straight to curly, that glide and sway."""
    movie = haze(rng, motion)
    for _ in range(int(rng.integers(1, 3))):
        sigma = log_uniform(rng, 0.6, 2.0)
        n = int(log_uniform(rng, 4, 40))
        length = int(log_uniform(rng, 15, motion.period))
        bend = log_uniform(rng, 0.005, 0.2)
        glide = motion.tempo * rng.choice([0.0, 2.0])
        along = wander(rng, n, motion.frames, glide) if glide else None
        curves, lights = [], []
        index = np.arange(0, length, 0.7, dtype=np.float32)
        for i in range(n):
            curve = bent_curve(rng, 2 * length, motion.period, bend)
            offset = 0 if along is None else along[i][:, None]
            place = np.clip(index + 0.5 * length + offset, 0, 2 * length - 1.01)
            low = place.astype(np.intp)
            curves.append(
                curve[low] + (place - low)[..., None] * (curve[low + 1] - curve[low])
            )
            lights.append(np.full(len(index), rng.uniform(0.3, 1.0)))
        at = np.concatenate(
            [np.broadcast_to(c, (motion.frames, len(index), 2)) for c in curves], 1
        )
        sway = wander(rng, 2 * n, motion.frames, 0.4 * motion.tempo)
        sway = sway.reshape(2, n, motion.frames).transpose(2, 1, 0)
        at = motion.of_points(at + np.repeat(sway, len(index), axis=1))
        weight = np.concatenate(lights) * (0.3 / sigma)
        movie += splat(at, weight, sigma, motion.size)
    return movie


def draw_lattice(rng: Random, motion: Motion) -> Floats:
    """Atomic columns of a crystal, or of a particle in vacuum, with defects."""
    spacing = log_uniform(rng, 3.0, 14.0)
    angle = rng.choice([np.pi / 2, np.pi / 3, rng.uniform(0.9, 1.9)])
    ratio = 1.0 if rng.random() < 0.6 else rng.uniform(0.7, 1.5)
    reach = int(1.3 * motion.period / spacing / min(ratio, 1)) + 2
    i, j = (k.ravel() for k in np.mgrid[-reach : reach + 1, -reach : reach + 1])
    a = np.array([0.0, spacing])
    b = ratio * spacing * np.array([np.sin(angle), np.cos(angle)])
    at = i[:, None] * a + j[:, None] * b + motion.period / 2
    weight = np.ones(len(at))
    if spacing > 5 and rng.random() < 0.4:
        at = np.concatenate([at, at + rng.uniform(0.3, 0.7) * (a + b)])
        weight = np.concatenate([weight, weight * rng.uniform(0.15, 0.9)])
    inside = (at > 0).all(1) & (at < motion.period).all(1)
    edge = np.full(len(at), np.inf)
    form = rng.integers(3)
    if form > 0:
        centre = motion.period / 2 + rng.normal(0, 0.12, 2) * motion.size
        facets = rng.uniform(0, np.pi) + np.sort(
            rng.uniform(0, 2 * np.pi, 1 if form == 1 else rng.integers(3, 9))
        )
        far = rng.uniform(0.0, 0.2) if form == 1 else rng.uniform(0.2, 0.45)
        normals = np.stack([np.sin(facets), np.cos(facets)])
        edge = (far * motion.size - (at - centre) @ normals).min(axis=1)
        if form == 2:
            disc = far * motion.size * 1.25 - np.hypot(*(at - centre).T)
            edge = np.minimum(edge, disc)
        weight = weight * (0.6 + 0.4 * np.clip(edge / 25, 0, 1))
    keep = inside & (edge > 0) & (rng.random(len(at)) > rng.choice([0.0, 0.01, 0.05]))
    at, weight, edge = at[keep].astype(np.float32), weight[keep], edge[keep]
    weight = weight * rng.normal(1, rng.uniform(0, 0.1), len(weight))
    light = np.repeat(weight[None], motion.frames, 0)
    restless = np.flatnonzero((edge < spacing) | (rng.random(len(at)) < 0.01))
    if rng.random() < 0.6:
        light[:, restless] *= _presence(rng, len(restless), motion.frames)
    shiver = rng.uniform(0, 0.012) * spacing
    places = at + rng.normal(0, shiver, (motion.frames, *at.shape)).astype(np.float32)
    sigma = max(0.6, spacing * rng.uniform(0.14, 0.32))
    columns = splat(motion.of_points(places), light, sigma, motion.size)
    solid = blur(columns, 0.6 * spacing) * np.float32(rng.uniform(0, 3.0))
    # Bright field shows dark columns; the phase may put them on either side.
    sign = rng.choice([1.0, -1.0], p=[0.65, 0.35])
    movie = np.float32(sign) * columns + np.float32(rng.choice([1, -1, 0])) * solid
    if rng.random() < 0.5:
        movie += haze(rng, motion) * 4
    return movie
