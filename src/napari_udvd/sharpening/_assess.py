"""What sharpening brought: finer structure, or mottle.

Two copies of a part of the movie with independent noise are denoised and sharpened.
What both show is structure, and down to which period they agree is the resolution
(Fourier ring correlation, which a mere filter leaves as it is); where they differ by
more than there is to be seen, the iterations have brought out noise. The copies have
twice the noise of the movie, so that the result itself is better than is said of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from napari_udvd.metrics import fourier_rings
from napari_udvd.noise import Recorruption
from napari_udvd.sharpening._blocks import sharpened
from napari_udvd.sharpening._copies import added_noise, excerpts, restored

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from napari_udvd.inference.request import Request
    from napari_udvd.inference.restorer import Denoiser
    from napari_udvd.inference.survey import Survey
    from napari_udvd.metrics import FourierRings
    from napari_udvd.sharpening._network import Improvement
    from napari_udvd.sharpening._optics import Optics
    from napari_udvd.stack import Stack

__all__ = ["Assessment", "assess"]

Floats = npt.NDArray[np.float32]

ALIKE = Recorruption(1.0)
"""Two copies with twice the variance of the movie's noise each."""

AROUND = 4.0
"""Standard deviation, px of the result, of the neighbourhood in which noise is compared
with what is to be seen."""

RANGE = 50.0, 99.9
"""Percentiles of a result, from its background to what is brightest."""

VISIBLE = 0.02
"""Of that range, that noise must have to be seen at all."""

NEARLY = 0.5
"""Of the variance of the structure around a pixel, that of noise which competes with
it."""

MUCH = 0.15
"""Share of the frame that may show mottle before it is said. Where an independent copy
chose the iterations, at most a tenth did in simulated movies; where 200 were made of 6
photons, a sixth to two thirds."""


@dataclass(frozen=True)
class Assessment:
    """What was found for a channel.

    Attributes
    ----------
    before, after
        Ring correlations of two denoised copies and of two sharpened ones. Frequencies
        are in cycles per pixel of the movie, whatever the grid of the result.
    mottled
        Share of the frame in which noise that sharpening made larger can be seen, and
        is nearly as strong as the structure there.
    """

    before: FourierRings
    after: FourierRings
    mottled: float

    @property
    def warnings(self) -> tuple[str, ...]:
        """What speaks against the result, one sentence each."""
        if self.mottled <= MUCH:
            return ()
        return (
            f"in {100 * self.mottled:.0f} % of the frame sharpening brought out noise "
            "nearly as strong as the structure (mottle, rings); train longer, or ask "
            "for fewer `iterations`",
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for a record."""
        return {
            "resolution_before": self.before.resolution,
            "resolution_after": self.after.resolution,
            "mottled": self.mottled,
        }


def assess(
    denoiser: Denoiser,
    stack: Stack,
    channel: int,
    optics: Optics,
    iterations: int,
    request: Request,
    surveys: Sequence[Survey],
    improvement: Improvement | None = None,
    seed: int = 1,
) -> Generator[None, None, Assessment | None]:
    """Assess a channel of a movie, with pauses; None where nothing was measured.

    Parameters
    ----------
    denoiser, stack, channel, optics, request, surveys, seed
        As for :func:`~napari_udvd.sharpening.choose_iterations`.
    iterations
        That are made.
    improvement
        What goes on from there, if anything does.
    """
    denoised, sharp = [], []
    for number, excerpt in enumerate(excerpts(denoiser, stack, channel)):
        known = denoiser.calibrations_for(stack)
        noises = [known[c].noise for c in excerpt.series.channels]
        own = excerpt.series.channels.index(channel)
        level = yield from restored(denoiser, excerpt, stack, request, surveys)
        drawn = added_noise(excerpt, level, noises, seed + number)
        blur = optics.blur(level.shape[-2:], channel, request.place().device)
        pair = []
        louder = ALIKE.of_first
        for make in (ALIKE.first, ALIKE.second):
            copy = excerpt._replace(clip=make(excerpt.clip, drawn))
            seen = yield from restored(denoiser, copy, stack, request, surveys, louder)
            pair.append(np.nan_to_num(seen[:, own] - np.float32(noises[own].offset)))
        measured = excerpt.measured[:, own]
        denoised.append(pair)
        yield
        found = [sharpened(each, blur, iterations, measured) for each in pair]
        if improvement is not None:
            yield
            found = [improvement.apply(*each) for each in zip(pair, found, strict=True)]
        sharp.append(found)
    if not denoised:
        return None
    before, after = (
        fourier_rings(
            np.concatenate([pair[0] for pair in pairs]),
            np.concatenate([pair[1] for pair in pairs]),
        )
        for pairs in (denoised, sharp)
    )
    after = after._replace(frequency=after.frequency * optics.zoom)
    shares = [
        _mottled(*pair, *(_enlarged(each, optics.zoom) for each in plain))
        for pair, plain in zip(sharp, denoised, strict=True)
    ]
    return Assessment(before, after, float(np.mean(shares)))


def _mottled(one: Floats, two: Floats, plain: Floats, other: Floats) -> float:
    """Share of pixels where noise was amplified beyond what is to be seen."""
    # the copies have twice the variance of the movie
    noise, was = (_local((a - b) / 2) for a, b in ((one, two), (plain, other)))
    mean = np.asarray((one + two) / 2, np.float32)
    seen = _local(mean - _smooth(mean)) ** 2 - noise**2
    dim, bright = np.percentile(mean, RANGE)
    visible = noise > VISIBLE * (bright - dim)
    return float(np.mean(visible & (noise > was) & (noise**2 > NEARLY * seen)))


def _local(frames: npt.NDArray[np.floating]) -> Floats:
    """Root of the mean square around each pixel."""
    return np.sqrt(_smooth(frames**2))


def _smooth(frames: npt.NDArray[np.floating]) -> Floats:
    return np.asarray(gaussian_filter(frames, (0.0, AROUND, AROUND)), np.float32)


def _enlarged(frames: Floats, zoom: int) -> Floats:
    return frames.repeat(zoom, axis=-2).repeat(zoom, axis=-1)
