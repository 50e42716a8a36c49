"""Pairs of noisy copies of a part of a movie, and what a model makes of them.

They are recorrupted, see :class:`~napari_udvd.noise.Recorruption`: the model works on
the first, and the second, of which it has seen nothing, judges the result.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter

from napari_udvd.planes import (
    Series,
    middle_plane,
    read_measured,
    recorded_frames,
)
from napari_udvd.stack import Stack
from napari_udvd.validity import inspect

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from napari_udvd.inference.request import Request
    from napari_udvd.inference.restorer import Denoiser
    from napari_udvd.inference.survey import Survey
    from napari_udvd.noise import NoiseModel

__all__ = ["Excerpt", "added_noise", "excerpts", "lesson_and_test", "restored"]

Floats = npt.NDArray[np.float32]

EDGE = 256
"""Rows and columns of a part, at most."""

PIXELS = 2**19
"""That judge, about: of small frames more than of large ones."""

FEWEST_FRAMES, MOST_FRAMES = 8, 32
"""Frames that judge."""

PARTS = 2
"""Parts of a movie that are looked at, where not all frames judge."""

LESSON_EDGE = 160
"""Rows and columns of what a network learns from, at most."""

LONGEST_LESSON = 32
"""Frames that a network learns from, at most."""

TEST_SHARE = 4
"""One of so many frames judges what a network has learned from others."""

SHORTEST_TEST, LONGEST_TEST = 3, 8
"""Frames that do so."""

BLUR = 1, 5, 5
"""Frames, rows and columns that are averaged to guess the noise of frames that do not
judge."""


class Excerpt(NamedTuple):
    """A part of a movie, with the frames around it that a network sees.

    Attributes
    ----------
    clip
        ``(T, C, Y, X)``, grey levels; what was not measured is NaN.
    at
        Frames of it that judge.
    series
        Channels, and depth.
    """

    clip: Floats
    at: slice
    series: Series

    @property
    def measured(self) -> npt.NDArray[np.bool_]:
        """Which pixels of the judging frames were measured, ``(t, C, Y, X)``."""
        return np.isfinite(self.clip[self.at])


def excerpts(denoiser: Denoiser, stack: Stack, channel: int) -> list[Excerpt]:
    """Cut out what a channel of a movie is judged by; nothing where all is empty.

    All frames if there are few, or some that are spread over the movie, and no frame
    twice; of each that part is taken in which the most is to be seen.
    """
    n_recorded = _count(denoiser, stack, channel)
    if n_recorded == 0:
        return []
    rows, columns = (min(length, EDGE) for length in stack.frame_shape)
    wanted = min(max(PIXELS // (rows * columns), FEWEST_FRAMES), MOST_FRAMES)
    if n_recorded <= wanted:
        return [_cut(denoiser, stack, channel, slice(0, n_recorded), EDGE)]
    found = []
    for k in range(PARTS):
        middle = int((k + 0.5) * n_recorded / PARTS)
        first = middle - wanted // PARTS // 2
        judging = slice(first, first + wanted // PARTS)
        found.append(_cut(denoiser, stack, channel, judging, EDGE))
    return found


def lesson_and_test(
    denoiser: Denoiser, stack: Stack, channel: int
) -> tuple[Excerpt, Excerpt] | None:
    """Cut out what a network learns from, and later frames that it is judged by.

    No frame is in both. None where a channel has too few.
    """
    n_recorded = _count(denoiser, stack, channel)
    judging = min(n_recorded // TEST_SHARE, LONGEST_TEST)
    if judging < SHORTEST_TEST:
        return None
    middle = n_recorded - judging
    parts = slice(max(middle - LONGEST_LESSON, 0), middle), slice(middle, n_recorded)
    lesson, test = (
        _cut(denoiser, stack, channel, frames, LESSON_EDGE) for frames in parts
    )
    return lesson, test


def _count(denoiser: Denoiser, stack: Stack, channel: int) -> int:
    """Return in how many frames anything of a channel was measured."""
    series = _series(denoiser, stack, channel)
    return 0 if series is None else len(recorded_frames(inspect(stack), series))


def _series(denoiser: Denoiser, stack: Stack, channel: int) -> Series | None:
    plane = middle_plane(inspect(stack), channel)
    if plane is None:
        return None
    channels = tuple(range(stack.n_channels)) if denoiser.joint else (channel,)
    return Series(channels, plane.z)


def _cut(
    denoiser: Denoiser, stack: Stack, channel: int, judging: slice, edge: int
) -> Excerpt:
    """Cut out the busiest part of some of the frames that were recorded."""
    stack = inspect(stack)
    series = _series(denoiser, stack, channel)
    assert series is not None
    recorded = recorded_frames(stack, series)
    context = denoiser.net.geometry.context + 1
    first = max(judging.start - context, 0)
    frames = recorded[first : judging.stop + context]
    at = slice(judging.start - first, min(judging.stop, len(recorded)) - first)
    own = series.channels.index(channel)
    rows, columns = _busiest(stack, series, frames[at], own, edge)
    clip, measured = read_measured(stack, series, frames, rows, columns)
    if measured is not None:
        clip[~measured] = np.nan
    return Excerpt(clip, at, series)


def restored(
    denoiser: Denoiser,
    excerpt: Excerpt,
    stack: Stack,
    request: Request,
    surveys: Sequence[Survey],
    times: float = 1.0,
) -> Generator[None, None, Floats]:
    """Denoise the judging frames of an excerpt, with pauses before each frame.

    Parameters
    ----------
    denoiser
        The model.
    excerpt
        Its clip may have noise added.
    stack
        The movie that it was cut from.
    request, surveys
        How, see :meth:`Denoiser.blocks`.
    times
        Variance of the noise, in units of the movie's own; the model is told.

    Returns
    -------
    ndarray
        ``(t, C, Y, X)``, grey levels.
    """
    known = denoiser.calibrations_for(stack)
    channels = excerpt.series.channels
    part = Stack.from_array(excerpt.clip, "TCYX")
    told = denoiser.told(
        part,
        [replace(known[c], noise=known[c].noise.louder(times)) for c in channels],
    )
    surveyed = [surveys[c] for c in channels] if surveys else None
    blocks = told.blocks(part, request, surveyed)
    start, stop, _ = excerpt.at.indices(len(excerpt.clip))
    found = []
    for series in blocks.series:
        for result in blocks.steps(series, start, stop):
            if result is None:
                yield
            else:
                found.append(result[0])
    return np.concatenate(found, axis=1)


def added_noise(
    excerpt: Excerpt,
    level: Floats,
    noises: Sequence[NoiseModel],
    seed: int | Sequence[int],
) -> Floats:
    """Draw noise of the movie's own strength for an excerpt.

    Parameters
    ----------
    excerpt
        As it was recorded.
    level
        ``(t, C, Y, X)``: the judging frames without noise. Not the noisy ones: where
        those are low by chance, noise that follows them is too weak, and the copies
        are not independent.
    noises
        Noise model of each channel.
    seed
        Of the noise.

    Returns
    -------
    ndarray
        ``(T, C, Y, X)``, grey levels; NaN where nothing was measured.
    """
    clip = excerpt.clip
    drawn = np.random.default_rng(seed).standard_normal(clip.shape, dtype=np.float32)
    for c, noise in enumerate(noises):
        known = np.isfinite(clip[:, c])
        share = np.maximum(uniform_filter(known.astype(np.float32), BLUR), 1e-6)
        smooth = uniform_filter(np.where(known, clip[:, c], 0.0), BLUR) / share
        smooth[excerpt.at] = level[:, c]
        drawn[:, c] *= np.sqrt(noise.variance(smooth)).astype(np.float32)
        drawn[:, c][~known] = np.nan
    return drawn


def _busiest(
    stack: Stack, series: Series, frames: Sequence[int], channel: int, most: int
) -> tuple[slice, slice]:
    """Choose rows and columns where the mean of frames varies most."""
    clip, _ = read_measured(stack, series, frames)
    mean, edges = clip[:, channel].mean(axis=0), []
    for length in mean.shape:
        edge = min(length, most)
        starts = {*range(0, length - edge + 1, edge), length - edge}
        edges.append([slice(start, start + edge) for start in sorted(starts)])
    places = [(rows, columns) for rows in edges[0] for columns in edges[1]]
    return max(places, key=lambda place: float(mean[place].var()))
