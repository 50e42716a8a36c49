"""The dock "Denoise movie": from a noisy or sparse layer to an exported movie."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QFrame, QMessageBox, QVBoxLayout, QWidget

from napari_udvd import jobs as _jobs
from napari_udvd._widgets.restore.comparing import Comparing
from napari_udvd._widgets.restore.delivery import Delivery
from napari_udvd._widgets.restore.diagnosis_section import as_sentence
from napari_udvd._widgets.restore.model_in_use import ModelInUse
from napari_udvd._widgets.restore.movie_noise import MovieNoise
from napari_udvd._widgets.restore.movie_section import MovieSection
from napari_udvd._widgets.restore.orders import Orders
from napari_udvd._widgets.restore.result_section import ResultSection
from napari_udvd._widgets.restore.settings_section import SettingsSection
from napari_udvd._widgets.restore.task_control import TaskControl
from napari_udvd._widgets.restore.trace_files import TraceFiles
from napari_udvd._widgets.restore.training_control import TrainingControl
from napari_udvd._widgets.restore.training_section import TrainingSection
from napari_udvd._widgets.shared.calm import Calm
from napari_udvd._widgets.shared.column import Column
from napari_udvd._widgets.shared.guarded import GuardedDock
from napari_udvd._widgets.shared.messages import said
from napari_udvd._widgets.shared.preferences import read_preferences
from napari_udvd._widgets.shared.session import session_of
from napari_udvd._widgets.shared.tabs import skip_folded, tab_order
from napari_udvd._widgets.shared.worker import Worker
from napari_udvd.errors import InputError
from napari_udvd.jobs.states import Cache

if TYPE_CHECKING:
    from pathlib import Path

    import napari.viewer
    from napari.layers import Image

    from napari_udvd._widgets.restore.result import Result
    from napari_udvd._widgets.shared.session import Session
    from napari_udvd.inference.restorer import Denoiser
    from napari_udvd.jobs.states import State
    from napari_udvd.training import Finished

__all__ = ["DenoiseMovie"]

COMPARE_KEY = "D"
"""Switches between movie and result."""

CLOSING_SECONDS = 60
"""Seconds that a window that closes waits for the state of a training."""


class DenoiseMovie(GuardedDock):
    """Train on a movie, watch, denoise or reconstruct it, and export.

    The sections show and ask. What lasts has an object of its own: the noise of the
    movie, a training, the model in use, the orders of the user and their delivery.
    This widget passes on what one of them has to the others.

    Parameters
    ----------
    viewer
        The viewer that it is docked in.

    Attributes
    ----------
    is_loaded
        The choices are there, and the dock can be used.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self.is_loaded = False
        preferences = read_preferences()
        cache = preferences.cache

        self.movie = MovieSection(viewer)
        self.settings = SettingsSection(preferences)
        self.training = TrainingSection()
        self.result = ResultSection()

        self.noise = MovieNoise(self.settings, cache)
        self.trainer = TrainingControl(viewer, self.training, cache)
        self.model = ModelInUse(session_of(viewer), self.movie, self.result)
        self.delivery = Delivery(viewer, self.result, cache / "frames")
        self.task = TaskControl(
            viewer,
            self.movie,
            self.settings,
            self.result,
            self.model,
            self.trainer,
            self.delivery,
        )
        self.orders = Orders(
            viewer, self.movie, self.settings, self.result, self.model, self.delivery
        )
        self.comparing = Comparing(viewer, self.delivery)
        self.traces = TraceFiles(viewer, self.comparing)
        self._lay_out()
        self._connect()

        self._loading = Worker(partial(_jobs.load_core, Cache(cache)))
        self._loading.told.connect(self._on_loading_told)
        self._loading.ended.connect(self._on_loading_ended)
        self._loading.start()
        self._enable()

    def _lay_out(self) -> None:
        inside = QWidget()
        layout = QVBoxLayout(inside)
        for section in (self.movie, self.noise.section, self.settings, self.training):
            if section is self.settings:
                layout.addWidget(self.task.section)
            layout.addWidget(section)
            line = QFrame()
            line.setFrameShape(QFrame.Shape.HLine)
            layout.addWidget(line)
        layout.addWidget(self.result)
        layout.addWidget(self.orders.sharpening.section)
        layout.addWidget(self.comparing.section)
        layout.addStretch()
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(Column(inside))
        Calm(inside)
        for part in (
            self.movie.measured.fold,
            self.movie.part.fold,
            self.settings.advanced,
            self.noise.section.details,
            self.orders.sharpening.section.fold,
            self.orders.sharpening.section.fields.more,
        ):
            skip_folded(part)
        settings, training = self.settings, self.training
        tab_order(
            self.movie.layer_box,
            self.movie.axes_edit,
            self.movie.measured.mask_box,
            self.movie.measured.value_edit,
            self.task.section.box,
            settings.model_box,
            settings.device_box,
            settings.minutes_spin,
            training.train_button,
            training.pause_button,
            training.stop_button,
        )

    def _connect(self) -> None:
        self.movie.changed.connect(self._on_movie_changed)
        self.movie.removed.connect(self._on_movie_removed)
        self.movie.may_change = self.may_change
        self.settings.device_chosen.connect(self._diagnose)
        self.task.changed.connect(self._enable)
        self.task.section.chosen.connect(self._diagnose)
        self.noise.suited.connect(self._on_noise_suited)
        self.noise.ended.connect(self._enable)
        self.noise.found.connect(self._on_noise_found)
        self.training.train.connect(self.train)
        self.training.resume.connect(partial(self.train, resume=True))
        self.training.pause.connect(partial(self.trainer.end, "pause"))
        self.training.stop.connect(partial(self.trainer.end, "stop"))
        self.trainer.changed.connect(self._on_trainer_changed)
        self.trainer.trained.connect(self._on_trainer_trained)
        self.trainer.left.connect(self._diagnose)
        self.model.changed.connect(self._enable)
        self.model.judged.connect(self._on_model_judged)
        self.result.denoise_now.connect(self.denoise_now)
        self.delivery.changed.connect(self._on_delivery_changed)
        self.orders.sharpening.changed.connect(self._enable)
        self.comparing.chosen.connect(self._on_comparing_chosen)
        self._viewer.bind_key(COMPARE_KEY, self.switch, overwrite=True)

    @property
    def _session(self) -> Session:
        return session_of(self._viewer)

    @property
    def denoiser(self) -> Denoiser | None:
        """The model in use, or None."""
        return self.model.denoiser

    # the window

    def may_change(self) -> bool:
        """Ask before the choice of another movie ends a training."""
        return self._may_end(
            "A network is being trained on this movie. Stop it and choose another? "
            "What it has learned is saved, and Resume goes on with it.",
            QMessageBox.StandardButton.Yes,
            QMessageBox.StandardButton.No,
        )

    def may_close(self) -> bool:
        """Ask before the end of the window ends a training."""
        return self._may_end(
            "A network is being trained. Close napari? What it has learned is saved, "
            "and Resume goes on with it.",
            QMessageBox.StandardButton.Close,
            QMessageBox.StandardButton.Cancel,
        )

    def _may_end(self, question: str, yes: Any, no: Any) -> bool:
        if not self.trainer.is_running or self.trainer.is_ending:
            return True
        title = "Training is running"
        return bool(QMessageBox.question(self, title, question, yes | no) == yes)

    def end_all(self) -> None:
        """Stop everything, save what was learned, and let go of the viewer."""
        if self.trainer.is_running:
            self.training.message.warn(
                "The dock was closed: training stops and its state is saved. Open the "
                "dock again and press Resume to go on.",
                notify=True,
            )
        self._loading.cancel()
        for part in (
            self.task,
            self.trainer,
            self.noise,
            self.traces,
            self.comparing,
            self.orders.sharpening,
            self.delivery,
            self.movie,
            self.model,
        ):
            part.shut_down()
        self._session.tell(None, None)
        self._session.update(is_training=False)
        self._viewer.bind_key(COMPARE_KEY, None, overwrite=True)

    def wait(self) -> None:
        """Block until the state of a training is saved."""
        worker = self.trainer.worker
        if worker is not None:
            worker.wait(CLOSING_SECONDS)

    # the movie and its noise

    def _on_loading_told(self, choices: _jobs.Choices) -> None:
        if self._is_shut_down:
            return
        self.is_loaded = True
        self.settings.offer(choices)
        self.orders.sharpening.section.offer(choices.improvers)
        self.task.section.align(self.settings.label_width)
        self.model.follow()  # another dock may have one
        self._diagnose()
        self._enable()

    def _on_loading_ended(self, error: BaseException | None) -> None:
        if error is not None and not self._is_shut_down:
            self.training.message.fail(said(error))

    def _on_movie_changed(self) -> None:
        if self.trainer.is_running:
            if not self.trainer.is_ending:
                self.training.message.warn(
                    "The movie was changed: training stops, and what it has learned "
                    "is saved. Choose the movie again and press Resume to go on.",
                    notify=True,
                )
            self.trainer.end("leave")
        else:
            self.training.forget()
        self.result.message.clear()
        self.trainer.states = ()
        self.task.forget()
        self._session.tell(self.movie.layer, self.movie.stack)
        self._diagnose()
        self._enable()

    def _on_movie_removed(self, name: str) -> None:
        if self.trainer.is_running:
            self.training.message.warn(
                f"The layer {name!r} was removed: training stops, and what it has "
                "learned is saved. Open the movie again and press Resume to go on.",
                notify=True,
            )
            self.trainer.end("leave")

    def _diagnose(self) -> None:
        stack = self.movie.stack if self.is_loaded else None
        self.noise.measure(stack, self.task.chosen)

    # training

    def train(self, *, resume: bool = False) -> None:
        """Begin a training on the chosen movie, or go on with one."""
        if self.trainer.is_running or not self.is_loaded or self._is_shut_down:
            return
        self.training.message.clear()
        state = self.training.state_chosen if resume else None
        if resume and state is None:
            self.training.message.fail("there is no training to go on with")
            return
        try:
            part = self.movie.training_stack()
            values = self.settings.values()
        except InputError as error:
            self.training.message.fail(str(error))
            return
        assert self.movie.layer is not None and self.movie.stack is not None
        if state is not None:
            self.task.section.choose(state.task)
        self.delivery.cancel()  # the processor is for the training now
        self.trainer.begin(
            self.movie.layer,
            self.movie.stack,
            part,
            values,
            task=self.task.name,
            resume=state,
            use_posterior=self.settings.posterior_check.isChecked(),
        )

    def _on_noise_suited(self, task: str) -> None:
        self.task.section.suggest(task)
        self._enable()

    def _on_noise_found(self, states: tuple[State, ...]) -> None:
        """List the trainings of the movie that were found in the cache."""
        is_news = not self.trainer.is_running and not self.trainer.states
        self.trainer.add(states)
        if is_news and states:
            self.training.message.inform(
                f"A network was trained on this movie for {states[0].seconds:.0f} s "
                "before: Resume goes on with it."
                if len(states) == 1
                else f"{len(states)} trainings of this movie are kept: choose one, and "
                "Resume goes on with it."
            )
        self._enable()

    def _on_trainer_changed(self) -> None:
        self._enable()
        self._session.update(is_training=self.trainer.is_running)

    def _on_trainer_trained(self, outcome: Finished, is_paused: bool) -> None:
        origin = f"trained on {self.movie.summary.text()}"
        self.model.take(outcome.denoiser, origin, own=self.movie.stack)
        if is_paused:
            self.training.message.inform(
                "Paused, and the state is saved. Resume goes on; Denoise uses what was "
                "learned so far."
            )
            return
        self.training.show_finished(outcome, self.trainer.warnings)
        if self.settings.follow_check.isChecked():
            self.denoise()

    # the model and its results

    def denoise_now(self) -> None:
        """Denoise with the shipped weights, without training."""
        if not self.trainer.is_running:
            self.model.take_shipped(self.settings.device)

    def _on_model_judged(self, outcome: Finished) -> None:
        if outcome.warnings:
            self.training.message.warn(" ".join(map(as_sentence, outcome.warnings)))
        self.denoise()

    def denoise(self) -> None:
        """Add a layer with the denoised movie and fill it."""
        self.orders.denoise()

    def apply_to_selected(self) -> None:
        """Denoise every selected image layer, one after the other."""
        self.orders.apply_to_selected()

    def export_to(self, path: Path, *, overwrite: bool = False) -> None:
        """Write the denoised movie: that of the selected layer, else of the movie."""
        self.orders.export_to(path, overwrite=overwrite)

    def save_model_to(self, path: Path) -> None:
        """Write the model that is in use to a file."""
        self.model.save(path)

    def load_model_from(self, path: Path) -> None:
        """Read a model from a file and use it."""
        self.model.load(path)

    def _on_delivery_changed(self) -> None:
        self._enable()
        self._session.update(results=self.delivery.results)

    def _on_comparing_chosen(self, result: Result) -> None:
        self.model.take(result.denoiser, f"of the result {result.layer.name!r}")

    def switch(self, _viewer: Any = None) -> None:
        """Switch what is compared with the movie on or off."""
        layer = self._compared()
        if layer is not None:
            layer.visible = not layer.visible

    def _compared(self) -> Image | None:
        """Find the layer that is switched on and off over the movie."""
        if self.trainer.is_running and self.trainer.preview.layer is not None:
            return self.trainer.preview.layer
        result = self.delivery.of(self.movie.layer)
        return None if result is None else result.layer

    def _enable(self) -> None:
        """Let the user press what makes sense now."""
        has_movie, has_model = self.movie.stack is not None, self.denoiser is not None
        is_training = self.trainer.is_running
        is_settled = self.task.section.is_settled or not self.noise.is_measuring
        if self.trainer.is_ending:
            self.training.set_phase("stopping")
        elif is_training:
            self.training.set_phase("training")
        elif (
            not has_movie
            or not self.is_loaded
            or not is_settled
            or self.delivery.is_exporting
        ):
            self.training.set_phase("nothing")
        else:
            self.training.offer(self.trainer.states)
            self.training.set_phase("interrupted" if self.trainer.states else "ready")
        is_busy = is_training or self.delivery.is_exporting
        is_idle = not self.model.is_busy
        self.result.allow(
            denoise=has_model and has_movie and not is_busy,
            now=self.is_loaded and has_movie and is_idle and not is_busy,
            apply=has_model and not is_busy,
            save=has_model and is_idle,
            load=self.is_loaded and is_idle and not is_training,
            export=has_model and has_movie and not is_busy,
        )
        is_free = has_model and has_movie and not is_busy
        self.orders.sharpening.allow(
            sharpen=is_free,
            look=is_free and is_idle and not self.delivery.is_filling,
        )
        self.settings.setEnabled(not is_training)
        self.task.section.setEnabled(not is_training)
        self.movie.follows = not is_training
        self.task.look()
