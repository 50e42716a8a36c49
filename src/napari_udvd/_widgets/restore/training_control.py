"""A training from the press of a button to the network that comes out of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from qtpy.QtCore import QObject, QTimer, Signal

from napari_udvd import jobs as _jobs
from napari_udvd._widgets.restore.diagnosis_section import as_sentence
from napari_udvd._widgets.restore.preview import PreviewLayer
from napari_udvd._widgets.restore.words import RECONSTRUCT
from napari_udvd._widgets.shared.activity import Activity
from napari_udvd._widgets.shared.layers import place_seen
from napari_udvd._widgets.shared.messages import said
from napari_udvd._widgets.shared.worker import Worker
from napari_udvd.jobs.states import Cache, State

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    import napari.viewer
    from napari.layers import Image

    from napari_udvd._widgets.restore.training_section import TrainingSection
    from napari_udvd.stack import Stack
    from napari_udvd.training import Finished, LiveView, Started, TrainingEvent

__all__ = ["TrainingControl"]

Ending = Literal["pause", "stop", "leave"]
"""Why a training ends early: to go on later, to use what it has learned, or because
its movie is no longer there."""


class TrainingControl(QObject):
    """Runs one training at a time and shows it while it runs.

    Parameters
    ----------
    viewer
        Gets the preview layer.
    section
        Shows progress, loss and messages.
    cache
        Folder for checkpoints.

    Attributes
    ----------
    states
        Trainings of the chosen movie that can go on, the newest first.
    warnings
        What was said against the movie when the training began.
    preview
        Layer with what is on view, denoised.
    """

    changed = Signal()
    """A training began, is about to end, or has ended."""

    trained = Signal(object, bool)
    """A `Finished` event, and whether the training was only paused."""

    left = Signal()
    """A training whose movie is no longer chosen has saved its state."""

    def __init__(
        self, viewer: napari.viewer.Viewer, section: TrainingSection, cache: Path
    ) -> None:
        super().__init__()
        self._viewer, self._section, self._cache = viewer, section, cache
        self._worker: Worker | None = None
        self._ending: Ending = "stop"
        self._outcome: Finished | Exception | None = None
        self._activity: Activity | None = None
        self._layer: Image | None = None
        self._stack: Stack | None = None
        self._live: LiveView | None = None
        self._is_shut_down = False
        self.states: tuple[State, ...] = ()
        self.warnings: tuple[str, ...] = ()
        self.preview = PreviewLayer(viewer)
        viewer.dims.events.current_step.connect(self.look)
        viewer.scene.camera.events.connect(self._on_camera_moved)
        # the camera tells of every step of a drag: look once it rests
        self._look_soon = QTimer(self)
        self._look_soon.setSingleShot(True)
        self._look_soon.setInterval(100)
        self._look_soon.timeout.connect(self.look)

    @property
    def is_running(self) -> bool:
        """True while a network is being trained, or its state being saved."""
        return self._worker is not None

    @property
    def is_ending(self) -> bool:
        """True between the request to end and the end."""
        return self._worker is not None and self._worker.is_cancelled

    def begin(
        self,
        layer: Image,
        stack: Stack,
        part: Stack,
        values: Mapping[str, Any],
        *,
        task: str,
        resume: State | None,
        use_posterior: bool,
    ) -> None:
        """Train, from the beginning or from a state.

        Parameters
        ----------
        layer
            Layer of the movie.
        stack
            The whole movie: what is shown.
        part
            The part of it to learn from.
        values
            Settings by name.
        task
            Name of what is learned.
        resume
            Go on from there; else the states that there are stay as they are.
        use_posterior
            The preview puts the noisy pixel back in.
        """
        from napari_udvd.training import LiveView

        self._layer, self._stack = layer, stack
        live = LiveView(stack, use_posterior=use_posterior)
        self._live = live
        self.look()
        self._outcome, self._ending = None, "stop"
        states = Cache(self._cache)
        if resume is not None:  # of the form, these alone are for what goes on
            values = {name: values[name] for name in ("minutes", "device")}

        def work(cancel: threading.Event) -> Iterator[TrainingEvent | State]:
            if task == RECONSTRUCT:
                _jobs.check_holes(stack)
            yield from _jobs.train_movies(
                [part],
                values,
                states,
                resume=None if resume is None else resume.path,
                longer=True,
                live=live,
                cancel=cancel,
                task=task,
            )

        self._worker = Worker(work)
        self._worker.told.connect(self._on_worker_told)
        self._worker.ended.connect(self._on_worker_ended)
        self.changed.emit()
        self._section.begin()
        # the viewer handles events while it makes the bar: no second press gets through
        self._activity = Activity("UDVD: training")
        self._worker.start()

    def end(self, how: Ending) -> None:
        """Ask the training to save its state and end."""
        if self._worker is None:
            return
        self._ending = how
        self._worker.cancel()
        self._section.bar.setFormat("saving …")
        if how == "leave":
            self.preview.remove()
        self.changed.emit()

    def add(self, states: Iterable[State]) -> None:
        """Take states of the chosen movie into the list, or what is new of them."""
        known = {state.path: state for state in (*self.states, *states)}
        newest_first = sorted(known.values(), key=lambda s: s.saved, reverse=True)
        self.states = tuple(newest_first)

    @property
    def worker(self) -> Worker | None:
        """Worker that runs until the state of the training is saved, or None."""
        return self._worker

    def shut_down(self) -> None:
        """End the training, and let go of the viewer."""
        self._is_shut_down = True
        self.end("leave")  # which takes the preview away; one that rests stays hidden
        self._close_activity()
        self._look_soon.stop()
        self._viewer.dims.events.current_step.disconnect(self.look)
        self._viewer.scene.camera.events.disconnect(self._on_camera_moved)

    def look(self, _event: Any = None) -> None:
        """Tell the training which place is on view."""
        if self._live is None or self._layer is None or self._stack is None:
            return
        from napari_udvd.training import View

        if self._layer in self._viewer.layers:
            place = place_seen(self._viewer, self._layer, self._stack)
            self._live.look_at(View(place.t, place.z, place.rows, place.columns))

    def _on_camera_moved(self, _event: Any = None) -> None:
        if self._worker is not None:
            self._look_soon.start()

    def _on_worker_told(self, event: TrainingEvent | State) -> None:
        from napari_udvd.training import (
            Failed,
            Finished,
            LivePreview,
            Started,
            Step,
        )

        if isinstance(event, Finished):
            self._outcome = event
        elif isinstance(event, Failed):
            self._outcome = event.error
        if self._ending == "leave":
            return
        if isinstance(event, Step):
            self._section.show_step(event)
            if self._activity is not None:
                self._activity.update(event.progress)
        elif isinstance(event, LivePreview):
            assert self._layer is not None and self._stack is not None
            self.preview.show(self._layer, self._stack, event)
        elif isinstance(event, State):
            self.add((event,))
        elif isinstance(event, Started):
            self._say_started(event)

    def _say_started(self, event: Started) -> None:
        self.warnings = event.warnings
        if event.warnings:
            self._section.message.warn(" ".join(map(as_sentence, event.warnings)))
        else:
            remarks = map(as_sentence, (event.summary, *event.remarks))
            self._section.message.inform(" ".join(remarks))

    def _on_worker_ended(self, error: BaseException | None) -> None:
        """Take over what was learned; all events came before this."""
        self._worker = self._live = None
        outcome, self._outcome = error or self._outcome, None
        if self._is_shut_down:
            return
        self._close_activity()
        self._section.bar.setVisible(False)
        self.preview.rest()
        if self._ending == "leave":  # the message says why
            self.states = ()
            self.left.emit()
        elif isinstance(outcome, BaseException):
            self._section.message.fail(said(outcome))
        elif outcome is None:
            self._section.message.warn("The training was stopped before it began.")
        else:
            self.trained.emit(outcome, self._ending == "pause")
        self.changed.emit()

    def _close_activity(self) -> None:
        if self._activity is not None:
            self._activity.close()
            self._activity = None
