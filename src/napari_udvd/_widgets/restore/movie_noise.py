"""The noise of the chosen movie, measured in the background."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_udvd import jobs as _jobs
from napari_udvd._widgets.restore.diagnosis_section import DiagnosisSection
from napari_udvd._widgets.shared.messages import said
from napari_udvd._widgets.shared.worker import Worker
from napari_udvd.jobs.states import Cache

if TYPE_CHECKING:
    from pathlib import Path

    from napari_udvd._widgets.restore.settings_section import SettingsSection
    from napari_udvd.stack import Stack

__all__ = ["MovieNoise"]


class MovieNoise(QObject):
    """Measures the noise of one movie at a time; also looks for what can go on.

    Parameters
    ----------
    settings
        Shows how long denoising takes.
    cache
        Has the states of trainings.

    Attributes
    ----------
    section
        Shows the diagnosis.
    """

    found = Signal(object)
    """Trainings of the movie that can go on, the newest first; there may be none."""

    suited = Signal(str)
    """Name of the task that suits the movie."""

    ended = Signal()
    """There is nothing more to come."""

    def __init__(self, settings: SettingsSection, cache: Path) -> None:
        super().__init__()
        self._settings, self._cache = settings, cache
        self.section = DiagnosisSection()
        self._worker: Worker | None = None

    @property
    def is_measuring(self) -> bool:
        """True while there is something to come."""
        return self._worker is not None

    def measure(self, stack: Stack | None, task: str | None = None) -> None:
        """Forget the last movie, and measure this one, if there is one.

        Parameters
        ----------
        stack
            The movie.
        task
            Name of the task, where it is chosen; else `suited` tells.
        """
        self.shut_down()
        self.section.clear()
        self._settings.show_times({})
        if stack is None:
            return
        self.section.wait()
        worker = Worker(
            partial(
                _jobs.diagnose_movie,
                stack,
                Cache(self._cache),
                self._settings.device,
                task=task,
            )
        )
        worker.told.connect(partial(self._on_worker_told, worker))
        worker.ended.connect(partial(self._on_worker_ended, worker))
        self._worker = worker
        worker.start()

    def shut_down(self) -> None:
        """Stop measuring."""
        if self._worker is not None:
            self._worker.cancel()
            self._worker = None

    def _on_worker_told(self, worker: Worker, told: Any) -> None:
        if worker is not self._worker:
            return  # the question is out of date
        if isinstance(told, _jobs.Diagnosed):
            self.section.show_diagnoses(told.diagnoses)
        elif isinstance(told, _jobs.Suited):
            self.suited.emit(told.task)
        elif isinstance(told, _jobs.Interrupted):
            self.found.emit(told.states)
        else:
            self._settings.show_times(told.seconds)

    def _on_worker_ended(self, worker: Worker, error: BaseException | None) -> None:
        if worker is not self._worker:
            return
        self._worker = None
        if error is not None:
            self.section.fail(said(error))
        self.ended.emit()
