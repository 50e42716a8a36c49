"""Train a network on the noisy movie itself."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from napari_udvd.errors import InputError
from napari_udvd.runtime.device import choose_device
from napari_udvd.runtime.memory import is_out_of_memory
from napari_udvd.tasks import DENOISE, find_task
from napari_udvd.training.events import (
    Failed,
    TrainingEvent,
)
from napari_udvd.training.noise_check import confirm_noise
from napari_udvd.training.opening import first_pictures
from napari_udvd.training.plan import make_plan
from napari_udvd.training.resume import read_saved_run
from napari_udvd.training.run import Run
from napari_udvd.training.scan_noise import measure_scan_noise
from napari_udvd.validity import inspect

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import torch

    from napari_udvd.inference.live_view import LiveView
    from napari_udvd.inference.request import Request
    from napari_udvd.stack import Stack
    from napari_udvd.training.settings import TrainingSettings

__all__ = ["train_events"]


def train_events(
    stacks: Sequence[Stack],
    settings: TrainingSettings,
    *,
    checkpoint: Path | None = None,
    resume: bool = False,
    cancel: threading.Event | None = None,
    live: LiveView | None = None,
    follows: Request | None = None,
    task: str = DENOISE.name,
) -> Iterator[TrainingEvent]:
    """Train on one or more movies and tell how it goes.

    Blind-spot training as in Sheth et al. 2021, with the Poisson-Gaussian noise of
    the movie in the likelihood, a moving average of the weights, and the weights of
    the best loss on held-out frames as the result. Where weights are shipped for the
    network, training starts from them.

    Parameters
    ----------
    stacks
        Movies with the same channels.
    settings
        What the user decided.
    checkpoint
        File for the state of the run; none is written if None.
    resume
        Continue from `checkpoint`.
    cancel
        Set it to end after the current step; the state is saved first.
    live
        What a user looks at; it is shown with the weights of the moment.
    follows
        How the stacks are restored next, where the time budget is for both.
    task
        Name of what the network learns, see :data:`napari_udvd.tasks.TASKS`.

    Yields
    ------
    TrainingEvent
        `Started`, then `Step`, `Preview`, `LivePreview` and `Checkpoint`, and
        `Finished` or `Failed` at the end. Where training starts from the shipped
        weights, `Preview` and `LivePreview` of step 0 come before all of them.

    Raises
    ------
    InputError
        Before anything is trained, if a movie or a setting cannot be used.
    """
    began = time.monotonic()
    device, asked = choose_device(settings.device), find_task(task)
    saved = read_saved_run(checkpoint, stacks, task) if resume else None
    if saved is None:
        try:
            yield from first_pictures(stacks, settings, device, asked, live)
            plan = make_plan(stacks, settings, device.type == "cpu", asked)
            stacks = [inspect(stack) for stack in stacks]
            check = measure_scan_noise if asked.fills else confirm_noise
            plan = check(plan, stacks, settings, device)
            run = Run(stacks, settings, plan, device, began, follows, asked)
            run.start_warm()
            run.choose_batch()
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise _explained(error, device) from error
            raise
    else:
        try:
            plan = saved.plan(settings)
            stacks = [inspect(stack) for stack in stacks]
            run = Run(stacks, settings, plan, device, began, follows, asked)
            run.restore(saved)
        except (KeyError, TypeError, RuntimeError, StopIteration) as error:
            raise InputError(
                f"the checkpoint {str(checkpoint)!r} is damaged or of another "
                "version; start anew"
            ) from error
    try:
        yield from run.events(checkpoint, cancel or threading.Event(), live)
    except (RuntimeError, MemoryError, OSError, InputError) as error:
        yield Failed(_explained(error, device))


def _explained(error: Exception, device: torch.device) -> Exception:
    if is_out_of_memory(error):
        explained = MemoryError(
            f"training ran out of memory on {device}; choose a smaller network or "
            "patch, or another device"
        )
        explained.__cause__ = error
        return explained
    return error
