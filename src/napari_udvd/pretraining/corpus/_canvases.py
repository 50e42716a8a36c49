"""Scenes that are one periodic picture, seen moving and deforming."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from napari_udvd.pretraining.corpus._drawing import (
    FINE,
    Floats,
    Random,
    log_uniform,
    noise_field,
    power_law,
    random_shape,
    random_texture,
    step,
)

if TYPE_CHECKING:
    from napari_udvd.pretraining.corpus._motion import Motion


def draw_dead_leaves(rng: Random, motion: Motion) -> Floats:
    """Shapes of all sizes that hide one another, as in natural images."""
    side = motion.period * FINE
    canvas = np.full((side, side), rng.random(), np.float32)
    smallest = log_uniform(rng, 1.5, 8.0) * FINE
    largest = rng.uniform(15.0, 45.0) * FINE
    n = int(rng.integers(40, 220))
    # Areas as in a scene seen from a random distance: density of radii ~ r^-3.
    radii = smallest / np.sqrt(1 - rng.random(n) * (1 - (smallest / largest) ** 2))
    texture = random_texture(rng, side)
    textured = rng.random()
    for radius in np.sort(radii)[::-1] if rng.random() < 0.3 else radii:
        reach = min(int(1.5 * radius) + 2, side // 2 - 1)
        local = np.arange(-reach, reach + 1, dtype=np.float32)
        rows, columns = (
            (int(c) + np.arange(-reach, reach + 1)) % side
            for c in rng.integers(0, side, 2)
        )
        tilt = rng.uniform(0, np.pi)
        y, x = local[:, None], local[None, :]
        v = np.cos(tilt) * y - np.sin(tilt) * x
        u = np.sin(tilt) * y + np.cos(tilt) * x
        mask = random_shape(rng, u / radius, v / radius, radius)
        tone = rng.random() + 0.15 * rng.normal() * u / radius
        window = np.ix_(rows, columns)
        if rng.random() < textured:
            tone = tone * texture[window]
        canvas[window] += mask * (tone - canvas[window])
    canvas = ndimage.gaussian_filter(canvas, 0.35 * FINE, mode="wrap")
    return motion.of_canvas(canvas.clip(0.0, None))


def draw_fractal(rng: Random, motion: Motion) -> Floats:
    """Texture without scale, plain or in clots, or the cracks that it has."""
    field = power_law(rng, motion.period * FINE, rng.uniform(1.0, 2.4))
    kind = rng.integers(4)
    if kind == 0:
        field = np.exp(rng.uniform(0.3, 1.0) * field)
    elif kind == 1:
        field = step(rng.uniform(1.0, 12.0) * (field - rng.normal(0, 0.7)))
    elif kind == 2:
        field = np.exp(-np.abs(field) * rng.uniform(1.0, 6.0))
    return motion.of_canvas(field)


def draw_boiling(rng: Random, motion: Motion) -> Floats:
    """Texture that changes with time without a motion."""
    shape = (2 * motion.frames, motion.size, motion.size)
    spectrum = np.fft.rfftn(rng.normal(0, 1, shape).astype(np.float32))
    t, y, x = (
        np.fft.fftfreq(shape[0])[:, None, None],
        np.fft.fftfreq(shape[1])[:, None],
        np.fft.rfftfreq(shape[2])[None, :],
    )
    slow = log_uniform(rng, 1.0, 10.0)
    frequency = np.sqrt((slow * t) ** 2 + y**2 + x**2) + 0.4 / motion.size
    spectrum /= (frequency ** rng.uniform(1.3, 3.0)).astype(np.float32)
    raw = np.fft.irfftn(spectrum, shape, axes=(0, 1, 2))[: motion.frames]
    field: Floats = np.asarray((raw - raw.mean()) / raw.std(), np.float32)
    kind = rng.integers(3)
    if kind == 0:
        field = np.exp(rng.uniform(0.3, 1.0) * field)
    elif kind == 1:
        field = step(rng.uniform(1.0, 8.0) * (field - rng.normal(0, 0.7)))
    return field


def draw_membranes(rng: Random, motion: Motion) -> Floats:
    """Outlines of packed cells, their bodies faint, full, or of random tones."""
    side = motion.period * FINE
    spacing = log_uniform(rng, 8.0, 45.0) * FINE
    n = max(4, int((side / spacing) ** 2))
    cells = rng.uniform(0, side, (n, 2))
    # Every other point will do for what is smooth between the lines.
    grid = 2 * np.indices((side // 2, side // 2)).reshape(2, -1).T
    warp = rng.uniform(0, 0.3) * spacing
    bent = grid + warp * np.stack(
        [noise_field(rng, side // 2, side / spacing).ravel() for _ in "yx"], 1
    )
    distance, nearest = cKDTree(cells, boxsize=side).query(np.mod(bent, side), k=2)
    gap = (distance[:, 1] - distance[:, 0]).reshape(side // 2, side // 2)
    gap = ndimage.zoom(gap, 2, order=1, mode="grid-wrap", grid_mode=True)
    width = log_uniform(rng, 0.7, 4.0) * FINE
    line = np.exp(-((gap / width) ** 2))
    tones = rng.random(n)[nearest[:, 0]].reshape(side // 2, side // 2)
    body = np.repeat(np.repeat(tones, 2, 0), 2, 1)
    texture = random_texture(rng, side)
    kind = rng.integers(3)
    if kind == 0:
        canvas = line * texture + rng.uniform(0, 0.3) * body
    elif kind == 1:
        canvas = (1 - line) * (0.4 + 0.6 * body) * texture
    else:
        canvas = line * (0.3 + body)
    canvas = ndimage.gaussian_filter(canvas, 0.45 * FINE, mode="wrap")
    return motion.of_canvas(canvas.astype(np.float32))


def draw_lettering(rng: Random, motion: Motion) -> Floats:
    """Rows of glyph-like marks with sharp edges."""
    side = motion.period * FINE
    canvas = np.zeros((side, side), np.float32)
    dot = int(rng.integers(1, 5)) * FINE
    line = int(rng.integers(8, 14)) * dot
    for top in range(0, side - 7 * dot, line):
        for left in range(0, side - 5 * dot, 6 * dot):
            if rng.random() < 0.8:
                glyph = rng.random((7, 5)) < 0.45
                tone = rng.uniform(0.3, 1.0)
                block = np.kron(glyph, np.ones((dot, dot)))
                canvas[top : top + 7 * dot, left : left + 5 * dot] = tone * block
    canvas = ndimage.gaussian_filter(canvas, 0.35 * FINE, mode="wrap")
    if rng.random() < 0.5:
        canvas *= random_texture(rng, side)
    return motion.of_canvas(canvas)


def draw_gradient(rng: Random, motion: Motion) -> Floats:
    """Almost nothing to see: a smooth glow, perhaps with stripes."""
    side = motion.period * FINE
    canvas = np.exp(rng.uniform(0.1, 0.8) * noise_field(rng, side, rng.uniform(1, 4)))
    if rng.random() < 0.4:
        canvas *= random_texture(rng, side)
    return motion.of_canvas(canvas)
