"""The dock "Motion": where things go, as arrows and colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QPushButton, QVBoxLayout

from napari_udvd._widgets.motion.controls import MotionControls
from napari_udvd._widgets.motion.export_section import ExportSection
from napari_udvd._widgets.motion.finder import MotionFinder
from napari_udvd._widgets.motion.jobs import MotionQuestion
from napari_udvd._widgets.motion.layers import MotionLayers
from napari_udvd._widgets.motion.legend import Legend, Speeds
from napari_udvd._widgets.shared.closing import ClosingDock
from napari_udvd._widgets.shared.layers import place_seen
from napari_udvd._widgets.shared.messages import Message, said
from napari_udvd._widgets.shared.model_row import NO_MODEL, ModelRow
from napari_udvd._widgets.shared.session import session_of
from napari_udvd.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    import napari.viewer
    from napari.layers import Layer

    from napari_udvd.motion import Motion

__all__ = ["MotionDock"]


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
        self.motion: Motion | None = None

        self.message = Message()
        self.model = ModelRow(self._session, self.message)
        self.show_button = QPushButton("Show motion")
        self.show_button.setCheckable(True)
        self.show_button.setToolTip("Find the motion of the frame on view, and follow")
        self.controls = MotionControls()
        self.legend = Legend()
        self.export = ExportSection(self.message)
        self._lay_out()

        self._layers = MotionLayers(viewer)
        self._finder = MotionFinder()
        # not at once: layers may be in the middle of being removed
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self._ask)
        self.show_button.toggled.connect(self._on_show_toggled)
        self.controls.asked.connect(self._on_controls_asked)
        self.controls.restyled.connect(self._draw)
        self.export.asked.connect(self._on_export_asked)
        self.export.ended.connect(self._ask)  # the question was forgotten
        self._finder.found.connect(self._on_finder_found)
        self._finder.failed.connect(self._on_finder_failed)
        self._finder.busy.connect(self._on_finder_busy)
        viewer.dims.events.current_step.connect(self._ask_soon)
        viewer.layers.events.removed.connect(self._on_layer_removed)
        self._session.changed.connect(self._ask_soon)

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.addWidget(self.model)
        layout.addWidget(self.show_button)
        layout.addWidget(self.controls)
        layout.addWidget(self.message)
        layout.addWidget(self.legend)
        layout.addWidget(self.export)
        layout.addStretch()

    def shut_down(self) -> None:
        """Stop, and let go of the viewer."""
        self.show_button.setChecked(False)
        self.export.cancel()
        self._soon.stop()
        self._viewer.dims.events.current_step.disconnect(self._ask_soon)
        self._viewer.layers.events.removed.disconnect(self._on_layer_removed)
        self._session.changed.disconnect(self._ask_soon)
        self.model.shut_down()

    # asking

    def _on_show_toggled(self, on: bool) -> None:
        if on:
            self._ask()
        else:
            self._finder.forget()
            self._layers.hide()

    def _on_controls_asked(self) -> None:
        self._finder.forget()
        self._ask()

    def _ask_soon(self, _event: Any = None) -> None:
        self._soon.start()

    def _ask(self) -> None:
        if not self.show_button.isChecked():
            return
        try:
            question = self._question_now()
        except InputError as error:
            self._finder.forget()
            self._layers.hide()
            self.message.fail(str(error), notify=False)
            return
        self.message.clear()
        self._finder.ask(question)

    def _question_now(self) -> MotionQuestion:
        shown = self._session.what(self._session.layer_meant(self._target))
        if self._viewer.dims.ndisplay != 2:
            raise InputError("the view is in 3D; switch to 2D to see motion")
        if self._session.is_training:
            raise InputError(
                "a network is being trained, and the processor is busy with it; stop "
                "or pause the training to see motion"
            )
        if self.controls.needs_model and shown.denoiser is None:
            raise InputError(f"there is {NO_MODEL}; or choose optical flow")
        if shown.source != self._target:
            self._finder.forget()
        self._target = shown.source
        place = place_seen(self._viewer, shown.source, shown.stack)
        return MotionQuestion(
            shown=shown,
            method=self.controls.method,
            on_denoised=self.controls.on_denoised,
            spacing=self.controls.spacing,
            t=place.t,
            c=place.c,
            z=place.z,
        )

    # showing

    def _on_finder_found(self, question: MotionQuestion, motion: Motion) -> None:
        if self.show_button.isChecked():
            self._question, self.motion = question, motion
            self._draw()
            self.export.allow(True)

    def _draw(self) -> None:
        motion, question = self.motion, self._question
        if motion is None or question is None or not self.show_button.isChecked():
            return
        shown, controls = question.shown, self.controls
        if shown.source not in self._viewer.layers:
            return
        speeds = Speeds.of(motion, controls.least_confidence)
        self._layers.show(
            motion,
            shown.source,
            shown.stack,
            {"T": question.t, "C": question.c, "Z": question.z},
            least_confidence=controls.least_confidence,
            length=controls.length * question.spacing / speeds.full,
            largest=speeds.full,
            arrows=controls.arrows_check.isChecked(),
            colours=controls.colours_check.isChecked(),
        )
        self.legend.show_speeds(motion.t, speeds, shown.stack)

    def _on_finder_failed(self, error: BaseException) -> None:
        self._layers.hide()
        self.message.fail(said(error), notify=False)

    def _on_finder_busy(self, busy: bool) -> None:
        self.show_button.setText("Finding motion…" if busy else "Show motion")

    # files

    def _on_export_asked(self, path: Path, may_replace: bool) -> None:
        self.export_to(path, overwrite=may_replace)

    def export_to(self, path: Path, *, overwrite: bool = False) -> None:
        """Write the motion of the whole movie."""
        if self.export.is_running:
            return
        self.message.clear()
        try:
            question = self._question_now()
        except InputError as error:
            self.message.fail(str(error))
            return
        self._finder.forget()
        least = self.controls.least_confidence
        self.export.write(question, path, least, overwrite=overwrite)

    # others

    def _on_layer_removed(self, event: Any) -> None:
        self._finder.forget_movie(event.value)
        if self._target is not None and event.value == self._target:
            self._finder.forget()
            self._layers.hide()
            self._target = self.motion = self._question = None
            self.show_button.setChecked(False)
            self.export.allow(False)
