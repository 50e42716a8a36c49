"""The movie: its layer and axes, what of it was measured, the part to learn from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.layers import Image, Labels, Layer, Shapes
from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from napari_udvd._widgets.restore.layer_watch import LayerWatch
from napari_udvd._widgets.restore.measured_section import MeasuredSection
from napari_udvd._widgets.restore.part_section import PartSection
from napari_udvd._widgets.shared.layers import (
    RESULT,
    axes_of,
    check_movie,
    row_of,
    stack_of,
)
from napari_udvd._widgets.shared.messages import Message
from napari_udvd._widgets.shared.overlays import OWN
from napari_udvd.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari.viewer

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
        The chosen layer, or None.
    stack
        Its movie, or None where it cannot be read as one; the message says why.
    follows
        The layer that is selected becomes the movie.
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
        self._mask: Layer | None = None
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
        self.measured = MeasuredSection()
        self.part = PartSection()
        form = QFormLayout()
        form.addRow("Movie", self.layer_box)
        form.addRow(self.layer_message)
        form.addRow(self.summary)
        form.addRow("Axes", self.axes_edit)
        form.addRow(self.axes_message)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(form)
        layout.addWidget(self.measured)
        layout.addWidget(self.part)

        self.layer_box.activated.connect(self._on_layer_activated)
        self.axes_edit.editingFinished.connect(self._on_axes_edited)
        self.measured.changed.connect(self._on_measured_changed)
        self._watch = LayerWatch(viewer)
        self._watch.listed.connect(self._on_watch_listed)
        self._watch.removed.connect(self._on_watch_removed)
        self._watch.data_changed.connect(self._on_watch_data_changed)
        self._watch.calibrated.connect(self._on_watch_calibrated)
        self._watch.selected.connect(self._on_watch_selected)
        self._fill_boxes()
        self._choose_at_start()

    def shut_down(self) -> None:
        """Let go of the viewer."""
        self._watch.shut_down()

    def choose(self, layer: Layer) -> None:
        """Take a layer as the movie; the message says so where it is none."""
        self.layer_box.setCurrentIndex(row_of(self.layer_box, layer))
        self._take(layer)

    def training_stack(self) -> Stack:
        """Return the part of the movie to learn from.

        Raises
        ------
        InputError
            If there is no movie, or the part is empty; the message beside the control
            says so too.
        """
        if self.stack is None or self.layer is None:
            said = (self.layer_message, self.axes_message, self.measured.message)
            raise InputError(next(filter(None, (m.text() for m in said)), NO_MOVIE))
        return self.part.cropped(self.stack, self.layer)

    def part_chosen(self) -> tuple[slice, slice, slice] | None:
        """Frames, rows and columns that are chosen; None without a movie.

        Raises
        ------
        InputError
            If the part is empty.
        """
        if self.stack is None or self.layer is None:
            return None
        return self.part.chosen(self.stack, self.layer)

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
        self.measured.forget()
        self._fill_boxes()  # the movie is no mask of itself
        self._read(layer, None)

    def _read(self, layer: Layer | None, axes: str | None) -> None:
        """Read the layer as a stack, or say beside the control why not."""
        self.layer_message.clear()
        self.axes_message.clear()
        self.measured.message.clear()
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
                stack = stack_of(layer, named)
                about, self._mask = self.measured.message, self.measured.mask
                self.stack = self.measured.told_of(stack)
            except InputError as error:
                about.fail(str(error))
        self._show()
        self.changed.emit()

    def _show(self) -> None:
        stack = self.stack
        self.axes_edit.setEnabled(self.layer is not None)
        self.measured.fold.setEnabled(self.layer is not None)
        self.part.show_movie(stack)
        self.summary.setVisible(stack is not None)
        if stack is not None:
            self.summary.setText(stack.describe())
            self.axes_edit.setText(stack.axes)

    def _fill_boxes(self) -> None:
        """List the layers as they are now, the topmost first."""
        topmost_first = list(reversed(self._viewer.layers))
        self.layer_box.clear()
        for layer in filter(_is_movie, topmost_first):
            self.layer_box.addItem(layer.name, layer)
        self.layer_box.setCurrentIndex(row_of(self.layer_box, self.layer))
        self.part.offer(each for each in topmost_first if isinstance(each, Shapes))
        self.measured.offer(
            layer
            for layer in topmost_first
            if layer != self.layer and (isinstance(layer, Labels) or _is_movie(layer))
        )

    def _on_layer_activated(self, index: int) -> None:
        layer = self.layer_box.itemData(index)
        if layer == self.layer:  # the box also tells of the same one chosen again
            return
        if self.may_change():
            self._take(layer)
        else:
            self.layer_box.setCurrentIndex(row_of(self.layer_box, self.layer))

    def _on_watch_selected(self, layer: Layer | None) -> None:
        """Follow the selected layer, unless that would end what is running."""
        if layer is None or layer == self.layer or not layer.visible:
            return
        if layer == self._mask:
            return
        if self.follows and _is_movie(layer) and not layer.rgb:
            self.choose(layer)

    def _on_axes_edited(self) -> None:
        text = self.axes_edit.text().strip().upper()
        if self.layer is None or (self.stack is not None and text == self.stack.axes):
            return
        if self.may_change():
            self._read(self.layer, text or None)
        elif self.stack is not None:
            self.axes_edit.setText(self.stack.axes)

    def _on_measured_changed(self) -> None:
        if self.layer is None:
            return
        if self.may_change():
            self._read(self.layer, self.axes_edit.text() or None)
        else:
            self.measured.take_back()

    def _on_watch_listed(self, added: Layer | None) -> None:
        self._fill_boxes()
        if self.layer is None and added is not None:
            if _is_movie(added) and added.visible:
                self.choose(added)

    def _on_watch_removed(self, gone: set[Layer]) -> None:
        if self.layer is not None and self.layer in gone:
            name = self.layer.name
            self.removed.emit(name)
            self._take(None)
        elif self.layer is not None and self._mask in gone:
            self._read(self.layer, self.axes_edit.text() or None)

    def _on_watch_data_changed(self, layer: Layer) -> None:
        if self.layer is not None and layer in (self.layer, self._mask):
            # other axes than the labels say were typed, unless they no longer fit
            axes = self.stack.axes if self.stack else ""
            self._read(self.layer, axes if len(axes) == self.layer.ndim else None)

    def _on_watch_calibrated(self, layer: Layer) -> None:
        if self.layer is None or layer != self.layer:
            return
        if self.stack is None:
            self._read(self.layer, None)
        else:
            # the pixels are the same: what was found out about them stays
            try:
                stack = stack_of(self.layer, self.stack.axes)
                self.stack = self.measured.told_of(stack)
            except InputError:
                self._read(self.layer, self.stack.axes)  # which says what is wrong
            else:
                self.summary.setText(self.stack.describe())


def _is_movie(layer: Layer) -> bool:
    """Tell whether a layer is an image that no dock of ours made."""
    return (
        isinstance(layer, Image)
        and OWN not in layer.metadata
        and RESULT not in layer.metadata
    )
