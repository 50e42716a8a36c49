"""What a network that sharpens learns from, and what it is judged by.

It is shown what becomes of the first of two noisy copies of the movie, denoised and
sharpened, and asked for a scene that looks like the second one once it is blurred. The
noise of the second copy it cannot know. Where the scene is not blurred at all, this is
recorrupted-to-recorrupted training (Pang et al. 2021) as it was published.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from napari_udvd.optics import Blur, richardson_lucy
from napari_udvd.sharpening._copies import added_noise, restored
from napari_udvd.sharpening._stop import COPIES

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    import numpy.typing as npt
    from torch import Tensor

    from napari_udvd.inference.request import Request
    from napari_udvd.inference.restorer import Denoiser
    from napari_udvd.inference.survey import Survey
    from napari_udvd.optics import PointSpread
    from napari_udvd.sharpening._copies import Excerpt
    from napari_udvd.stack import Stack

__all__ = ["Material", "Pair", "seen_of"]

BRIGHT = 99.9
"""Percentile of a denoised movie that becomes one."""


LEAST = 1e-3
"""Of the mean variance of the noise, that any pixel is taken to have."""


class Pair(NamedTuple):
    """What becomes of one copy, and the other; in units in which bright pixels are one.

    Attributes
    ----------
    seen
        The first copy, denoised and sharpened, on the pixels of the movie:
        ``(T, 2, rows, columns)``.
    base
        The first copy, sharpened, ``(T, zoom rows, zoom columns)``.
    predicted
        What would be measured of `base`, ``(T, rows, columns)``.
    second
        The second copy, of the same shape.
    weight
        One over the variance of the second copy's noise; 0 where nothing was measured.
    """

    seen: Tensor
    base: Tensor
    predicted: Tensor
    second: Tensor
    weight: Tensor


class Material:
    """Makes pairs of an excerpt.

    Parameters
    ----------
    denoiser, stack, channel, request, surveys
        As for :func:`~napari_udvd.sharpening.choose_iterations`.
    psf, zoom
        What blurred the channel, and how fine its result is.
    iterations
        By which it is sharpened.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        stack: Stack,
        channel: int,
        psf: PointSpread,
        zoom: int,
        iterations: int,
        request: Request,
        surveys: Sequence[Survey],
    ) -> None:
        self._denoiser, self._stack, self._channel = denoiser, stack, channel
        self._psf, self._zoom, self._iterations = psf, zoom, iterations
        self._request, self._surveys = request, surveys
        self._device = request.place().device

    def pairs(
        self, excerpt: Excerpt, count: int, seed: int, unit: float | None = None
    ) -> Generator[None, None, tuple[float, Tensor, list[Pair]]]:
        """Make pairs, with pauses.

        Parameters
        ----------
        excerpt
            Of the movie.
        count
            How many are drawn; the noise of the movie itself is the same in all.
        seed
            Of the noise that is added.
        unit
            Grey level that becomes one; chosen if None.

        Returns
        -------
        unit : float
            As given or chosen.
        seen : Tensor
            As in a pair, of the excerpt without noise added.
        pairs : list of Pair
            As many as asked for.
        """
        known = self._denoiser.calibrations_for(self._stack)
        noises = [known[c].noise for c in excerpt.series.channels]
        own = excerpt.series.channels.index(self._channel)
        noise, at = noises[own], excerpt.at
        measured = excerpt.measured[:, own]
        blur = Blur(self._psf, measured.shape[1:], self._zoom, self._device)
        level = yield from self._restored(excerpt)
        variance = noise.variance(np.nan_to_num(level[:, own], nan=noise.offset))
        if unit is None:
            light = np.nan_to_num(level[:, own] - noise.offset)
            unit = max(float(np.percentile(light, BRIGHT)), np.sqrt(variance.mean()))
        yield
        seen, *_ = self._sharpened(level[:, own], measured, noise.offset, blur, unit)
        # where a camera without read noise saw nothing, it is not all that counts
        variance = np.maximum(variance, LEAST * variance.mean())
        variance = variance * COPIES.of_second
        weight = np.where(measured, unit**2 / variance, 0.0)
        found = []
        for number in range(count):
            drawn = added_noise(excerpt, level, noises, seed + number)
            first = excerpt._replace(clip=COPIES.first(excerpt.clip, drawn))
            guess = yield from self._restored(first, COPIES.of_first)
            yield
            shown = self._sharpened(guess[:, own], measured, noise.offset, blur, unit)
            second = COPIES.second(excerpt.clip[at], drawn[at])[:, own] - noise.offset
            found.append(
                Pair(
                    *shown,
                    self._on_device(np.where(measured, second / unit, 0.0)),
                    self._on_device(weight),
                )
            )
        return unit, seen, found

    def _restored(
        self, excerpt: Excerpt, times: float = 1.0
    ) -> Generator[None, None, npt.NDArray[np.float32]]:
        return restored(
            self._denoiser, excerpt, self._stack, self._request, self._surveys, times
        )

    def _sharpened(
        self,
        level: npt.NDArray[np.float32],
        measured: npt.NDArray[np.bool_],
        offset: float,
        blur: Blur,
        unit: float,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return what a network sees, its base, and what would be measured of that."""
        light = self._on_device(np.nan_to_num(level - offset) / unit)
        whole = bool(measured.all())
        mask = None if whole else torch.from_numpy(measured).to(self._device)
        with torch.inference_mode():
            iterates = richardson_lucy(light, blur, mask)
            *_, last = islice(iterates, self._iterations + 1)
            base = blur.inside(last.scene)
        # to be learned from, which tensors of inference cannot be
        base, predicted = base.clone(), last.predicted.clone()
        return seen_of(light, base), base, predicted

    def _on_device(self, values: npt.NDArray[np.floating]) -> Tensor:
        return torch.from_numpy(np.asarray(values, np.float32)).to(self._device)


def seen_of(light: Tensor, sharp: Tensor) -> Tensor:
    """Lay denoised frames and sharpened ones over each other.

    Parameters
    ----------
    light
        ``(T, rows, columns)``.
    sharp
        ``(T, zoom rows, zoom columns)``.

    Returns
    -------
    Tensor
        ``(T, 2, rows, columns)``.
    """
    zoom = sharp.shape[-1] // light.shape[-1]
    return torch.stack([light, F.avg_pool2d(sharp, zoom) if zoom > 1 else sharp], dim=1)
