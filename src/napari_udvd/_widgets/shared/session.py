"""State that the docks of one viewer share: models, and the movies of layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakSet

from napari.layers import Image
from qtpy.QtCore import QObject, Signal

from napari_udvd._widgets.shared.layers import axes_of, stack_of
from napari_udvd._widgets.shared.overlays import OWN
from napari_udvd.errors import InputError

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Layer

    from napari_udvd._widgets.restore.result import Result
    from napari_udvd.inference.restorer import Denoiser
    from napari_udvd.stack import Stack

__all__ = ["Session", "Shown", "session_of"]

_sessions: WeakSet[Session] = WeakSet()


class Shown(NamedTuple):
    """Movie that a layer shows, and what can be said about its pixels.

    Attributes
    ----------
    source
        Layer of the noisy movie.
    stack
        The noisy movie.
    denoiser
        The model that a denoised layer comes from; for a noisy movie the model in
        use, None if there is none.
    result
        The newest denoised movie made of it, or None.
    """

    source: Image
    stack: Stack
    denoiser: Denoiser | None
    result: Result | None


class Session(QObject):
    """The model in use and the results of one viewer, for all docks.

    Attributes
    ----------
    denoiser
        The model that was trained or loaded last, or None.
    is_training
        A network is being trained.
    results
        Denoised movies in the viewer, oldest first.
    """

    changed = Signal()
    """Another model, another result, or training began or ended."""

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.viewer = viewer
        self.denoiser: Denoiser | None = None
        self.is_training = False
        self.results: list[Result] = []
        self._told: tuple[Image, Stack] | None = None

    def tell(self, layer: Image | None, stack: Stack | None) -> None:
        """Say what a user has told of a movie: its axes, and what was measured."""
        before = self._told
        self._told = None if layer is None or stack is None else (layer, stack)
        # what a layer shows is no other one for those who know nothing more of it
        if any(told and told[1].mask is not None for told in (before, self._told)):
            self.changed.emit()

    def update(
        self,
        *,
        denoiser: Denoiser | None = None,
        is_training: bool | None = None,
        results: list[Result] | None = None,
    ) -> None:
        """Take what is given and tell everyone."""
        if denoiser is not None:
            self.denoiser = denoiser
        if is_training is not None:
            self.is_training = is_training
        if results is not None:
            # those of a dock that was closed are still in the viewer
            older = [
                result
                for result in self.results
                if result not in results and result.layer in self.viewer.layers
            ]
            self.results = older + results
        self.changed.emit()

    def layer_meant(self, last: Layer | None) -> Layer | None:
        """Return the selected layer; where that is one of ours, the last one meant."""
        active = self.viewer.layers.selection.active
        is_ours = active is None or OWN in active.metadata
        return last if is_ours and last in self.viewer.layers else active

    def what(self, layer: Layer | None) -> Shown:
        """Tell which movie a layer shows.

        Raises
        ------
        InputError
            If there is no layer, or it shows no movie; the message says what to do.
        """
        if layer is None:
            raise InputError(
                "no layer is selected; select the movie or its denoised layer in the "
                "layer list"
            )
        for result in reversed(self.results):
            if result.layer not in self.viewer.layers:
                continue  # its frames are gone
            if layer in (result.layer, result.std_layer):
                return Shown(result.source, result.stack, result.denoiser, result)
            if layer == result.source:
                return Shown(result.source, result.stack, self.denoiser, result)
        if not isinstance(layer, Image) or OWN in layer.metadata:
            raise InputError(
                f"{layer.name!r} is not a movie; select the movie or its denoised "
                "layer in the layer list"
            )
        if self._told is not None and layer == self._told[0]:
            stack = self._told[1]
        else:
            stack = stack_of(layer, axes_of(layer))
        return Shown(layer, stack, self.denoiser, None)


def session_of(viewer: napari.viewer.Viewer) -> Session:
    """Return the session of a viewer; it lasts as long as a dock holds it."""
    for session in _sessions:
        if _itself(session.viewer) is _itself(viewer):
            return session
    session = Session(viewer)
    _sessions.add(session)
    return session


def _itself(viewer: napari.viewer.Viewer) -> napari.viewer.Viewer:
    """Return the viewer behind a proxy; viewers that look alike are equal."""
    return getattr(viewer, "__wrapped__", viewer)
