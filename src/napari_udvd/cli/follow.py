"""Run a job and print what it tells, until it ends or Ctrl-C is pressed."""

from __future__ import annotations

import threading
from contextlib import closing, nullcontext
from typing import TYPE_CHECKING

from napari_udvd.cli.console import Report, interruptible
from napari_udvd.cli.messages import complain, out_of_memory
from napari_udvd.cli.stopped import Stopped
from napari_udvd.errors import TrainingFailed, WorkersLost
from napari_udvd.formats import UNFINISHED
from napari_udvd.jobs import events as told
from napari_udvd.runtime.device import keep_freed_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    from napari_udvd.jobs.events import Event

__all__ = ["exit_code", "follow", "why"]


def follow(
    job: Callable[[threading.Event], Iterator[Event]],
    *,
    quiet: bool = False,
    strict: bool = False,
    gently: bool = False,
) -> int:
    """Show a job from beginning to end.

    Parameters
    ----------
    job
        Begins it; gets what cancels it.
    quiet
        Print results only; with `strict` also the warnings.
    strict
        Whether the exit code tells of warnings.
    gently
        Let the first Ctrl-C cancel the job in all of its parts, not only in trainings.

    Returns
    -------
    int
        Exit code: 1 if some of several files failed, else 3 if the job is strict and
        a result cannot be trusted, else 0.

    Raises
    ------
    Stopped
        If the user stopped it; the message says how to go on.
    """
    report, cancel = Report(quiet, strict), threading.Event()
    failed = False
    with (
        interruptible(cancel) if gently else nullcontext(),
        closing(_running(job, cancel)) as events,
    ):
        event = next(events, None)
        while event is not None:
            after: Event | None = None
            if isinstance(event, told.Opened):
                report.opened(event)
            elif isinstance(event, told.Note):
                report.say(f"note: {event.text}")
            elif isinstance(event, told.Warned):
                report.warn(event.text)
            elif isinstance(event, told.Begun) and event.what == "training":
                keep_freed_memory()
                with interruptible(cancel):
                    after = report.training(events)
            elif isinstance(event, told.Begun):
                after = report.counted(event, events)
            elif isinstance(event, told.Inspected):
                report.inspected(event)
            elif isinstance(event, told.Judged):
                report.judged(event)
            elif isinstance(event, told.Identified):
                report.identified(event)
            elif isinstance(event, told.Written):
                print(event.path)
            elif isinstance(event, told.FileFailed):
                failed = True
                complain(why(event.file, event.error))
            elif isinstance(event, told.Stopped):
                raise Stopped(_how_to_go_on(event.state))
            event = after or next(events, None)
    return 1 if failed else exit_code(strict and report.warned)


def _running(
    job: Callable[[threading.Event], Iterator[Event]], cancel: threading.Event
) -> Generator[Event, None, None]:
    """Run it so that it can be closed: an error of ours leaves no half result."""
    yield from job(cancel)


def exit_code(distrusted: bool) -> int:
    """Exit code of a command that did its job: 3 if its result cannot be trusted."""
    return 3 if distrusted else 0


def why(file: Path, error: Exception) -> str:
    """Say why one of several movies failed."""
    if isinstance(error, MemoryError):
        return f"{file}: {out_of_memory(error)}"
    if isinstance(error, RuntimeError) and not isinstance(
        error, TrainingFailed | WorkersLost
    ):
        return (
            f"{file}: an error that this program does not know; run the command with "
            "this movie alone to see it whole, and report it"
        )
    return f"{file}: {error}"


def _how_to_go_on(state: Path | None) -> str:
    if state is None:
        return "stopped"
    if state.name.endswith(UNFINISHED):
        return (
            f"stopped, and what is done is kept in {str(state)!r}; the same command "
            "with --resume continues it"
        )
    return (
        f"training stopped and saved in {str(state)!r}; the same command with --resume "
        "continues it"
    )
