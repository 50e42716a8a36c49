"""What a network is taught by its own result: the result as truth, with noise anew.

The noise is that of the movie itself: what the result leaves over, in units of the
noise model, put back at another place and another time in every clip. So it is
distributed as the noise of the movie is, and as correlated between neighbours. In dim
movies this matters: a camera model of the right variance and the wrong skewness moves
the average of a hundred pixels by more than a good result may be wrong.

Frames held out are left out of all of it, as if they had not been recorded: what a
student has learned cannot know their noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from napari_udvd.cutting import window
from napari_udvd.inference.scaling import Scaler
from napari_udvd.models import Clip, posterior_loss
from napari_udvd.models.views import count_views, sweep_views
from napari_udvd.planes import measured_box, missing_frames, read_measured
from napari_udvd.tasks import Batch
from napari_udvd.tasks.denoising import Denoising
from napari_udvd.training.batches import Drawn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from napari_udvd.inference.scaling import Calibration
    from napari_udvd.models import Network, Prediction
    from napari_udvd.training.sampling import Movie

__all__ = ["MOST_PIXELS", "Lesson", "Lessons", "Supervision", "make_lessons"]

MOST_PIXELS = 2**22
"""Pixels of all lessons together: their truth and noise are held in memory, and some
hundred steps see no more."""

MOST_MOVIES = 8
"""Series that lessons are made of, spread evenly over all there are."""

LEAST_EDGE = 64
"""Rows and columns of a lesson, where a frame has them."""

LONGEST = 48
"""Frames of a lesson whose frames are not whole."""


class Supervision(Denoising):
    """Denoising with a known truth, which the targets of a batch are."""

    def loss(self, prediction: Prediction, batch: Batch) -> Tensor:
        """Negative log likelihood of the truth under the posterior."""
        frames, count = batch.clip.frames, batch.targets.shape[1]
        first = (frames.shape[1] - count) // 2
        variance = batch.clip.noise.variance(prediction.mean.detach())
        noisy = frames[:, first : first + count]
        return posterior_loss(prediction, noisy, batch.targets, variance)


@dataclass(frozen=True)
class Lesson:
    """A part of a movie as a network sees it, and what it takes for its noise.

    Attributes
    ----------
    truth
        ``(T, H, W)``, in network units.
    noise
        Of the same shape, in standard deviations of the noise model, mean zero.
    scaler
        Of the channel.
    """

    truth: Tensor
    noise: Tensor
    scaler: Scaler


class _Part(NamedTuple):
    """Which frames, rows and columns of a movie become a lesson."""

    movie: Movie
    frames: list[int]
    rows: slice
    columns: slice


def make_lessons(
    net: Network,
    movies: Sequence[Movie],
    calibrations: Sequence[Calibration],
    device: torch.device,
    precision: torch.dtype,
    most_pixels: int = MOST_PIXELS,
) -> Iterator[list[Lesson]]:
    """Denoise parts of movies with all views; yields after every frame.

    The prediction without the noisy pixel is taken as truth: where lessons are worth
    having, the pixel adds next to nothing, and its share is what the network knows
    least.

    Parameters
    ----------
    net
        The teacher, of one channel.
    movies
        What it has learned from.
    calibrations
        One for each channel.
    device, precision
        Where it computes, and in which floating-point type.
    most_pixels
        Of all parts.

    Yields
    ------
    list of Lesson
        Those that are complete; all of them at last.
    """
    step = max(len(movies) / MOST_MOVIES, 1)
    count = min(len(movies), MOST_MOVIES)
    done: list[Lesson] = []
    for movie in [movies[int(k * step)] for k in range(count)]:
        part = _part(movie, min(most_pixels, MOST_PIXELS) // count)
        series, stack = movie.series, movie.stack
        scaler = Scaler([calibrations[c] for c in series.channels], device)
        grey, known = read_measured(stack, series, part.frames, part.rows, part.columns)
        frames = scaler.normalise(torch.from_numpy(grey).to(device))
        mask = None if known is None else torch.from_numpy(known).to(device)[None]
        n_frames = len(part.frames)
        windows = [window(t, net.geometry.context, n_frames) for t in range(n_frames)]
        clip = Clip(frames[None], scaler.noise, mask)
        count = count_views(net, True)
        predictions = sweep_views(net, clip, windows, precision, count)
        truth = torch.empty_like(frames[:, 0])
        for t in range(n_frames):
            with torch.inference_mode():
                truth[t] = next(predictions).mean[0, 0]
            yield done
        left = frames[:, 0] - truth
        noise = left / scaler.noise.variance(truth[:, None])[:, 0].sqrt()
        done = [*done, Lesson(truth, _complete(noise, known), scaler)]
    yield done


def _part(movie: Movie, most_pixels: int) -> _Part:
    """Choose the middle of a movie: whole frames, as many as may be, if not all fit."""
    rows, columns = measured_box(movie.stack, movie.series)
    unseen = movie.held_out | missing_frames(movie.stack, movie.series)
    frames = [t for t in range(movie.stack.n_frames) if t not in unseen]
    height, width = rows.stop - rows.start, columns.stop - columns.start
    length = max(most_pixels // (height * width), LONGEST)
    first = max(len(frames) - length, 0) // 2
    frames = frames[first : first + length]
    edge = max(isqrt(most_pixels // len(frames)), LEAST_EDGE)
    if len(frames) * height * width > most_pixels:
        rows, columns = _middle(rows, edge), _middle(columns, edge)
    return _Part(movie, frames, rows, columns)


def _middle(span: slice, edge: int) -> slice:
    first = span.start + max(span.stop - span.start - edge, 0) // 2
    return slice(first, min(first + edge, span.stop))


def _complete(noise: Tensor, known: npt.NDArray[np.bool_] | None) -> Tensor:
    """Put noise of measured pixels where nothing was measured; make its mean zero."""
    if known is not None and not known.all() and known.any():
        flat, there = noise.flatten(), torch.from_numpy(known.ravel()).to(noise.device)
        measured = flat[there]
        gaps = int((~there).sum())
        # any will do: every k-th, with no two gaps alike
        which = torch.arange(gaps, device=noise.device) * 7919 % len(measured)
        noise = flat.masked_scatter(~there, measured[which]).view_as(noise)
    return noise - noise.mean()


class Lessons:
    """Draws batches of lessons, as :class:`~napari_udvd.training.batches.Batches`.

    Parameters
    ----------
    lessons
        What is drawn from.
    context
        Frames before and after an output frame.
    patch
        Rows and columns of a clip (fewer where a lesson is smaller).
    transpose
        Also swap rows and columns.
    size
        Clips of a batch.
    seed
        Of the places.

    Attributes
    ----------
    size
        Clips of a batch.
    was_found
        The size was tried out on the device: never here, it is taken over.
    """

    def __init__(
        self,
        lessons: Sequence[Lesson],
        *,
        context: int,
        patch: int,
        transpose: bool,
        size: int,
        seed: int,
    ) -> None:
        self._lessons, self._context = list(lessons), context
        self._patch, self._transpose = patch, transpose
        self._rng = np.random.default_rng(seed)
        self.size, self.was_found = size, False

    def next(self) -> Drawn:
        """Return the next batch, with the truth as its targets."""
        rng = self._rng
        lesson = self._lessons[rng.integers(len(self._lessons))]
        shape = lesson.truth.shape
        edges = [min(self._patch, n) for n in shape[1:]]
        here: list[list[npt.NDArray[Any]]] = []
        there: list[list[npt.NDArray[Any]]] = []
        for _ in range(self.size):
            frames = np.array(
                window(int(rng.integers(shape[0])), self._context, shape[0])
            )
            place = [
                int(rng.integers(n - e + 1))
                for n, e in zip(shape[1:], edges, strict=True)
            ]
            spans = [
                frames,
                *(a + np.arange(e) for a, e in zip(place, edges, strict=True)),
            ]
            # a frame that stands in for another has the same noise
            moved = [
                (span + rng.integers(n)) % n
                for span, n in zip(spans, shape, strict=True)
            ]
            turns = rng.random(3) < 0.5
            for index, found in ((here, spans), (there, moved)):
                index.append(
                    [
                        s[::-1] if turn else s
                        for s, turn in zip(found, turns, strict=True)
                    ]
                )
        truth, noise = _gather(lesson.truth, here), _gather(lesson.noise, there)
        if self._transpose and rng.random() < 0.5:
            truth, noise = truth.mT.contiguous(), noise.mT.contiguous()
        camera = lesson.scaler.noise
        noisy = truth + noise * camera.variance(truth).sqrt()
        is_target = torch.ones(self.size, 1, dtype=torch.bool, device=truth.device)
        middle = slice(self._context, self._context + 1)
        batch = Batch(
            Clip(noisy, camera), truth[:, middle], is_target[:, :, None, None]
        )
        return Drawn(batch, is_target)

    @property
    def state(self) -> dict[str, Any]:
        """Return entries of a checkpoint's header, which :meth:`restore` needs."""
        return {"rng": dict(self._rng.bit_generator.state), "batch": self.size}

    def restore(self, header: dict[str, Any], keep_size: bool) -> None:
        """Go on from a state; with its own size where it is to be kept."""
        self.size = self.size if keep_size else header["batch"]
        self._rng.bit_generator.state = header["rng"]

    def close(self) -> None:
        """Nothing is prepared."""


def _gather(movie: Tensor, index: list[list[npt.NDArray[Any]]]) -> Tensor:
    """Cut ``(N, T, 1, h, w)`` out of a movie by frames, rows and columns of each."""
    t, y, x = (
        torch.from_numpy(np.stack(axis)).to(movie.device)
        for axis in zip(*index, strict=True)
    )
    clips: Tensor = movie[t[:, :, None, None], y[:, None, :, None], x[:, None, None, :]]
    return clips[:, :, None]
