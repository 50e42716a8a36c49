"""Movies on workers: each is trained on, restored and written by one of them.

Neither pixels nor weights come to whoever gave the work out: only what is told.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from napari_udvd.errors import InputError, OutputError
from napari_udvd.inference.remote import Parcel
from napari_udvd.inference.stream import Progress
from napari_udvd.jobs.events import (
    Begun,
    FileFailed,
    MadeAnew,
    MovieDone,
    MovieSkipped,
    MovieStarted,
    MovieStopped,
    MovieTold,
    Note,
    Opened,
    Stopped,
    Warned,
    Written,
)
from napari_udvd.jobs.made import left_to_do
from napari_udvd.runtime import workforce
from napari_udvd.runtime.cluster import Cluster
from napari_udvd.runtime.device import settled_precision
from napari_udvd.runtime.schedule import Schedule
from napari_udvd.small_files import partials_of, remove
from napari_udvd.training import Finished, Started, Step

if TYPE_CHECKING:
    import threading
    from collections.abc import Generator, Mapping
    from pathlib import Path

    import torch

    from napari_udvd.inference.restorer import Denoiser
    from napari_udvd.jobs.events import BatchEvent, Event
    from napari_udvd.jobs.previewing import PreviewFile
    from napari_udvd.jobs.restoring import Restoration
    from napari_udvd.jobs.waiting import SteeredSchedule
    from napari_udvd.runtime.workforce import Duty
    from napari_udvd.stack import Stack

__all__ = ["movies_there", "precision_there", "train_there"]


@dataclass(frozen=True)
class _Outcome:
    """How work on a movie ended, on a worker."""

    error: Exception | None = None
    stopped: Stopped | None = None
    seconds: float = 0.0
    was_done: bool = False


def movies_there(
    client: Any,
    results: Mapping[Path, Path],
    job: Restoration | PreviewFile,
    schedule: SteeredSchedule,
    precision: torch.dtype,
    cancel: threading.Event | None = None,
) -> Generator[BatchEvent, None, None]:
    """Do a job for every movie, on whichever worker is free.

    Parameters
    ----------
    client
        Of the workers.
    results
        File of the result, by movie.
    job
        What to do with each.
    schedule
        In which order they are given out.
    precision
        What is computed in on CPUs, on every worker.
    cancel
        Set it to stop: trainings save their states.

    Yields
    ------
    BatchEvent
        For every movie how it ended.

    Raises
    ------
    WorkersLost
        If the scheduler is gone.
    """
    paths = {
        file: (file.absolute(), result.absolute()) for file, result in results.items()
    }
    parcel = Parcel.of((_from_anywhere(job), paths, precision))
    common = (parcel.sent(Cluster(client)),)
    begun: set[Path] = set()
    ended: set[Path] = set()
    repeated: set[Path] = set()
    for told in workforce.run(client, schedule, _do_movie, common, cancel):
        file = told.unit
        if isinstance(told, workforce.Placed):
            if file in begun:
                repeated.add(file)
            begun.add(file)
            yield MovieStarted(file, told.worker, file in repeated)
        elif isinstance(told, workforce.Said):
            yield MovieTold(file, told.message)
        elif isinstance(told, workforce.Returned | workforce.Broke | workforce.GivenUp):
            ended.add(file)
            ending = _ending(told, results[file])
            if file in repeated and isinstance(ending, MovieDone):
                # what the lost worker left of it, on a machine that may be gone
                for partial in partials_of(results[file]):
                    remove(partial.path)
            yield ending
    dropped = schedule.dropped
    for file in results:
        if file not in ended and file not in dropped:
            yield MovieStopped(file)


def _ending(told: Any, result: Path) -> BatchEvent:
    """Say how a movie ended."""
    if not isinstance(told, workforce.Returned):
        if not isinstance(told.error, _OF_A_MOVIE):
            raise told.error
        return FileFailed(told.unit, told.error)
    outcome: _Outcome = told.result
    if outcome.error is not None:
        return FileFailed(told.unit, outcome.error)
    if outcome.stopped is not None:
        return MovieStopped(told.unit, outcome.stopped.state)
    if outcome.was_done:
        return MovieSkipped(told.unit, result)
    return MovieDone(told.unit, result, outcome.seconds)


def _from_anywhere(job: Any) -> Any:
    """Name the files of a job such that it does not matter where a process began."""
    return replace(
        job,
        **{
            name: path.absolute()
            for name in ("dark", "mask", "psf")
            if (path := getattr(job, name, None)) is not None and path.exists()
        },
    )


_OF_A_MOVIE = (InputError, OutputError, MemoryError, RuntimeError)
"""Errors that end one movie and not the others."""


def train_there(
    job: Restoration, stack: Stack, output: Path, cancel: threading.Event | None
) -> Generator[Event, None, Denoiser | None]:
    """Train on a worker what is restored afterwards; None if that was cancelled.

    Raises
    ------
    InputError, OutputError, MemoryError, RuntimeError
        As the training.
    """
    alone = _from_anywhere(replace(job, client=None))
    cluster = Cluster(job.client)
    common = (Parcel.of((alone, output.absolute())).sent(cluster),)
    sent = Parcel.of(stack).sent(cluster)
    schedule = Schedule({"training": 1.0})
    for told in workforce.run(job.client, schedule, _train, (*common, sent), cancel):
        if isinstance(told, workforce.Said):
            yield told.message
        elif isinstance(told, workforce.Broke | workforce.GivenUp):
            raise told.error
        elif isinstance(told, workforce.Returned) and told.result is not None:
            denoiser: Denoiser = told.result.open()
            return denoiser
    if cancel is not None and cancel.is_set():
        yield Stopped(job.state_of(output))
    return None


def precision_there(client: Any, device: Any) -> torch.dtype:
    """Ask a worker in which precision a CPU like its own computes best."""
    return Cluster(client).submit(_precision, device).result()  # type: ignore[no-any-return]


# --- on a worker ----------------------------------------------------------------------


def _precision(device: Any) -> torch.dtype:
    from napari_udvd.inference.request import Request

    return Request(device=device).place().precision


def _do_movie(parcel: Parcel, file: Path, duty: Duty) -> _Outcome:
    """Work on one movie; what goes wrong with it is its outcome."""
    began = time.monotonic()
    job, paths, precision = parcel.open()
    file, result = paths[file]
    if duty.is_repeated and hasattr(job, "resume"):
        # what was trained until the worker was lost is not lost
        job = replace(job, resume=True)
    try:
        with settled_precision(precision):
            left, reason = left_to_do(job, file, result)
            if left is None:
                return _Outcome(was_done=True)
            if reason:
                duty.say(MadeAnew(reason))
            for event in left.run(file, result, duty.cancel):
                if isinstance(event, Stopped):
                    return _Outcome(stopped=event)
                _say(duty, event)
    except _OF_A_MOVIE as error:
        return _Outcome(error=error)
    return _Outcome(seconds=time.monotonic() - began)


def _train(jobs: Parcel, movie: Parcel, _: str, duty: Duty) -> Parcel | None:
    """Train on one movie, for all who restore it; None if that was cancelled."""
    job, output = jobs.open()
    if duty.is_repeated:
        job = replace(job, resume=True).resumed(output) or job
    steps = job.denoiser_for(movie.open(), output, duty.cancel)
    while True:
        try:
            event = next(steps)
        except StopIteration as end:
            return None if end.value is None else Parcel.of(end.value)
        if not isinstance(event, Stopped):
            _say(duty, event)


def _say(duty: Duty, event: Event) -> None:
    """Tell what is worth telling elsewhere: neither pixels nor weights."""
    if isinstance(event, Opened):
        for note in event.stack.notes:
            duty.say(Note(note))
    elif isinstance(event, Finished):
        for remark in event.remarks:
            duty.say(Note(remark))
        for warning in event.warnings:
            duty.say(Warned(warning))
    elif isinstance(event, Begun | Note | Warned | Started | Written):
        duty.say(event)
    elif isinstance(event, Step):
        duty.say(event, is_needed=False)
    elif isinstance(event, Progress):
        duty.say(event, is_needed=event.done == event.total)
