"""Endless clean movies of very many kinds, to pretrain a denoiser on.

A movie is one scene or two (nuclei, filaments, vesicles, neurons, lattices, cell
outlines, bacteria, occluding shapes, textures, lettering ...) under a random motion,
with sudden events, seen through random optics on a random background. The kinds are
wider than any one microscope makes, so that a network learns what movies have in
common instead of what cells look like.

Every number comes from the generator that is passed in. Nothing here calls
:func:`napari_udvd.simulation.simulate`, whose movies serve as benchmarks: pretraining
never sees a movie, nor a scene, of a benchmark.

>>> movie = clean_movie(np.random.default_rng(1), frames=8, size=64)
>>> movie.shape, movie.dtype
((8, 64, 64), dtype('float32'))
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_udvd.pretraining.corpus._bodies import (
    draw_bacteria,
    draw_droplets,
    draw_nuclei,
    draw_shapes,
)
from napari_udvd.pretraining.corpus._camera import add_flashes, exposure, optics
from napari_udvd.pretraining.corpus._canvases import (
    draw_boiling,
    draw_dead_leaves,
    draw_fractal,
    draw_gradient,
    draw_lettering,
    draw_membranes,
)
from napari_udvd.pretraining.corpus._drawing import Floats, Random, noise_field, step
from napari_udvd.pretraining.corpus._motion import Motion
from napari_udvd.pretraining.corpus._neurons import draw_neurons
from napari_udvd.pretraining.corpus._points import (
    draw_filaments,
    draw_lattice,
    draw_vesicles,
)
from napari_udvd.pretraining.corpus._rarities import make_rare

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["clean_movie", "make_rare"]

# How often each scene is drawn, relative to the others.
_SCENES: dict[Callable[[Random, Motion], Floats], float] = {
    draw_dead_leaves: 4.0,
    draw_lattice: 4.0,
    draw_nuclei: 3.0,
    draw_neurons: 3.0,
    draw_vesicles: 3.0,
    draw_filaments: 2.5,
    draw_membranes: 2.0,
    draw_bacteria: 1.5,
    draw_shapes: 1.5,
    draw_fractal: 1.5,
    draw_droplets: 1.2,
    draw_boiling: 1.0,
    draw_lettering: 0.7,
    draw_gradient: 0.4,
}


def clean_movie(rng: Random, frames: int = 32, size: int = 96) -> Floats:
    """Draw a movie without noise.

    Parameters
    ----------
    rng
        Source of every random number; the same state gives the same movie.
    frames
        Number of time points, at least 1.
    size
        Rows and columns, at least 16.

    Returns
    -------
    Intensities ``(frames, size, size)``, ``float32``, not negative, with a 99.9th
    percentile of 1.
    """
    movie = _scene(rng, frames, size)
    if frames > 3 and rng.random() < 0.04:
        cut = int(rng.integers(1, frames - 1))
        movie[cut:] = _scene(rng, frames - cut, size)
    add_flashes(movie, rng)
    movie = optics(movie, rng)
    movie = exposure(movie, rng)
    return np.asarray(movie / np.percentile(movie, 99.9), np.float32)


def _scene(rng: Random, frames: int, size: int) -> Floats:
    """One scene, or two that are blended, scaled to 0 .. about 1."""
    movie = _one_scene(rng, frames, size)
    if rng.random() < 0.35:
        other = _one_scene(rng, frames, size)
        share = rng.uniform(0.15, 1.0)
        blend = rng.integers(4)
        if blend == 0:
            movie += share * other
        elif blend == 1:
            movie = np.maximum(movie, share * other)
        elif blend == 2:
            movie *= 1.0 - share * other.clip(0.0, 1.0)
        else:
            where = step(noise_field(rng, size, 2.5) * rng.uniform(1.0, 10.0))
            movie += where * (share * other - movie)
    return movie


def _one_scene(rng: Random, frames: int, size: int) -> Floats:
    """One scene under a motion, scaled to 0 .. about 1."""
    scenes, shares = list(_SCENES), np.array(list(_SCENES.values()))
    while True:
        draw = scenes[rng.choice(len(scenes), p=shares / shares.sum())]
        movie = draw(rng, Motion.random(rng, frames, size))
        low, high = np.percentile(movie[:: max(1, frames // 8)], (0.1, 99.9))
        # A scene may happen to be empty, such as spots that all lie outside.
        if high - low > 1e-3:
            movie = np.asarray((movie - low) / (high - low), np.float32)
            # Rare bright peaks must not dwarf the rest of the scene.
            bright = movie > 1.0
            movie[bright] = 1.0 + np.log(movie[bright])
            return np.maximum(movie, 0.0)
