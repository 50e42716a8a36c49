"""Nuclei that migrate, turn and change shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_udvd.simulation._drawing import field, scatter, wander, window

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_udvd.simulation._drawing import Drawing, Floats, Random


def draw_nuclei(frames: int, height: int, width: int, rng: Random) -> Drawing:
    """Nuclei that migrate, turn and change shape, with chromatin and nucleoli."""
    clean = np.zeros((frames, height, width), np.float32)
    centres = scatter(rng, height, width, spacing=28.0)
    for y, x in centres:
        _add_nucleus(clean, rng, y, x)
    haze = np.exp(0.5 * field(rng, (height, width), 25.0))
    clean += (0.03 * haze).astype(np.float32)
    return ndimage.gaussian_filter(clean, (0.0, 1.1, 1.1)), None


def _add_nucleus(clean: Floats, rng: Random, y: float, x: float) -> None:
    """Draw one nucleus into every frame of `clean`, ``(T, Y, X)``."""
    frames, height, width = clean.shape
    path = np.array([y, x])[:, None] + np.stack(
        [wander(rng, frames, speed=0.35) for _ in "yx"]
    )
    angle = rng.uniform(0, np.pi) + wander(rng, frames, speed=0.02)
    radius = rng.uniform(8.5, 12.5)
    stretch = rng.uniform(1.1, 1.5) + 0.1 * np.sin(wander(rng, frames, speed=0.1))
    lobes = [(k, rng.normal(0, 0.06), rng.uniform(0, 2 * np.pi)) for k in (2, 3, 4)]
    wobble = [wander(rng, frames, speed=0.06) for _ in lobes]
    brightness = rng.lognormal(-0.5, 0.35) * np.exp(
        0.15 * np.sin(wander(rng, frames, speed=0.08))
    )
    # Two textures that fade into one another: chromatin moves inside the nucleus.
    textures = [chromatin(rng) for _ in range(2)]
    fade = 0.5 - 0.5 * np.cos(np.linspace(0, np.pi, frames))
    for t in range(frames):
        part = window(path[:, t], int(2.0 * radius), height, width)
        if part is None:
            continue
        shape = Shape(
            angle=angle[t],
            radius=radius,
            stretch=stretch[t],
            lobes=[(k, a, p + wobble[i][t]) for i, (k, a, p) in enumerate(lobes)],
        )
        texture = (1.0 - fade[t]) * textures[0] + fade[t] * textures[1]
        light = brightness[t] * nucleus(part.dy, part.dx, shape, texture)
        clean[t, part.rows, part.columns] += light.astype(np.float32)


class Shape(NamedTuple):
    """Outline of a nucleus.

    Attributes
    ----------
    angle
        Of its long axis.
    radius
        Of the circle with its area, px.
    stretch
        Long axis divided by the short one.
    lobes
        Number, height and phase of each wave around the outline.
    """

    angle: float
    radius: float
    stretch: float
    lobes: Sequence[tuple[int, float, float]] = ()


def nucleus(
    dy: npt.NDArray[np.float64],
    dx: npt.NDArray[np.float64],
    shape: Shape,
    texture: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Light of a nucleus at distances `dy` and `dx` from its centre, about one."""
    cos, sin = np.cos(shape.angle), np.sin(shape.angle)
    v = (cos * dy - sin * dx) / shape.radius * np.sqrt(shape.stretch)
    u = (sin * dy + cos * dx) / shape.radius / np.sqrt(shape.stretch)
    r = np.hypot(u, v)
    theta = np.arctan2(v, u)
    edge = 1.0 + sum(
        amplitude * np.cos(k * theta + phase) for k, amplitude, phase in shape.lobes
    )
    # Thickness of a flattened ellipsoid, with a membrane that is not a step.
    body = np.clip(1.0 - (r / edge) ** 4, 0.0, None) ** 0.6
    size = texture.shape[0]
    where = [(v / 1.6 + 1.0) / 2.0 * (size - 1), (u / 1.6 + 1.0) / 2.0 * (size - 1)]
    chromatin = ndimage.map_coordinates(texture, where, order=1, mode="nearest")
    return np.asarray(body * chromatin)


def chromatin(rng: Random) -> npt.NDArray[np.float64]:
    """Grainy texture around one with dark nucleoli, on 64 x 64 points."""
    texture = np.exp(0.22 * field(rng, (64, 64), 1.7) + 0.2 * field(rng, (64, 64), 5))
    grid = np.mgrid[:64, :64]
    for _ in range(rng.integers(1, 4)):
        cy, cx = rng.uniform(20, 44, 2)
        distance = np.hypot(grid[0] - cy, grid[1] - cx)
        depth = rng.uniform(0.4, 0.7)
        size = rng.uniform(3, 5.5)
        texture *= 1.0 - depth / (1.0 + np.exp((distance - size) / 0.9))
    return texture
