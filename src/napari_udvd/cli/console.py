"""What the command line prints: results on stdout, everything else on stderr."""

from __future__ import annotations

import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from napari_udvd.cli.messages import as_options
from napari_udvd.inference.stream import Progress as Counted
from napari_udvd.jobs.events import FileFailed, Stopped
from napari_udvd.training import Finished, Started, Step

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator
    from types import FrameType

    from napari_udvd.jobs.events import (
        Begun,
        Event,
        Identified,
        Inspected,
        Judged,
        Opened,
    )
    from napari_udvd.jobs.states import State

__all__ = ["Report", "interruptible"]


class Report:
    """Progress bars and remarks on stderr.

    Parameters
    ----------
    quiet
        Say nothing, but for warnings if `strict`: they explain the exit code.
    strict
        Whether the exit code tells of warnings.

    Attributes
    ----------
    warned
        Whether it was told that a result cannot be trusted.
    """

    def __init__(self, quiet: bool, strict: bool = False) -> None:
        self._console = Console(stderr=True, quiet=quiet, highlight=False)
        self._alone = quiet and strict
        self._about = ""
        self.warned = False

    def say(self, text: str) -> None:
        """Print a remark."""
        self._console.print(as_options(text), markup=False, soft_wrap=True)

    def warn(self, text: str) -> None:
        """Print why a result cannot be trusted, and remember that it was said."""
        self.warned = True
        self.say(f"warning: {text}")
        if self._alone:
            print(f"warning: {self._about}{as_options(text)}", file=sys.stderr)

    def opened(self, event: Opened) -> None:
        """Say what movie it is; a warning that stands alone names it."""
        self._about = "" if event.is_one_of_several else f"{event.name}: "
        for note in event.stack.notes:
            self.say(f"note: {note}")
        self.say(f"{event.name}: {event.stack.describe()}")

    def inspected(self, event: Inspected) -> None:
        """Print what a filter does."""
        print(event.found.describe())
        if event.found.reflected:
            print(
                f"{event.found.reflected} of the {event.looks_at} frames that the "
                "network looks at lie beyond the ends of the movie; others of it stood "
                "in for them"
            )

    def judged(self, event: Judged) -> None:
        """Print the verdict and the most important numbers."""
        report = event.report
        for note in report.notes:
            self.say(f"note: {note}")
        print(report.describe())
        if report.verdict.level == "do not trust":
            self.warned = True

    def identified(self, event: Identified) -> None:
        """Print what was found, how good that is, and what to label next."""
        print(event.found.describe())

    def training(self, events: Iterator[Event | State]) -> Event | None:
        """Show a training run; return its outcome, or what is told in its place."""
        with self._progress("{task.fields[loss]}", "{task.fields[validation]}") as bar:
            task: TaskID | None = None
            for event in events:
                if isinstance(event, Started):
                    for remark in event.remarks:
                        if remark not in event.warnings:
                            self.say(f"note: {remark}")
                    for warning in event.warnings:
                        self.warn(warning)
                    self.say(event.summary)
                    self._say_estimate(event)
                    task = bar.add_task("training", total=1.0, loss="", validation="")
                elif isinstance(event, Step) and task is not None:
                    self._show_step(bar, task, event)
                elif isinstance(event, FileFailed | Stopped):
                    return event
                elif isinstance(event, Finished):
                    if task is not None and event.reason != "cancelled":
                        bar.update(task, completed=1.0)
                    self._say_outcome(event)
                    return event
        return None

    def counted(self, begun: Begun, events: Iterator[Event]) -> Event | None:
        """Show what is counted; return what is told next."""
        with self._progress("{task.fields[frames]}") as bar:
            task = bar.add_task(begun.what, total=None, frames="")
            for event in events:
                if not isinstance(event, Counted):
                    return event
                frames = f"{event.done}/{event.total} {begun.unit}"
                bar.update(task, completed=event.done, total=event.total, frames=frames)
        return None

    def _say_estimate(self, event: Started) -> None:
        parts = [
            f"{_duration(seconds)} {what}"
            for seconds, what in (
                (event.training_seconds, "training at most"),
                (event.denoising_seconds, "denoising"),
            )
            if seconds is not None
        ]
        if parts:
            self.say(f"estimated time: {', '.join(parts)}")

    def _say_outcome(self, event: Finished) -> None:
        if event.history:
            self.say(
                f"training ended ({event.reason}); weights of step {event.best_step}, "
                f"validation {event.best_validation:.4f}"
            )
        for remark in event.remarks:
            self.say(f"note: {remark}")
        for warning in event.warnings:
            self.warn(warning)

    def _show_step(self, bar: Progress, task: TaskID, event: Step) -> None:
        validation = "" if event.validation is None else f"val {event.validation:.4f}"
        bar.update(
            task,
            completed=event.progress,
            loss=f"loss {event.loss:.4f}",
            validation=validation,
        )

    def _progress(self, *columns: str) -> Progress:
        return Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            *map(TextColumn, columns),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
        )


def _duration(seconds: float) -> str:
    seconds = max(seconds, 0)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


@contextmanager
def interruptible(cancel: threading.Event) -> Iterator[None]:
    """Let the first Ctrl-C set an event; the second one stops at once."""
    before = signal.getsignal(signal.SIGINT)

    def stop(number: int, frame: FrameType | None) -> None:
        cancel.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
