"""Scenes made of bodies that move on their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_udvd.pretraining.corpus._drawing import (
    FINE,
    Floats,
    Random,
    log_uniform,
    power_law,
    random_shape,
    random_texture,
    sample,
    splat,
    step,
    wander,
)
from napari_udvd.pretraining.corpus._motion import Motion, haze, paths, scatter

if TYPE_CHECKING:
    from collections.abc import Callable


def draw_nuclei(rng: Random, motion: Motion) -> Floats:
    """Round bodies with grain and lobes; they migrate, deform and fade."""
    radius = log_uniform(rng, 3.0, 25.0)
    frames = motion.frames
    textures = [random_texture(rng, 64), np.exp(0.3 * power_law(rng, 64, 1.2))]
    power = log_uniform(rng, 0.15, 1.0)
    ring = rng.random() < 0.2
    lobed = rng.uniform(0, 0.1)
    spread = rng.uniform(0.1, 0.8)

    def draw(u: Floats, v: Floats, radius: float) -> tuple[Floats, Floats]:
        radius = radius * rng.uniform(0.7, 1.0)
        stretch = np.sqrt(rng.uniform(1.0, 1.6))
        pulse = np.exp(0.04 * np.sin(wander(rng, 1, frames, motion.tempo)))[0]
        u = u / (stretch * radius * pulse[:, None, None])
        v = v * (stretch / (radius * pulse[:, None, None]))
        theta = np.arctan2(v, u)
        wobble = wander(rng, 2, frames, 0.2 * motion.tempo)[:, :, None, None]
        edge = 1 + sum(
            np.float32(rng.normal(0, lobed)) * np.cos(k * theta + w)
            for k, w in zip((2, 3), wobble, strict=True)
        )
        r = np.hypot(u, v) / edge
        inside = np.clip(1 - r * r * r, 0, None)
        cover = step((1 - r) * radius) * inside**power
        if ring:
            cover = cover * (1 - 0.8 * step((0.7 - r) * radius))
        scale = 22.0 / max(1.0, 12.0 / radius)
        texture = textures[int(rng.integers(2))]
        place = rng.uniform(0, 64, 2).astype(np.float32)
        grain = sample(texture, v * scale + place[0], u * scale + place[1])
        fade = np.exp(0.2 * np.sin(wander(rng, 1, frames, motion.tempo)))[0]
        tone = rng.lognormal(-0.5, spread) * fade[:, None, None] * grain
        return np.asarray(cover, np.float32), np.asarray(tone, np.float32)

    n = _room(rng, motion, radius, 30 if radius < 8 else 12)
    backdrop = haze(rng, motion)
    opaque = rng.random() < 0.4
    return _bodies(rng, motion, radius, n, draw, backdrop, opaque=opaque)


def draw_bacteria(rng: Random, motion: Motion) -> Floats:
    """Rods that swim or creep, grow and divide; bright, dark or outlined."""
    width = log_uniform(rng, 1.5, 5.0)
    longest = width * rng.uniform(3.0, 7.0)
    frames = motion.frames
    t = np.arange(frames, dtype=np.float32)
    growth = rng.choice([0.0, log_uniform(rng, 0.002, 0.03)])
    dark = rng.random() < 0.35
    rim = rng.uniform(0.0, 0.8)

    def draw(u: Floats, v: Floats, radius: float) -> tuple[Floats, Floats]:
        length = radius * rng.uniform(0.45, 0.8) * np.exp(growth * t)
        length = np.minimum(length, radius)[:, None, None]
        split = rng.integers(0, 2 * frames) if growth else 2 * frames
        apart = np.clip((t - split) * 0.3, 0, 0.6 * width)[:, None, None]
        # After the division each half is a rod of its own.
        divided = (t >= split)[:, None, None]
        u = np.where(divided, np.abs(u) - apart / 2 - length / 2, u)
        half = np.where(divided, length / 2, length) - width
        bend = rng.normal(0, 0.1) / radius
        v = v + bend * u * u
        d = np.hypot(np.clip(np.abs(u) - half, 0, None), v)
        cover = step((width - d) * 1.2)
        body = 1 - rim * np.clip(1 - d / width, 0, 1)
        tone = rng.uniform(0.6, 1.0) * body
        return cover, np.asarray(0.3 - 0.3 * tone if dark else tone, np.float32)

    n = _room(rng, motion, np.sqrt(width * longest), 30)
    backdrop = haze(rng, motion) + np.float32(0.5 if dark else 0.0)
    opaque = dark or rng.random() < 0.7
    return _bodies(rng, motion, longest, n, draw, backdrop, opaque=opaque)


def draw_shapes(rng: Random, motion: Motion) -> Floats:
    """Opaque shapes that move on their own in front of a texture."""
    radius = log_uniform(rng, 4.0, 22.0)
    side = motion.period * FINE
    texture = random_texture(rng, 128)

    def draw(u: Floats, v: Floats, radius: float) -> tuple[Floats, Floats]:
        radius = radius * rng.uniform(0.4, 1.0)
        cover = random_shape(rng, u / radius, v / radius, radius)
        tone = rng.random() + rng.normal(0, 0.2) * u / radius
        if rng.random() < 0.5:
            tone = tone * sample(texture, 2 * v, 2 * u)
        return cover, np.asarray(tone, np.float32)

    canvas = 0.5 * rng.random() * random_texture(rng, side)
    n = _room(rng, motion, radius, 20 if radius < 8 else 10)
    backdrop = motion.of_canvas(np.asarray(canvas, np.float32))
    return _bodies(rng, motion, radius, n, draw, backdrop, opaque=True)


def draw_droplets(rng: Random, motion: Motion) -> Floats:
    """Blobs that meet, merge, part and divide, with a texture inside."""
    sigma = log_uniform(rng, 2.0, 10.0)
    n = _room(rng, motion, 2 * sigma, 80)
    n = 2 * (n // 2 + 1)
    start = scatter(rng, motion, n)
    start[: n // 2] = start[n // 2 :] + rng.normal(0, 0.5 * sigma, (n // 2, 2))
    at = paths(rng, motion, start, motion.tempo)
    field = splat(at, rng.uniform(0.5, 1.2, n), sigma, motion.size)
    body = step((field - 0.45) * sigma * rng.uniform(1.0, 4.0))
    if rng.random() < 0.3:
        body = body * (1 - rng.uniform(0.5, 1.0) * step((field - 0.75) * sigma * 3))
    inner = motion.of_canvas(random_texture(rng, motion.period * FINE))
    return np.asarray(body * inner + haze(rng, motion), np.float32)


def _bodies(
    rng: Random,
    motion: Motion,
    radius: float,
    n: int,
    draw: Callable[[Floats, Floats, float], tuple[Floats, Floats]],
    backdrop: Floats,
    *,
    opaque: bool,
) -> Floats:
    """Draw `n` bodies that wander and turn in front of a backdrop ``(T, Y, X)``.

    ``draw(u, v, radius)`` takes body coordinates ``(T, P, P)`` in pixels and returns
    coverage and tone.
    """
    reach = int(1.6 * radius) + 3
    size, frames = motion.size, motion.frames
    movie = np.pad(backdrop, ((0, 0), (2 * reach,) * 2, (2 * reach,) * 2), mode="edge")
    at = paths(rng, motion, scatter(rng, motion, n), 0.6 * motion.tempo)
    turn = wander(rng, n, frames, 0.06 * motion.tempo) + motion.angle
    turn += rng.uniform(0, 2 * np.pi, (n, 1)).astype(np.float32)
    local = np.arange(-reach, reach + 1, dtype=np.float32)
    for i in range(n):
        seen = np.flatnonzero(((at[:, i] > -reach) & (at[:, i] < size + reach)).all(1))
        if not len(seen):
            continue
        centre = at[:, i]
        corner = np.floor(centre)
        dy = local[None, :, None] - (centre - corner)[:, :1, None]
        dx = local[None, None, :] - (centre - corner)[:, 1:, None]
        cos, sin = (f(turn[i])[:, None, None] for f in (np.cos, np.sin))
        cover, tone = draw(cos * dx + sin * dy, cos * dy - sin * dx, radius)
        first = corner.astype(int) + reach
        for t in seen:
            y, x = first[t]
            window = movie[t, y : y + len(local), x : x + len(local)]
            if opaque:
                window += cover[t] * (tone[t] - window)
            else:
                window += cover[t] * tone[t]
    return movie[:, 2 * reach : 2 * reach + size, 2 * reach : 2 * reach + size]


def _room(rng: Random, motion: Motion, radius: float, most: int) -> int:
    """How many bodies of a radius: from a few to a crowded frame."""
    crowd = motion.period**2 / (3.0 * radius**2)
    return int(np.clip(crowd * log_uniform(rng, 0.1, 1.2), 3, most))
