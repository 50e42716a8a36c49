"""How many clips a card learns from at once.

A small network on few small clips leaves most of a card idle. More clips at a time take
hardly longer, until it is full or its memory is.
"""

from __future__ import annotations

import copy
import time
from typing import TYPE_CHECKING

import torch

from napari_udvd.models import Clip
from napari_udvd.runtime.memory import is_out_of_memory, release
from napari_udvd.training.learner import Learner

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_udvd.inference.scaling import Scaler

__all__ = ["find_batch", "seconds_of_steps"]

WORTH = 0.05
"""Share of the time per clip that twice as many clips must save."""

MOST_CLIPS = 512
"""No more are tried."""

STEPS = 3
"""Steps that are timed, after one that is not."""


def find_batch(
    seconds: Callable[[int], float],
    first: int,
    device: torch.device,
    *,
    most_seconds: float,
) -> int:
    """Double the batch until memory or the gain in time comes to an end.

    Parameters
    ----------
    seconds
        Takes a number of clips and returns what a step with them takes.
    first
        Batch to begin with; never less is returned.
    device
        Where it is tried.
    most_seconds
        Once so much time is used, it ends.
    """
    began = time.monotonic()
    best, least = first, float("inf")
    batch = first
    while batch <= max(MOST_CLIPS, first):
        try:
            each = seconds(batch) / batch
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            each = float("inf")
        if each > (1 - WORTH) * least or each == float("inf"):
            break
        best, least = batch, each
        if time.monotonic() - began > most_seconds:
            break
        batch *= 2
    # what was tried last may hold most of the memory
    release(device)
    return best


def seconds_of_steps(
    learner: Learner, scaler: Scaler, longest: tuple[int, int, int, int]
) -> Callable[[int], float]:
    """Return what times steps of a copy of a learner, on clips that show nothing.

    Parameters
    ----------
    learner
        Learns nothing from it.
    scaler
        Of any series.
    longest
        Frames, channels, rows and columns of the largest clips.
    """
    device = scaler.scale.device
    tried = Learner(copy.deepcopy(learner.net), learner.precision, learner.task)
    frames = longest[0] - 2 * learner.net.margin

    def seconds(batch: int) -> float:
        clips = torch.zeros(batch, *longest, device=device)
        is_target = torch.ones(batch, frames, dtype=torch.bool, device=device)
        began = 0.0
        for step in range(1 + STEPS):
            if step == 1:
                _wait(device)
                began = time.perf_counter()
            tried.learn(learner.task.batch(Clip(clips, scaler.noise), is_target), 0.0)
        _wait(device)
        return (time.perf_counter() - began) / STEPS

    return seconds


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
