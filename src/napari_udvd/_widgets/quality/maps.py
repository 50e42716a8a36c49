"""Maps of a report as layers over the movie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_udvd._widgets.shared.overlays import OWN

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Image

    from napari_udvd._widgets.quality.questions import Question
    from napari_udvd.quality import Report

__all__ = ["MapLayers"]

ERRORS = 6.0
"""Standard errors that the colours of the mean residual reach to."""


class MapLayers:
    """Shows the residual movie and maps of it; a second time in the same layers.

    Parameters
    ----------
    viewer
        Gets the layers.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        self._viewer = viewer
        self._layers: list[Image] = []

    def show(self, question: Question, report: Report) -> None:
        """Add the layers; earlier ones go."""
        for layer in self._layers:
            if layer in self._viewer.layers:
                layer.visible = False  # not removed while it may be drawn
                self._viewer.layers.remove(layer)
        self._layers = []
        selected = set(self._viewer.layers.selection)
        self._show_residual(question)
        for plane in report.planes:
            label = f", {plane.label}" if plane.label else ""
            maps = plane.maps
            corner = maps.rows.start, maps.columns.start
            place = _place(question, corner)
            self._add(
                np.nan_to_num(maps.mean),
                f"mean residual{label}",
                (-ERRORS, ERRORS),
                place,
            )
            self._add(
                np.nan_to_num(maps.variance, nan=1.0),
                f"residual / noise{label}",
                (0.0, 2.0),
                place,
            )
        self._viewer.layers.selection = selected & set(self._viewer.layers)

    def _show_residual(self, question: Question) -> None:
        from napari_udvd.inference.pictures import Residual

        source = question.source
        if question.noisy.axes != question.result.axes:
            return  # both would have to be turned
        residual = Residual(question.noisy, question.result.data)
        low, high = source.contrast_limits
        reach = (high - low) / 4
        place = {
            name: getattr(source, name)
            for name in ("scale", "units", "axis_labels", "translate")
        }
        self._add(residual, "residual", (-reach, reach), place)

    def _add(
        self, data: Any, name: str, limits: tuple[float, float], place: dict[str, Any]
    ) -> None:
        layer = self._viewer.add_image(
            data,
            name=name,
            colormap="bwr",
            contrast_limits=limits,
            rgb=False,
            multiscale=False,
            metadata={OWN: True},
            **place,
        )
        layer.visible = False
        self._layers.append(layer)

    @property
    def names(self) -> list[str]:
        """Of the layers that are shown."""
        return [layer.name for layer in self._layers]


def _place(question: Question, corner: tuple[int, int]) -> dict[str, Any]:
    """Where a map of rows and columns lies in the viewer."""
    source, axes = question.source, question.noisy.axes
    at = [axes.index("Y"), axes.index("X")]
    scale = np.asarray(source.scale)[at]
    return {
        "scale": scale,
        "translate": np.asarray(source.translate)[at] + scale * corner,
        "units": [source.units[k] for k in at],
    }
