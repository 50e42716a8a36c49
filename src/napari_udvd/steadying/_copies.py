"""Copies of a part of a movie whose noise is independent, and both denoised.

With noise ``z`` of the movie's own strength, ``y + z`` and ``y - z`` have independent
noise (Pang et al. 2021, "Recorrupted-to-Recorrupted"). A denoiser that gets either
makes the same systematic errors; by what its two results differ is chance. So the one
is a lesson for a network that sees the other (Lehtinen et al. 2018, "Noise2Noise", of
denoised frames): it can learn what is chance, and not to copy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from napari_udvd.noise import Recorruption
from napari_udvd.sharpening import added_noise, restored

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from torch import Tensor

    from napari_udvd.inference.request import Request
    from napari_udvd.inference.restorer import Denoiser
    from napari_udvd.inference.survey import Survey
    from napari_udvd.sharpening import Excerpt
    from napari_udvd.stack import Stack

__all__ = ["JUDGE", "LESSON", "Copies", "Copy"]

Floats = npt.NDArray[np.float32]

BRIGHT = 99.9
"""Percentile of a denoised movie that becomes one."""

LESSON = Recorruption(1.0)
"""Both copies are alike: either teaches the other."""

JUDGE = Recorruption(0.7)
"""The copy that a result is judged by gets less noise than in lessons, since what is
used sees none."""


class Copy(NamedTuple):
    """A copy of frames; ``(T, rows, columns)`` each, in units of bright pixels.

    Attributes
    ----------
    noisy, denoised
        The copy.
    other
        What is known of the frames with independent noise: recorded.
    taught
        The same denoised; None where it was not.
    weight
        One over the variance of the noise of `other`; 0 where nothing was measured.
    """

    noisy: Tensor
    denoised: Tensor
    other: Tensor
    taught: Tensor | None
    weight: Tensor


class Copies:
    """Makes copies of excerpts of a channel.

    Parameters
    ----------
    denoiser, stack, channel, request, surveys
        As for :func:`~napari_udvd.sharpening.choose_iterations`.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        stack: Stack,
        channel: int,
        request: Request,
        surveys: Sequence[Survey],
    ) -> None:
        self._denoiser, self._stack, self._channel = denoiser, stack, channel
        self._request, self._surveys = request, surveys
        known = denoiser.calibrations_for(stack)
        self._noises = [each.noise for each in known]
        self._noise = known[channel].noise
        self._unit: float | None = None

    @property
    def unit(self) -> float:
        """Grey levels that are one: light of the brightest pixels of the first part."""
        assert self._unit is not None
        return self._unit

    def alike(
        self, excerpt: Excerpt, seed: int
    ) -> Generator[None, None, tuple[Tensor, list[Copy]]]:
        """Make two copies that teach each other, with pauses.

        Returns
        -------
        Tensor
            The frames themselves, denoised.
        list of Copy
            Two.
        """
        level = yield from self._level(excerpt)
        drawn = self._drawn(excerpt, level, seed)
        both = _both(excerpt, drawn, LESSON)
        denoised = []
        for each in both:
            denoised.append((yield from self._restored(each, LESSON.of_first)))
        weight = self._weight(excerpt, level, LESSON.of_second)
        found = []
        for own, other in ((0, 1), (1, 0)):
            found.append(
                Copy(
                    self._noisy(both[own]),
                    denoised[own],
                    self._noisy(both[other]),
                    denoised[other],
                    weight,
                )
            )
        return self._light(excerpt, level), found

    def judging(self, excerpt: Excerpt, seed: int) -> Generator[None, None, Copy]:
        """Make a copy that is nearly as good as the movie, and its judge."""
        level = yield from self._level(excerpt)
        drawn = self._drawn(excerpt, level, seed)
        first, second = _both(excerpt, drawn, JUDGE)
        denoised = yield from self._restored(first, JUDGE.of_first)
        weight = self._weight(excerpt, level, JUDGE.of_second)
        return Copy(self._noisy(first), denoised, self._noisy(second), None, weight)

    def _level(self, excerpt: Excerpt) -> Generator[None, None, Floats]:
        """Denoise an excerpt: all of its channels, grey levels."""
        level = yield from restored(
            self._denoiser, excerpt, self._stack, self._request, self._surveys
        )
        if self._unit is None:
            light = np.nan_to_num(level[:, self._own(excerpt)] - self._noise.offset)
            variance = self._variance(excerpt, level).mean()
            bright = float(np.percentile(light, BRIGHT))
            self._unit = max(bright, float(np.sqrt(variance)))
        return level

    def _restored(
        self, excerpt: Excerpt, times: float
    ) -> Generator[None, None, Tensor]:
        level = yield from restored(
            self._denoiser, excerpt, self._stack, self._request, self._surveys, times
        )
        return self._light(excerpt, level)

    def _own(self, excerpt: Excerpt) -> int:
        return excerpt.series.channels.index(self._channel)

    def _drawn(self, excerpt: Excerpt, level: Floats, seed: int) -> Floats:
        noises = [self._noises[c] for c in excerpt.series.channels]
        return added_noise(excerpt, level, noises, seed)

    def _variance(self, excerpt: Excerpt, level: Floats) -> npt.NDArray[np.floating]:
        own = level[:, self._own(excerpt)]
        return self._noise.variance(np.nan_to_num(own, nan=self._noise.offset))

    def _weight(self, excerpt: Excerpt, level: Floats, times: float) -> Tensor:
        measured = excerpt.measured[:, self._own(excerpt)]
        variance = times * self._variance(excerpt, level)
        return self._sent(np.where(measured, self.unit**2 / variance, 0.0))

    def _noisy(self, excerpt: Excerpt) -> Tensor:
        return self._light(excerpt, excerpt.clip[excerpt.at])

    def _light(self, excerpt: Excerpt, level: Floats) -> Tensor:
        light = level[:, self._own(excerpt)] - self._noise.offset
        return self._sent(np.nan_to_num(light / self.unit))

    def _sent(self, values: npt.NDArray[np.floating]) -> Tensor:
        sent = torch.from_numpy(np.asarray(values, np.float32))
        return sent.to(self._request.place().device)


def _both(
    excerpt: Excerpt, drawn: Floats, way: Recorruption
) -> tuple[Excerpt, Excerpt]:
    first, second = way.first(excerpt.clip, drawn), way.second(excerpt.clip, drawn)
    return excerpt._replace(clip=first), excerpt._replace(clip=second)
