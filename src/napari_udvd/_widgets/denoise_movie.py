"""The dock "Denoise movie": from a noisy layer to an exported movie."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QObject, QSize, Qt
from qtpy.QtWidgets import (
    QFileDialog,
    QFrame,
    QMainWindow,
    QMessageBox,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from napari_udvd._widgets import _jobs
from napari_udvd._widgets._calm import Calm
from napari_udvd._widgets._closing import main_window
from napari_udvd._widgets._compare_section import CompareSection
from napari_udvd._widgets._comparing import Comparing
from napari_udvd._widgets._delivery import Delivery
from napari_udvd._widgets._diagnosis_section import DiagnosisSection, as_sentence
from napari_udvd._widgets._layers import axes_of, stack_of
from napari_udvd._widgets._messages import said
from napari_udvd._widgets._model_row import MODEL_FILES
from napari_udvd._widgets._movie_section import MovieSection
from napari_udvd._widgets._preferences import read_preferences
from napari_udvd._widgets._result_section import ResultSection
from napari_udvd._widgets._session import session_of
from napari_udvd._widgets._settings_section import SettingsSection
from napari_udvd._widgets._tabs import skip_folded, tab_order, tab_with_others
from napari_udvd._widgets._trace_files import TraceFiles
from napari_udvd._widgets._training_control import TrainingControl
from napari_udvd._widgets._training_section import TrainingSection
from napari_udvd._widgets._worker import Worker
from napari_udvd.errors import InputError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator

    import napari.viewer
    from napari.layers import Image

    from napari_udvd._widgets._result import Result
    from napari_udvd._widgets._states import State
    from napari_udvd.denoiser import Denoiser
    from napari_udvd.stack import Stack
    from napari_udvd.training import Finished

__all__ = ["DenoiseMovie"]

COMPARE_KEY = "D"
"""Switches between movie and result."""

CLOSING_SECONDS = 60
"""How long a window that closes waits for the state of a training to be saved."""

MOVIE_FILES = "OME-TIFF (*.ome.tif);;OME-Zarr (*.ome.zarr)"


class DenoiseMovie(QWidget):
    """Train on a movie, watch, denoise and export.

    The sections show and ask; training and delivery run the long jobs, each in a
    :class:`Worker`; this widget passes on what one of them has to the others.

    Parameters
    ----------
    viewer
        The viewer that it is docked in.

    Attributes
    ----------
    denoiser
        The model in use, or None.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        preferences = read_preferences()
        self._cache = preferences.cache
        self._is_loaded = self._is_shut_down = self._is_closing = False
        self._diagnosing: Worker | None = None
        self._model_job: Worker | None = None
        self._window: QMainWindow | None = None
        self.denoiser: Denoiser | None = None
        self._session = session_of(viewer)

        self.movie = MovieSection(viewer)
        self.diagnosis = DiagnosisSection()
        self.settings = SettingsSection(preferences)
        self.training = TrainingSection()
        self.result = ResultSection()
        self.compare = CompareSection()
        self.trainer = TrainingControl(viewer, self.training, self._cache)
        self.delivery = Delivery(viewer, self.result, self._cache / "frames")
        self.comparing = Comparing(viewer, self.compare, self.delivery)
        self.traces = TraceFiles(viewer, self.compare, self.comparing)
        self._own_stack: Stack | None = None
        self._lay_out()
        self._connect()

        self._loading = Worker(partial(_jobs.load_core, self._cache))
        self._loading.told.connect(self._on_loaded)
        self._loading.ended.connect(self._on_load_ended)
        self._loading.start()
        self._enable()

    def _lay_out(self) -> None:
        inside = QWidget()
        layout = QVBoxLayout(inside)
        for section in (self.movie, self.diagnosis, self.settings, self.training):
            layout.addWidget(section)
            line = QFrame()
            line.setFrameShape(QFrame.Shape.HLine)
            layout.addWidget(line)
        layout.addWidget(self.result)
        layout.addWidget(self.compare)
        layout.addStretch()
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(_Column(inside))
        Calm(inside)
        for part in (self.movie.part, self.settings.advanced, self.diagnosis.details):
            skip_folded(part)
        settings, training = self.settings, self.training
        tab_order(
            self.movie.layer_box,
            self.movie.axes_edit,
            settings.model_box,
            settings.preset_box,
            settings.device_box,
            settings.minutes_spin,
            training.train_button,
            training.pause_button,
            training.stop_button,
        )

    def _connect(self) -> None:
        self.movie.changed.connect(self._on_movie_changed)
        self.movie.removed.connect(self._on_movie_removed)
        self.settings.device_box.activated.connect(self._diagnose)
        self.training.train.connect(self.train)
        self.training.resume.connect(partial(self.train, resume=True))
        self.training.pause.connect(partial(self.trainer.end, "pause"))
        self.training.stop.connect(partial(self.trainer.end, "stop"))
        self.trainer.changed.connect(self._on_training_changed)
        self.trainer.trained.connect(self._on_trained)
        self.trainer.left.connect(self._diagnose)
        self.delivery.changed.connect(self._on_delivery_changed)
        self._session.changed.connect(self._on_session)
        self.result.denoise.connect(self.denoise)
        self.result.apply.connect(self.apply_to_selected)
        self.result.save_model.connect(self._on_save_model)
        self.result.load_model.connect(self._on_load_model)
        self.result.export.connect(self._on_export)
        self.result.cancel.connect(self.delivery.cancel)
        self.result.denoise_now.connect(self.denoise_now)
        self.comparing.chosen.connect(self._on_result_chosen)
        self.movie.may_change = self._may_change
        self._viewer.bind_key(COMPARE_KEY, self._on_compare, overwrite=True)

    # the window

    def shut_down(self) -> None:
        """Stop everything, save what was learned, and let go of the viewer."""
        if self._is_shut_down:
            return
        self._is_shut_down = True
        if self.trainer.is_running:
            self.training.message.warn(
                "The dock was closed: training stops and its state is saved. Open the "
                "dock again and press Resume to go on.",
                notify=True,
            )
        self.trainer.shut_down()
        for other in (self._diagnosing, self._loading):
            if other is not None:
                other.cancel()
        self._diagnosing = None
        self.traces.shut_down()
        self.comparing.shut_down()
        self.delivery.shut_down()
        self.movie.shut_down()
        self._session.changed.disconnect(self._on_session)
        self._session.update(is_training=False)
        self._viewer.bind_key(COMPARE_KEY, None, overwrite=True)
        self._watch_window(None)

    def event(self, event: QEvent) -> bool:
        """Notice when the dock is closed: the viewer takes this widget out of it."""
        if event.type() == QEvent.Type.ParentChange and not self._is_shut_down:
            window = main_window(self)
            if window is None and self._window is not None:
                self.shut_down()
            else:
                self._watch_window(window)
        return bool(super().event(event))

    def showEvent(self, event: Any) -> None:
        """Find the window that this is in, to be told when it closes."""
        super().showEvent(event)
        if not self._is_shut_down:
            tab_with_others(self)
            self._watch_window(main_window(self))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Ask once before a window with a running training closes, then save."""
        is_close = watched is self._window and event.type() == QEvent.Type.Close
        if not is_close or self._is_closing or self._is_shut_down:
            return bool(super().eventFilter(watched, event))
        goes_on = self.trainer.is_running and not self.trainer.is_ending
        if goes_on and not self._may_close():
            event.ignore()
            return True
        worker = self.trainer.worker
        self._is_closing = True
        try:
            watched.event(event)  # the viewer may ask, too, and stay
        finally:
            self._is_closing = False
        if event.isAccepted():
            self.shut_down()
            if worker is not None:
                worker.wait(CLOSING_SECONDS)
        return True

    def _watch_window(self, window: QMainWindow | None) -> None:
        if window is self._window:
            return
        if self._window is not None:
            self._window.removeEventFilter(self)
        self._window = window
        if window is not None:
            window.installEventFilter(self)

    def _may_change(self) -> bool:
        """Ask before the choice of another movie ends a training."""
        if not self.trainer.is_running or self.trainer.is_ending:
            return True
        answer = QMessageBox.question(
            self,
            "Training is running",
            "A network is being trained on this movie. Stop it and choose another? "
            "What it has learned is saved, and Resume goes on with it.",
            QMessageBox.StandardButton.Yes | QMessageBox.StandardButton.No,
        )
        return bool(answer == QMessageBox.StandardButton.Yes)

    def _may_close(self) -> bool:
        answer = QMessageBox.question(
            self,
            "Training is running",
            "A network is being trained. Close napari? What it has learned is saved, "
            "and Resume goes on with it.",
            QMessageBox.StandardButton.Close | QMessageBox.StandardButton.Cancel,
        )
        return bool(answer == QMessageBox.StandardButton.Close)

    # the other docks

    def _on_training_changed(self) -> None:
        self._enable()
        self._session.update(is_training=self.trainer.is_running)

    def _on_delivery_changed(self) -> None:
        self._enable()
        self._session.update(results=self.delivery.results)

    def _on_session(self) -> None:
        denoiser = self._session.denoiser
        if denoiser is not None and denoiser is not self.denoiser:
            self._take(denoiser, "read from a file")

    # the movie and its noise

    def _on_loaded(self, choices: _jobs.Choices) -> None:
        if self._is_shut_down:
            return
        self._is_loaded = True
        self.settings.offer(choices.titles, choices.devices)
        self._on_session()  # another dock may have a model
        self._diagnose()
        self._enable()

    def _on_load_ended(self, error: BaseException | None) -> None:
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

    def _diagnose(self, _index: int = 0) -> None:
        """Measure the noise in the background; also look for something to resume."""
        if self._diagnosing is not None:
            self._diagnosing.cancel()
            self._diagnosing = None
        self.diagnosis.clear()
        self.settings.show_times({})
        stack = self.movie.stack
        if stack is None or not self._is_loaded:
            return
        self.diagnosis.wait()
        worker = Worker(
            partial(_jobs.diagnose_movie, stack, self._cache, self.settings.device)
        )
        worker.told.connect(partial(self._on_diagnosed, worker))
        worker.ended.connect(partial(self._on_diagnosis_ended, worker))
        self._diagnosing = worker
        worker.start()

    def _on_diagnosed(self, worker: Worker, told: Any) -> None:
        if worker is not self._diagnosing:
            return  # the question is out of date
        if isinstance(told, _jobs.Diagnosed):
            self.diagnosis.show_diagnoses(told.diagnoses)
        elif isinstance(told, _jobs.Interrupted):
            self._on_interrupted(told.states)
        else:
            self.settings.show_times(told)

    def _on_interrupted(self, states: tuple[State, ...]) -> None:
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

    def _on_diagnosis_ended(self, worker: Worker, error: BaseException | None) -> None:
        if worker is not self._diagnosing:
            return
        self._diagnosing = None
        if error is not None:
            self.diagnosis.fail(said(error))

    # training

    def train(self, *, resume: bool = False) -> None:
        """Begin a training on the chosen movie, or go on with it."""
        if self.trainer.is_running or not self._is_loaded or self._is_shut_down:
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
        self.delivery.cancel()  # the processor is for the training now
        self.trainer.begin(
            self.movie.layer,
            self.movie.stack,
            part,
            values,
            resume=state,
            use_posterior=self.settings.posterior_check.isChecked(),
        )

    def _on_trained(self, outcome: Finished, is_paused: bool) -> None:
        self._own_stack = self.movie.stack
        self._take(outcome.denoiser, f"trained on {self.movie.summary.text()}")
        message = self.training.message
        if is_paused:
            message.inform(
                "Paused, and the state is saved. Resume goes on; Denoise uses what was "
                "learned so far."
            )
            return
        self._say_trained(outcome)
        if self.settings.follow_check.isChecked():
            self.denoise()

    def _say_trained(self, outcome: Finished) -> None:
        """Say first what speaks against the result."""
        against = (*self.trainer.warnings, *outcome.warnings)
        if outcome.best_step:
            used = f"Trained; the weights of step {outcome.best_step} are used"
        else:
            used = "The shipped weights are used: training did not make them better"
        said_last = [used, *outcome.remarks]
        if outcome.noise_removed is not None and outcome.noise_removed > 0:
            said_last.insert(
                0,
                f"On frames held out {outcome.noise_removed:.0%} of the noise (mean "
                "squared) is removed",
            )
        text = " ".join(map(as_sentence, (*dict.fromkeys(against), *said_last)))
        if against:
            self.training.message.warn(text, notify=True)
        else:
            self.training.message.done(f"{text} Resume trains longer.")

    # comparing

    def _on_compare(self, _viewer: Any = None) -> None:
        layer = self._compared()
        if layer is not None:
            layer.visible = not layer.visible

    def _compared(self) -> Image | None:
        """Find the layer that is switched on and off over the movie."""
        if self.trainer.is_running and self.trainer.preview.layer is not None:
            return self.trainer.preview.layer
        result = self.delivery.of(self.movie.layer)
        return None if result is None else result.layer

    def _on_result_chosen(self, result: Result) -> None:
        self._own_stack = None  # it is asked again whether the model suits a movie
        self._take(result.denoiser, f"of the result {result.layer.name!r}")

    # results

    def denoise(self) -> None:
        """Add a layer with the denoised movie and fill it."""
        if self.movie.layer is None or self.movie.stack is None:
            return
        there = self.delivery.of(self.movie.layer)
        if there is not None and there.lacks_frames_of(self.denoiser, self.movie.stack):
            self.delivery.fill()  # it was cancelled
            return
        if self._add_result(self.movie.layer, self.movie.stack):
            self.delivery.fill()

    def denoise_now(self) -> None:
        """Denoise with the shipped weights, without training."""
        stack = self.movie.stack
        if stack is None or self._model_job is not None or self.trainer.is_running:
            return
        self.result.message.inform("Looking at the movie …")
        self._run_model_job(
            partial(_jobs.untrained, stack, self.settings.device),
            partial(self._on_untrained, stack),
        )

    def _on_untrained(self, stack: Stack, outcome: Finished) -> None:
        self.result.message.clear()
        if stack is not self.movie.stack:
            return  # another movie was chosen meanwhile
        self._own_stack = stack
        self._take(outcome.denoiser, "shipped weights, not trained on this movie")
        if outcome.warnings:
            self.training.message.warn(" ".join(map(as_sentence, outcome.warnings)))
        self.denoise()

    def apply_to_selected(self) -> None:
        """Denoise every selected image layer, one after the other."""
        selection = self._viewer.layers.selection
        chosen = [
            layer
            for layer in self._viewer.layers
            if layer in selection and self.delivery.showing(layer) is None
        ]
        if not chosen:
            self.result.message.fail(
                "no movie is selected; select one or more in the layer list, with Ctrl "
                "or Shift"
            )
            return
        for layer in chosen:
            try:
                stack = stack_of(layer, axes_of(layer))
            except InputError as error:
                self.result.message.fail(str(error))
            else:
                self._add_result(layer, stack)
        self.delivery.fill()

    def _add_result(self, layer: Image, stack: Any) -> bool:
        if self.denoiser is None:
            return False
        likelihood = self.denoiser.net.likelihood
        result = self.delivery.add(
            layer,
            stack,
            self.denoiser,
            is_foreign=stack is not self._own_stack,
            device=self.settings.device,
            use_posterior=self.settings.posterior_check.isChecked() and likelihood,
            with_std=self.settings.std_check.isChecked() and likelihood,
        )
        return result is not None

    def _on_export(self) -> None:
        name, kind = QFileDialog.getSaveFileName(
            self, "Export", self._suggested(".denoised.ome.tif"), MOVIE_FILES
        )
        if not name:
            return
        path = Path(name)
        # the dialog has asked whether to replace the name that was typed, no other
        may_replace = bool(path.suffix) and path.exists()
        if not path.suffix:
            suffix = ".ome.zarr" if "Zarr" in kind else ".ome.tif"
            path = path.with_name(path.name + suffix)
        self.export_to(path, overwrite=may_replace)

    def export_to(self, path: Path, *, overwrite: bool = False) -> None:
        """Write the denoised movie: that of the selected layer, else of the movie."""
        selected = self._viewer.layers.selection.active
        result = self.delivery.showing(selected) or self.delivery.of(self.movie.layer)
        if result is None and self.movie.layer is not None:
            self._add_result(self.movie.layer, self.movie.stack)
            result = self.delivery.of(self.movie.layer)
        if result is not None:
            dtype = str(self.result.dtype_box.currentData())
            try:
                part = self.movie.part_chosen() if self._is_part_of(result) else None
            except InputError as error:
                self.result.message.fail(str(error))
                return
            quantity = self.result.what_box.currentData()
            self.delivery.export(result, path, dtype, overwrite, quantity, part)

    def _is_part_of(self, result: Result) -> bool:
        is_asked = self.result.part_check.isChecked()
        return bool(is_asked and result.source == self.movie.layer)

    def _suggested(self, suffix: str) -> str:
        """Name a file beside the movie, or in the folder of the user."""
        layer = self.movie.layer
        if layer is None:
            return f"movie{suffix}"
        source = layer.source.path
        folder = Path(source).parent if source else Path.home()
        stem = layer.name.split(".")[0].replace("/", "-")
        return str(folder / f"{stem}{suffix}")

    # models

    def _on_save_model(self) -> None:
        name, _ = QFileDialog.getSaveFileName(
            self, "Save model", self._suggested(".safetensors"), MODEL_FILES
        )
        if name:
            self.save_model_to(Path(name))

    def save_model_to(self, path: Path) -> None:
        """Write the model that is in use to a file."""
        if self.denoiser is None or self._model_job is not None:
            return
        if path.suffix != ".safetensors":
            path = path.with_name(f"{path.name}.safetensors")
            if path.exists():  # the dialog has asked for another name
                self.result.message.fail(
                    f"{str(path)!r} exists; type the whole name to replace it"
                )
                return
        self._run_model_job(
            partial(_jobs.save_model, self.denoiser, path),
            lambda _: self.result.message.done(f"The model is saved as {path.name}."),
        )

    def _on_load_model(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Load model", "", MODEL_FILES)
        if name:
            self.load_model_from(Path(name))

    def load_model_from(self, path: Path) -> None:
        """Read a model from a file and use it."""
        if self._model_job is None:
            self._run_model_job(
                partial(_jobs.load_model, path),
                lambda denoiser: self._take(denoiser, f"read from {path.name}"),
            )

    def _run_model_job(
        self,
        work: Callable[[threading.Event], Iterator[Any]],
        then: Callable[[Any], None],
    ) -> None:
        worker = Worker(work)
        worker.told.connect(lambda told: None if self._is_shut_down else then(told))
        worker.ended.connect(self._on_model_job_ended)
        self._model_job = worker
        self._enable()
        worker.start()

    def _on_model_job_ended(self, error: BaseException | None) -> None:
        self._model_job = None
        if self._is_shut_down:
            return
        if error is not None:
            self.result.message.clear()
            self.result.model_message.fail(said(error))
        self._enable()

    def _take(self, denoiser: Denoiser, origin: str) -> None:
        """Use a denoiser from now on."""
        from napari_udvd.denoiser import check_fits

        self.denoiser = denoiser
        self._session.update(denoiser=denoiser)
        text = f"Model: {denoiser.net.title}, {denoiser.net.size}, {origin}."
        try:
            if self.movie.stack is not None:
                check_fits(denoiser, self.movie.stack)
        except InputError as error:
            self.result.model_message.fail(f"{text} But {error}.")
        else:
            self.result.model_message.inform(text)
        self._enable()

    def _enable(self) -> None:
        """Let the user press what makes sense now."""
        has_movie, has_model = self.movie.stack is not None, self.denoiser is not None
        is_training = self.trainer.is_running
        if self.trainer.is_ending:
            self.training.set_phase("stopping")
        elif is_training:
            self.training.set_phase("training")
        elif not has_movie or not self._is_loaded or self.delivery.is_exporting:
            self.training.set_phase("nothing")
        else:
            self.training.offer(self.trainer.states)
            self.training.set_phase("interrupted" if self.trainer.states else "ready")
        is_busy = is_training or self.delivery.is_exporting
        is_idle = self._model_job is None
        self.result.allow(
            denoise=has_model and has_movie and not is_busy,
            now=self._is_loaded and has_movie and is_idle and not is_busy,
            apply=has_model and not is_busy,
            save=has_model and is_idle,
            load=self._is_loaded and is_idle and not is_training,
            export=has_model and has_movie and not is_busy,
        )
        self.settings.setEnabled(not is_training)
        self.movie.follows = not is_training


class _Column(QScrollArea):
    """Scrolls up and down only: it is always as wide as what is in it needs."""

    def __init__(self, inside: QWidget) -> None:
        super().__init__()
        self.setWidget(inside)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        inside.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Grow with what is inside."""
        if event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return bool(super().eventFilter(watched, event))

    def minimumSizeHint(self) -> QSize:
        """Leave room for the scroll bar."""
        hint = super().minimumSizeHint()
        bar = self.verticalScrollBar().sizeHint().width()
        return QSize(self.widget().minimumSizeHint().width() + bar + 12, hint.height())
