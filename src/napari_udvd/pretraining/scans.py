"""Simulated scans with the truth: movies of which only some pixels were measured.

A scan is a clean movie, its light, the camera's read noise, and a mask. Clips of it
have noise of their own. As in use, one average suits a scan, and it is found from the
noisy measured pixels alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from napari_udvd.cutting import window
from napari_udvd.inference.interpolation import Widths, choose_widths
from napari_udvd.pretraining.clips import (
    DIM,
    FRAMES,
    LEAST_FRAMES,
    PATCH,
    PHOTONS,
    SIZE,
    STEPS_PER_MOVIE,
    STILL,
    Batch,
    batch_of,
    draw_blind,
    draw_read_noise,
    noisy_frames,
    turned,
)
from napari_udvd.pretraining.corpus import clean_movie
from napari_udvd.pretraining.corpus._drawing import log_uniform
from napari_udvd.scanning import make_mask

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt
    from torch import Tensor

    from napari_udvd.pretraining.clips import Blind, Movie, Random

    Mask = npt.NDArray[np.bool_]

__all__ = ["KINDS", "Part", "Scan", "Scans", "draw_mask", "draw_scan"]

SHARE = 0.08, 0.5
"""Range of the share of pixels that is measured, on a log scale."""

EVERY = 2, 10
"""Range of the rows that one is measured of."""

FIXED = 0.25
"""How often the same pixels are measured in every frame."""

FOVEA = 4.0, 20.0
"""Range of the radius, px, within which nearly all pixels are measured."""

OUTER = 0.05, 0.25
"""Range of the share that is measured far from it."""

DRIFT = 32
"""Pixels at most by which a movie drifts that was registered."""

LOST = 0.1
"""Lines, or frames, that are lost at most, as a share of all."""

BLUE_NOISE = 4
"""Blue-noise matrices that are made; each takes a while."""

CLIPS = 4
"""Clips of a batch that are from the same scan."""

SEEN = np.s_[FRAMES // 4 : 3 * FRAMES // 4, 16:-16, 16:-16]
"""What the widths of a scan are found from."""


class Scan(NamedTuple):
    """A movie with the truth, and what is measured of it.

    Attributes
    ----------
    clean
        ``(T, Y, X)`` in photons.
    measured
        Likewise, bool.
    read_noise
        In photons.
    widths
        Of the average of what was measured that suits it.
    """

    clean: Movie
    measured: Mask
    read_noise: float
    widths: Widths


class Part(NamedTuple):
    """Clips of one scan.

    Attributes
    ----------
    batch
        Noisy clips, as if all had been measured.
    measured
        ``(N, T, 1, H, W)``, bool.
    widths
        Of the scan.
    """

    batch: Batch
    measured: Tensor
    widths: Widths


class Scans:
    """A pool of scans that is slowly replaced by new ones."""

    def __init__(self, rng: Random, size: int) -> None:
        self._rng = rng
        self._scans = [draw_scan(rng) for _ in range(size)]
        self._drawn = 0

    def batch(self, size: int, context: int) -> list[Part]:
        """Draw noisy clips, a few of each scan, each few with a hole of their own."""
        rng = self._rng
        self._drawn += 1
        if self._drawn % STEPS_PER_MOVIE == 0:
            self._scans[int(rng.integers(len(self._scans)))] = draw_scan(rng)
        parts = []
        for first in range(0, size, CLIPS):
            scan = self._scans[int(rng.integers(len(self._scans)))]
            parts.append(self._part(scan, min(CLIPS, size - first), context))
        return parts

    def _part(self, scan: Scan, count: int, context: int) -> Part:
        blind = draw_blind(self._rng)
        clips = [self._clip(scan, context, blind) for _ in range(count)]
        noisy, truth, measured = zip(*clips, strict=True)
        noises = [(1.0, scan.read_noise**2)] * count
        return Part(
            batch_of(noisy, truth, noises, blind, self._rng),
            torch.from_numpy(np.stack(measured))[:, :, None],
            scan.widths,
        )

    def _clip(
        self, scan: Scan, context: int, blind: Blind
    ) -> tuple[Movie, Movie, Mask]:
        """Cut a clip: noisy frames, the truth of the middle one, and the mask."""
        rng = self._rng
        y, x = (int(rng.integers(n - PATCH + 1)) for n in scan.clean.shape[1:])
        # movies are of any length: the ends of short ones must be known as well
        length = int(rng.integers(LEAST_FRAMES, len(scan.clean) + 1))
        first = int(rng.integers(len(scan.clean) - length + 1))
        place = np.s_[first : first + length, y : y + PATCH, x : x + PATCH]
        flips = rng.random(4) < 0.5
        clean, measured = (
            np.ascontiguousarray(turned(whole[place], flips))
            for whole in (scan.clean, scan.measured)
        )
        frames = window(int(rng.integers(length)), context, length)
        noisy = noisy_frames(clean, frames, scan.read_noise, blind, rng)
        return noisy, clean[frames[context]], measured[frames]


def draw_scan(rng: Random) -> Scan:
    """Draw a scan of any kind."""
    clean, photons = clean_movie(rng, FRAMES, SIZE), PHOTONS
    if rng.random() < STILL:
        clean, photons = np.repeat(clean[:1], FRAMES, axis=0), DIM
    clean = clean * np.float32(log_uniform(rng, *photons))
    read_noise, measured = draw_read_noise(rng), draw_mask(rng)
    part = clean[SEEN]
    noisy = rng.poisson(part) + rng.normal(0, read_noise, part.shape)
    known = measured[SEEN]
    widths = choose_widths(noisy, known if known.any() else np.ones_like(known))
    return Scan(clean, measured, read_noise, widths)


def draw_mask(rng: Random) -> Mask:
    """Say which pixels ``(FRAMES, SIZE, SIZE)`` of a scan are measured."""
    draws = list(KINDS)
    weights = np.array(list(KINDS.values()))
    return draws[int(rng.choice(len(draws), p=weights / weights.sum()))](rng)


def _all(rng: Random) -> Mask:
    return np.ones((FRAMES, SIZE, SIZE), bool)


def _random(rng: Random) -> Mask:
    share, is_fixed = log_uniform(rng, *SHARE), rng.random() < FIXED
    frames = 1 if is_fixed else FRAMES
    found = rng.random((frames, SIZE, SIZE)) < share
    return np.repeat(found, FRAMES // frames, axis=0)


def _blue_noise(rng: Random) -> Mask:
    mask = make_mask(
        "blue-noise",
        FRAMES,
        (SIZE, SIZE),
        share=log_uniform(rng, *SHARE),
        seed=int(rng.integers(BLUE_NOISE)),
        fixed=bool(rng.random() < FIXED),
    )
    shifts = tuple(int(n) for n in rng.integers(SIZE, size=2))
    return np.roll(np.asarray(mask), shifts, axis=(1, 2))


def _rows(rng: Random) -> Mask:
    """Take one row in so many, also the same ones in every frame."""
    every = int(rng.integers(EVERY[0], EVERY[1] + 1))
    shift = int(rng.integers(every)) if rng.random() < 0.5 else None
    mask = make_mask("rows", FRAMES, (SIZE, SIZE), every=every, shift=shift)
    return np.asarray(mask)


def _foveated(rng: Random) -> Mask:
    inner = rng.uniform(*FOVEA)
    mask = make_mask(
        "foveated",
        FRAMES,
        (SIZE, SIZE),
        seed=int(rng.integers(BLUE_NOISE)),
        centre=rng.uniform(0, SIZE - 1, size=2),
        outer=log_uniform(rng, *OUTER),
        inner_radius=inner,
        outer_radius=inner * rng.uniform(1.2, 5.0),
    )
    return np.asarray(mask)


def _registered(rng: Random) -> Mask:
    """Leave out what a movie that drifted and was registered did not see."""
    found = _all(rng)
    start, end = rng.uniform(-DRIFT, DRIFT, (2, 2)).round()
    path = np.linspace(start, end, FRAMES).round().astype(int)
    for frame, (down, aside) in zip(found, path, strict=True):
        for axis, by in ((0, int(down)), (1, int(aside))):
            lines = frame.swapaxes(0, axis)
            if by:
                lines[slice(by) if by > 0 else slice(by, None)] = False
    return found


def _damaged(rng: Random) -> Mask:
    """Lose rows of the detector in all frames, and some frames in whole."""
    found = _all(rng)
    rows, frames = (rng.random(n) < rng.uniform(0, LOST) for n in (SIZE, FRAMES))
    found[:, rows] = False
    found[frames] = False
    return found


KINDS: dict[Callable[[Random], Mask], float] = {
    _all: 0.1,
    _registered: 0.1,
    _damaged: 0.1,
    _random: 0.25,
    _blue_noise: 0.15,
    _rows: 0.15,
    _foveated: 0.15,
}
"""How often each kind of mask is drawn. Dense movies have weights of their own."""
