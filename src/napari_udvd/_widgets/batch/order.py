"""What is asked of a batch, and how it is carried out in a thread of its own."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from napari_udvd import jobs as _jobs
from napari_udvd._widgets.batch.choices import HERE, Executor
from napari_udvd._widgets.restore.words import DENOISE

if TYPE_CHECKING:
    import threading
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from napari_udvd.jobs.batch import Batch
    from napari_udvd.jobs.events import BatchEvent
    from napari_udvd.jobs.preparing import HeldMovie

__all__ = ["Order", "Preparing", "Ready", "carried_on", "carried_out"]

TOLD_EVERY = 0.2
"""Seconds between two numbers on one movie, more than anybody reads."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """A batch as a user asks for it.

    Attributes
    ----------
    movies
        Files, and what layers hold.
    output
        Folder of the results.
    suffix
        Ending of their names.
    task
        What is done with each movie.
    values
        Settings of the trainings.
    request
        How to restore, by the names of ``Request``.
    model
        File of the model for all; a network is trained on each if None.
    replaces
        Whether results that are there are replaced; they are skipped if not.
    executor
        Who computes.
    """

    movies: tuple[Path | HeldMovie, ...]
    output: Path
    suffix: str = ".ome.tif"
    task: str = DENOISE
    values: Mapping[str, Any] = field(default_factory=dict)
    request: Mapping[str, Any] = field(default_factory=dict)
    model: Path | None = None
    replaces: bool = False
    executor: Executor = HERE


@dataclass(frozen=True)
class Preparing:
    """What goes on before the batch begins, in words."""

    text: str


@dataclass(frozen=True)
class Ready:
    """All is seen to, and the batch begins.

    Attributes
    ----------
    batch
        It. Its files are in the order of the movies that were asked for; what waits can
        be arranged.
    """

    batch: Batch


def carried_out(order: Order, cancel: threading.Event) -> Iterator[Any]:
    """See that a batch can be done, and do it.

    Yields
    ------
    Preparing, Ready, BatchEvent
        ``Ready`` before the first event of the batch; none if that was cancelled.

    Raises
    ------
    InputError, OutputError
        Before anything is begun, where that can be known.
    WorkersLost
        If the scheduler is gone.
    """
    from napari_udvd.jobs.batch import Batch
    from napari_udvd.jobs.preparing import HeldMovie, check_movies, place_of
    from napari_udvd.runtime.cluster import computing_on

    yield Preparing("Looking at the movies …")
    files: list[Path] = []
    unwritten: list[tuple[HeldMovie, Path]] = []
    for movie in order.movies:
        if not isinstance(movie, HeldMovie):
            files.append(movie)
        elif movie.source is not None and movie.is_its_source():
            files.append(movie.source)
        else:
            unwritten.append((movie, place_of(movie, order.output)))
            files.append(unwritten[-1][1])
    written_later = {path for _, path in unwritten}
    check_movies(
        [file for file in files if file not in written_later], order.output, cancel
    )
    job = yield from _job(order)
    batch = Batch(files=tuple(files), output=order.output, job=job, suffix=order.suffix)
    batch.check()
    if order.executor != HERE:
        yield Preparing("Looking for workers …")
    with computing_on(*order.executor) as client:
        if client is not None:
            from napari_udvd.runtime.workers import check_workers

            check_workers(client)
        for movie, path in unwritten:
            yield Preparing(f"Writing {movie.name!r} to {path} …")
            told = movie.write(path, overwrite=order.replaces, cancel=cancel)
            yield from (_writing(movie, progress) for progress in told)
        if not cancel.is_set():
            yield from _run(replace(batch, client=client), files, cancel)


def carried_on(
    batch: Batch, left: Sequence[Path], executor: Executor, cancel: threading.Event
) -> Iterator[Any]:
    """Go on with a batch that was stopped.

    Parameters
    ----------
    batch
        It.
    left
        Its movies in the order in which they are wanted now, without those that were
        removed.
    executor
        Who computes.
    cancel
        Set it to stop.

    Yields
    ------
    Preparing, Ready, BatchEvent
        As :func:`carried_out`, and raises as that does.
    """
    from napari_udvd.runtime.cluster import computing_on

    job: Any = replace(batch.job, resume=True)  # type: ignore[call-arg]
    if executor != HERE:
        yield Preparing("Looking for workers …")
    with computing_on(*executor) as client:
        if not cancel.is_set():
            again = replace(batch, job=job, client=client)
            yield from _run(again, left, cancel)


def _job(order: Order) -> Generator[Preparing, None, Any]:
    """Say what is done with each movie; read the model, if there is one for all."""
    from napari_udvd.inference.request import Request

    request = Request(**order.request)
    # results that are there are looked for, and trainings gone on with
    # where they were made of this and in this way; others are made anew
    resume = renews = not order.replaces
    if order.model is None:
        return _jobs.TrainAndRestore(
            request=request,
            values=dict(order.values),
            task=order.task,
            resume=resume,
            renews=renews,
            overwrite=order.replaces,
        )
    yield Preparing(f"Reading {order.model.name} …")
    (denoiser,) = _jobs.load_model(order.model)
    _jobs.check_task(denoiser, order.task)
    return _jobs.ApplyModel(
        request=request,
        denoiser=denoiser,
        resume=resume,
        renews=renews,
        overwrite=order.replaces,
    )


def _run(batch: Batch, left: Iterable[Path], cancel: threading.Event) -> Iterator[Any]:
    """Run it such that what waits can be arranged."""
    from napari_udvd.jobs.waiting import WaitingList

    waiting = WaitingList(batch.files)
    waiting.arrange(left)
    steered = replace(batch, waiting=waiting)
    yield Ready(steered)
    yield from _thinned(steered.run(cancel))


def _thinned(events: Iterable[BatchEvent]) -> Iterator[BatchEvent]:
    """Leave out numbers that come faster than anybody reads them."""
    from napari_udvd.inference.stream import Progress
    from napari_udvd.jobs.events import MovieTold
    from napari_udvd.training import Preview, Step

    last: dict[Path, float] = {}
    for event in events:
        if isinstance(event, MovieTold):
            inner = event.event
            if isinstance(inner, Preview):
                continue
            is_last = isinstance(inner, Progress) and inner.done == inner.total
            if isinstance(inner, Step | Progress) and not is_last:
                now = time.monotonic()
                if now - last.get(event.file, 0.0) < TOLD_EVERY:
                    continue
                last[event.file] = now
        yield event


def _writing(movie: HeldMovie, progress: Any) -> Preparing:
    share = progress.done / progress.total
    return Preparing(f"Writing {movie.name!r}: {share:.0%}")
