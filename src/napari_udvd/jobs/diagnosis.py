"""What the noise of a movie is, and how long removing it takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_udvd.formats import open_stack
from napari_udvd.noise import (
    check_finite,
    check_pixels,
    check_time,
    check_varies,
    diagnose,
)
from napari_udvd.planes import middle_planes
from napari_udvd.validity import inspect

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from napari_udvd.jobs.states import State, States
    from napari_udvd.noise import Diagnosis
    from napari_udvd.stack import Stack

__all__ = [
    "Diagnosed",
    "Interrupted",
    "Suited",
    "Times",
    "diagnose_file",
    "diagnose_movie",
]


@dataclass(frozen=True)
class Suited:
    """Name of the task that suits the movie: a sparse scan is to be filled."""

    task: str


@dataclass(frozen=True)
class Diagnosed:
    """What the noise is.

    Attributes
    ----------
    diagnoses
        One per channel.
    notes
        What else there is to know: how the file was read, and what was not measured in
        other planes than those.
    """

    diagnoses: Sequence[Diagnosis]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Interrupted:
    """Trainings of this movie that can go on, the newest first."""

    states: tuple[State, ...]


@dataclass(frozen=True)
class Times:
    """Seconds that denoising the movie takes, by network, as far as known."""

    seconds: Mapping[str, float]


def diagnose_file(
    file: Path,
    axes: str | None = None,
    dark: Path | None = None,
    *,
    mask: Path | None = None,
    unmeasured: float | None = None,
) -> Diagnosed:
    """Diagnose every channel of a file, in its middle plane.

    Parameters
    ----------
    file, axes, dark, mask, unmeasured
        As for :func:`~napari_udvd.formats.open_stack`.

    Raises
    ------
    InputError
        If the movie cannot be read, or its noise not be measured.
    """
    stack = open_stack(file, axes, dark=dark, mask=mask, unmeasured=unmeasured)
    check_finite(stack)
    check_varies(stack)
    stack = inspect(stack)
    found = list(_diagnoses(stack))
    told = {reason for diagnosis in found for reason in diagnosis.reasons}
    missing = stack.validity.notes if stack.validity is not None else ()
    notes = (*stack.notes, *(note for note in missing if note not in told))
    return Diagnosed(found, notes)


def diagnose_movie(
    stack: Stack,
    states: States,
    device: str = "auto",
    cancel: threading.Event | None = None,
    task: str | None = None,
) -> Iterator[Suited | Diagnosed | Interrupted | Times]:
    """Choose a task; measure the noise; look for trainings to resume; estimate times.

    Parameters
    ----------
    stack
        The movie.
    states
        Where trainings are looked for.
    device
        Where it would be denoised.
    cancel
        Set it to end soon.
    task
        Name of what is asked of networks, where that is decided; else the first event
        says what suits the movie.

    Raises
    ------
    InputError
        If the movie cannot be denoised.
    """
    from napari_udvd.tasks import DENOISE, RECONSTRUCT, find_task
    from napari_udvd.training.estimate import denoising_seconds

    if task is None:
        task = RECONSTRUCT.name if stack.is_sparse else DENOISE.name
        yield Suited(task)
    check_time(stack)
    check_pixels(stack)
    measured = inspect(stack)
    found = []
    for diagnosis in _diagnoses(measured):
        found.append(diagnosis)
        if cancel is not None and cancel.is_set():
            return
    yield Diagnosed(found)
    yield Interrupted(states.found([measured]))
    times = {}
    for name, seconds in denoising_seconds(
        measured, found, device, cancel, find_task(task)
    ):
        times[name] = seconds
        yield Times(dict(times))
        if cancel is not None and cancel.is_set():
            return


def _diagnoses(stack: Stack) -> Iterator[Diagnosis]:
    for plane in middle_planes(stack):
        yield diagnose(stack, plane)
