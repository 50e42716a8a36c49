"""Clean movies to learn from: ahead, in a file, and by other processes meanwhile.

A GPU learns from a movie faster than a processor draws one. The file holds square
roots of intensities in 256 steps, frame after frame as differences, so that hundreds
of movies take few megabytes. On the device, clips are cut out and given their noise as
`napari_udvd.pretraining.clips` does it, a whole batch at once.
"""

from __future__ import annotations

import math
import os
import time
import zlib
from collections import deque
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import repeat
from multiprocessing import get_context
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from napari_udvd.cutting import window
from napari_udvd.models import CameraNoise
from napari_udvd.pretraining import clips as pretrain
from napari_udvd.pretraining.corpus import clean_movie
from napari_udvd.pretraining.flow import SIZE as PICTURE_SIZE

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

__all__ = ["ClipSource", "Drawn", "Movies", "make_corpus"]

LARGEST_FILE = 47 * 2**20
HELD_OUT = 48
"""Movies that are kept for measuring; of seeds that training never takes."""

PICTURES_PER_MOVIE = 2
"""Pictures for the flow that are drawn for every movie of the file."""

LARGEST = np.iinfo(np.uint8).max


class Drawn(NamedTuple):
    """A movie, or a picture ``(1, Y, X)``, as it is kept.

    Attributes
    ----------
    roots
        Square root of the intensity, in parts of the largest.
    peak
        Largest intensity.
    """

    roots: npt.NDArray[np.uint8]
    peak: float

    @classmethod
    def of(cls, movie: npt.NDArray[np.float32]) -> Drawn:
        """Keep a movie."""
        peak = max(float(movie.max()), 1e-6)
        roots = np.sqrt(np.clip(movie, 0, None) / peak) * LARGEST
        return cls(np.rint(roots).astype(np.uint8), peak)


def draw_movie(seed: int, kind: int) -> Drawn:
    """Draw the clean movie of a seed; `kind` 0 to learn from, 1 to measure with."""
    rng = np.random.default_rng([seed, kind])
    return Drawn.of(clean_movie(rng, pretrain.FRAMES, pretrain.SIZE))


def draw_picture(seed: int, kind: int) -> Drawn:
    """Draw the first frame of a larger movie, between its percentiles 1 and 99.9."""
    rng = np.random.default_rng([seed, kind, 1])
    frame = clean_movie(rng, 2, PICTURE_SIZE)[:1]
    low, high = np.percentile(frame, (1, 99.9))
    light = np.clip((frame - low) / max(high - low, 1e-6), 0, None)
    return Drawn.of(light.astype(np.float32))


# --- the file -----------------------------------------------------------------------


def make_corpus(path: Path, most: int) -> None:
    """Draw movies and pictures into a file, as many as were asked for and fit."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _processes(os.cpu_count() or 1) as pool:
        held_out = list(pool.map(draw_movie, range(HELD_OUT), repeat(1)))
        movies: list[Drawn] = []
        pictures: list[Drawn] = []
        size, seed, began = sum(_size(movie) for movie in held_out), 0, time.monotonic()
        waiting: deque[tuple[Future[Drawn], list[Future[Drawn]]]] = deque()
        while len(movies) < most and size < LARGEST_FILE:
            while len(waiting) < 2 * (os.cpu_count() or 1):
                number = PICTURES_PER_MOVIE * seed
                waiting.append(
                    (
                        pool.submit(draw_movie, seed, 0),
                        [
                            pool.submit(draw_picture, number + k, 0)
                            for k in range(PICTURES_PER_MOVIE)
                        ],
                    )
                )
                seed += 1
            movie, shots = waiting.popleft()
            movies.append(movie.result())
            pictures += [shot.result() for shot in shots]
            size += _size(movies[-1]) + sum(_size(p) for p in pictures[-2:])
            if len(movies) % 20 == 0:
                seconds = time.monotonic() - began
                print(f"{len(movies)} movies, {size / 2**20:.1f} MiB, {seconds:.0f} s")
        pool.shutdown(cancel_futures=True)
    arrays = {}
    for name, drawn in (
        ("held_out", held_out),
        ("movies", movies),
        ("pictures", pictures),
    ):
        arrays[name] = np.stack([_differences(each.roots) for each in drawn])
        arrays[f"{name}_peaks"] = np.array([each.peak for each in drawn], np.float32)
    np.savez_compressed(path, seed=seed, **arrays)  # type: ignore[arg-type]
    print(f"{path}: {len(movies)} movies, {path.stat().st_size / 2**20:.1f} MiB")


def _differences(roots: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """First frame, and what each adds to the one before, around zero."""
    return np.concatenate([roots[:1], np.diff(roots, axis=0)])


def _size(drawn: Drawn) -> int:
    return len(zlib.compress(_differences(drawn.roots).tobytes(), 6))


def _read(path: Path) -> tuple[dict[str, list[Drawn]], int]:
    found = {}
    with np.load(path) as arrays:
        for name in ("held_out", "movies", "pictures"):
            roots = np.cumsum(arrays[name], axis=1, dtype=np.uint8)
            peaks = arrays[f"{name}_peaks"]
            found[name] = [
                Drawn(each, float(peak))
                for each, peak in zip(roots, peaks, strict=True)
            ]
        return found, int(arrays["seed"])


def _processes(count: int) -> ProcessPoolExecutor:
    # each is to compute by itself; torch reads it when it is imported there
    os.environ["OMP_NUM_THREADS"] = "1"
    return ProcessPoolExecutor(count, get_context("spawn"))


# --- while the device computes ------------------------------------------------------


class Movies:
    """Those of a file, and new ones that other processes draw; use in a ``with``.

    Parameters
    ----------
    path
        File of :func:`make_corpus`; all movies are new ones where it is not there.
    is_small
        Draw only a few, here.

    Attributes
    ----------
    held_out, movies, pictures
        To measure with, and to learn from; the last two grow.
    """

    def __init__(self, path: Path, is_small: bool) -> None:
        self.held_out: list[Drawn] = []
        self.movies: list[Drawn] = []
        self.pictures: list[Drawn] = []
        self._seed = 1_000_000  # other movies than those of the file
        self._wanted = draw_movie
        self._waiting: deque[Future[Drawn]] = deque()
        self._pool: ProcessPoolExecutor | None = None
        if is_small:
            self.held_out = [draw_movie(0, 1)]
            self.movies = [draw_movie(k, 0) for k in range(2)]
            self.pictures = [draw_picture(k, 0) for k in range(2)]
            return
        if path.is_file():
            found, _ = _read(path)
            self.held_out, self.movies = found["held_out"], found["movies"]
            self.pictures = found["pictures"]
        self._count = max((os.cpu_count() or 2) - 2, 1)
        self._pool = _processes(self._count)
        if not self.held_out:
            numbers = range(HELD_OUT)
            self.held_out = list(self._pool.map(draw_movie, numbers, repeat(1)))
        self._seed += int(time.time()) % 1_000_000 * 1000  # every run has its own
        self.harvest()
        while len(self.movies) < 2 * self._count:
            time.sleep(0.1)
            self.harvest()

    def __enter__(self) -> Movies:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def want_pictures(self) -> None:
        """Draw pictures from now on; wait until there are some."""
        self._wanted = draw_picture
        for future in self._waiting:
            future.cancel()
        self._waiting.clear()
        while len(self.pictures) < 2:
            time.sleep(0.1)
            self.harvest()

    def harvest(self) -> None:
        """Take what has been drawn, and ask for more."""
        if self._pool is None:
            return
        while self._waiting and self._waiting[0].done():
            drawn = self._waiting.popleft().result()
            grows = self.movies if self._wanted is draw_movie else self.pictures
            grows.append(drawn)
        # as many as are drawn until somebody looks again
        while len(self._waiting) < 30 * self._count:
            self._waiting.append(self._pool.submit(self._wanted, self._seed, 0))
            self._seed += 1


class Store:
    """Movies on a device; the oldest give way to new ones when it is full."""

    def __init__(self, device: torch.device, most: int) -> None:
        self._device, self._most = device, most
        self._taken = 0
        self.roots: Tensor | None = None
        self.peaks = torch.zeros(most, device=device)
        self.count = 0

    def take(self, drawn: list[Drawn]) -> None:
        """Take what is new in a list that only grows."""
        for each in drawn[self._taken :]:
            if self.roots is None:
                shape = self._most, *each.roots.shape
                self.roots = torch.zeros(shape, dtype=torch.uint8, device=self._device)
            place = self._taken % self._most
            self.roots[place] = torch.from_numpy(each.roots).to(self._device)
            self.peaks[place] = each.peak
            self._taken += 1
        self.count = min(self._taken, self._most)


class ClipSource:
    """Draws batches as :class:`pretrain.Source` does, on a device.

    Parameters
    ----------
    device
        Where.
    seed
        Of what is drawn.
    most
        Movies that it holds.
    """

    def __init__(self, device: torch.device, seed: int, most: int) -> None:
        self._device = device
        self._rng = np.random.default_rng(seed)
        self._generator = torch.Generator(device).manual_seed(seed)
        self.store = Store(device, most)

    def batch(self, size: int, context: int) -> pretrain.Batch:
        """Draw noisy clips, each with noise of its own, and one hole for all."""
        rng, store = self._rng, self.store
        assert store.roots is not None
        holes = list(pretrain.HOLES)
        hole = holes[int(rng.choice(len(holes), p=list(pretrain.HOLES.values())))]
        patch, total = pretrain.PATCH, store.roots.shape[1]
        which = rng.integers(store.count, size=size)
        photons = log_uniform(rng, pretrain.PHOTONS, size)
        read = log_uniform(rng, pretrain.READ_NOISE, size)
        read[rng.random(size) < 0.25] = 0
        places = [self._place(total, context) for _ in range(size)]
        rows, columns = (
            np.stack([self._side(store.roots.shape[2], patch) for _ in range(size)])
            for _ in range(2)
        )
        # every frame once: one that stands in for several has one noise
        clean = store.roots[
            self._index(which)[:, None, None, None],
            torch.arange(total, device=self._device)[:, None, None],
            self._index(rows)[:, None, :, None],
            self._index(columns)[:, None, None, :],
        ]
        swap = self._on_device(rng.random(size) < 0.5)[:, None, None, None]
        clean = torch.where(swap, clean.transpose(2, 3), clean)
        scale = store.peaks[self._index(which)] * self._on_device(photons).float()
        light = (clean.float() / LARGEST).square() * scale[:, None, None, None]
        noise = torch.poisson(light, self._generator) - light
        normal = torch.randn(
            light.shape, generator=self._generator, device=self._device
        )
        noise += normal * self._on_device(read).float()[:, None, None, None]
        noise = self._correlated(noise, hole)
        frames = self._index(np.stack(places))
        clips = torch.arange(size, device=self._device)[:, None]
        noisy = (light + noise)[clips, frames]
        truth = light[clips[:, 0], frames[:, context]]
        gains = np.stack([np.ones(size), read**2], axis=1).astype(np.float32)
        wrong = np.exp(rng.normal(0, pretrain.NOISE_ERROR, gains.shape))
        return pretrain.Batch(
            noisy[:, :, None],
            truth[:, None, None],
            self._camera(gains),
            self._camera((gains * wrong).astype(np.float32)),
            pretrain.Blind(hole),
        )

    def _place(self, total: int, context: int) -> list[int]:
        """Frames of a movie of any length within a movie, perhaps backwards."""
        rng = self._rng
        length = int(rng.integers(pretrain.LEAST_FRAMES, total + 1))
        first = int(rng.integers(total - length + 1))
        frames = window(int(rng.integers(length)), context, length)
        if rng.random() < 0.5:
            frames = [length - 1 - t for t in frames]
        return [first + t for t in frames]

    def _side(self, length: int, patch: int) -> npt.NDArray[np.intp]:
        start = int(self._rng.integers(length - patch + 1))
        side = np.arange(start, start + patch)
        return side[::-1].copy() if self._rng.random() < 0.5 else side

    def _correlated(self, noise: Tensor, hole: tuple[int, int]) -> Tensor:
        """Correlate noise with the next pixel, as far as the hole covers it."""
        for axis, extent in zip((2, 3), hole, strict=True):
            if extent > 1:
                side = self._on_device(self._rng.uniform(0, 0.25, len(noise))).float()
                side = side[:, None, None, None]
                first = noise.narrow(axis, 0, 1)
                rest = noise.narrow(axis, 0, noise.shape[axis] - 1)
                shifted = torch.cat([first, rest], dim=axis)
                mixed = (1 - side) * noise + side * shifted
                noise = mixed / torch.hypot(1 - side, side)
        return noise

    def _camera(self, values: npt.NDArray[np.float32]) -> CameraNoise:
        both = self._on_device(values)[:, :, None, None, None, None]
        gain, read_variance = both.unbind(1)
        return CameraNoise(gain, torch.zeros_like(gain), read_variance)

    def _on_device(self, values: npt.NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(values).to(self._device)

    def _index(self, values: npt.NDArray[np.generic]) -> Tensor:
        return self._on_device(values.astype(np.int64))


def log_uniform(
    rng: np.random.Generator, span: tuple[float, float], size: int
) -> npt.NDArray[np.float32]:
    """Numbers whose logarithms are uniform."""
    low, high = map(math.log, span)
    return np.exp(rng.uniform(low, high, size)).astype(np.float32)
