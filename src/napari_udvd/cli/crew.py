"""Restore movies, here or on workers, and print how it goes."""

from __future__ import annotations

import sys
import threading
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from napari_udvd.cli.console import interruptible
from napari_udvd.cli.follow import exit_code, follow, why
from napari_udvd.cli.messages import as_options, complain
from napari_udvd.cli.stopped import Stopped
from napari_udvd.jobs import events as told
from napari_udvd.jobs.batch import Batch, Overview, restore_files
from napari_udvd.jobs.naming import suffix_of
from napari_udvd.runtime.cluster import computing_on, dashboard_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_udvd.jobs.naming import ResultFormat
    from napari_udvd.jobs.restoring import Restoration

__all__ = ["restore"]


def restore(
    files: Sequence[Path],
    output: Path,
    job: Restoration,
    *,
    format: ResultFormat | None,
    scheduler: str | None,
    workers: int | None,
    quiet: bool,
    strict: bool,
) -> int:
    """Restore movies, and show it.

    Parameters
    ----------
    files, output, job, format
        As for :func:`~napari_udvd.jobs.batch.restore_files`.
    scheduler, workers
        As for :func:`~napari_udvd.runtime.cluster.computing_on`.
    quiet, strict
        As for :func:`~napari_udvd.cli.follow.follow`.

    Returns
    -------
    int
        Exit code, as of :func:`~napari_udvd.cli.follow.follow`.

    Raises
    ------
    Stopped
        If the user stopped it.
    """
    with computing_on(scheduler, workers) as client:
        if client is not None and not quiet and (page := dashboard_of(client)):
            print(f"what workers do: {page}", file=sys.stderr)
        if client is not None and len(files) > 1:
            batch = Batch(
                files=tuple(files),
                output=output,
                job=job,
                client=client,
                suffix=suffix_of(format),
            )
            return _follow_crew(batch, quiet=quiet, strict=strict)
        run = partial(restore_files, files, output, job, client=client, format=format)
        return follow(run, quiet=quiet, strict=strict, gently=client is not None)


def _follow_crew(batch: Batch, *, quiet: bool, strict: bool) -> int:
    """Show a batch whose movies are worked on at the same time."""
    console = Console(stderr=True, quiet=quiet, highlight=False)
    overview, cancel = Overview(batch.files), threading.Event()
    warned = False
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[state]}"),
        TimeElapsedColumn(),
        console=console,
    )
    with interruptible(cancel), closing(_events(batch, cancel)) as events, bar:
        task = bar.add_task("movies", total=len(batch.files), state="")
        for event in events:
            overview.take(event)
            ended = overview.count("done", "failed", "skipped", "stopped")
            bar.update(task, completed=ended, state=_state(overview))
            if isinstance(event, told.MovieDone):
                print(event.result)
            elif isinstance(event, told.FileFailed):
                complain(why(event.file, event.error))
            elif isinstance(event, told.MovieStarted) and event.is_repeated:
                _say(console, event.file, "begun again, since its worker was lost")
            elif isinstance(event, told.MovieTold):
                inner = event.event
                if isinstance(inner, told.Warned):
                    warned = True
                    _say(console, event.file, f"warning: {inner.text}")
                    if quiet and strict:
                        complain(f"{event.file}: {as_options(inner.text)}")
                elif isinstance(inner, told.Note):
                    _say(console, event.file, f"note: {inner.text}")
    if overview.count("stopped"):
        raise Stopped(
            f"stopped; {overview.count('done')} of {len(batch.files)} movies are done, "
            "and the same command with --resume continues with the others"
        )
    return 1 if overview.count("failed") else exit_code(strict and warned)


def _events(batch: Batch, cancel: threading.Event) -> Any:
    """Run it so that it can be closed."""
    yield from batch.run(cancel)


def _say(console: Console, file: Path, text: str) -> None:
    console.print(f"{file}: {as_options(text)}", markup=False, soft_wrap=True)


def _state(overview: Overview) -> str:
    states = ("training", "denoising", "done", "failed")
    counted = ((state, overview.count(state)) for state in states)
    return ", ".join(f"{count} {state}" for state, count in counted if count)
