"""Noisy clips of clean movies, with the truth, to make weights from.

Noise is of the whole practical range, as correlated as the hole allows, and drawn anew
for every clip.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from napari_udvd.cutting import window
from napari_udvd.models.camera import CameraNoise
from napari_udvd.pretraining.corpus import clean_movie
from napari_udvd.pretraining.corpus._drawing import log_uniform

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Movie = npt.NDArray[np.float32]
    Random = np.random.Generator

HOLES = {
    (1, 1): 0.5,
    (1, 3): 0.14,
    (3, 1): 0.14,
    (3, 3): 0.1,
    (1, 5): 0.04,
    (5, 1): 0.04,
    (5, 5): 0.04,
}
"""How often each hole is drawn."""

HIDDEN = 0.1
"""How often the neighbours in time may not show the hole either, since noise lasts."""

STILL = 0.08
"""How often nothing moves at all, so that all frames can be averaged."""

PHOTONS = 0.3, 500.0
"""Range of the photons of the 99.9th percentile, drawn on a log scale."""

DIM = 0.05, 5.0
"""The same where nothing moves: much dimmer movies can be seen then."""

READ_NOISE = 0.05, 20.0
"""Range of the read noise in photons, on a log scale; none in a quarter of draws."""

NOISE_ERROR = 0.05
"""Relative error of the noise model that the network is told."""

STEPS_PER_MOVIE = 2
FRAMES, SIZE = 48, 96
LEAST_FRAMES = 5
PATCH = 64


class Blind(NamedTuple):
    """What the network may not see.

    Attributes
    ----------
    hole
        Rows and columns around the pixel.
    hidden
        Frames before and after that may not show the hole either.
    """

    hole: tuple[int, int]
    hidden: int = 0


class Batch(NamedTuple):
    """Noisy clips, the truth of their middle frames, and their noise."""

    noisy: Tensor  # (N, 2 context + 1, 1, H, W)
    truth: Tensor  # (N, 1, 1, H, W)
    noise: CameraNoise  # (N, 1, 1, 1, 1) each
    told: CameraNoise
    blind: Blind


class Source:
    """A pool of clean movies that is slowly replaced by new ones."""

    def __init__(self, rng: Random, recorded: Sequence[Movie], size: int) -> None:
        self._rng = rng
        self._recorded = list(recorded)
        self._movies = [clean_movie(rng, FRAMES, SIZE) for _ in range(size)]
        self._drawn = 0

    def batch(self, size: int, context: int) -> Batch:
        """Draw noisy clips; every one of another movie and with noise of its own."""
        rng = self._rng
        self._drawn += 1
        if self._drawn % STEPS_PER_MOVIE == 0:
            which = int(rng.integers(len(self._movies)))
            self._movies[which] = clean_movie(rng, FRAMES, SIZE)
        blind = draw_blind(rng)
        clips = [self._clip(context, blind) for _ in range(size)]
        noisy, truth, noises = zip(*clips, strict=True)
        return batch_of(noisy, truth, noises, blind, rng)

    def _clip(
        self, context: int, blind: Blind
    ) -> tuple[Movie, Movie, tuple[float, float]]:
        rng = self._rng
        use_recorded = self._recorded and rng.random() < 0.25
        pool = self._recorded if use_recorded else self._movies
        movie = pool[int(rng.integers(len(pool)))]
        y, x = (int(rng.integers(n - PATCH + 1)) for n in movie.shape[1:])
        # movies are of any length: the ends of short ones must be known as well
        length = int(rng.integers(LEAST_FRAMES, len(movie) + 1))
        first = int(rng.integers(len(movie) - length + 1))
        movie = movie[first : first + length, y : y + PATCH, x : x + PATCH]
        photons = PHOTONS
        if rng.random() < STILL:
            movie, photons = np.repeat(movie[:1], length, axis=0), DIM
        movie = turned(movie, rng.random(4) < 0.5)
        movie = movie * np.float32(log_uniform(rng, *photons))
        read_noise = draw_read_noise(rng)
        frames = window(int(rng.integers(length)), context, length)
        noisy = noisy_frames(movie, frames, read_noise, blind, rng)
        return noisy, movie[frames[context]], (1.0, read_noise**2)


def batch_of(
    noisy: Sequence[Movie],
    truth: Sequence[Movie],
    noises: Sequence[tuple[float, float]],
    blind: Blind,
    rng: Random,
) -> Batch:
    """Put clips together, and tell their gain and read variance with an error."""
    noise = np.array(noises, np.float32)
    told = noise * np.exp(rng.normal(0, NOISE_ERROR, noise.shape))
    return Batch(
        torch.from_numpy(np.stack(noisy))[:, :, None],
        torch.from_numpy(np.stack(truth))[:, None, None],
        _camera(noise),
        _camera(told.astype(np.float32)),
        blind,
    )


def draw_blind(rng: Random) -> Blind:
    """Draw what may not be seen."""
    holes = list(HOLES)
    hole = holes[int(rng.choice(len(holes), p=list(HOLES.values())))]
    return Blind(hole, int(rng.random() < HIDDEN))


def draw_read_noise(rng: Random) -> float:
    """Draw a read noise in photons."""
    return 0.0 if rng.random() < 0.25 else log_uniform(rng, *READ_NOISE)


def noisy_frames(
    movie: Movie, frames: Sequence[int], read_noise: float, blind: Blind, rng: Random
) -> Movie:
    """Count the photons of these frames of a movie, and read them."""
    # a frame that stands in for several has the same noise in all of them
    seen = sorted(set(frames))
    clean = movie[seen]
    counted = rng.poisson(clean) + rng.normal(0, read_noise, clean.shape)
    noise = _correlated((counted - clean).astype(np.float32), blind, rng)
    noisy: Movie = (clean + noise)[[seen.index(t) for t in frames]]
    return noisy


def turned(clip: npt.NDArray[Any], flips: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
    """Turn time and both axes of ``(T, Y, X)`` around, and swap the axes."""
    clip = clip[:: -1 if flips[0] else 1, :: -1 if flips[1] else 1]
    clip = clip[:, :, :: -1 if flips[2] else 1]
    return clip.swapaxes(1, 2) if flips[3] else clip


def _correlated(noise: Movie, blind: Blind, rng: Random) -> Movie:
    """Correlate noise between neighbours, as far as they are hidden."""
    for axis, far in enumerate((blind.hidden, *(n // 2 for n in blind.hole))):
        if far:
            taps = rng.uniform(0, 0.25, far + 1)
            # correlated with pixels so far away, and with none further away
            taps[0] = 1 - taps[1]
            kernel = taps / np.linalg.norm(taps)
            # the middle of an even number of taps does not matter to what is random
            noise = ndimage.convolve1d(noise, kernel, axis=axis, mode="reflect")
    return noise


def _camera(noise: Movie) -> CameraNoise:
    gain, read_variance = torch.from_numpy(noise)[:, :, None, None, None, None].unbind(
        1
    )
    return CameraNoise(gain, torch.zeros_like(gain), read_variance)


def moved(batch: Batch, device: torch.device) -> Batch:
    """Bring a batch to the device that computes."""
    return Batch(
        batch.noisy.to(device),
        batch.truth.to(device),
        CameraNoise(*(t.to(device) for t in batch.noise)),
        CameraNoise(*(t.to(device) for t in batch.told)),
        batch.blind,
    )
