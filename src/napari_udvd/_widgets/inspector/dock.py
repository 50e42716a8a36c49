"""The dock "Pixel inspector": the filter behind a clicked pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from napari_udvd._widgets.inspector.filter_layer import FilterLayer
from napari_udvd._widgets.inspector.filter_view import FilterView
from napari_udvd._widgets.inspector.inspection import (
    Inspected,
    PixelQuestion,
    inspect_pixel,
)
from napari_udvd._widgets.inspector.keep_section import KeepSection
from napari_udvd._widgets.shared.closing import ClosingDock
from napari_udvd._widgets.shared.latest import Latest
from napari_udvd._widgets.shared.layers import pixel_at
from napari_udvd._widgets.shared.messages import Message, said
from napari_udvd._widgets.shared.model_row import NO_MODEL, ModelRow
from napari_udvd._widgets.shared.picker import Picker
from napari_udvd._widgets.shared.session import Session, Shown, session_of
from napari_udvd.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    import napari.viewer
    from napari.layers import Layer

__all__ = ["PixelInspector"]


class PixelInspector(ClosingDock):
    """Shows which pixels of which frames a denoised pixel is the average of.

    Parameters
    ----------
    viewer
        The viewer that it is docked in.

    Attributes
    ----------
    inspected
        What is shown, or None.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._session: Session = session_of(viewer)
        self._target: Layer | None = None
        self.inspected: Inspected | None = None

        self.inspect_button = QPushButton("Inspect")
        self.inspect_button.setCheckable(True)
        self.inspect_button.setToolTip(
            "While this is pressed, a click on the movie shows the filter of the "
            "pixel. Dragging does not move the picture then; the wheel still zooms"
        )
        self.overlay_check = QCheckBox("Weights over the movie")
        self.overlay_check.setChecked(True)
        self.overlay_check.setToolTip(
            "A layer with the weight of every pixel, in the frames that they are in"
        )
        self.posterior_check = QCheckBox("With the pixel itself")
        self.posterior_check.setToolTip(
            "The filter of the denoised value as it is put out: the prediction "
            "combined with the noisy pixel, which the network itself never sees"
        )
        self.message = Message()
        self.model = ModelRow(self._session, self.message)
        self.view = FilterView()
        self.keep = KeepSection(viewer, self.message)
        self._lay_out()

        self._picker = Picker(viewer)
        self._overlay = FilterLayer(viewer)
        self._latest = Latest(inspect_pixel)
        self.inspect_button.toggled.connect(self._on_inspect_toggled)
        self.overlay_check.toggled.connect(self._draw_overlay)
        self.posterior_check.toggled.connect(self._on_posterior_toggled)
        self.keep.pinned.connect(self._on_keep_pinned)
        self.keep.pins.chosen.connect(self._show)
        self._picker.picked.connect(self._on_picker_picked)
        self._latest.answered.connect(self._on_latest_answered)
        self._latest.failed.connect(self._on_latest_failed)
        self._latest.busy.connect(self.view.show_busy)
        self._session.changed.connect(self._on_session_changed)
        viewer.layers.events.removed.connect(self._on_layer_removed)

    def _lay_out(self) -> None:
        inside = QWidget()
        layout = QVBoxLayout(inside)
        layout.addWidget(self.model)
        layout.addWidget(self.inspect_button)
        checks = QHBoxLayout()
        checks.addWidget(self.overlay_check)
        checks.addWidget(self.posterior_check)
        layout.addLayout(checks)
        layout.addWidget(self.message)
        layout.addWidget(self.view)
        layout.addWidget(self.keep)
        layout.addStretch()
        scroll = QScrollArea()
        scroll.setWidget(inside)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setMinimumWidth(400)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(scroll)

    def shut_down(self) -> None:
        """Stop, and let go of the viewer; layers stay, but for the weights."""
        self._latest.forget()
        self._picker.arm(False)
        self._session.changed.disconnect(self._on_session_changed)
        self.model.shut_down()
        self.keep.shut_down()
        self._viewer.layers.events.removed.disconnect(self._on_layer_removed)
        self._overlay.hide()

    # picking

    def _on_inspect_toggled(self, armed: bool) -> None:
        self._picker.arm(armed)
        if not armed:
            self._latest.forget()
            return
        self.message.clear()
        if self._session.denoiser is None and not self._session.results:
            self.message.warn(f"There is {NO_MODEL}.")

    def _on_picker_picked(self, world: Any) -> None:
        try:
            if self._viewer.dims.ndisplay != 2:
                raise InputError(
                    "the view is in 3D; switch to 2D to click a pixel (the button "
                    "below the layer list)"
                )
            shown = self._session.what(self._session.layer_meant(self._target))
            index = pixel_at(self._viewer, shown.source, world)
            self.inspect(shown, dict(zip(shown.stack.axes, index, strict=True)))
        except InputError as error:
            self.message.fail(str(error), notify=False)

    def inspect(self, shown: Shown, index: dict[str, int]) -> None:
        """Look into a pixel.

        Parameters
        ----------
        shown
            The movie.
        index
            Place of the pixel, by axis letter.

        Raises
        ------
        InputError
            If it cannot be looked into, see the message.
        """
        if self._session.is_training:
            raise InputError(
                "a network is being trained, and the processor is busy with it; stop "
                "or pause the training to look into pixels"
            )
        if shown.denoiser is None:
            raise InputError(f"there is {NO_MODEL}")
        stack = shown.stack
        for axis, value in index.items():
            if not 0 <= value < stack.size(axis):
                raise InputError(
                    f"the click is outside {shown.source.name!r}: {axis} = {value}, "
                    f"but it has 0 to {stack.size(axis) - 1}"
                )
        if shown.source != self._target:
            self._latest.forget()
        self._target = shown.source
        self._latest.ask(
            PixelQuestion(
                shown=shown,
                t=index.get("T", 0),
                c=index.get("C", 0),
                z=index.get("Z", 0),
                y=index["Y"],
                x=index["X"],
                posterior=self.posterior_check.isChecked()
                and shown.denoiser.net.likelihood,
            )
        )

    # showing

    def _on_latest_answered(self, inspected: Inspected) -> None:
        if inspected.question.shown.source in self._viewer.layers:
            self._show(inspected)

    def _show(self, inspected: Inspected) -> None:
        self.inspected = inspected
        self.view.show_inspected(inspected)
        self.keep.take(inspected)
        found = inspected.found
        if found.reflected:
            self.message.inform(
                f"This frame is so near an end of the movie that {found.reflected} of "
                "the frames that the network looks at do not exist; it saw others "
                "again instead."
            )
        else:
            self.message.clear()
        self._draw_overlay()

    def _draw_overlay(self, _on: bool = False) -> None:
        if self.inspected is None or not self.overlay_check.isChecked():
            self._overlay.hide()
            return
        shown = self.inspected.question.shown
        if shown.source in self._viewer.layers:
            self._overlay.show(self.inspected.found, shown.source, shown.stack)

    def _on_latest_failed(self, error: BaseException) -> None:
        self.message.fail(said(error), notify=False)

    def _on_posterior_toggled(self) -> None:
        if self.inspected is None:
            return
        q = self.inspected.question
        if self.posterior_check.isChecked() and not (
            q.shown.denoiser is not None and q.shown.denoiser.net.likelihood
        ):
            self.message.warn(
                "This model was trained on the mean only: it never puts the pixel "
                "itself back in."
            )
            return
        index = {"T": q.t, "C": q.c, "Z": q.z, "Y": q.y, "X": q.x}
        try:
            self.inspect(q.shown, index)
        except InputError as error:
            self.message.fail(str(error), notify=False)

    # pins, files

    def _on_keep_pinned(self) -> None:
        self.view.trace.show_pinned(self.keep.pins.traces())

    def save_to(self, path: Path, *, overwrite: bool = False) -> None:
        """Write what is shown to a file, ``.png``, ``.npz`` or ``.csv``."""
        self.keep.save_to(path, overwrite=overwrite)

    # others

    def _on_session_changed(self) -> None:
        if self._session.is_training:
            self._latest.forget()

    def _on_layer_removed(self, event: Any) -> None:
        if self._target is not None and event.value == self._target:
            self._latest.forget()
            self._target = None
        if self.inspected and event.value == self.inspected.question.shown.source:
            # which holds the movie, and pixels that it was computed from
            self.inspected = None
            self._overlay.hide()
            self.view.clear()
            self.keep.take(None)
