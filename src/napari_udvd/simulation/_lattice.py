"""Atomic columns of a nanoparticle on a crystal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_udvd.simulation._drawing import gaussians, step, wander

if TYPE_CHECKING:
    from napari_udvd.simulation._drawing import Drawing, Random


def draw_lattice(frames: int, height: int, width: int, rng: Random) -> Drawing:
    """Atomic columns of a faceted particle on a crystal, seen from the side."""
    drift = np.stack([wander(rng, frames, speed=0.12) for _ in "yx"], axis=1)
    drift -= drift[0]
    margin = 12.0 + np.abs(drift).max()
    surface = 0.68 * height
    support = _columns((6.3, 10.4), 0.0, (surface, 0.0), (height, width), margin)
    support = support[support[:, 0] > surface]
    tilt = rng.uniform(-0.35, 0.35)
    centre = np.array([surface - 0.26 * min(height, width), 0.5 * width])
    particle = _columns((7.6, 8.8), tilt, tuple(centre), (height, width), margin)
    depth = _depth(particle - centre, tilt, 0.3 * min(height, width))
    particle, depth = particle[depth > 0], depth[depth > 0]
    particle, depth = (v[particle[:, 0] < surface - 3.0] for v in (particle, depth))
    spots = np.concatenate([support, particle])
    weight = np.concatenate(
        [rng.normal(0.42, 0.02, len(support)), 0.45 + 0.3 * np.clip(depth / 25, 0, 1)]
    )
    weight = np.repeat(weight[None], frames, axis=0)
    # Columns at the particle's surface come and go; those inside stay.
    for i in np.flatnonzero(depth < 6.0) + len(support):
        weight[:, i] *= 0.5 + 0.5 * np.tanh(
            2.0 * (0.6 + np.sin(wander(rng, frames, 0.2)))
        )
    grid_y, grid_x = np.mgrid[:height, :width].astype(np.float64)
    clean = np.empty((frames, height, width), np.float32)
    for t in range(frames):
        clean[t] = gaussians(spots + drift[t], weight[t], 1.9, height, width)
        y, x = grid_y - drift[t, 0], grid_x - drift[t, 1]
        inside = _depth(np.stack([y, x], -1) - centre, tilt, 0.3 * min(height, width))
        inside = np.where(y < surface, inside, -10.0)
        solid = np.maximum(step(inside / 1.5), step((y - surface + 2) / 1.5))
        clean[t] += 0.5 - 0.22 * solid
    return clean, drift


def _columns(
    spacing: tuple[float, float],
    tilt: float,
    origin: tuple[float, ...],
    shape: tuple[int, int],
    margin: float,
) -> npt.NDArray[np.float64]:
    """Return a centred rectangular lattice as ``(N, 2)`` row, column positions."""
    reach = int(np.hypot(*shape) / min(spacing)) + 2
    i, j = (k.ravel() for k in np.mgrid[-reach : reach + 1, -reach : reach + 1])
    y, x = spacing[0] * i, spacing[1] * (j + 0.5 * (i % 2))
    cos, sin = np.cos(tilt), np.sin(tilt)
    at = np.stack([cos * y - sin * x, sin * y + cos * x], axis=1) + np.array(origin)
    near = (at > -margin).all(axis=1) & (at < np.array(shape) + margin).all(axis=1)
    return np.asarray(at[near])


def _depth(
    at: npt.NDArray[np.float64], tilt: float, radius: float
) -> npt.NDArray[np.float64]:
    """Pixels below the nearest facet of an octagonal particle at the origin."""
    facets = tilt + np.arange(8) * (np.pi / 4)
    size = radius * np.where(np.arange(8) % 2, 1.0, 1.06)
    normals = np.stack([np.sin(facets), np.cos(facets)])
    return np.asarray((size - at @ normals).min(axis=-1))
