"""Layers that compare a result with its movie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.experimental import link_layers, unlink_layers
from qtpy.QtCore import QObject, Signal

from napari_udvd._widgets._layers import drawn_like
from napari_udvd._widgets._overlays import OWN
from napari_udvd._widgets._preview import contrast_limits

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Image

    from napari_udvd._widgets._compare_section import CompareSection
    from napari_udvd._widgets._delivery import Delivery
    from napari_udvd._widgets._result import Result
    from napari_udvd.views import Curtain

__all__ = ["Comparing"]

COLOURS = ("green", "magenta", "cyan", "yellow", "red", "blue")


class Comparing(QObject):
    """Shows one result at a time, in the ways that are asked for.

    Parameters
    ----------
    viewer
        Gets the layers.
    section
        What is asked for.
    delivery
        Has the results.

    Attributes
    ----------
    result
        The one that is looked at, or None.
    """

    chosen = Signal(object)
    """A user chose this result."""

    def __init__(
        self, viewer: napari.viewer.Viewer, section: CompareSection, delivery: Delivery
    ) -> None:
        super().__init__()
        self._viewer, self._section, self._delivery = viewer, section, delivery
        self.result: Result | None = None
        self._residual: Image | None = None
        self._curtain: Image | None = None
        self._view: Curtain | None = None
        self._linked: list[Image] = []
        self._known: list[Result] = []
        delivery.changed.connect(self.refresh)
        section.chosen.connect(self._on_chosen)
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
        if new:
            self._look_at(new[-1])
        elif self.result not in results:
            self._look_at(results[-1] if results else None)
        newest = results[::-1]
        at = newest.index(self.result) if self.result in newest else -1
        several = self.result is not None and self.result.stack.n_channels > 1
        names = [result.layer.name for result in newest]
        self._section.offer(names, at, has_channels=several)

    def update(self, result: Result) -> None:
        """Draw anew after frames of a result have come."""
        if result is self.result:
            for layer in (self._residual, self._curtain):
                if layer is not None and layer in self._viewer.layers and layer.visible:
                    layer.refresh()

    def shut_down(self) -> None:
        """Let go of the results."""
        self._delivery.changed.disconnect(self.refresh)

    def _on_chosen(self, row: int) -> None:
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
        section = self._section
        self._link(section.link_check.isChecked())
        self._show_residual(section.residual_check.isChecked())
        self._show_curtain(section.curtain_check.isChecked())

    def _drop(self) -> None:
        """Hide what belongs to another result.

        Layers are not removed: where graphics are drawn by the processor, the viewer
        may crash when it draws after a layer was removed that it has just drawn.
        """
        self._link(False)
        for layer in (self._residual, self._curtain):
            if layer is not None and layer in self._viewer.layers:
                layer.visible = False
        self._residual = self._curtain = self._view = None

    def _add(self, data: Any, what: str, **how: Any) -> Image:
        assert self.result is not None
        selected = set(self._viewer.layers.selection)
        layer = self._viewer.add_image(
            data,
            name=f"{self.result.layer.name} – {what}",
            rgb=False,
            multiscale=False,
            metadata={OWN: what},
            **{**drawn_like(self.result.source), **how},
        )
        self._viewer.layers.selection = selected
        return layer

    def _show_residual(self, on: bool) -> None:
        if self._residual is not None and self._residual in self._viewer.layers:
            self._residual.visible = on
        elif on and self.result is not None:
            from napari_udvd.views import Residual

            low, high = self.result.source.contrast_limits
            half = (high - low) / 4
            data = Residual(self.result.stack, self.result.layer.data)
            self._residual = self._add(
                data, "residual", contrast_limits=(-half, half), colormap="gray"
            )

    def _link(self, on: bool) -> None:
        if self._linked:
            unlink_layers(self._linked)
            self._linked = []
        if on and self.result is not None:
            layers = [self.result.source, self.result.layer]
            self.result.source.contrast_limits = self.result.layer.contrast_limits
            link_layers(layers, ("contrast_limits",))
            self._linked = layers

    def _show_curtain(self, on: bool) -> None:
        if self._curtain is not None and self._curtain in self._viewer.layers:
            self._curtain.visible = on
        elif on and self.result is not None:
            from napari_udvd.views import Curtain

            self._view = Curtain(self.result.stack, self.result.layer.data)
            self._curtain = self._add(
                self._view,
                "curtain",
                contrast_limits=self.result.source.contrast_limits,
                colormap=self.result.source.colormap,
            )
            self._move_curtain(self._section.slider.value() / 1000)

    def _move_curtain(self, share: float) -> None:
        if self._view is not None and self._curtain is not None:
            assert self.result is not None
            self._view.column = round(share * self.result.stack.size("X"))
            self._curtain.refresh()

    def _show_split(self, on: bool) -> None:
        self._viewer.canvas.grid.enabled = on

    def _show_channels(self) -> None:
        """Add a layer for each channel of the result."""
        if self.result is None:
            return
        from napari_udvd.views import Channel

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
            called = names[channel] if channel < len(names) else f"channel {channel}"
            self._viewer.add_image(
                data,
                name=f"{self.result.layer.name} – {called}",
                colormap=COLOURS[channel % len(COLOURS)],
                blending="additive",
                contrast_limits=contrast_limits(seen),
                rgb=False,
                multiscale=False,
                metadata={OWN: "channel"},
                **place,
            )
        self.result.layer.visible = False
