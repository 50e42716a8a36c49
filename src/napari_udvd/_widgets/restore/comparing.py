"""Layers that compare a result with its movie."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from napari.experimental import link_layers, unlink_layers
from qtpy.QtCore import QObject, Signal

from napari_udvd._widgets.restore.compare_section import CompareSection
from napari_udvd._widgets.restore.curtain_drag import CurtainDrag
from napari_udvd._widgets.restore.diagnosis_section import as_sentence
from napari_udvd._widgets.restore.preview import contrast_limits
from napari_udvd._widgets.shared.layers import drawn_like
from napari_udvd._widgets.shared.overlays import OWN

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Image

    from napari_udvd._widgets.restore.delivery import Delivery
    from napari_udvd._widgets.restore.result import Result

__all__ = ["Comparing"]

COLOURS = ("green", "magenta", "cyan", "yellow", "red", "blue")


class _View(NamedTuple):
    """A layer that is made of a result and its movie."""

    result: Result
    what: str
    layer: Image


class _Linked(NamedTuple):
    """Layers with the same contrast, and the limits that they had before."""

    result: Result
    layers: tuple[Image, Image]
    limits: tuple[Any, Any]
    had_frames: bool


class Comparing(QObject):
    """Shows one result at a time, in the ways that are asked for.

    Parameters
    ----------
    viewer
        Gets the layers.
    delivery
        Has the results.

    Attributes
    ----------
    section
        What is asked for.
    result
        The one that is looked at, or None.
    """

    chosen = Signal(object)
    """A user chose this result."""

    def __init__(self, viewer: napari.viewer.Viewer, delivery: Delivery) -> None:
        super().__init__()
        self._viewer, self._delivery = viewer, delivery
        self.section = section = CompareSection()
        self.result: Result | None = None
        self._views: list[_View] = []
        self._linked: _Linked | None = None
        self._known: list[Result] = []
        self._drag = CurtainDrag(viewer, self._curtain_seen)
        self._drag.dragged.connect(section.hang_curtain)
        delivery.changed.connect(self.refresh)
        section.chosen.connect(self._on_section_chosen)
        section.residual.connect(self._show_residual)
        section.linked.connect(self._link)
        section.curtain.connect(self._show_curtain)
        section.curtain_at.connect(self._move_curtain)
        section.side_by_side.connect(self._show_split)
        section.channels.connect(self._show_channels)

    def refresh(self) -> None:
        """List the results there are; a new one is looked at."""
        results = self._delivery.results
        new = [result for result in results if result not in self._known]
        self._known = list(results)
        for result in new:
            result.redrawn.connect(partial(self.update, result))
        if new:
            self._look_at(new[-1])
        elif self.result not in results:
            self._look_at(results[-1] if results else None)
        self._views = [view for view in self._views if view.result in results]
        newest = results[::-1]
        at = newest.index(self.result) if self.result in newest else -1
        several = self.result is not None and self.result.stack.n_channels > 1
        names = [result.layer.name for result in newest]
        doubts = [" ".join(map(as_sentence, result.warnings)) for result in newest]
        self.section.offer(names, at, has_channels=several, doubts=doubts)

    def update(self, result: Result) -> None:
        """Draw anew what is made of a result, after frames of it have come."""
        for view in self._views:
            is_of_it = view.result is result and view.layer in self._viewer.layers
            if is_of_it and view.layer.visible:
                view.layer.refresh()

    def shut_down(self) -> None:
        """Let go of the results and of the mouse."""
        self._delivery.changed.disconnect(self.refresh)
        self._drag.shut_down()

    def _on_section_chosen(self, row: int) -> None:
        result = self._delivery.results[::-1][row]
        self._look_at(result)
        self.chosen.emit(result)

    def _look_at(self, result: Result | None) -> None:
        self._drop()
        self.result = result
        if result is None:
            return
        for other in self._delivery.results:
            if other.source == result.source:
                other.layer.visible = other is result
        section = self.section
        self._link(section.link_check.isChecked())
        self._show_residual(section.residual_check.isChecked())
        self._show_curtain(section.curtain_check.isChecked())

    def _drop(self) -> None:
        """Hide what belongs to another result.

        Layers are not removed: where graphics are drawn by the processor, the viewer
        may crash when it draws after a layer was removed that it has just drawn.
        """
        self._link(False)
        for what in ("residual", "curtain"):
            layer = self._shown(what)
            if layer is not None:
                layer.visible = False

    def _shown(self, what: str) -> Image | None:
        """Find the layer that shows something of the result that is looked at."""
        for view in self._views:
            is_it = view.result is self.result and view.what == what
            if is_it and view.layer in self._viewer.layers:
                return view.layer
        return None

    def _add(self, data: Any, what: str, called: str = "", **how: Any) -> Image:
        assert self.result is not None
        selected = set(self._viewer.layers.selection)
        layer = self._viewer.add_image(
            data,
            name=f"{self.result.layer.name} – {called or what}",
            rgb=False,
            multiscale=False,
            metadata={OWN: what},
            **how,
        )
        self._viewer.layers.selection = selected
        self._views.append(_View(self.result, what, layer))
        return layer

    def _show_residual(self, on: bool) -> None:
        layer = self._shown("residual")
        if layer is not None:
            layer.visible = on
        elif on and self.result is not None:
            from napari_udvd.inference.pictures import Residual

            source = self.result.source
            low, high = source.contrast_limits
            half = (high - low) / 4
            self._add(
                Residual(self.result.stack, self.result.layer.data),
                "residual",
                contrast_limits=(-half, half),
                colormap="gray",
                **drawn_like(source),
            )

    def _link(self, on: bool) -> None:
        """Let movie and result have the same contrast, or their own again."""
        if self._linked is not None:
            result, layers, limits, had_frames = self._linked
            self._linked = None
            unlink_layers(layers)
            of_movie, of_result = limits
            if not had_frames:  # what it had was a guess
                of_result = result.limits or of_result
            for layer, own in zip(layers, (of_movie, of_result), strict=True):
                layer.contrast_limits = own
        if on and self.result is not None:
            result = self.result
            layers = result.source, result.layer
            limits = tuple(layers[0].contrast_limits), tuple(layers[1].contrast_limits)
            self._linked = _Linked(result, layers, limits, result.limits is not None)
            result.source.contrast_limits = result.layer.contrast_limits
            link_layers(layers, ("contrast_limits",))

    def _show_curtain(self, on: bool) -> None:
        layer = self._shown("curtain")
        if layer is not None:
            layer.visible = on
        elif on and self.result is not None:
            from napari_udvd.inference.pictures import Curtain

            source = self.result.source
            self._add(
                Curtain(self.result.stack, self.result.layer.data),
                "curtain",
                contrast_limits=source.contrast_limits,
                colormap=source.colormap,
                **drawn_like(source),
            )
        if on:
            self._move_curtain(self.section.curtain_share)

    def _move_curtain(self, share: float) -> None:
        layer = self._shown("curtain")
        if layer is not None and self.result is not None:
            layer.data.column = round(share * self.result.stack.size("X"))
            layer.refresh()

    def _curtain_seen(self) -> tuple[Image, int, int] | None:
        """Return the curtain, its axis of columns, and where it hangs."""
        layer = self._shown("curtain")
        if layer is None or self.result is None or not layer.visible:
            return None
        return layer, self.result.stack.axes.index("X"), layer.data.column

    def _show_split(self, on: bool) -> None:
        self._viewer.canvas.grid.enabled = on

    def _show_channels(self) -> None:
        """Add a layer for each channel of the result."""
        if self.result is None:
            return
        from napari_udvd.inference.pictures import Channel

        stack = self.result.stack
        names = stack.channel_names or ()
        place = drawn_like(self.result.source)
        axis = stack.axes.index("C")
        for key in ("scale", "translate", "units", "axis_labels"):
            kept = [v for k, v in enumerate(place[key]) if k != axis]
            place[key] = kept
        for key in ("rotate", "shear", "affine"):
            del place[key]  # of all axes: the viewer's own are right without a channel
        for channel in range(stack.n_channels):
            data = Channel(stack, self.result.layer.data, channel)
            seen = data[tuple(0 if a in "TZ" else slice(None) for a in data.axes)]
            is_there = bool(np.isfinite(seen).any())
            own = contrast_limits(seen) if is_there else None
            self._add(
                data,
                "channel",
                names[channel] if channel < len(names) else f"channel {channel}",
                colormap=COLOURS[channel % len(COLOURS)],
                blending="additive",
                contrast_limits=own or self.result.layer.contrast_limits,
                **place,
            )
        self.result.layer.visible = False
