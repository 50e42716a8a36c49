"""The section "Sharpen": the blur on view, and a layer that lies over the movie."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.layers import Image

from blurred_scenes import untrained
from napari_udvd import jobs as _jobs
from napari_udvd._napari.layer_data import layer_data
from napari_udvd.inference.stream import Progress
from napari_udvd.sharpening import Effort, Look, Sharpener
from napari_udvd.stack import Instrument, Light, Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytestqt.qtbot import QtBot

    from napari_udvd._widgets import DenoiseMovie
    from napari_udvd.inference.live_view import View
    from napari_udvd.sharpening import Optics

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
        section.fields.spins[name].setValue(value)
    return section


def test_the_blur_is_shown_before_anything_is_computed(
    qtbot: QtBot, dock: Callable[..., Any], movie: Image
) -> None:
    _, widget = dock(movie)
    section = opened(widget)
    assert section.blur.text() == ""  # nothing was said yet
    section.fields.spins["sigma"].setValue(0.7)
    qtbot.waitUntil(lambda: "1.65 px wide" in section.blur.text(), timeout=LONG)
    assert section.picture.pixmap().width() > 0
    assert not section.button.isEnabled()  # there is no model
    section.fields.spins["na"].setValue(0.8)
    qtbot.waitUntil(lambda: "na and sigma" in section.blur.text(), timeout=LONG)
    section.fields.spins["sigma"].setValue(0.0)
    section.fields.spins["wavelength"].setValue(0.5)
    qtbot.waitUntil(lambda: "0.5 µm are 500 nm" in section.blur.text(), timeout=LONG)
    section.fields.spins["wavelength"].setValue(500)
    qtbot.waitUntil(lambda: "300 nm a pixel" in section.blur.text(), timeout=LONG)


def test_a_finer_result_lies_exactly_over_the_movie(
    qtbot: QtBot, dock: Callable[..., Any], movie: Image
) -> None:
    viewer, widget = dock(movie)
    model = untrained(widget.movie.stack)
    widget.model.take(model, "for this test", own=widget.movie.stack)
    section = opened(widget, sigma=0.7)
    section.fields.zoom_box.setCurrentIndex(1)
    section.button.click()
    assert section.button.text() == "Stop"
    qtbot.waitUntil(lambda: len(widget.delivery.results) == 1, timeout=LONG)
    (result,) = widget.delivery.results
    qtbot.waitUntil(lambda: result.is_complete, timeout=LONG)
    qtbot.waitUntil(lambda: section.button.text() == "Sharpen", timeout=LONG)
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
    section.fields.spins["sigma"].setValue(1.5)
    section.fields.zoom_box.setCurrentIndex(1)
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


def shown(qtbot: QtBot, widget: DenoiseMovie) -> Image:
    """Wait for the frame on view, and return its layer."""
    looks = widget.orders.sharpening.looks
    qtbot.waitUntil(
        lambda: looks.preview.layer is not None and not looks.is_busy, timeout=LONG
    )
    assert looks.preview.layer is not None
    return looks.preview.layer


def test_the_frame_on_view_follows_the_blur_and_the_slider(
    qtbot: QtBot, dock: Callable[..., Any], movie: Image
) -> None:
    viewer, widget = dock(movie)
    stack = widget.movie.stack
    section = opened(widget, sigma=1.5)
    looks = widget.orders.sharpening.looks
    qtbot.waitUntil(lambda: section.blur.text() != "", timeout=LONG)
    assert not looks.is_on  # there is no model
    viewer.scene.camera.zoom /= 2  # all of the frame is on view
    widget.model.take(untrained(stack), "for this test", own=stack)
    layer = shown(qtbot, widget)
    assert layer.name == "cells (sharpened preview)"
    assert section.live.text().startswith("The frame on view, by")
    first = np.array(layer.data)
    assert first.shape == (1, 48, 48) and np.isfinite(first).all()
    viewer.dims.set_point(0, 6.0)  # the fourth frame: 2 s each
    qtbot.waitUntil(lambda: layer.translate[0] == 6.0, timeout=LONG)
    assert not np.allclose(first, layer.data)
    # a finer grid lies over the movie from edge to edge
    section.fields.spins["sigma"].setValue(0.7)
    section.fields.zoom_box.setCurrentIndex(1)
    qtbot.waitUntil(lambda: layer.data.shape == (1, 96, 96), timeout=LONG)
    np.testing.assert_allclose(layer.scale, (2.0, 0.15, 0.15))
    for end, sign in ((0, -0.5), (1, 0.5)):
        for axis in (1, 2):
            edge, own = (
                each.extent.world[end][axis] + sign * each.scale[axis]
                for each in (layer, movie)
            )
            assert edge == pytest.approx(own)
    section.live_check.setChecked(False)
    assert not layer.visible and section.live.text() == ""
    section.live_check.setChecked(True)
    qtbot.waitUntil(lambda: layer.visible, timeout=LONG)
    section.fold.collapse(animate=False)
    assert not layer.visible and not looks.is_on


def test_a_look_that_is_out_of_date_is_left(
    qtbot: QtBot,
    dock: Callable[..., Any],
    movie: Image,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[float] = []
    ended: list[float] = []

    class Endless:
        """Never has a look at a blur of one pixel."""

        def __init__(self, *_: Any) -> None:
            pass

        def steps(self, view: View, optics: Optics) -> Iterator[Look | None]:
            sigma = optics.psf.sigma  # type: ignore[attr-defined]
            asked.append(sigma)
            try:
                while sigma == 1.0:
                    time.sleep(0.01)
                    yield None
            finally:
                ended.append(sigma)
            pixels = np.full((1, 48, 48), sigma, np.float32)
            yield Look(view, pixels, (3,), 1)

    monkeypatch.setattr(_jobs, "SharpLook", Endless, raising=False)
    _, widget = dock(movie)
    stack = widget.movie.stack
    widget.model.take(untrained(stack), "for this test", own=stack)
    section = opened(widget, sigma=1.0)
    qtbot.waitUntil(lambda: asked == [1.0], timeout=LONG)
    section.fields.spins["sigma"].setValue(2.0)
    layer = shown(qtbot, widget)
    assert asked == [1.0, 2.0] and ended[0] == 1.0
    assert np.all(layer.data == 2.0)
    assert section.live.text().startswith("The frame on view, by 3 iterations")


def test_it_can_be_stopped(
    qtbot: QtBot, dock: Callable[..., Any], movie: Image
) -> None:
    _, widget = dock(movie)
    stack = widget.movie.stack
    widget.model.take(untrained(stack), "for this test", own=stack)
    section = opened(widget, sigma=0.9)
    section.button.click()
    assert section.button.text() == "Stop"
    section.button.click()
    qtbot.waitUntil(lambda: section.button.text() == "Sharpen", timeout=LONG)
    assert section.message.text() == "Stopped; no layer was added."
    assert widget.delivery.results == []


def test_a_network_is_asked_for_by_its_name_and_tells_how_far_it_is(
    qtbot: QtBot,
    dock: Callable[..., Any],
    movie: Image,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: dict[str, Any] = {}
    goes_on = threading.Event()

    def fit(*_: Any, **how: Any) -> Iterator[Any]:
        asked.update(how)
        yield Progress(40, 100)
        goes_on.wait(60)

    monkeypatch.setattr(_jobs, "fit_sharpener", fit, raising=False)
    _, widget = dock(movie)
    stack = widget.movie.stack
    widget.model.take(untrained(stack), "for this test", own=stack)
    section = opened(widget, sigma=0.9)
    section.network_box.setCurrentIndex(section.network_box.findData("s2svr"))
    widget.settings.minutes_spin.setValue(3.0)
    section.button.click()
    text = "s2svr learns: 40%"
    qtbot.waitUntil(lambda: section.message.text() == text, timeout=LONG)
    goes_on.set()
    qtbot.waitUntil(lambda: section.button.text() == "Sharpen", timeout=LONG)
    assert asked["network"] == "s2svr" and asked["effort"] == Effort(minutes=3.0)


def test_medium_and_pinhole_are_folded_away_and_count(
    qtbot: QtBot, dock: Callable[..., Any], movie: Image
) -> None:
    _, widget = dock(movie)
    section = opened(widget, na=1.2, wavelength=500, pixel_size=0.1)
    assert not section.fields.more.isExpanded()
    qtbot.waitUntil(lambda: "px) wide" in section.blur.text(), timeout=LONG)
    before = section.fold.content().height()
    section.fields.more.expand(animate=False)
    spins, picture = section.fields.spins, section.picture

    def has_room() -> bool:
        """Nothing is squeezed by what has appeared, or lies over it."""
        return (
            spins["index"].isVisible()
            and len({spin.height() for spin in spins.values()}) == 1
            and picture.height() == picture.pixmap().height()
            and section.live_check.y() > picture.geometry().bottom()
        )

    qtbot.waitUntil(has_room, timeout=LONG)
    assert section.fold.content().height() > before
    seen = {section.blur.text()}
    for name, value in (("index", 1.4), ("pinhole", 0.5), ("excitation", 405.0)):
        section.fields.spins[name].setValue(value)
        qtbot.waitUntil(lambda: section.blur.text() not in seen, timeout=LONG)
        seen.add(section.blur.text())
    assert section.fields.values() == {
        "na": 1.2,
        "wavelength": 500.0,
        "pixel_size": 0.1,
        "index": 1.4,
        "pinhole": 0.5,
        "excitation": 405.0,
        "zoom": 1,
    }
