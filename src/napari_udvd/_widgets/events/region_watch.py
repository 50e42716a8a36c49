"""Regions that follow the layer that they come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_udvd._widgets.events.watched import watched
from napari_udvd._widgets.shared.latest import Latest
from napari_udvd.errors import InputError

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_udvd._widgets.events.movie_section import MovieSection
    from napari_udvd._widgets.events.watched import Watched

__all__ = ["RegionWatch"]

AFTER = 300
"""Milliseconds after the last change of a layer until its regions are made anew."""

EDITS = ("data", "paint", "labels_update")
"""Events of layers after which their regions are others."""


class RegionWatch(QObject):
    """Makes regions in the background, and anew when their layer is edited.

    Parameters
    ----------
    movie
        Says which movie and which layer.

    Attributes
    ----------
    watched
        The regions, or None while there are none.
    """

    found = Signal(object, bool)
    """Regions, and whether they have the names of those before."""

    failed = Signal(object)
    """Why there are none."""

    def __init__(self, movie: MovieSection) -> None:
        super().__init__()
        self._movie = movie
        self.watched: Watched | None = None
        self._layers: tuple[Layer | None, Layer | None] = (None, None)
        self._before: tuple[Any, ...] = ()
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self.ask)
        self._latest = Latest(watched)
        self._latest.answered.connect(self._on_answered)
        self._latest.failed.connect(self._on_failed)

    @property
    def is_busy(self) -> bool:
        """True while regions are to come."""
        return self._soon.isActive() or self._latest.is_busy

    def ask(self) -> None:
        """Make the regions of the layer that is chosen."""
        self._soon.stop()
        layer = self._movie.regions_layer
        self._follow(layer)
        self._layers = self._movie.layer, layer
        try:
            asked = self._movie.regions()
        except InputError as error:
            self._latest.forget()
            self._on_failed(error)
            return
        self._latest.ask(asked)

    def shut_down(self) -> None:
        """Stop, and let go of the layer."""
        self._soon.stop()
        self._latest.forget()
        self._follow(None)

    def _follow(self, layer: Layer | None) -> None:
        before = self._layers[1]
        if layer == before:
            return
        for each, way in ((before, "disconnect"), (layer, "connect")):
            for name in EDITS:
                if each is not None and hasattr(each.events, name):
                    getattr(getattr(each.events, name), way)(self._on_edited)

    def _on_edited(self, _event: Any = None) -> None:
        self._soon.start(AFTER)

    def _on_answered(self, found: Watched) -> None:
        now = (*self._layers, found.regions.names)
        is_same, self._before = now == self._before, now
        self.watched = found
        self.found.emit(found, is_same)

    def _on_failed(self, error: BaseException) -> None:
        self.watched = None
        self.failed.emit(error)
