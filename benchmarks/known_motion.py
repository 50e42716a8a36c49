"""Noisy movies whose motion is known at every pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter, map_coordinates

from benchmarks.common import at_most

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Floats = npt.NDArray[np.float64]

Scene = tuple[Floats, Floats, npt.NDArray[np.bool_]]
"""Clean movie, flow and where it has texture, see :class:`MovingScene`."""

if TYPE_CHECKING:
    Drawing = Callable[[np.random.Generator, int, int], Scene]

__all__ = ["SCENES", "MovingScene", "moving_scene"]

GRAIN = 2.0
"""Standard deviation of the Gaussian that smooths the texture, px."""

DARK = 20.0
"""Grey level without light."""


@dataclass(frozen=True)
class MovingScene:
    """A movie and what is known of it.

    Attributes
    ----------
    noisy, clean
        ``(T, H, W)`` float32, grey levels.
    flow
        Displacement (dy, dx) from the middle frame to the next, ``(2, H, W)``, px.
    textured
        Where there is something to follow, ``(H, W)``.
    """

    noisy: npt.NDArray[np.float32]
    clean: npt.NDArray[np.float32]
    flow: npt.NDArray[np.float64]
    textured: npt.NDArray[np.bool_]

    @property
    def middle(self) -> int:
        """Frame that `flow` begins at."""
        return len(self.noisy) // 2


def _texture(rng: np.random.Generator, size: int) -> npt.NDArray[np.float64]:
    image = gaussian_filter(rng.standard_normal((size, size)), GRAIN, mode="wrap")
    return np.asarray(0.5 + 0.2 * image / image.std())


def _sample(image: Floats, y: Floats, x: Floats) -> Floats:
    return np.asarray(map_coordinates(image, (y, x), order=3, mode="grid-wrap"))


def _translation(speed: float) -> Drawing:
    angle = 0.6  # neither along rows nor along columns

    def scene(rng: np.random.Generator, frames: int, size: int) -> Scene:
        image = _texture(rng, size)
        y, x = np.mgrid[:size, :size].astype(float)
        dy, dx = speed * np.sin(angle), speed * np.cos(angle)
        movie = [_sample(image, y - dy * t, x - dx * t) for t in range(frames)]
        flow = np.stack([np.full((size, size), dy), np.full((size, size), dx)])
        return np.stack(movie), flow, np.ones((size, size), bool)

    return scene


def _rotation(rng: np.random.Generator, frames: int, size: int) -> Scene:
    """One degree per frame about the centre: up to 2 px per frame at 230 px."""
    image = _texture(rng, size)
    turn = np.deg2rad(1.0)
    middle = (size - 1) / 2
    y, x = np.mgrid[:size, :size] - middle

    def turned(angle: float) -> tuple[Floats, Floats]:
        c, s = np.cos(angle), np.sin(angle)
        return c * y - s * x, s * y + c * x

    movie = []
    for t in range(frames):
        back_y, back_x = turned(-turn * t)
        movie.append(_sample(image, back_y + middle, back_x + middle))
    next_y, next_x = turned(turn)
    flow = np.stack([next_y - y, next_x - x])
    return np.stack(movie), flow, np.hypot(y, x) < 0.95 * middle


def _opposite(rng: np.random.Generator, frames: int, size: int) -> Scene:
    """Two textured discs that pass each other over an empty background."""
    movie = np.full((frames, size, size), 0.1)
    flow = np.zeros((2, size, size))
    textured = np.zeros((size, size), bool)
    y, x = np.mgrid[:size, :size].astype(float)
    radius, speed = size / 5, 1.0
    for row, direction in ((0.27, 1), (0.73, -1)):
        image = _texture(rng, size)
        for t in range(frames):
            moved = direction * speed * (t - frames // 2)
            distance = np.hypot(y - row * size, x - size / 2 - moved)
            inside = np.clip(radius - distance + 0.5, 0, 1)
            surface = _sample(image, y, x - moved)
            movie[t] += inside * (surface - movie[t])
            if t == frames // 2:
                disc = distance < radius - 3
                flow[1][distance < radius] = direction * speed
                textured |= disc
    return movie, flow, textured


SCENES: Mapping[str, Drawing] = {
    "still": _translation(0.0),
    "0.5 px": _translation(0.5),
    "1 px": _translation(1.0),
    "2 px": _translation(2.0),
    "rotation": _rotation,
    "opposite": _opposite,
}
"""What can be asked of :func:`moving_scene`."""


def moving_scene(
    name: str,
    *,
    snr: float = 2.0,
    frames: int = 24,
    size: int = 192,
    seed: int = 0,
) -> MovingScene:
    """Make a movie.

    Parameters
    ----------
    name
        One of :data:`SCENES`.
    snr
        Standard deviation of the texture over that of the noise.
    frames, size
        Of the movie.
    seed
        Of texture and noise.
    """
    rng = np.random.default_rng(seed)
    clean, flow, textured = SCENES[name](rng, *at_most(frames, size))
    contrast = clean[:, textured].std()
    # half of the variance from photons, half from the camera
    sigma = contrast / snr
    gain = sigma**2 / 2 / clean.mean()
    photons = rng.poisson(np.clip(clean, 0, None) / gain) * gain
    noisy = photons + rng.normal(0, sigma / np.sqrt(2), clean.shape)
    return MovingScene(
        (DARK + 1000 * noisy).astype(np.float32),
        (DARK + 1000 * clean).astype(np.float32),
        flow,
        textured,
    )
