"""What the first stage makes of simulated movies: clips that a refiner learns from.

A second stage must know the first as users have it: with the weights that are shipped
and with weights that went on learning from the movie itself, averaged over few views
of a clip and over many. Each movie is drawn clean (see `corpus`), gets events that last
a frame, noise from the whole practical range, and a noise model that is a little wrong.
"""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from napari_udvd.cutting import window
from napari_udvd.models.base import Clip
from napari_udvd.models.camera import CameraNoise
from napari_udvd.models.likelihood import negative_log_likelihood
from napari_udvd.models.refiner import Evidence
from napari_udvd.models.views import sweep_views
from napari_udvd.pretraining.corpus import clean_movie, make_rare
from napari_udvd.pretraining.corpus._drawing import log_uniform
from napari_udvd.training.optimiser import NamedAdam, follow, rate_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from torch import Tensor

    from napari_udvd.models import Network

    Movie = npt.NDArray[np.float32]
    Random = np.random.Generator

__all__ = ["Lesson", "draw_lessons", "predict"]

FRAMES, SIZE = 40, 96

PHOTONS = 0.3, 300.0
"""Range of the photons of the 99.9th percentile, drawn on a log scale."""

READ_NOISE = 0.05, 5.0
"""Range of the read noise in photons, on a log scale; none in a quarter of draws."""

NOISE_ERROR = 0.05
"""Relative error of the noise model that both stages are told."""

EVENTS_PER_FRAME = 1.5
"""In half of the movies; none in the others."""

STRENGTHS = 1.0, 10.0
"""Range of an event's amplitude in standard deviations of the noise, log scale."""

TUNING_STEPS = 20, 120
"""Range of the steps that the network learns from the movie, on a log scale."""

TUNING_RATE, TUNING_BATCH, TUNING_PATCH = 3e-3, 8, 48
AVERAGE_DECAY = 0.99

DRAWS = 2
"""Draws of the noise of a movie that the first stage has not learned from."""

MANY_VIEWS = 0.2
"""Share of them of which there is an average over eight views."""

KEPT = 8
"""Frames in a row of which a lesson holds the evidence."""


class Lesson(NamedTuple):
    """A few frames in a row of one movie, and what the first stage says of them.

    Attributes
    ----------
    evidence
        ``(KEPT, Y, X)`` each, in photons.
    truth
        ``(KEPT, Y, X)``.
    """

    evidence: Evidence
    truth: Tensor


class _Scene(NamedTuple):
    """A noisy movie, its truth, and the noise that it is said to have."""

    noisy: Tensor  # (T, Y, X)
    truth: Tensor
    told: CameraNoise


def draw_lessons(net: Network, rng: Random, *, tuned: bool) -> list[Lesson]:
    """Draw a movie and predict frames of it, averaged over one, two or eight views.

    Parameters
    ----------
    net
        First stage, with the weights that are shipped; not changed.
    rng
        Source of every random number.
    tuned
        Let a copy of the network learn from the movie first.
    """
    movie = make_rare(clean_movie(rng, FRAMES, SIZE), rng)
    lessons = []
    for _ in range(1 if tuned else DRAWS):
        scene = _scene(movie, rng)
        own = _tuned(net, scene, rng) if tuned else net
        first = int(rng.integers(FRAMES - KEPT + 1))
        kept = slice(first, first + KEPT)
        # eight views take as long as eight movies more: few movies get them
        many = tuned or rng.random() < MANY_VIEWS
        counts = (1, 2, 8) if many else (int(rng.integers(1, 3)),)
        frames = range(FRAMES)[kept]
        for mean, std in predict(own, scene.noisy, scene.told, frames, counts):
            evidence = Evidence(mean, std, scene.noisy[kept], scene.told.variance(mean))
            lessons.append(Lesson(evidence, scene.truth[kept]))
    return lessons


def _scene(movie: Movie, rng: Random) -> _Scene:
    clean = movie * np.float32(log_uniform(rng, *PHOTONS))
    read_noise = 0.0 if rng.random() < 0.25 else log_uniform(rng, *READ_NOISE)
    if rng.random() < 0.5:
        _add_events(clean, read_noise, rng)
    noisy = rng.poisson(clean) + rng.normal(0, read_noise, clean.shape)
    gain, error = np.exp(rng.normal(0, NOISE_ERROR, 2))
    told = CameraNoise(
        torch.tensor(float(gain)),
        torch.tensor(0.0),
        torch.tensor(float(error) * read_noise**2),
    )
    return _Scene(
        torch.from_numpy(noisy.astype(np.float32)), torch.from_numpy(clean), told
    )


def _add_events(clean: Movie, read_noise: float, rng: Random) -> None:
    """Add spots, squares and single pixels that last one frame, in place."""
    frames, height, width = clean.shape
    row = np.exp(-(np.arange(-3, 4) ** 2) / 2)
    shapes = np.outer(row, row), np.ones((3, 3)), np.ones((1, 1))
    for _ in range(rng.poisson(EVENTS_PER_FRAME * frames)):
        shape = shapes[int(rng.integers(len(shapes)))]
        reach = len(shape) // 2
        t = int(rng.integers(frames))
        y = int(rng.integers(reach, height - reach))
        x = int(rng.integers(reach, width - reach))
        sigma = math.sqrt(clean[t, y, x] + read_noise**2)
        here = t, slice(y - reach, y + reach + 1), slice(x - reach, x + reach + 1)
        clean[here] += log_uniform(rng, *STRENGTHS) * sigma * shape


def _tuned(net: Network, scene: _Scene, rng: Random) -> Network:
    """Let a copy of the network learn from the noisy movie, as users' training does."""
    net = copy.deepcopy(net).train()
    average = copy.deepcopy(net).requires_grad_(False)
    adam = NamedAdam(dict(net.named_parameters()))
    steps = int(log_uniform(rng, *TUNING_STEPS))
    context = net.geometry.context
    for step in range(1, steps + 1):
        clips = torch.stack(
            [_patch(scene.noisy, context, rng) for _ in range(TUNING_BATCH)]
        )
        prediction = net(Clip(clips[:, :, None], scene.told), torch.bfloat16)
        loss = negative_log_likelihood(
            prediction,
            clips[:, context, None, None],
            scene.told.variance(prediction.mean.detach()),
        ).mean()
        rate = rate_at(TUNING_RATE, step, step / steps, warm_up=10, final=0.05)
        adam.step(torch.autograd.grad(loss, adam.parameters), rate)
        follow(average, net, step, AVERAGE_DECAY, at_once=False)
    return average.eval()


def _patch(noisy: Tensor, context: int, rng: Random) -> Tensor:
    """Cut a window of frames around a random one, mirrored and turned at random."""
    y, x = (int(rng.integers(n - TUNING_PATCH + 1)) for n in noisy.shape[1:])
    frames = window(int(rng.integers(len(noisy))), context, len(noisy))
    if rng.random() < 0.5:
        frames = frames[::-1]
    clip = noisy[frames, y : y + TUNING_PATCH, x : x + TUNING_PATCH]
    clip = clip.flip([axis for axis in (1, 2) if rng.random() < 0.5])
    return clip.transpose(1, 2) if rng.random() < 0.5 else clip


@torch.inference_mode()
def predict(
    net: Network,
    noisy: Tensor,
    noise: CameraNoise,
    frames: Sequence[int],
    counts: Sequence[int],
) -> list[tuple[Tensor, Tensor]]:
    """Predict frames without a look at their own pixels, averaged over views.

    Parameters
    ----------
    net
        First stage, with a likelihood.
    noisy
        The movie, ``(T, Y, X)``.
    noise
        In the unit of the movie.
    frames
        Which are predicted.
    counts
        Numbers of views that are averaged over, see `napari_udvd.models.views`.

    Returns
    -------
    list of tuple
        Mean and standard deviation ``(frames, Y, X)``, for each of `counts`.
    """
    windows = [window(t, net.geometry.context, len(noisy)) for t in frames]
    clip = Clip(noisy[None, :, None], noise)
    averages = []
    for count in counts:
        means, stds = [], []
        for found in sweep_views(net, clip, windows, torch.bfloat16, count):
            assert found.std is not None
            means.append(found.mean[0, 0])
            stds.append(found.std[0, 0])
        averages.append((torch.stack(means), torch.stack(stds)))
    return averages
