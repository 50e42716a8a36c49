"""A batch that runs, is stopped and goes on; what it tells reaches its rows."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_udvd._widgets.batch.order import (
    Preparing,
    Ready,
    carried_on,
    carried_out,
)
from napari_udvd._widgets.batch.rows import duration, in_words
from napari_udvd._widgets.restore.words import DENOISE
from napari_udvd._widgets.shared.activity import Activity
from napari_udvd._widgets.shared.worker import Worker

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Sequence

    from napari_udvd._widgets.batch.choices import Executor
    from napari_udvd._widgets.batch.order import Order
    from napari_udvd._widgets.batch.rows import Row
    from napari_udvd._widgets.batch.run_section import RunSection
    from napari_udvd.jobs.batch import Batch, Overview

__all__ = ["Runner"]

ENDED = ("done", "failed", "skipped", "stopped")
"""States in which nothing more comes."""


class Runner(QObject):
    """Runs one batch at a time, in a worker.

    Parameters
    ----------
    section
        Says how far it is.

    Attributes
    ----------
    batch
        The batch that runs or was stopped; None before the first, and after one that
        came to its end.
    """

    changed = Signal()
    """It begins, has been prepared, or is over."""

    row_changed = Signal(object)
    """Something was told of a row."""

    def __init__(self, section: RunSection) -> None:
        super().__init__()
        self._section = section
        self.batch: Batch | None = None
        self._rows: list[Row] = []
        self._coming: list[Row] = []  # of a batch that may still be refused
        self._task = DENOISE
        self._overview: Overview | None = None
        self._worker: Worker | None = None
        self._activity: Activity | None = None
        self._began = self._before = 0.0
        self._is_shut_down = self._goes_on = False

    @property
    def is_running(self) -> bool:
        """Whether a batch is prepared or done."""
        return self._worker is not None

    @property
    def is_preparing(self) -> bool:
        """Whether it is still seen to that it can be done."""
        return self.is_running and self._overview is None

    @property
    def is_ending(self) -> bool:
        """Whether it was told to stop."""
        return self._worker is not None and self._worker.is_cancelled

    def begin(self, order: Order, rows: Sequence[Row]) -> None:
        """Do a batch.

        Parameters
        ----------
        order
            It.
        rows
            One for each of its movies.
        """
        self._goes_on, self._task = False, order.task
        self._run(partial(carried_out, order), rows)

    def go_on(self, executor: Executor, rows: Sequence[Row]) -> None:
        """Go on with the batch that was stopped.

        Parameters
        ----------
        executor
            Who computes.
        rows
            The list as it is now; what was taken out of it is not done.
        """
        if self.batch is not None and not self.is_running:
            self._goes_on = True
            files = [row.file for row in rows if row.file is not None]
            work = partial(carried_on, self.batch, files, executor)
            self._run(work, self._rows)

    def stop(self) -> None:
        """End after the block that is computed."""
        if self._worker is not None and not self.is_ending:
            self._worker.cancel()
            self._section.message.inform("Stopping after the block that is computed …")
            self.changed.emit()

    def arrange(self, rows: Sequence[Row]) -> None:
        """Let what waits come in the order of some rows; what is not in them is not."""
        batch = self.batch
        if batch is not None and batch.waiting is not None:
            batch.waiting.arrange(row.file for row in rows if row.file is not None)

    def shut_down(self) -> None:
        """Stop, and tell nothing any more."""
        self._is_shut_down = True
        if self._worker is not None:
            self._worker.cancel()
        self._close_activity()

    def wait(self, seconds: float) -> None:
        """Block until it has stopped."""
        if self._worker is not None:
            self._worker.wait(seconds)

    def _run(
        self,
        work: Callable[[threading.Event], Iterator[Any]],
        rows: Sequence[Row],
    ) -> None:
        if self.is_running or self._is_shut_down:
            return
        self._coming, self._overview = list(rows), None
        self._began = time.monotonic()
        self._section.message.clear()
        self._worker = worker = Worker(work)
        worker.told.connect(self._on_worker_told)
        worker.ended.connect(self._on_worker_ended)
        self._activity = Activity("UDVD: batch")
        worker.start()
        self.changed.emit()

    def _on_worker_told(self, event: Any) -> None:
        if self._is_shut_down:
            return
        if isinstance(event, Preparing):
            self._section.message.inform(event.text)
        elif isinstance(event, Ready):
            self._begin(event.batch)
        elif self._overview is not None:
            status = self._overview.take(event)
            for row in self._rows:
                # of what was done before it was stopped there is nothing new
                if row.file == event.file and not (self._goes_on and row.is_done):
                    row.take(event, status)
                    self.row_changed.emit(row)
            self._show_share()

    def _begin(self, batch: Batch) -> None:
        """Take note of the files of layers, and that nothing is done yet."""
        from napari_udvd.jobs.batch import Overview

        self.batch, self._overview = batch, Overview(batch.files)
        self._rows, trains = self._coming, not hasattr(batch.job, "denoiser")
        if not self._goes_on:
            self._before = 0.0
        for row, file in zip(self._rows, batch.files, strict=True):
            row.file, row.trains, row.task = file, trains, self._task
            if not (self._goes_on and row.is_done):
                row.status = None
            self.row_changed.emit(row)
        if not self.is_ending:
            self._section.message.clear()
        self._section.show_share(0.0)
        self.changed.emit()

    def _show_share(self) -> None:
        rows = self._taken_part()
        done = sum(1.0 if row.state in ENDED else row.whole for row in rows)
        share = done / max(len(rows), 1)
        self._section.show_share(share)
        if self._activity is not None:  # last: the viewer handles events in it
            self._activity.update(share)

    def _taken_part(self) -> list[Row]:
        """Return the rows that were not taken out of the batch."""
        waiting = None if self.batch is None else self.batch.waiting
        dropped = frozenset() if waiting is None else waiting.dropped
        return [row for row in self._rows if row.file not in dropped]

    def _on_worker_ended(self, error: BaseException | None) -> None:
        self._worker = None
        if self._is_shut_down:
            return
        self._close_activity()
        self._section.end()
        if error is not None:
            self._settle()
            self._section.message.fail(in_words(error))
        elif self._overview is None:
            self._section.message.warn("Stopped before anything was begun.")
        else:
            self._before += time.monotonic() - self._began
            self._sum_up()
        self.changed.emit()

    def _settle(self) -> None:
        """Say of what was worked on when it broke off that it has stopped."""
        from napari_udvd.jobs.events import MovieStopped

        overview = self._overview
        if overview is None:
            return
        for row in self._taken_part():
            if row.file is not None and row.state not in ENDED:
                # what was to come is not known to have failed
                row.status = overview.take(MovieStopped(row.file))
                self.row_changed.emit(row)

    def _sum_up(self) -> None:
        rows, message = self._taken_part(), self._section.message
        counts = {state: sum(row.state == state for row in rows) for state in ENDED}
        parts = [f"{n} {state}" for state, n in counts.items() if n]
        text = f"{', '.join(parts) or 'Nothing to do'}, in {duration(self._before)}."
        doubtful = sum(bool(row.warnings) for row in rows)
        if doubtful:
            text += f" Of {doubtful} do not trust the result: select the row."
        if counts["stopped"]:
            message.warn(f"Stopped: {text} Resume goes on with the rest.")
            return
        self.batch = None
        if counts["failed"]:
            text += " Select a failed row to read why."
            message.warn(text, notify=True)
        elif doubtful:
            message.warn(text, notify=True)
        else:
            message.done(text)

    def _close_activity(self) -> None:
        if self._activity is not None:
            self._activity.close()
            self._activity = None
