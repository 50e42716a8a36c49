"""Motion over the movie: arrows on a grid, and colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_udvd._widgets.shared.layers import drawn_like
from napari_udvd._widgets.shared.overlays import OWN, put_over

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Image, Vectors

    from napari_udvd.motion import Motion
    from napari_udvd.stack import Stack

__all__ = ["MotionLayers"]

ARROWS, COLOURS = "motion", "motion colours"


class MotionLayers:
    """Shows the motion of one frame at a time.

    Parameters
    ----------
    viewer
        Gets the layers.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        self._viewer = viewer
        self._arrows: Vectors | None = None
        self._colours: Image | None = None

    def show(
        self,
        motion: Motion,
        source: Image,
        stack: Stack,
        place: dict[str, int],
        *,
        least_confidence: float,
        length: float,
        largest: float,
        arrows: bool,
        colours: bool,
    ) -> None:
        """Draw the motion of a frame.

        Parameters
        ----------
        motion
            Motion of the frame.
        source, stack
            The movie.
        place
            Time, channel and depth of the frame, by axis letter.
        least_confidence
            Arrows that are less sure are left out, and colours fade.
        length
            Pixels that an arrow is long per px per frame.
        largest
            Speed drawn in full colour, px per frame.
        arrows, colours
            Draw it so.
        """
        self._arrows = self._usable(self._arrows, stack)
        self._colours = self._usable(self._colours, stack)
        if colours:
            self._show_colours(motion, source, stack, place, least_confidence, largest)
        elif self._colours is not None:
            self._colours.visible = False
        if arrows:
            self._show_arrows(motion, source, stack, place, least_confidence, length)
        elif self._arrows is not None:
            self._empty(self._arrows)

    def hide(self) -> None:
        """Take the motion off the picture; the layers stay."""
        if self._colours is not None and self._colours in self._viewer.layers:
            self._colours.visible = False
        if self._arrows is not None and self._arrows in self._viewer.layers:
            self._empty(self._arrows)

    def _empty(self, arrows: Vectors) -> None:
        # Arrows that are invisible while another layer is removed crash the viewer
        # when they are shown again.
        arrows.data = np.zeros((0, 2, arrows.ndim), np.float32)

    def _usable(self, layer: Any, stack: Stack) -> Any:
        """Return the layer where it is in the viewer and has the axes of the movie."""
        if layer is None or layer not in self._viewer.layers:
            return None
        if layer.ndim != len(stack.axes):
            self._viewer.layers.remove(layer)
            return None
        return layer

    def _show_arrows(
        self,
        motion: Motion,
        source: Image,
        stack: Stack,
        place: dict[str, int],
        least: float,
        length: float,
    ) -> None:
        way = motion.per_frame
        sure = np.isfinite(way).all(axis=-1) & (motion.confidence >= least)
        i, k = np.nonzero(sure)
        vectors = np.zeros((len(i), 2, len(stack.axes)), np.float32)
        for n, axis in enumerate(stack.axes):
            vectors[:, 0, n] = place.get(axis, 0)
        for n, (axis, at) in enumerate(
            (("Y", motion.rows[i]), ("X", motion.columns[k]))
        ):
            vectors[:, 0, stack.axes.index(axis)] = at
            vectors[:, 1, stack.axes.index(axis)] = length * way[i, k, n]
        where = drawn_like(source)
        if self._arrows is not None:
            self._arrows.data = vectors
            put_over(self._viewer, self._arrows, where)
            return
        selected = set(self._viewer.layers.selection)
        self._arrows = self._viewer.add_vectors(
            vectors,
            name=ARROWS,
            vector_style="arrow",
            edge_color="#ffd000",
            edge_width=1.5,
            metadata={OWN: "motion"},
            **where,
        )
        self._viewer.layers.selection = selected

    def _show_colours(
        self,
        motion: Motion,
        source: Image,
        stack: Stack,
        place: dict[str, int],
        least: float,
        largest: float,
    ) -> None:
        from napari_udvd.motion import flow_colours

        is_sure = (motion.confidence >= least)[..., None]
        flow = motion.dense(np.where(is_sure, np.nan_to_num(motion.per_frame), 0))
        # what does not move is clear, so that the movie is seen
        speed = np.clip(np.hypot(*flow) / largest, 0, 1)
        clear = np.rint(255 * speed).astype(np.uint8)
        picture = np.dstack([flow_colours(flow * 1e6, 1), clear])
        if stack.axes.index("Y") > stack.axes.index("X"):
            picture = picture.swapaxes(0, 1)
        size = {"Y": motion.shape[0], "X": motion.shape[1]}
        picture = picture.reshape([size.get(axis, 1) for axis in stack.axes] + [4])
        at = drawn_like(source, [place.get(axis, 0) for axis in stack.axes])
        if self._colours is not None:
            self._colours.data = picture
            put_over(self._viewer, self._colours, at)
            return
        selected = set(self._viewer.layers.selection)
        self._colours = self._viewer.add_image(
            picture,
            name=COLOURS,
            rgb=True,
            opacity=0.7,
            blending="translucent_no_depth",
            metadata={OWN: "motion"},
            **at,
        )
        if self._arrows is not None:
            layers = self._viewer.layers
            layers.move(layers.index(self._arrows), len(layers))  # above the colours
        self._viewer.layers.selection = selected
