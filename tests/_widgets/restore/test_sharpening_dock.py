"""The section "Sharpen": the blur on view, and a layer that lies over the movie."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.layers import Image

from blurred_scenes import untrained
from napari_udvd._napari.layer_data import layer_data
from napari_udvd.sharpening import Sharpener
from napari_udvd.stack import Instrument, Light, Stack

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytestqt.qtbot import QtBot

    from napari_udvd._widgets import DenoiseMovie

LONG = 60_000


@pytest.fixture
def movie(noisy: np.ndarray) -> Image:
    return Image(
        noisy[:6],
        name="cells",
        scale=(2.0, 0.3, 0.3),
        units=("s", "µm", "µm"),
        axis_labels=("t", "y", "x"),
        translate=(0.0, 3.0, 4.0),
    )


def opened(widget: DenoiseMovie, **numbers: float) -> Any:
    section = widget.orders.sharpening.section
    section.fold.expand(animate=False)
    for name, value in numbers.items():
        getattr(section, f"{name}_spin").setValue(value)
    return section


def test_the_blur_is_shown_before_anything_is_computed(
    qtbot: QtBot, dock: Callable[..., Any], movie: Image
) -> None:
    _, widget = dock(movie)
    section = opened(widget)
    assert section.blur.text() == ""  # nothing was said yet
    section.sigma_spin.setValue(0.7)
    qtbot.waitUntil(lambda: "1.65 px wide" in section.blur.text(), timeout=LONG)
    assert section.picture.pixmap().width() > 0
    assert not section.button.isEnabled()  # there is no model
    section.na_spin.setValue(0.8)
    qtbot.waitUntil(lambda: "na and sigma" in section.blur.text(), timeout=LONG)
    section.sigma_spin.setValue(0.0)
    section.wavelength_spin.setValue(0.5)
    qtbot.waitUntil(lambda: "0.5 µm are 500 nm" in section.blur.text(), timeout=LONG)
    section.wavelength_spin.setValue(500)
    qtbot.waitUntil(lambda: "300 nm a pixel" in section.blur.text(), timeout=LONG)


def test_a_finer_result_lies_exactly_over_the_movie(
    qtbot: QtBot, dock: Callable[..., Any], movie: Image
) -> None:
    viewer, widget = dock(movie)
    model = untrained(widget.movie.stack)
    widget.model.take(model, "for this test", own=widget.movie.stack)
    section = opened(widget, sigma=0.7)
    section.zoom_box.setCurrentIndex(1)
    section.button.click()
    assert not section.button.isEnabled()
    qtbot.waitUntil(lambda: len(widget.delivery.results) == 1, timeout=LONG)
    (result,) = widget.delivery.results
    qtbot.waitUntil(lambda: result.is_complete, timeout=LONG)
    qtbot.waitUntil(section.button.isEnabled, timeout=LONG)
    assert "Sharpened by" in section.message.text()
    layer = result.layer
    assert layer.name == "cells (sharpened)"
    assert layer.data.shape == (6, 96, 96)
    np.testing.assert_allclose(layer.scale, (2.0, 0.15, 0.15))
    assert layer.units == movie.units
    # from edge to edge: extents are those of the centres of the outermost pixels
    for axis in (1, 2):
        for end, sign in ((0, -0.5), (1, 0.5)):
            edge, own = (
                each.extent.world[end][axis] + sign * each.scale[axis]
                for each in (layer, viewer.layers["cells"])
            )
            assert edge == pytest.approx(own)
    assert isinstance(result.denoiser, Sharpener)
    assert isinstance(widget.model.denoiser, type(model))
    assert not isinstance(widget.model.denoiser, Sharpener)


def test_what_cannot_be_meant_is_said(
    qtbot: QtBot, dock: Callable[..., Any], movie: Image, notified: list[str]
) -> None:
    _, widget = dock(movie)
    stack = widget.movie.stack
    widget.model.take(untrained(stack), "for this test", own=stack)
    section = opened(widget)
    section.button.click()
    assert "nothing says what blurred" in section.message.text()
    assert any("nothing says" in text for text in notified)
    section.sigma_spin.setValue(1.5)
    section.zoom_box.setCurrentIndex(1)
    section.button.click()
    assert "zoom 2 is not supported" in section.message.text()
    assert widget.delivery.results == []


def test_the_dock_closes_while_it_is_being_found_out(
    qtbot: QtBot, dock: Callable[..., Any], movie: Image
) -> None:
    viewer, widget = dock(movie)
    stack = widget.movie.stack
    widget.model.take(untrained(stack), "for this test", own=stack)
    opened(widget, sigma=0.9).button.click()
    assert widget.orders.sharpening.is_busy
    viewer.window.remove_dock_widget("all")
    qtbot.waitUntil(lambda: not widget.orders.sharpening.is_busy, timeout=LONG)
    assert len(viewer.layers) == 1


def test_the_microscope_comes_with_the_layer(
    qtbot: QtBot, dock: Callable[..., Any], noisy: np.ndarray
) -> None:
    stack = replace(
        Stack.from_array(
            noisy, "TYX", scale={"Y": 0.3, "X": 0.3}, units={"Y": "µm", "X": "µm"}
        ),
        instrument=Instrument(na=0.8, channels=(Light(emission=610.0),)),
    )
    data, how, _ = layer_data(stack, "cells")
    _, widget = dock(Image(data, **how))
    section = opened(widget)
    qtbot.waitUntil(lambda: "610 nm" in section.blur.text(), timeout=LONG)
    assert section.blur.text().startswith("Taken from the file: NA 0.8")
