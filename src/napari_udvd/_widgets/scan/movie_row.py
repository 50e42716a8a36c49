"""What is to be scanned: a movie that is open, or a number of frames of some size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.layers import Image
from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QSpinBox,
    QWidget,
)

from napari_udvd._widgets.shared.calm import Calm
from napari_udvd._widgets.shared.layers import RESULT, axes_of, row_of, stack_of
from napari_udvd._widgets.shared.overlays import OWN

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Layer

    from napari_udvd.stack import Stack

__all__ = ["MovieRow"]

NAME_LENGTH = 20
"""Letters of a layer's name that are always seen; the list shows all of them."""

SIZE = {"frames": 100, "rows": 512, "columns": 512}
MOST = 1_000_000


class MovieRow(QWidget):
    """Lists the movies of a viewer; asks for frames and size where none is chosen.

    Parameters
    ----------
    viewer
        Has the layers.
    """

    changed = Signal()
    """Another movie, or another size."""

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._known: tuple[Layer, Stack] | None = None
        self.box = QComboBox()
        self.box.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.box.setMinimumContentsLength(NAME_LENGTH)
        self.box.setToolTip(
            "A movie that was recorded in full: its frames and size are taken, and a "
            "scan of it can be simulated"
        )
        self.spins: dict[str, QSpinBox] = {}
        size = QHBoxLayout()
        size.setContentsMargins(0, 0, 0, 0)
        for name, value in SIZE.items():
            spin = QSpinBox()
            spin.setRange(1, MOST)
            spin.setValue(value)
            spin.setToolTip(f"How many {name} there will be")
            spin.valueChanged.connect(self._on_spin_changed)
            self.spins[name] = spin
            size.addWidget(spin)
        spins = QWidget()
        spins.setLayout(size)
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        label = QLabel("T, Y, X")
        form.addRow("Movie", self.box)
        form.addRow(label, spins)
        self._of_size = label, spins
        self.box.activated.connect(self._on_box_activated)
        Calm(self)
        self.refresh()

    @property
    def layer(self) -> Image | None:
        """The chosen layer."""
        layer: Image | None = self.box.currentData()
        return layer

    def choose(self, layer: Layer | None) -> None:
        """Take a movie, as if a user had."""
        self.box.setCurrentIndex(max(row_of(self.box, layer), 0))
        self._on_box_activated()

    def refresh(self) -> None:
        """List the movies that there are; what was chosen stays."""
        before, had_any = self.layer, self.box.count() > 1
        movies = [layer for layer in reversed(self._viewer.layers) if _is_movie(layer)]
        self.box.clear()
        self.box.addItem("none: only a size", None)
        for layer in movies:
            self.box.addItem(layer.name, layer)
        row = row_of(self.box, before) if before is not None else -1
        if row < 0 and not had_any and movies:  # the first movie is what is meant
            active = self._viewer.layers.selection.active
            shown = [layer for layer in movies if layer.visible] or movies
            row = row_of(self.box, active if active in movies else shown[0])
        self.box.setCurrentIndex(max(row, 0))
        self._show_size()
        if self.layer != before:
            self.changed.emit()

    def stack(self) -> Stack | None:
        """Return the movie, or None where only a size is given.

        Raises
        ------
        InputError
            If the layer cannot be read as a movie.
        """
        layer = self.layer
        if layer is None:
            return None
        if self._known is None or self._known[0] != layer:
            self._known = layer, stack_of(layer, axes_of(layer))
        return self._known[1]

    def extent(self) -> tuple[int, tuple[int, int]]:
        """Return the number of frames, and their rows and columns.

        Raises
        ------
        InputError
            If the layer cannot be read as a movie.
        """
        stack = self.stack()
        if stack is not None:
            return stack.n_frames, stack.frame_shape
        frames, rows, columns = (self.spins[name].value() for name in SIZE)
        return frames, (rows, columns)

    def _on_box_activated(self, _index: int = 0) -> None:
        self._known = None
        self._show_size()
        self.changed.emit()

    def _show_size(self) -> None:
        for part in self._of_size:
            part.setVisible(self.layer is None)

    def _on_spin_changed(self, _value: int) -> None:
        self.changed.emit()


def _is_movie(layer: Layer) -> bool:
    own = (OWN, RESULT)
    return (
        isinstance(layer, Image)
        and not layer.rgb
        and not any(key in layer.metadata for key in own)
    )
