"""Events of the layers of a viewer, as a few signals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.layers import Labels
from qtpy.QtCore import QObject, Signal

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Layer
    from napari.utils.events import Event

__all__ = ["LayerWatch"]


class LayerWatch(QObject):
    """Watches the list of layers, and each layer in it.

    Parameters
    ----------
    viewer
        Has the layers.
    """

    listed = Signal(object)
    """The list of layers, or a name in it, has changed: the layer added, or None."""

    removed = Signal(object)
    """A set of layers that were taken out of the viewer."""

    data_changed = Signal(object)
    """A layer that has other pixels, or labels that were painted."""

    calibrated = Signal(object)
    """A layer that has another scale, other units or other axis labels."""

    selected = Signal(object)
    """The layer that is selected now, or None."""

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._watched: set[Layer] = set()
        events = viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered):
            event.connect(self._on_layers_changed)
        viewer.layers.selection.events.active.connect(self._on_selection_changed)
        self._watch_new()

    def shut_down(self) -> None:
        """Let go of the viewer."""
        self._viewer.layers.selection.events.active.disconnect(
            self._on_selection_changed
        )
        events = self._viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered):
            event.disconnect(self._on_layers_changed)
        for layer in self._watched:
            self._unwatch(layer)
        self._watched = set()

    def _on_layers_changed(self, event: Event) -> None:
        gone = {layer for layer in self._watched if layer not in self._viewer.layers}
        for layer in gone:
            self._unwatch(layer)
        self._watched -= gone
        self._watch_new()
        self.listed.emit(event.value if event.type == "inserted" else None)
        if gone:
            self.removed.emit(gone)

    def _watch_new(self) -> None:
        for layer in self._viewer.layers:
            if layer not in self._watched:
                self._watched.add(layer)
                self._watch(layer)

    def _watch(self, layer: Layer) -> None:
        layer.events.name.connect(self._on_layer_renamed)
        layer.events.data.connect(self._on_layer_data_changed)
        layer.events.scale.connect(self._on_layer_calibrated)
        layer.events.units.connect(self._on_layer_calibrated)
        layer.events.axis_labels.connect(self._on_layer_calibrated)
        if isinstance(layer, Labels):
            layer.events.paint.connect(self._on_labels_painted)

    def _unwatch(self, layer: Layer) -> None:
        layer.events.name.disconnect(self._on_layer_renamed)
        layer.events.data.disconnect(self._on_layer_data_changed)
        layer.events.scale.disconnect(self._on_layer_calibrated)
        layer.events.units.disconnect(self._on_layer_calibrated)
        layer.events.axis_labels.disconnect(self._on_layer_calibrated)
        if isinstance(layer, Labels):
            layer.events.paint.disconnect(self._on_labels_painted)

    def _on_labels_painted(self, event: Event) -> None:
        self.data_changed.emit(event.source)

    def _on_layer_renamed(self, _event: Event) -> None:
        self.listed.emit(None)

    def _on_layer_data_changed(self, event: Event) -> None:
        self.data_changed.emit(event.source)

    def _on_layer_calibrated(self, event: Event) -> None:
        self.calibrated.emit(event.source)

    def _on_selection_changed(self, event: Event) -> None:
        self.selected.emit(event.value)
