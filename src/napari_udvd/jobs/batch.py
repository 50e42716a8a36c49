"""Many movies, here or on workers; one bad file does not stop the others.

A batch is a list of movies, what to do with each, and where the results go. Running it
gives events, each of which names its movie; :class:`Overview` makes of them what is
known of every movie at the moment. What is done is remembered in a file beside the
results, and a batch that was stopped, or killed, goes on from there.
"""

from __future__ import annotations

import os
import time
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from napari_udvd.errors import InputError, OutputError
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
    Stopped,
)
from napari_udvd.jobs.files import make_folder
from napari_udvd.jobs.journal import Journal, settings_of
from napari_udvd.jobs.made import left_to_do
from napari_udvd.jobs.naming import RESULT, results_of, single_result, suffix_of
from napari_udvd.jobs.waiting import SteeredSchedule, WaitingList
from napari_udvd.training import Step

if TYPE_CHECKING:
    import threading
    from collections.abc import Generator, Iterator, Sequence
    from pathlib import Path

    from napari_udvd.jobs.events import BatchEvent, Event
    from napari_udvd.jobs.naming import ResultFormat
    from napari_udvd.jobs.previewing import PreviewFile
    from napari_udvd.jobs.restoring import Restoration

__all__ = ["Batch", "MovieStatus", "Overview", "restore_files"]

StateOfMovie = Literal[
    "waiting", "training", "denoising", "done", "failed", "skipped", "stopped"
]


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Several movies and one job.

    Attributes
    ----------
    files
        Movies.
    output
        Folder of the results, made if it is not there.
    job
        What to do with each.
    client
        Of dask.distributed, whose workers do it, one movie each; this process does
        all in turn if None.
    suffix
        Of the results: ``.ome.tif`` or ``.ome.zarr``.
    waiting
        The movies that wait, for somebody who arranges them meanwhile. What is dropped
        from it is never begun, and has no end.

    Raises
    ------
    InputError
        If two results would have one name, or something is asked for that is for one
        movie only.
    """

    files: tuple[Path, ...]
    output: Path
    job: Restoration | PreviewFile
    client: Any = None
    suffix: str = RESULT
    waiting: WaitingList | None = None

    def __post_init__(self) -> None:
        self.results()

    @property
    def is_resumed(self) -> bool:
        """Whether it goes on from what an earlier run has done."""
        return bool(getattr(self.job, "resume", False))

    @property
    def journal(self) -> Journal:
        """What remembers it."""
        return Journal.of(self.output, self.files)

    def results(self) -> dict[Path, Path]:
        """Return the file of the result, by movie."""
        names = results_of(self.files, self.output, self.job, self.suffix)
        return dict(zip(self.files, names, strict=True))

    def check(self) -> None:
        """See that it is no other one than what it is to go on with.

        Raises
        ------
        InputError
            If that was begun with other settings.
        """
        if self.is_resumed:
            self.journal.go_on(self._settings())

    def _settings(self) -> dict[str, str]:
        """Tell how results are made: those of a run that goes on are like them."""
        # as the journal is used to: only what is not usual
        other = {} if self.suffix == RESULT else {"suffix": self.suffix}
        return {**settings_of(self.job), **other}

    def run(self, cancel: threading.Event | None = None) -> Iterator[BatchEvent]:
        """Do all of it.

        Parameters
        ----------
        cancel
            Set it to stop: trainings save their states, what is complete stays, and a
            batch whose job resumes goes on from there.

        Yields
        ------
        BatchEvent
            ``MovieStarted``, ``MovieTold`` and how it ended, for every movie.

        Raises
        ------
        InputError, OutputError
            If the folder cannot be used, or the batch to go on with is another one.
        WorkersLost
            If the scheduler is gone.
        """
        is_new = not self.output.exists()
        make_folder(self.output)
        try:
            yield from self._run(cancel)
        except (InputError, OutputError):
            self._without_empty_folder(is_new)
            raise
        self._without_empty_folder(is_new)

    def _without_empty_folder(self, is_new: bool) -> None:
        """Remove the folder of the results where it was made for nothing."""
        if is_new and not any(self.output.iterdir()):
            self.output.rmdir()

    def _run(self, cancel: threading.Event | None) -> Iterator[BatchEvent]:
        """Do it, and remember what is done."""
        results, journal = self.results(), self.journal
        said = journal.go_on(self._settings()) if self.is_resumed else None
        renews = getattr(self.job, "renews", False)  # then each result is looked at
        done = journal.done() if said and not renews else set()
        skipped = {
            file: result
            for file, result in results.items()
            if str(file) in done and result.exists()
        }
        left = {file: r for file, r in results.items() if file not in skipped}
        waiting = WaitingList(left) if self.waiting is None else self.waiting
        for file in skipped:
            waiting.take(file)
        more: dict[str, Any] = {}
        if self.client is None:
            told = self._here(left, waiting, cancel)
        else:
            more = self._check_there(said)
            told = self._there(left, waiting, more["precision"], cancel)
        if said is None:
            journal.begin(self._settings(), **more)
        ended: list[BatchEvent] = []
        try:
            for file, result in skipped.items():
                yield MovieSkipped(file, result)
            with closing(told):
                for event in told:
                    journal.note(event)
                    if not isinstance(event, MovieStarted | MovieTold):
                        ended.append(event)
                    yield event
        finally:
            movies = len(left) - len(waiting.dropped & set(left))
            if not _worth_remembering(ended, movies, said is not None):
                journal.complete()

    def _here(
        self,
        results: dict[Path, Path],
        waiting: WaitingList,
        cancel: threading.Event | None,
    ) -> Generator[BatchEvent, None, None]:
        """Do one movie after the other."""
        while (file := waiting.next()) is not None:
            began, result = time.monotonic(), results[file]
            try:
                left, reason = left_to_do(self.job, file, result)
                if left is None:
                    yield MovieSkipped(file, result)
                    continue
                yield MovieStarted(file)
                if reason:
                    yield MovieTold(file, MadeAnew(reason))
                for event in left.run(file, result, cancel):
                    if isinstance(event, Stopped):
                        yield MovieStopped(file, event.state)
                        yield from map(MovieStopped, iter(waiting.next, None))
                        return
                    yield MovieTold(file, event)
                yield MovieDone(file, result, time.monotonic() - began)
            except (InputError, OutputError, MemoryError, RuntimeError) as error:
                yield FileFailed(file, error)

    def _check_there(self, said: dict[str, Any] | None) -> dict[str, Any]:
        """See that workers can do it; return in which precision."""
        from napari_udvd.jobs.crew import precision_there
        from napari_udvd.runtime.workers import check_paths, check_workers

        check_workers(self.client)
        others = (getattr(self.job, name, None) for name in ("dark", "mask"))
        used = [*self.files, *(path for path in others if path is not None)]
        check_paths(self.client, used, self.output)
        if said is not None and "precision" in said:
            return {"precision": said["precision"]}
        device = self.job.request.device if hasattr(self.job, "request") else "cpu"
        return {"precision": str(precision_there(self.client, device))}

    def _there(
        self,
        results: dict[Path, Path],
        waiting: WaitingList,
        precision: str,
        cancel: threading.Event | None,
    ) -> Generator[BatchEvent, None, None]:
        """Do them on workers, the largest first."""
        import torch

        from napari_udvd.jobs.crew import movies_there

        costs = {file: float(_bytes(file)) for file in results}
        schedule = SteeredSchedule(costs, waiting)
        dtype = getattr(torch, precision.removeprefix("torch."))
        return movies_there(self.client, results, self.job, schedule, dtype, cancel)


def _worth_remembering(
    ended: Sequence[BatchEvent], movies: int, was_begun: bool
) -> bool:
    """Tell whether a batch that is over, or broken off, can be gone on with."""
    done = sum(isinstance(event, MovieDone | MovieSkipped) for event in ended)
    stopped = any(isinstance(e, MovieStopped) and e.state is not None for e in ended)
    return done < movies and (was_begun or done > 0 or stopped)


@dataclass(frozen=True)
class MovieStatus:
    """What is known of one movie of a batch.

    Attributes
    ----------
    file
        The movie.
    state
        What is done with it at the moment, or how it ended.
    progress
        Share of that which is done, 0 to 1.
    reason
        Why it failed.
    where
        Worker that does it; empty where that is this process.
    result
        Its result, once that is complete.
    repeats
        How often it was begun anew because a worker was lost.
    anew
        Why a result that was there was not taken for it; empty where there was none.
    """

    file: Path
    state: StateOfMovie = "waiting"
    progress: float = 0.0
    reason: str = ""
    where: str = ""
    result: Path | None = None
    repeats: int = 0
    anew: str = ""


class Overview:
    """What is known of every movie of a batch, as events tell it.

    Parameters
    ----------
    files
        The movies.

    Attributes
    ----------
    movies
        Status by movie, in the order of the files.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self.movies = {file: MovieStatus(file) for file in files}

    def take(self, event: BatchEvent) -> MovieStatus:
        """Take account of an event; return the movie as it is now."""
        now = _after(self.movies[event.file], event)
        self.movies[event.file] = now
        return now

    def count(self, *states: str) -> int:
        """Return how many movies are in one of some states."""
        return sum(movie.state in states for movie in self.movies.values())


def _after(movie: MovieStatus, event: BatchEvent) -> MovieStatus:
    """Return what is known of a movie after an event."""
    if isinstance(event, MovieStarted):
        repeats = movie.repeats + event.is_repeated
        return MovieStatus(movie.file, "training", where=event.where, repeats=repeats)
    if isinstance(event, MovieTold):
        return _told(movie, event.event)
    if isinstance(event, MovieDone):
        return replace(movie, state="done", progress=1.0, result=event.result)
    if isinstance(event, MovieSkipped):
        return replace(movie, state="skipped", progress=1.0, result=event.result)
    if isinstance(event, FileFailed):
        return replace(movie, state="failed", reason=str(event.error))
    return replace(movie, state="stopped")


def _told(movie: MovieStatus, event: Event) -> MovieStatus:
    if isinstance(event, Begun):
        state: StateOfMovie = "training" if event.what == "training" else "denoising"
        return replace(movie, state=state, progress=0.0)
    if isinstance(event, MadeAnew):
        return replace(movie, anew=event.reason)
    if isinstance(event, Step):
        return replace(movie, progress=event.progress)
    if isinstance(event, Progress):
        return replace(movie, progress=event.done / max(event.total, 1))
    return movie


def restore_files(
    files: Sequence[Path],
    output: Path,
    job: Restoration | PreviewFile,
    cancel: threading.Event | None = None,
    client: Any = None,
    format: ResultFormat | None = None,
) -> Iterator[Event]:
    """Restore one file, or every one of several.

    Parameters
    ----------
    files
        Movies.
    output
        The result; a folder for several movies.
    job
        What to do with each.
    cancel
        Set it to stop; what is complete stays.
    client
        Of dask.distributed: its workers share one movie out, or take one each of
        several. This process works if None.
    format
        Of results in a folder: ``"ome-tiff"`` if None, or ``"ome-zarr"``.

    Yields
    ------
    Event
        As :meth:`~napari_udvd.jobs.restoring.Restoration.run`, and ``FileFailed`` for
        one of several that could not be processed. Of movies on workers as
        :meth:`Batch.run`.

    Raises
    ------
    InputError, OutputError, MemoryError, RuntimeError
        If the only file cannot be processed.
    """
    if len(files) == 1:
        result = single_result(files[0], output, format)
        if client is not None and hasattr(job, "client"):
            job = replace(job, client=client)
        yield from job.run(files[0], result, cancel)
        return
    batch = Batch(
        files=tuple(files),
        output=output,
        job=job,
        client=client,
        suffix=suffix_of(format),
    )
    for event in batch.run(cancel):
        if client is not None:
            yield event
        elif isinstance(event, MovieTold):
            yield event.event
        elif isinstance(event, MovieStopped):
            yield Stopped(event.state)
            return
        else:
            yield event


def _bytes(file: Path) -> int:
    """Return the size of a movie on the disk: how long it will take, about."""
    if file.is_dir():
        return sum(
            os.path.getsize(os.path.join(folder, name))
            for folder, _, names in os.walk(file)
            for name in names
        )
    return file.stat().st_size if file.exists() else 0
