"""Which movie is watched, its denoised version, and regions in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Image, Points, Tracks
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QDoubleSpinBox, QFormLayout, QLabel, QWidget

from napari_udvd._widgets.events.watched import KINDS, RegionsAsked, asked_of
from napari_udvd._widgets.shared.layers import RESULT, axes_of, row_of, stack_of
from napari_udvd._widgets.shared.overlays import OWN
from napari_udvd.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import napari.viewer
    from napari.layers import Layer

    from napari_udvd._widgets.shared.session import Session
    from napari_udvd.stack import Stack

__all__ = ["MovieSection"]

NAME_LENGTH = 20
"""Letters of a layer's name that are always seen; the list shows all of them."""


class MovieSection(QWidget):
    """Lists the layers of a viewer, and guesses which are meant.

    Parameters
    ----------
    viewer
        Has the layers.
    session
        Knows which denoised layers were made of which movie.
    """

    movie_changed = Signal()
    """Another movie was chosen."""

    regions_changed = Signal()
    """Other regions were chosen, or the size of discs."""

    def __init__(self, viewer: napari.viewer.Viewer, session: Session) -> None:
        super().__init__()
        self._viewer, self._session = viewer, session
        self._known: tuple[Layer, Stack] | None = None
        self.movie_box = _box("The movie in which events are found")
        self.denoised_box = _box(
            "The same movie without noise: features are measured there. Labels are "
            "those of the movie"
        )
        self.regions_box = _box(
            "What is watched: shapes or labels that stay, labels or tracks that move, "
            "points with a disc around each, or the whole frame"
        )
        self.radius_label = QLabel("Radius")
        self.radius_spin = QDoubleSpinBox()
        self.radius_spin.setRange(1, 10_000)
        self.radius_spin.setDecimals(1)
        self.radius_spin.setValue(10)
        self.radius_spin.setSuffix(" px")
        self.radius_spin.setKeyboardTracking(False)
        self.radius_spin.setToolTip(
            "Of the disc around a point or a track: it should hold a cell, and little "
            "of its neighbours"
        )
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Movie", self.movie_box)
        form.addRow("Denoised", self.denoised_box)
        form.addRow("Regions", self.regions_box)
        form.addRow(self.radius_label, self.radius_spin)
        self.refresh()
        self.movie_box.currentIndexChanged.connect(self._on_movie_changed)
        self.regions_box.currentIndexChanged.connect(self._on_regions_changed)
        self.radius_spin.valueChanged.connect(self._on_radius_changed)

    @property
    def layer(self) -> Image | None:
        """The movie."""
        layer: Image | None = self.movie_box.currentData()
        return layer

    @property
    def chosen(self) -> Image:
        """The movie.

        Raises
        ------
        InputError
            If there is none.
        """
        layer = self.layer
        if layer is None:
            raise InputError("there is no movie; open one")
        return layer

    @property
    def regions_layer(self) -> Layer | None:
        """The layer that has the regions; None for the whole frame."""
        layer: Layer | None = self.regions_box.currentData()
        return layer

    def choose_movie(self, layer: Layer) -> None:
        """Take a movie, as if a user had."""
        self.movie_box.setCurrentIndex(row_of(self.movie_box, layer))

    def choose_denoised(self, layer: Layer | None) -> None:
        """Take a denoised version, or none, as if a user had."""
        self.denoised_box.setCurrentIndex(max(row_of(self.denoised_box, layer), 0))

    def choose_regions(self, layer: Layer | None) -> None:
        """Take regions, or the whole frame, as if a user had."""
        self.regions_box.setCurrentIndex(max(row_of(self.regions_box, layer), 0))

    def refresh(self) -> None:
        """List the layers that there are; what was chosen stays."""
        layers = [layer for layer in self._viewer.layers if OWN not in layer.metadata]
        images = [x for x in layers if isinstance(x, Image) and not x.rgb]
        movies = [layer for layer in images if RESULT not in layer.metadata]
        before, regions_before = self.layer, self.regions_layer
        active = self._viewer.layers.selection.active
        _fill(self.movie_box, movies, None, active if active in movies else None)
        _fill(self.denoised_box, images, "none", None)
        regions = [layer for layer in layers if isinstance(layer, KINDS)]
        _fill(self.regions_box, regions, "whole frame", None)
        self._show_radius()
        if self.layer != before:
            self._on_movie_changed()
        elif self.regions_layer != regions_before:
            self.regions_changed.emit()

    def stack(self) -> Stack:
        """Return the movie.

        Raises
        ------
        InputError
            If there is none, or the layer cannot be read as a movie.
        """
        layer = self.chosen
        data = layer.data
        if (
            self._known is None
            or self._known[0] != layer
            or self._known[1].data is not data
        ):
            stack = stack_of(layer, axes_of(layer))
            if "T" not in stack.axes or stack.n_frames < 2:
                raise InputError(
                    f"{layer.name!r} has no frames that follow one another; choose a "
                    "movie"
                )
            self._known = layer, stack
        return self._known[1]

    def denoised(self) -> Stack | None:
        """Return the denoised version, or None where none is chosen.

        Raises
        ------
        InputError
            If it is the movie itself, or cannot be read.
        """
        layer = self.denoised_box.currentData()
        if layer is None:
            return None
        if layer == self.layer:
            raise InputError(
                f"{layer.name!r} is chosen as the movie and as its denoised version; "
                "choose another layer, or none"
            )
        return stack_of(layer, axes_of(layer))

    def regions(self) -> RegionsAsked:
        """Return what the chosen layer says of regions.

        Raises
        ------
        InputError
            If there is no movie, or the layer does not suit it.
        """
        return asked_of(
            self.regions_layer, self.chosen, self.stack(), self.radius_spin.value()
        )

    def _on_movie_changed(self, _index: int = 0) -> None:
        self._known = None
        made = [
            result.layer
            for result in self._session.results
            if result.source == self.layer and result.layer in self._viewer.layers
        ]
        if made or self.denoised_box.currentData() == self.layer:
            self.choose_denoised(made[-1] if made else None)
        self.movie_changed.emit()

    def _on_regions_changed(self, _index: int = 0) -> None:
        self._show_radius()
        self.regions_changed.emit()

    def _on_radius_changed(self, _value: float) -> None:
        self.regions_changed.emit()

    def _show_radius(self) -> None:
        needs = isinstance(self.regions_layer, Points | Tracks)
        self.radius_label.setVisible(needs)
        self.radius_spin.setVisible(needs)


def _box(tip: str) -> QComboBox:
    box = QComboBox()
    box.setSizeAdjustPolicy(
        QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
    )
    box.setMinimumContentsLength(NAME_LENGTH)
    box.setToolTip(tip)
    return box


def _fill(
    box: QComboBox, layers: Sequence[Any], none: str | None, first: Layer | None
) -> None:
    """List layers anew, and keep the one that is chosen, else take `first`."""
    before = box.currentData()
    blocked = box.blockSignals(True)
    box.clear()
    if none is not None:
        box.addItem(none, None)
    for layer in layers:
        box.addItem(layer.name, layer)
    row = row_of(box, before) if before is not None else -1
    if row < 0 and first is not None:
        row = row_of(box, first)
    box.setCurrentIndex(max(row, 0) if box.count() else -1)
    box.blockSignals(blocked)
