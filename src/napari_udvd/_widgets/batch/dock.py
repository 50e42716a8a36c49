"""The dock "Batch": many movies, one after the other or on many machines."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFrame, QMessageBox, QVBoxLayout, QWidget

from napari_udvd import jobs as _jobs
from napari_udvd._widgets.batch.choices import (
    ExecutorChoice,
    ModelChoice,
    OutputChoice,
)
from napari_udvd._widgets.batch.movies_section import MoviesSection
from napari_udvd._widgets.batch.opening import Opening
from napari_udvd._widgets.batch.order import Order
from napari_udvd._widgets.batch.run_section import RunSection
from napari_udvd._widgets.batch.runner import Runner
from napari_udvd._widgets.restore.settings_section import SettingsSection
from napari_udvd._widgets.restore.task_section import TaskSection
from napari_udvd._widgets.shared.calm import Calm
from napari_udvd._widgets.shared.column import Column
from napari_udvd._widgets.shared.guarded import GuardedDock
from napari_udvd._widgets.shared.layers import axes_of, stack_of
from napari_udvd._widgets.shared.messages import said
from napari_udvd._widgets.shared.preferences import read_preferences
from napari_udvd._widgets.shared.session import session_of
from napari_udvd._widgets.shared.tabs import skip_folded
from napari_udvd._widgets.shared.worker import Worker
from napari_udvd.errors import InputError
from napari_udvd.formats import split_choice
from napari_udvd.jobs.states import Cache

if TYPE_CHECKING:
    import napari.viewer

    from napari_udvd._widgets.batch.choices import Executor
    from napari_udvd._widgets.batch.rows import Row
    from napari_udvd.jobs.preparing import HeldMovie

__all__ = ["BatchDock"]

CLOSING_SECONDS = 60
"""Seconds that a window that closes waits for the states of trainings."""


class BatchDock(GuardedDock):
    """Denoises or reconstructs a list of movies, and shows how far each is.

    Parameters
    ----------
    viewer
        The viewer that it is docked in.

    Attributes
    ----------
    is_loaded
        The choices are there, and a batch can begin.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.is_loaded = False
        self._session = session_of(viewer)
        preferences = read_preferences()
        self.movies = MoviesSection(viewer)
        self.model = ModelChoice()
        self.task = TaskSection()
        self.settings = SettingsSection(preferences, for_files=True)
        self.output = OutputChoice()
        self.where = ExecutorChoice()
        self.run = RunSection()
        self.runner = Runner(self.run)
        self.opening = Opening(viewer, self.run.message)
        self._lay_out()

        self.movies.arranged.connect(self._on_movies_arranged)
        self.movies.opened.connect(self.opening.show)
        self.model.changed.connect(self._enable)
        self.task.changed.connect(lambda: self.settings.ask_for(self.task.task))
        self.run.start.connect(self.start)
        self.run.stop.connect(self.runner.stop)
        self.run.resume.connect(self.resume)
        self.runner.changed.connect(self._enable)
        self.runner.row_changed.connect(self._on_row_changed)
        self._loading = Worker(partial(_jobs.load_core, Cache(preferences.cache)))
        self._loading.told.connect(self._on_loading_told)
        self._loading.ended.connect(self._on_loading_ended)
        self._loading.start()
        self._enable()

    def _lay_out(self) -> None:
        inside = QWidget()
        layout = QVBoxLayout(inside)
        layout.addWidget(self.movies, 1)
        for parts in (
            (self.task, self.model, self.settings),
            (self.output, self.where),
            (self.run,),
        ):
            line = QFrame()
            line.setFrameShape(QFrame.Shape.HLine)
            layout.addWidget(line)
            for part in parts:
                layout.addWidget(part)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(Column(inside))
        Calm(inside)
        skip_folded(self.settings.advanced)

    # the window

    def may_close(self) -> bool:
        """Ask before the end of the window stops a batch."""
        if not self.runner.is_running or self.runner.is_ending:
            return True
        answer = QMessageBox.question(
            self,
            "A batch is running",
            "Movies are being worked on. Close napari? Results that are complete stay, "
            "trainings are saved, and Start goes on with the same movies and folder.",
            QMessageBox.StandardButton.Close | QMessageBox.StandardButton.Cancel,
        )
        return bool(answer == QMessageBox.StandardButton.Close)

    def end_all(self) -> None:
        """Stop the batch, and let go of the viewer."""
        self._loading.cancel()
        self.runner.shut_down()
        self.opening.shut_down()

    def wait(self) -> None:
        """Block until the batch has stopped and saved its trainings."""
        self.runner.wait(CLOSING_SECONDS)

    def _on_loading_told(self, choices: _jobs.Choices) -> None:
        if not self._is_shut_down:
            self.is_loaded = True
            self.settings.offer(choices)
            for part in (self.task, self.model, self.output, self.where):
                part.align(self.settings.label_width)
            self._enable()

    def _on_loading_ended(self, error: BaseException | None) -> None:
        if error is not None and not self._is_shut_down:
            self.run.message.fail(said(error))

    # the batch

    def start(self) -> None:
        """Do all movies in the list."""
        if self.runner.is_running or not self.is_loaded or self._is_shut_down:
            return
        self.run.message.clear()
        rows = list(self.movies.rows)
        try:
            order = self._order(rows)
        except InputError as error:
            self.run.message.fail(said(error), notify=False)
            return
        self.runner.begin(order, rows)

    def resume(self) -> None:
        """Go on with the batch that was stopped."""
        if self.runner.is_running or self._is_shut_down:
            return
        try:
            executor = self._executor()
        except InputError as error:
            self.run.message.fail(said(error), notify=False)
            return
        self.runner.go_on(executor, self.movies.rows)

    def _order(self, rows: list[Row]) -> Order:
        """Put together what is asked.

        Raises
        ------
        InputError
            If something is missing, or was typed wrong.
        """
        if not rows:
            raise InputError("there is no movie in the list yet: add some")
        settings = self.settings
        model = self.model.model()
        return Order(
            movies=tuple(_movie_of(row) for row in rows),
            output=self.output.folder(),
            suffix=self.output.suffix,
            task=self.task.task,
            values={} if model is not None else settings.values(),
            request={
                "device": settings.device,
                "use_posterior": settings.posterior_check.isChecked(),
                "events": settings.events_check.isChecked(),
                "refine": settings.refine_check.isChecked(),
            },
            model=model,
            replaces=self.output.replaces,
            executor=self._executor(),
        )

    def _executor(self) -> Executor:
        """Return who computes.

        Raises
        ------
        InputError
            If it cannot be asked, or this machine trains a network already.
        """
        executor = self.where.executor()
        if self._session.is_training and executor.scheduler is None:
            raise InputError(
                "a network is being trained in the dock Denoise movie: wait until it "
                "has ended, or stop it there"
            )
        return executor

    def _on_movies_arranged(self) -> None:
        self.runner.arrange(self.movies.rows)
        self._enable()

    def _on_row_changed(self, row: Row) -> None:
        self.movies.show_row(row)

    def _enable(self) -> None:
        """Enable what makes sense now."""
        runner, is_free = self.runner, not self.runner.is_running
        run = self.run
        run.start_button.setEnabled(
            is_free and self.is_loaded and bool(self.movies.rows)
        )
        run.stop_button.setEnabled(not is_free and not runner.is_ending)
        run.resume_button.setEnabled(is_free and runner.batch is not None)
        for part in (self.task, self.model, self.settings, self.output, self.where):
            part.setEnabled(is_free)
        self.settings.allow_training(self.model.trains)
        # until it is known which file holds a layer, the list stays as it was given
        self.movies.may_arrange = not runner.is_preparing
        self.movies.enable()


def _movie_of(row: Row) -> Path | HeldMovie:
    """Return the file of a row, or what its layer holds.

    Raises
    ------
    InputError
        If the layer is no movie.
    """
    from napari_udvd.jobs.preparing import HeldMovie

    layer = row.layer
    if layer is None:
        assert row.file is not None
        return row.file
    stack = stack_of(layer, axes_of(layer))
    known = stack.source or ""
    found = known if os.path.exists(split_choice(known)[0]) else layer.source.path
    return HeldMovie(stack, row.name, Path(found) if found else None)
