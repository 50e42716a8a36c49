"""The model that denoises: where it comes from, and its files."""

from __future__ import annotations

import weakref
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QFileDialog

from napari_udvd import jobs as _jobs
from napari_udvd._widgets.restore.words import DENOISE
from napari_udvd._widgets.shared.layers import file_beside
from napari_udvd._widgets.shared.messages import said
from napari_udvd._widgets.shared.model_row import MODEL_FILES, SAVED_FILES
from napari_udvd._widgets.shared.worker import Worker
from napari_udvd.errors import InputError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator

    from napari_udvd._widgets.restore.movie_section import MovieSection
    from napari_udvd._widgets.restore.result_section import ResultSection
    from napari_udvd._widgets.shared.session import Session
    from napari_udvd.inference.restorer import Denoiser
    from napari_udvd.stack import Stack
    from napari_udvd.training import Finished

__all__ = ["ModelInUse"]


class ModelInUse(QObject):
    """Holds a model, saves it, and takes others.

    Parameters
    ----------
    session
        Tells the other docks, and is told by them.
    movie
        The movie that it should suit.
    section
        Asks for files, and says what there is.

    Attributes
    ----------
    denoiser
        The model, or None.
    task
        Name of what is asked of it.
    """

    changed = Signal()
    """Another model, or work on one began or ended."""

    judged = Signal(object)
    """The shipped weights, judged on the movie, are in use: a `Finished` event."""

    def __init__(
        self, session: Session, movie: MovieSection, section: ResultSection
    ) -> None:
        super().__init__()
        self._session, self._movie, self._section = session, movie, section
        self.denoiser: Denoiser | None = None
        self.task = DENOISE
        self._origin = ""
        self._own: weakref.ref[Stack] | None = None  # the movie may go before the model
        self._job: Worker | None = None
        self._is_shut_down = False
        session.changed.connect(self.follow)
        section.save_model.connect(self._on_section_save)
        section.load_model.connect(self._on_section_load)

    @property
    def is_busy(self) -> bool:
        """True while a model is being read, written or judged."""
        return self._job is not None

    def shut_down(self) -> None:
        """Let go of the session."""
        self._is_shut_down = True
        self._session.changed.disconnect(self.follow)

    def take(self, denoiser: Denoiser, origin: str, own: Stack | None = None) -> None:
        """Use a model from now on.

        Parameters
        ----------
        denoiser
            The model.
        origin
            Origin of the model, in words.
        own
            The movie that it has learned from, or was judged on.
        """
        self.denoiser, self._origin = denoiser, origin
        self._own = None if own is None else weakref.ref(own)
        self._session.update(denoiser=denoiser)
        self._say(notify=True)
        self.changed.emit()

    def ask_for(self, task: str) -> None:
        """Say what it is to do from now on, and whether it can."""
        self.task = task
        self._say(notify=False)

    def _say(self, *, notify: bool) -> None:
        from napari_udvd.inference.fits import check_fits

        denoiser, message = self.denoiser, self._section.model_message
        if denoiser is None:
            return
        text = f"Model: {denoiser.net.title}, {denoiser.net.size}, {self._origin}."
        try:
            _jobs.check_task(denoiser, self.task)
            if self._movie.stack is not None:
                check_fits(denoiser, self._movie.stack)
        except InputError as error:
            message.fail(f"{text} But {error}.", notify=notify)
        else:
            message.inform(text)

    def is_foreign_to(self, stack: Stack) -> bool:
        """Tell whether nothing is known of how it does on a movie."""
        return self._own is None or stack is not self._own()

    def follow(self) -> None:
        """Take the model that another dock has read."""
        denoiser = self._session.denoiser
        if denoiser is not None and denoiser is not self.denoiser:
            self.take(denoiser, "read from a file")

    def save(self, path: Path) -> None:
        """Write it to a file."""
        if self.denoiser is None or self.is_busy:
            return
        if path.suffix != ".safetensors":
            path = path.with_name(f"{path.name}.safetensors")
            if path.exists():  # the dialog has asked for another name
                self._section.message.fail(
                    f"{str(path)!r} exists; type the whole name to replace it"
                )
                return
        self._run(
            partial(_jobs.save_model, self.denoiser, path),
            lambda _: self._section.message.done(f"The model is saved as {path.name}."),
        )

    def load(self, path: Path) -> None:
        """Read one from a file."""
        if not self.is_busy:
            self._run(
                partial(_jobs.load_model, path),
                lambda denoiser: self.take(denoiser, f"read from {path.name}"),
            )

    def take_shipped(self, device: str) -> None:
        """Take the weights that come with the plugin, and judge them on the movie."""
        stack = self._movie.stack
        if stack is None or self.is_busy:
            return
        self._section.message.inform("Looking at the movie …")
        self._run(
            partial(_jobs.untrained, stack, device, task=self.task),
            partial(self._take_judged, stack),
        )

    def _take_judged(self, stack: Stack, outcome: Finished) -> None:
        self._section.message.clear()
        if stack is self._movie.stack:  # no other was chosen meanwhile
            origin = "shipped weights, not trained on this movie"
            self.take(outcome.denoiser, origin, own=stack)
            self.judged.emit(outcome)

    def _on_section_save(self) -> None:
        name, _ = QFileDialog.getSaveFileName(
            self._section,
            "Save model",
            file_beside(self._movie.layer, ".safetensors"),
            SAVED_FILES,
        )
        if name:
            self.save(Path(name))

    def _on_section_load(self) -> None:
        name, _ = QFileDialog.getOpenFileName(
            self._section, "Load model", "", MODEL_FILES
        )
        if name:
            self.load(Path(name))

    def _run(
        self,
        work: Callable[[threading.Event], Iterator[Any]],
        then: Callable[[Any], None],
    ) -> None:
        worker = Worker(work)
        worker.told.connect(lambda told: None if self._is_shut_down else then(told))
        worker.ended.connect(self._on_worker_ended)
        self._job = worker
        self.changed.emit()
        worker.start()

    def _on_worker_ended(self, error: BaseException | None) -> None:
        self._job = None
        if self._is_shut_down:
            return
        if error is not None:
            self._section.message.clear()
            self._section.model_message.fail(said(error))
        self.changed.emit()
