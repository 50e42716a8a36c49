"""The frame on view: which it is, going to another one, and marks over it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_udvd._widgets.events.marks import RegionMarks
from napari_udvd._widgets.shared.layers import place_seen, world_of

if TYPE_CHECKING:
    import napari.viewer

    from napari_udvd._widgets.events.movie_section import MovieSection
    from napari_udvd._widgets.events.strip import Shown
    from napari_udvd._widgets.events.watched import Watched
    from napari_udvd._widgets.shared.layers import Place

__all__ = ["Sight"]


class Sight:
    """The canvas, as far as the movie is concerned.

    Parameters
    ----------
    viewer
        Has the canvas.
    movie
        Says which movie is meant.

    Attributes
    ----------
    viewer
        As above.
    """

    def __init__(self, viewer: napari.viewer.Viewer, movie: MovieSection) -> None:
        self.viewer, self._movie = viewer, movie
        self._marks = RegionMarks(viewer)

    @property
    def place(self) -> Place:
        """Frame, channel and depth on view.

        Raises
        ------
        InputError
            If there is no movie.
        """
        return place_seen(self.viewer, self._movie.chosen, self._movie.stack())

    @property
    def frame(self) -> int:
        """The frame on view.

        Raises
        ------
        InputError
            If there is no movie.
        """
        return self.place.t

    def go_to(self, frame: int, centre: tuple[float, float] | None) -> None:
        """Show a frame; where `centre` (row, column) is not on the canvas, move there.

        Raises
        ------
        InputError
            If there is no movie.
        """
        layer, stack, place = self._movie.chosen, self._movie.stack(), self.place
        y, x = centre or (0.0, 0.0)
        point = {"T": frame, "C": place.c, "Z": place.z, "Y": y, "X": x}
        world = world_of(self.viewer, layer, [point[axis] for axis in stack.axes])
        dims = self.viewer.dims
        before = dims.ndim - layer.ndim
        t = stack.axes.index("T")
        dims.set_point(t + before, world[t])
        if centre is not None and dims.ndisplay == 2 and not _is_on(centre, place):
            middle = [float(world[axis - before]) for axis in dims.displayed]
            self.viewer.scene.camera.center = (0.0, *middle)

    def draw_marks(self, watched: Watched | None, shown: Shown) -> None:
        """Draw a circle around each region, in the colour of its label."""
        layer = self._movie.layer
        is_there = layer is not None and layer in self.viewer.layers
        if layer is None or not is_there or watched is None or watched.is_whole:
            self._marks.hide()
            return
        place = self.place
        centres = {
            name: footprint.centre
            for name, footprint in watched.regions.at(place.t).items()
        }
        spans = [shown.spans_at(name, place.t) for name in centres]
        colours = [None if s is None else shown.colours[s.label] for s in spans]
        self._marks.show(
            layer, self._movie.stack(), place, centres, colours, watched.radius
        )

    def hide_marks(self) -> None:
        """Take the circles away."""
        self._marks.hide()


def _is_on(centre: tuple[float, float], place: Place) -> bool:
    """Whether a point of the movie is on the canvas."""
    return all(
        part.start <= at < part.stop
        for at, part in zip(centre, (place.rows, place.columns), strict=True)
    )
