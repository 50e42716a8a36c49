"""Batches to learn from: clips of the movies, in network units."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_udvd.inference.scaling import Scaler
from napari_udvd.models import Clip
from napari_udvd.planes import measured_series, missing_frames
from napari_udvd.training.batch_size import find_batch, seconds_of_steps
from napari_udvd.training.feeding import make_feed
from napari_udvd.training.sampling import ClipSampler, Movie

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from torch import Tensor

    from napari_udvd.inference.scaling import Calibration
    from napari_udvd.models import Recipe
    from napari_udvd.stack import Stack
    from napari_udvd.tasks import Batch, Task
    from napari_udvd.training.feeding import Clips
    from napari_udvd.training.learner import Learner
    from napari_udvd.training.plan import Plan
    from napari_udvd.training.settings import TrainingSettings

__all__ = ["Batches", "Drawn", "make_batches", "movies_of"]


def movies_of(stacks: Sequence[Stack], joint: bool, task: Task) -> list[Movie]:
    """Cut stacks into what is denoised together, and hold frames of each out."""
    return [
        Movie(
            stack,
            series,
            task.hold_out(stack.n_frames, missing_frames(stack, series)),
        )
        for stack in stacks
        for series in measured_series(stack, joint)
    ]


class Drawn(NamedTuple):
    """What a step learns from.

    Attributes
    ----------
    batch
        See :class:`~napari_udvd.tasks.Batch`.
    is_target
        ``(N, targets)``: False for frames held out.
    """

    batch: Batch
    is_target: Tensor


class Batches:
    """Draws batches.

    Parameters
    ----------
    sampler
        Makes a sampler that reads in a given way, see
        :func:`~napari_udvd.training.feeding.make_feed`.
    movies
        What is drawn from.
    calibrations
        One for each channel.
    task
        Splits clips into what is seen and what is learned.
    device
        That learns.
    size
        Clips of a batch.

    Attributes
    ----------
    size
        Clips of a batch.
    was_found
        The size was tried out on the device.
    """

    def __init__(
        self,
        sampler: partial[ClipSampler],
        movies: Sequence[Movie],
        calibrations: Sequence[Calibration],
        task: Task,
        device: torch.device,
        size: int,
    ) -> None:
        self._feed = make_feed(movies, sampler, device, normalise=self._normalised)
        self._calibrations, self._task = calibrations, task
        self._device = device
        self._scalers: dict[tuple[int, ...], Scaler] = {}
        self.size, self.was_found = size, False

    def next(self) -> Drawn | None:
        """Return the next batch; None where all of its frames were held out."""
        drawn = self._feed.next(self.size)
        if not drawn.has_target:
            return None
        scaler = self._scaler(drawn.series.channels)
        clip = Clip(drawn.grey, scaler.noise, drawn.measured)
        return Drawn(self._task.batch(clip, drawn.is_target), drawn.is_target)

    def suit(self, learner: Learner, most_seconds: float) -> None:
        """Find as many clips at once as suit the card."""
        scaler = self._scaler((0,) * learner.net.channels)
        seconds = seconds_of_steps(learner, scaler, self._feed.longest)
        self.size = find_batch(
            seconds, self.size, self._device, most_seconds=most_seconds
        )
        self.was_found = True

    @property
    def longest(self) -> tuple[int, int, int, int]:
        """Frames, channels, rows and columns of the largest clips that are drawn."""
        return self._feed.longest

    @property
    def state(self) -> dict[str, Any]:
        """Return entries of a checkpoint's header, which :meth:`restore` needs."""
        return {
            "rng": self._feed.state,
            "batch": self.size if self.was_found else None,
        }

    def restore(self, header: dict[str, Any], keep_size: bool) -> None:
        """Go on from a state; with its own size where it is to be kept."""
        self._feed.restore(header["rng"])
        found = header.get("batch")
        if found and not keep_size and self._device.type == "cuda":
            self.size, self.was_found = found, True

    def close(self) -> None:
        """Prepare nothing any more."""
        self._feed.close()

    def _normalised(self, clips: Clips) -> Clips:
        scaler = self._scaler(clips.series.channels)
        return clips._replace(grey=scaler.normalise(clips.grey))

    def _scaler(self, channels: tuple[int, ...]) -> Scaler:
        """Make it once: to send numbers to a card is to wait for it."""
        if channels not in self._scalers:
            calibrations = [self._calibrations[c] for c in channels]
            self._scalers[channels] = Scaler(calibrations, self._device)
        return self._scalers[channels]


def make_batches(
    movies: Sequence[Movie],
    plan: Plan,
    settings: TrainingSettings,
    course: Recipe,
    learner: Learner,
    device: torch.device,
) -> Batches:
    """Draw clips as a plan and its network want them.

    Parameters
    ----------
    movies
        What is drawn from.
    plan, settings
        Of the training.
    course
        What suits the network where the settings leave it open.
    learner
        That learns from them.
    device
        Where it learns.
    """
    sampler = partial(
        ClipSampler,
        movies,
        context=learner.net.margin,
        targets=settings.targets or course.targets,
        fewest=settings.targets or course.fewest,
        patch=settings.patch,
        transpose=plan.hole[0] == plan.hole[1],
        rng=np.random.default_rng(settings.seed),
    )
    return Batches(
        sampler,
        movies,
        plan.calibrations,
        learner.task,
        device,
        settings.batch or course.batch,
    )
