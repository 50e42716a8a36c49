"""The dock "Motion": where things go, as arrows and colours."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
)
from superqt import QLabeledDoubleSlider

from napari_udvd._widgets.inspector.picture import pixmap_of
from napari_udvd._widgets.motion.jobs import (
    MotionQuestion,
    export_motion,
    find_motion,
)
from napari_udvd._widgets.motion.layers import MotionLayers
from napari_udvd._widgets.shared.closing import ClosingDock
from napari_udvd._widgets.shared.latest import Latest
from napari_udvd._widgets.shared.layers import place_seen
from napari_udvd._widgets.shared.messages import Message, said
from napari_udvd._widgets.shared.model_row import NO_MODEL, ModelRow
from napari_udvd._widgets.shared.session import session_of
from napari_udvd._widgets.shared.worker import Worker
from napari_udvd.errors import InputError
from napari_udvd.jobs.ways import WAYS

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Layer

    from napari_udvd.motion import Motion
    from napari_udvd.stack import Stack

__all__ = ["MotionDock"]

MOTION_FILES = (
    "Grid of displacements (*.npz);;Movie of dy and dx (*.ome.tif);;Tracks (*.csv)"
)
SUFFIXES = {"Grid": ".npz", "Movie": ".ome.tif", "Tracks": ".csv"}

WHEEL = 72
"""Rows and columns of the legend."""

KEPT_FRAMES = 200
"""Motions that are kept, so that going back in time is instant."""


class MotionDock(ClosingDock):
    """Shows the motion of the frame on view, and follows the time slider.

    Parameters
    ----------
    viewer
        The viewer that it is docked in.

    Attributes
    ----------
    motion
        What is shown, or None.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._session = session_of(viewer)
        self._target: Layer | None = None
        self._question: MotionQuestion | None = None
        self._found: dict[Any, Motion] = {}
        self._asked: Any = None
        self._exporting: Worker | None = None
        self._largest = 1.0
        self.motion: Motion | None = None

        self.message = Message()
        self.model = ModelRow(self._session, self.message)
        self.show_button = QPushButton("Show motion")
        self.show_button.setCheckable(True)
        self.show_button.setToolTip("Find the motion of the frame on view, and follow")
        self.method_box = QComboBox()
        for name, way in WAYS.items():
            self.method_box.addItem(way.title, name)
        self.method_box.setToolTip(
            "Implied: the shift of the network's filters. Learned: the optical flow "
            "that the model learned. The others are classical optical flow, to compare"
        )
        self.frames_box = QComboBox()
        self.frames_box.addItem("denoised frames", True)
        self.frames_box.addItem("noisy frames", False)
        self.frames_box.setToolTip(
            "What classical optical flow looks at; the network's own motion needs "
            "no choice"
        )
        self.spacing_spin = QSpinBox()
        self.spacing_spin.setRange(4, 128)
        self.spacing_spin.setValue(16)
        self.spacing_spin.setSuffix(" px")
        self.spacing_spin.setToolTip("Pixels from one arrow to the next")
        self.confidence_slider = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
        self.confidence_slider.setRange(0, 1)
        self.confidence_slider.setValue(0.5)
        self.confidence_slider.setToolTip("Motion that is less sure is not shown")
        self.length_spin = QDoubleSpinBox()
        self.length_spin.setRange(0.1, 10)
        self.length_spin.setSingleStep(0.5)
        self.length_spin.setValue(1)
        self.length_spin.setSuffix(" x")
        self.length_spin.setToolTip(
            "At 1 the arrow of fast motion (95 %) is as long as a step of the grid"
        )
        self.arrows_check, self.colours_check = (
            QCheckBox("Arrows"),
            QCheckBox("Colours"),
        )
        self.arrows_check.setChecked(True)
        self.arrows_check.setToolTip("Draw motion as arrows over the movie")
        self.colours_check.setToolTip(
            "Draw motion as colours: the hue is the direction, as the wheel shows"
        )
        self.wheel, self.statistics = QLabel(), QLabel()
        self.statistics.setWordWrap(True)
        self.export_button, self.cancel_button = (
            QPushButton("Export…"),
            QPushButton("Cancel"),
        )
        self.export_button.setToolTip(
            "Motion of the whole movie: a grid (NPZ), a movie of dy and dx (OME-TIFF), "
            "or tracks through the grid points (CSV)"
        )
        self.cancel_button.setToolTip("End the export; nothing is written")
        self.progress = QProgressBar()
        self.progress.setRange(0, 1000)
        self._lay_out()

        self._layers = MotionLayers(viewer)
        self._latest = Latest(find_motion)
        # not at once: layers may be in the middle of being removed
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self._ask)
        self.show_button.toggled.connect(self._on_shown)
        for box in (self.method_box, self.frames_box):
            box.currentIndexChanged.connect(self._on_choice)
        self.spacing_spin.valueChanged.connect(self._on_choice)
        self.confidence_slider.valueChanged.connect(self._draw)
        self.length_spin.valueChanged.connect(self._draw)
        self.arrows_check.toggled.connect(self._draw)
        self.colours_check.toggled.connect(self._draw)
        self.export_button.clicked.connect(self._on_export)
        self.cancel_button.clicked.connect(self._on_cancel)
        self._latest.answered.connect(self._on_answered)
        self._latest.failed.connect(self._on_failed)
        self._latest.busy.connect(self._on_busy)
        viewer.dims.events.current_step.connect(self._ask_soon)
        viewer.layers.events.removed.connect(self._on_removed)
        self._session.changed.connect(self._ask_soon)
        self._enable()

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.addRow("Motion", self.method_box)
        form.addRow("Compared are", self.frames_box)
        form.addRow("Grid", self.spacing_spin)
        form.addRow("Confidence", self.confidence_slider)
        form.addRow("Arrows", self.length_spin)
        checks = QHBoxLayout()
        checks.addWidget(self.arrows_check)
        checks.addWidget(self.colours_check)
        legend = QHBoxLayout()
        legend.addWidget(self.wheel)
        legend.addWidget(self.statistics, 1)
        files = QHBoxLayout()
        files.addWidget(self.export_button)
        files.addWidget(self.cancel_button)
        layout = QVBoxLayout(self)
        layout.addWidget(self.model)
        layout.addWidget(self.show_button)
        layout.addLayout(form)
        layout.addLayout(checks)
        layout.addWidget(self.message)
        layout.addLayout(legend)
        layout.addLayout(files)
        layout.addWidget(self.progress)
        layout.addStretch()
        self.progress.setVisible(False)

    def shut_down(self) -> None:
        """Stop, and let go of the viewer."""
        self.show_button.setChecked(False)
        self._on_cancel()
        self._soon.stop()
        self._viewer.dims.events.current_step.disconnect(self._ask_soon)
        self._viewer.layers.events.removed.disconnect(self._on_removed)
        self._session.changed.disconnect(self._ask_soon)
        self.model.shut_down()

    # asking

    def _on_shown(self, on: bool) -> None:
        if on:
            self._ask()
        else:
            self._latest.forget()
            self._layers.hide()

    def _on_choice(self, _value: Any = None) -> None:
        self._enable()
        self._latest.forget()
        self._ask()

    def _ask_soon(self, _event: Any = None) -> None:
        self._soon.start()

    def _ask(self) -> None:
        if not self.show_button.isChecked():
            return
        try:
            question = self._question_now()
        except InputError as error:
            self._latest.forget()
            self._layers.hide()
            self.message.fail(str(error), notify=False)
            return
        self.message.clear()
        key = self._key(question)
        known = self._found.get(key)
        if known is not None:
            self._latest.forget()
            self._take(question, known)
        elif key != self._asked or not self._latest.is_busy:
            self._asked = key
            self._latest.ask(question)

    def _question_now(self) -> MotionQuestion:
        shown = self._session.what(self._session.layer_meant(self._target))
        if self._viewer.dims.ndisplay != 2:
            raise InputError("the view is in 3D; switch to 2D to see motion")
        if self._session.is_training:
            raise InputError(
                "a network is being trained, and the processor is busy with it; stop "
                "or pause the training to see motion"
            )
        method = str(self.method_box.currentData())
        if WAYS[method].needs_model and shown.denoiser is None:
            raise InputError(f"there is {NO_MODEL}; or choose optical flow")
        if shown.source != self._target:
            self._latest.forget()
        self._target = shown.source
        place = place_seen(self._viewer, shown.source, shown.stack)
        return MotionQuestion(
            shown=shown,
            method=method,
            on_denoised=bool(self.frames_box.currentData()),
            spacing=self.spacing_spin.value(),
            t=place.t,
            c=place.c,
            z=place.z,
        )

    def _key(self, question: MotionQuestion) -> Any:
        """Return what an answer depends on."""
        shown = question.shown
        model = shown.denoiser if WAYS[question.method].needs_model else shown.result
        return question, id(shown.stack.data), id(model)

    # showing

    def _on_answered(self, answer: tuple[MotionQuestion, Motion]) -> None:
        question, motion = answer
        if len(self._found) >= KEPT_FRAMES:
            self._found.pop(next(iter(self._found)))
        self._found[self._key(question)] = motion
        if self.show_button.isChecked():
            self._take(question, motion)

    def _take(self, question: MotionQuestion, motion: Motion) -> None:
        self._question, self.motion = question, motion
        self._draw()
        self._enable()

    def _draw(self, _value: Any = None) -> None:
        motion, question = self.motion, self._question
        if motion is None or question is None or not self.show_button.isChecked():
            return
        shown = question.shown
        if shown.source not in self._viewer.layers:
            return
        least = self.confidence_slider.value()
        speed = np.hypot(*np.moveaxis(motion.per_frame, -1, 0))
        sure = speed[np.isfinite(speed) & (motion.confidence >= least)]
        self._largest = max(float(np.percentile(sure, 95)) if sure.size else 0.0, 0.25)
        self._layers.show(
            motion,
            shown.source,
            shown.stack,
            {"T": question.t, "C": question.c, "Z": question.z},
            least_confidence=least,
            length=self.length_spin.value() * question.spacing / self._largest,
            largest=self._largest,
            arrows=self.arrows_check.isChecked(),
            colours=self.colours_check.isChecked(),
        )
        self._say(motion, speed, sure, shown.stack)

    def _say(self, motion: Motion, speed: Any, sure: Any, stack: Stack) -> None:
        from napari_udvd.motion import colour_wheel

        self.wheel.setPixmap(pixmap_of(colour_wheel(WHEEL)))
        if not sure.size:
            self.statistics.setText(
                f"Frame {motion.t}: nothing is sure enough; lower the confidence, or "
                "there is nothing to follow."
            )
            return
        median, fast = float(np.median(sure)), float(np.percentile(sure, 95))
        text = (
            f"Frame {motion.t}: {sure.size} of {speed.size} points are sure. Speed "
            f"{median:.2f} px/frame (median), {fast:.2f} (95 %)"
        )
        step, unit = stack.scale.get("X"), stack.units.get("X", "")
        pause, time = stack.scale.get("T"), stack.units.get("T", "")
        if step and unit and pause and time:
            text += f" = {median * step / pause:.3g} {unit}/{time} (median)"
        self.statistics.setText(f"{text}. Full colour is {self._largest:.2g} px/frame.")

    def _on_failed(self, error: BaseException) -> None:
        self._layers.hide()
        self.message.fail(said(error), notify=False)

    def _on_busy(self, busy: bool) -> None:
        self.show_button.setText("Finding motion…" if busy else "Show motion")

    # files

    def _on_export(self) -> None:
        name, kind = QFileDialog.getSaveFileName(
            self, "Export motion", "", MOTION_FILES
        )
        if not name:
            return
        path = Path(name)
        may_replace = bool(path.suffix) and path.exists()  # the dialog has asked
        if not path.suffix:
            path = path.with_name(path.name + SUFFIXES[kind.split()[0]])
        self.export_to(path, overwrite=may_replace)

    def export_to(self, path: Path, *, overwrite: bool = False) -> None:
        """Write the motion of the whole movie."""
        if self._exporting is not None:
            return
        self.message.clear()
        try:
            question = self._question_now()
        except InputError as error:
            self.message.fail(str(error))
            return
        self._latest.forget()
        least = self.confidence_slider.value()
        work = partial(export_motion, question, path, least, overwrite)
        worker = Worker(work)
        worker.told.connect(self._on_written)
        worker.ended.connect(partial(self._on_exported, worker, path))
        self._exporting = worker
        self.progress.setValue(0)
        self._enable()
        worker.start()

    def _on_written(self, share: float) -> None:
        self.progress.setValue(int(self.progress.maximum() * share))

    def _on_exported(
        self, worker: Worker, path: Path, error: BaseException | None
    ) -> None:
        self._exporting = None
        self._ask()  # the question was forgotten
        is_written = self.progress.value() == self.progress.maximum()
        if error is not None:
            self.message.fail(said(error))
        elif worker.is_cancelled and not is_written:
            self.message.inform("The export was cancelled; nothing was written.")
        else:
            self.message.done(f"The motion is exported as {path.name}.")
        self._enable()

    def _on_cancel(self) -> None:
        if self._exporting is not None:
            self._exporting.cancel()

    # others

    def _on_removed(self, event: Any) -> None:
        self._found = {  # which holds the movie
            key: motion
            for key, motion in self._found.items()
            if key[0].shown.source != event.value
        }
        if self._target is not None and event.value == self._target:
            self._latest.forget()
            self._layers.hide()
            self._target = self.motion = self._question = self._asked = None
            self.show_button.setChecked(False)
            self._enable()

    def _enable(self) -> None:
        needs_model = WAYS[str(self.method_box.currentData())].needs_model
        self.frames_box.setEnabled(not needs_model)
        exporting = self._exporting is not None
        self.export_button.setEnabled(self.motion is not None and not exporting)
        self.cancel_button.setEnabled(exporting)
        self.progress.setVisible(exporting)
