"""Which movie, what its axes are, and which part of it to learn from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Image, Layer, Shapes
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from napari_udvd._widgets.shared.layers import (
    RESULT,
    axes_of,
    box_of,
    check_movie,
    stack_of,
)
from napari_udvd._widgets.shared.messages import Message
from napari_udvd._widgets.shared.overlays import OWN
from napari_udvd.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari.viewer
    from napari.utils.events import Event

    from napari_udvd.stack import Stack

__all__ = ["MovieSection"]

NAME_LENGTH = 24
"""Letters of a layer's name that are always seen; the list shows all of them."""

NO_MOVIE = (
    "There is no movie yet: drop a file on the window, or take File > Open Sample > "
    "UDVD."
)


class MovieSection(QWidget):
    """Chooses an image layer and reads it as a stack.

    Attributes
    ----------
    layer
        The chosen one, or None.
    stack
        Its movie, or None where it cannot be read as one; the message says why.
    follows
        Whether the layer that is selected becomes the movie.
    may_change
        Asked before a user's choice takes the place of the movie.
    """

    changed = Signal()
    """Another layer, other axes, or other pixels in the layer."""

    removed = Signal(str)
    """The chosen layer was taken out of the viewer; its name."""

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self.layer: Image | None = None
        self.stack: Stack | None = None
        self._watched: set[Layer] = set()
        self.follows = True
        self.may_change: Callable[[], bool] = lambda: True

        self.layer_box = QComboBox()
        self.layer_box.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.layer_box.setMinimumContentsLength(NAME_LENGTH)
        self.layer_box.setToolTip("The noisy movie")
        self.layer_message = Message()
        self.summary = QLabel()
        self.summary.setWordWrap(True)
        self.axes_edit = QLineEdit()
        self.axes_edit.setToolTip(
            "One letter per dimension of the layer: T time, C channel, Z depth, "
            "Y row, X column"
        )
        self.axes_message = Message()
        self.region_box = QComboBox()
        self.region_box.setToolTip(
            "Learn from a part of the frame only: draw a rectangle in a Shapes layer "
            "and choose it here. The whole movie is denoised all the same"
        )
        self.first_frame, self.last_frame = QSpinBox(), QSpinBox()
        self.part_message = Message()
        for spin, which in ((self.first_frame, "first"), (self.last_frame, "last")):
            spin.setToolTip(f"The {which} frame to learn from")

        frames = QHBoxLayout()
        frames.addWidget(self.first_frame, 1)
        frames.addWidget(QLabel("to"), 0, Qt.AlignmentFlag.AlignCenter)
        frames.addWidget(self.last_frame, 1)
        inside = QWidget()
        part = QFormLayout(inside)
        part.setContentsMargins(0, 0, 0, 0)
        part.addRow("Learn from", self.region_box)
        part.addRow("Frames", frames)
        self.part = QCollapsible("Learn from a part of the movie")
        self.part.setContent(inside)
        self.part.collapse(animate=False)
        self.part.toggleButton().setToolTip(
            "Some frames, or a rectangle: training looks at these only"
        )
        form = QFormLayout()
        form.addRow("Movie", self.layer_box)
        form.addRow(self.layer_message)
        form.addRow(self.summary)
        form.addRow("Axes", self.axes_edit)
        form.addRow(self.axes_message)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(form)
        layout.addWidget(self.part)
        layout.addWidget(self.part_message)

        self.layer_box.activated.connect(self._on_chosen)
        self.axes_edit.editingFinished.connect(self._on_axes_edited)
        events = viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered):
            event.connect(self._on_layers_changed)
        viewer.layers.selection.events.active.connect(self._on_selected)
        self._fill_boxes()
        self._choose_at_start()

    def shut_down(self) -> None:
        """Let go of the viewer."""
        self._viewer.layers.selection.events.active.disconnect(self._on_selected)
        events = self._viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered):
            event.disconnect(self._on_layers_changed)
        for layer in self._watched:
            self._unwatch(layer)
        self._watched = set()

    def choose(self, layer: Layer) -> None:
        """Take a layer as the movie; the message says so where it is none."""
        self.layer_box.setCurrentIndex(_index(self.layer_box, layer))
        self._take(layer)

    def training_stack(self) -> Stack:
        """Return the part of the movie to learn from.

        Raises
        ------
        InputError
            If there is no movie, or the part is empty; the message beside the control
            says so too.
        """
        self.part_message.clear()
        if self.stack is None or self.layer is None:
            raise InputError(
                self.layer_message.text() or self.axes_message.text() or NO_MOVIE
            )
        try:
            return self._cropped(self.stack, self.layer)
        except InputError as error:
            self.part_message.fail(str(error), notify=False)
            raise

    def part_chosen(self) -> tuple[slice, slice, slice] | None:
        """Frames, rows and columns that are chosen; None without a movie.

        Raises
        ------
        InputError
            If the part is empty.
        """
        if self.stack is None or self.layer is None:
            return None
        return self._part_of(self.stack, self.layer)

    def _part_of(self, stack: Stack, layer: Image) -> tuple[slice, slice, slice]:
        first, last = self.first_frame.value(), self.last_frame.value()
        if first > last:
            raise InputError(
                f"the first frame to learn from, {first}, comes after the last, {last}"
            )
        height, width = stack.frame_shape
        rows, columns = slice(0, height), slice(0, width)
        shapes = self.region_box.currentData()
        if shapes is not None:
            rows, columns = box_of(shapes, layer, stack)
        return slice(first, last + 1), rows, columns

    def _cropped(self, stack: Stack, layer: Image) -> Stack:
        frames, rows, columns = self._part_of(stack, layer)
        height, width = stack.frame_shape
        if (frames.stop - frames.start, rows, columns) == (
            stack.n_frames,
            slice(0, height),
            slice(0, width),
        ):
            return stack
        return stack.crop(frames, rows, columns)

    def _choose_at_start(self) -> None:
        # a sample's truth is selected when it opens, but hidden: it is not the movie
        active = self._viewer.layers.selection.active
        if active is not None and active.visible:
            self.choose(active)
            return
        images = [layer for layer in self._viewer.layers if isinstance(layer, Image)]
        shown = [layer for layer in images if layer.visible] or images
        self._take(shown[-1] if shown else None)
        self._fill_boxes()

    def _take(self, layer: Layer | None) -> None:
        self.layer = layer if isinstance(layer, Image) else None
        self.axes_edit.clear()
        self._read(layer, None)

    def _read(self, layer: Layer | None, axes: str | None) -> None:
        """Read the layer as a stack, or say beside the control why not."""
        for message in (self.layer_message, self.axes_message, self.part_message):
            message.clear()
        self.stack = None
        if layer is None:
            self.layer_message.inform(NO_MOVIE)
        else:
            about = self.layer_message
            try:
                check_movie(layer)
                about = self.axes_message
                named = axes or axes_of(layer)
                about = self.layer_message if axes is None else self.axes_message
                self.stack = stack_of(layer, named)
            except InputError as error:
                about.fail(str(error))
        self._show()
        self.changed.emit()

    def _show(self) -> None:
        stack = self.stack
        self.axes_edit.setEnabled(self.layer is not None)
        self.part.setEnabled(stack is not None)
        self.summary.setVisible(stack is not None)
        if stack is None:
            return
        self.summary.setText(stack.describe())
        self.axes_edit.setText(stack.axes)
        for spin in (self.first_frame, self.last_frame):
            spin.setRange(0, stack.n_frames - 1)
        self.first_frame.setValue(0)
        self.last_frame.setValue(stack.n_frames - 1)

    def _fill_boxes(self) -> None:
        """List the layers as they are now, the topmost first."""
        chosen, region = self.layer, self.region_box.currentData()
        self.layer_box.clear()
        self.region_box.clear()
        self.region_box.addItem("the whole frame", None)
        for layer in reversed(self._viewer.layers):
            self._watch(layer)
            if _is_movie(layer):
                self.layer_box.addItem(layer.name, layer)
            elif isinstance(layer, Shapes):
                self.region_box.addItem(layer.name, layer)
        self.layer_box.setCurrentIndex(_index(self.layer_box, chosen))
        self.region_box.setCurrentIndex(max(_index(self.region_box, region), 0))

    def _watch(self, layer: Layer) -> None:
        if layer in self._watched:
            return
        self._watched.add(layer)
        layer.events.name.connect(self._on_renamed)
        layer.events.data.connect(self._on_data_changed)
        layer.events.scale.connect(self._on_calibrated)
        layer.events.units.connect(self._on_calibrated)
        layer.events.axis_labels.connect(self._on_calibrated)

    def _unwatch(self, layer: Layer) -> None:
        layer.events.name.disconnect(self._on_renamed)
        layer.events.data.disconnect(self._on_data_changed)
        layer.events.scale.disconnect(self._on_calibrated)
        layer.events.units.disconnect(self._on_calibrated)
        layer.events.axis_labels.disconnect(self._on_calibrated)

    def _on_chosen(self, index: int) -> None:
        layer = self.layer_box.itemData(index)
        if layer == self.layer:  # the box also tells of the same one chosen again
            return
        if self.may_change():
            self._take(layer)
        else:
            self.layer_box.setCurrentIndex(_index(self.layer_box, self.layer))

    def _on_selected(self, event: Event) -> None:
        """Follow the selected layer, unless that would end what is running."""
        layer = event.value
        is_other = layer is not None and layer != self.layer and layer.visible
        if is_other and self.follows and _is_movie(layer) and not layer.rgb:
            self.choose(layer)

    def _on_axes_edited(self) -> None:
        text = self.axes_edit.text().strip().upper()
        if self.layer is None or (self.stack is not None and text == self.stack.axes):
            return
        if self.may_change():
            self._read(self.layer, text or None)
        elif self.stack is not None:
            self.axes_edit.setText(self.stack.axes)

    def _on_layers_changed(self, event: Event) -> None:
        gone = {layer for layer in self._watched if layer not in self._viewer.layers}
        for layer in gone:
            self._unwatch(layer)
        self._watched -= gone
        self._fill_boxes()
        if self.layer is not None and self.layer in gone:
            name = self.layer.name
            self.removed.emit(name)
            self._take(None)
        elif self.layer is None and event.type == "inserted":
            if _is_movie(event.value) and event.value.visible:
                self.choose(event.value)

    def _on_renamed(self, event: Event) -> None:
        self._fill_boxes()

    def _on_data_changed(self, event: Event) -> None:
        if event.source == self.layer:
            # other axes than the labels say were typed, unless they no longer fit
            axes = self.stack.axes if self.stack else ""
            self._read(self.layer, axes if len(axes) == self.layer.ndim else None)

    def _on_calibrated(self, event: Event) -> None:
        if event.source != self.layer:
            return
        if self.stack is None:
            self._read(self.layer, None)
        else:
            # the pixels are the same: what was found out about them stays
            try:
                self.stack = stack_of(self.layer, self.stack.axes)
            except InputError:
                self._read(self.layer, self.stack.axes)  # which says what is wrong
            else:
                self.summary.setText(self.stack.describe())


def _is_movie(layer: Layer) -> bool:
    """Whether it is an image that no dock of ours made."""
    return (
        isinstance(layer, Image)
        and OWN not in layer.metadata
        and RESULT not in layer.metadata
    )


def _index(box: QComboBox, layer: Any) -> int:
    """Find a layer in a box; -1 where it is not.

    The viewer that a plugin gets hands out a new proxy of a layer each time: they are
    equal, never identical.
    """
    rows = (k for k in range(box.count()) if box.itemData(k) == layer)
    return next(rows, -1)
