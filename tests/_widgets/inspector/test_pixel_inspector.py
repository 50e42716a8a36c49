"""The dock that shows the filter of a clicked pixel, in a real viewer."""

from __future__ import annotations

import csv
import gc
import threading
import weakref
from importlib import import_module
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
from napari.layers import Image, Labels, Points, Shapes
from napari.utils.interactions import (
    mouse_move_callbacks,
    mouse_press_callbacks,
    mouse_release_callbacks,
)
from qtpy.QtWidgets import QFileDialog

from napari_udvd._widgets import PixelInspector
from napari_udvd._widgets.inspector import dock as pixel_inspector
from napari_udvd._widgets.inspector.inspection import inspect_pixel
from napari_udvd._widgets.inspector.keep_section import FILTER_FILES
from napari_udvd._widgets.shared.layers import axes_of, stack_of
from napari_udvd.filters import adaptive_filter
from napari_udvd.inference.restorer import Denoiser
from tiny import tiny_calibration, tiny_center_blind

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import napari
    from napari.layers import Layer
    from pytestqt.qtbot import QtBot

    from napari_udvd._widgets.shared.messages import Message

FRAMES, HEIGHT, WIDTH = 7, 32, 40

CALIBRATED = {"scale": (2.0, 0.5, 0.25), "units": ("s", "um", "um")}


class Opened(NamedTuple):
    viewer: napari.Viewer
    dock: PixelInspector


class Slow:
    """Inspects pixels once `go` is set, and counts."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.count = 0

    def __call__(self, question: Any, cancel: threading.Event) -> Any:
        self.count += 1
        assert self.go.wait(10)
        return inspect_pixel(question, cancel)


@pytest.fixture(autouse=True)
def said_aloud(notified: list[str]) -> list[str]:
    """Keep what would be a window of its own."""
    return notified


@pytest.fixture
def following(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Denoiser]:
    """Make a model that follows a motion of (1, -2) px per frame, 3 x 3 pixels."""
    net = import_module("fields").Following(lambda k: (k, -2 * k))
    return lambda channels=1: Denoiser(net, (tiny_calibration(),) * channels)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Any:
    made = Slow()
    monkeypatch.setattr(pixel_inspector, "inspect_pixel", made)
    yield made
    made.go.set()


@pytest.fixture
def opened(
    viewer_of: Callable[..., napari.Viewer],
    following: Callable[..., Denoiser],
    qtbot: QtBot,
) -> Callable[..., Opened]:
    """Open the dock on some layers, with a model, ready for clicks."""

    def open_dock(*layers: Layer, model: Denoiser | None = None) -> Opened:
        viewer = viewer_of(*layers)
        dock = dock_in(viewer)
        dock._session.update(denoiser=model or following())
        dock.inspect_button.click()
        if layers:
            viewer.layers.selection.active = viewer.layers[0]
        qtbot.wait(10)
        return Opened(viewer, dock)

    return open_dock


def dock_in(viewer: napari.Viewer) -> PixelInspector:
    _, dock = viewer.window.add_plugin_dock_widget("napari-udvd", "Pixel inspector")
    assert isinstance(dock, PixelInspector)
    return dock


def movie(
    axes: str = "TYX", name: str = "cells", frames: int = FRAMES, **how: Any
) -> Image:
    size = {"T": frames, "C": 2, "Z": 3, "Y": HEIGHT, "X": WIDTH}
    rng = np.random.default_rng(0)
    pixels = rng.poisson(200, [size[axis] for axis in axes]).astype(np.uint16)
    return Image(pixels, name=name, axis_labels=tuple(axes.lower()), **how)


def world_of(viewer: napari.Viewer, layer: Layer, *index: float) -> tuple[float, ...]:
    """Place of a pixel in the units of the viewer."""
    world = np.asarray(layer.data_to_world(index), dtype=float)
    if viewer.layers.units is not None:
        theirs = viewer.layers.units[-layer.ndim :]
        world = np.array(
            [
                (value * ours).to(unit).magnitude
                for value, ours, unit in zip(world, layer.units, theirs, strict=True)
            ]
        )
    return (*viewer.dims.point[: viewer.dims.ndim - layer.ndim], *map(float, world))


class Event:
    """Of the mouse; its content is replaced while the mouse moves, as by the canvas."""

    def __init__(self, kind: str, position: Any = (), **how: Any) -> None:
        self.__wrapped__ = SimpleNamespace(
            type=kind,
            position=position,
            is_dragging=kind == "mouse_move",
            **{"button": 1, "modifiers": (), **how},
        )

    def __getattr__(self, name: str) -> Any:
        wrapped = self.__dict__["__wrapped__"]
        return getattr(wrapped, name)


def press(viewer: napari.Viewer, layer: Layer, *index: float, **how: Any) -> None:
    """Press the button over a pixel."""
    at = Event("mouse_press", world_of(viewer, layer, *index), **how)
    mouse_press_callbacks(viewer.__wrapped__, at)


def drag(viewer: napari.Viewer, layer: Layer, *index: float) -> None:
    at = Event("mouse_move", world_of(viewer, layer, *index))
    mouse_move_callbacks(viewer.__wrapped__, at)


def release(viewer: napari.Viewer) -> None:
    mouse_release_callbacks(viewer.__wrapped__, Event("mouse_release"))


def click(viewer: napari.Viewer, layer: Layer, *index: float, **how: Any) -> None:
    press(viewer, layer, *index, **how)
    release(viewer)


def at_rest(qtbot: QtBot, dock: PixelInspector) -> None:
    qtbot.waitUntil(lambda: dock._latest._worker is None, timeout=20_000)


def inspected(
    qtbot: QtBot, opened: Opened, layer: Layer, *index: float
) -> pixel_inspector.Inspected:
    """Click a pixel and wait for the answer."""
    click(opened.viewer, layer, *index)
    at_rest(qtbot, opened.dock)
    assert opened.dock.inspected is not None, says(opened.dock.message)
    return opened.dock.inspected


def says(message: Message) -> str:
    return message.text() if not message.isHidden() else ""


def overlay_of(viewer: napari.Viewer) -> Any:
    return viewer.layers["filter weights"]


# what a click shows

PLACES: dict[str, tuple[str, dict[str, Any], int]] = {
    "plain": ("TYX", {}, 1),
    "turned": ("TYX", {"rotate": 30, "translate": (0, 7, 8), "scale": (1, 2, 2)}, 1),
    "channels": ("TCYX", {"scale": (3, 1, 0.1, 0.1)}, 2),
    "depth": ("TZYX", {}, 1),
    "time last": ("YXT", {}, 1),
}


def test_a_click_shows_the_weights_where_they_are(
    opened: Callable[..., Opened],
    following: Callable[..., Denoiser],
    qtbot: QtBot,
    said_aloud: list[str],
) -> None:
    viewer, dock = opened()
    for axes, how, channels in PLACES.values():
        layer, model = movie(axes, **how), following(channels)
        viewer.add_layer(layer)
        dock._session.update(denoiser=model)
        check_click(Opened(viewer, dock), layer, axes, model, qtbot)
        assert says(dock.message) == "" and not said_aloud


def test_a_click_where_another_layer_has_other_units(
    opened: Callable[..., Opened],
    following: Callable[..., Denoiser],
    qtbot: QtBot,
    said_aloud: list[str],
) -> None:
    layer, model = movie(**CALIBRATED, translate=(4, 10, -3)), following()
    nano = {"scale": (1000, 100, 100), "units": ("ms", "nm", "nm")}
    viewer, dock = opened(layer, movie(name="other", **nano), model=model)
    assert str(viewer.layers.units[-1]) == "nanometer"
    check_click(Opened(viewer, dock), layer, "TYX", model, qtbot)
    assert says(dock.message) == "" and not said_aloud


def check_click(
    opened: Opened, layer: Image, axes: str, model: Denoiser, qtbot: QtBot
) -> None:
    """Click a pixel and check everything that is shown then."""
    viewer, dock = opened
    viewer.layers.selection.active = layer
    place = {"T": 3, "C": 1, "Z": 2, "Y": 11, "X": 22}
    found = inspected(qtbot, opened, layer, *(place[axis] for axis in axes)).found
    c, z = place["C"] * ("C" in axes), place["Z"] * ("Z" in axes)
    expected = adaptive_filter(
        model, stack_of(layer, axes_of(layer)), 3, 11, 22, c=c, z=z
    )
    assert found.pixel == (3, c, z, 11, 22)
    np.testing.assert_allclose(found.weights, expected.weights, rtol=1e-6)

    overlay = overlay_of(viewer)
    t, y, x = found.origin
    assert y > 0 and x > 0  # a part of the frame, and not at its corner
    origin = {"T": t, "C": c, "Z": z, "Y": y, "X": x}
    order = [axis for axis in "TYX" if axis in axes]
    order.sort(key=axes.index)
    weights = np.transpose(expected.weights, ["TYX".index(axis) for axis in order])
    np.testing.assert_allclose(np.squeeze(overlay.data), weights, rtol=1e-6)
    assert overlay.units == layer.units
    start = np.array([origin[axis] for axis in axes], dtype=float)
    for corner in (np.zeros(len(axes)), np.array(overlay.data.shape) - 1.0):
        np.testing.assert_allclose(
            overlay.data_to_world(corner), layer.data_to_world(corner + start)
        )
    assert overlay.visible and not overlay.rgb
    low, high = overlay.contrast_limits
    assert low == -high and high == pytest.approx(expected.weights.max())
    middle = np.asarray(overlay.colormap.map(np.array([0.5])))[0]
    assert middle[3] == 0  # nothing where the weight is zero
    assert viewer.layers.selection.active == layer

    assert not dock.view.strip.isHidden() and dock.view.strip.pixmap().width() > 50
    words = dock.view.words.text()
    assert "t = 3, y = 11, x = 22" in words
    assert "averaged about 18 pixels" in words
    assert "motion of (1.0, -2.0) px/frame" in words
    assert ("channel 1" in words) == ("C" in axes)
    assert ("plane 2" in words) == ("Z" in axes)
    index = tuple({**place, "T": slice(None)}[axis] for axis in axes)
    frames, noisy = dock.view.trace._noisy.getData()
    np.testing.assert_array_equal(frames, np.arange(FRAMES))
    np.testing.assert_array_equal(noisy, layer.data[index])
    assert dock.view.trace._denoised.getData()[0] is None or not len(
        dock.view.trace._denoised.getData()[0]
    )
    assert dock.view.trace._now.value() == 3


def test_the_mouse_on_the_canvas(opened: Callable[..., Opened], qtbot: QtBot) -> None:
    layer = movie(**CALIBRATED)
    viewer, dock = opened(layer)
    viewer.dims.set_current_step(0, 3)
    viewer.fit_to_view()
    qtbot.wait(50)
    canvas = viewer.__wrapped__.window._qt_viewer.canvas._scene_canvas
    middle = np.array(canvas.size) / 2

    def drag_to_the_right(button: int = 1) -> None:
        mouse: Any = canvas._backend
        mouse._vispy_mouse_press(pos=middle, button=button, modifiers=())
        for k in range(1, 4):
            qtbot.wait(20)  # the canvas is not asked more often
            mouse._vispy_mouse_move(pos=middle + np.array((20 * k, 0)), modifiers=())
        mouse._vispy_mouse_release(pos=middle, button=button, modifiers=())
        at_rest(qtbot, dock)

    drag_to_the_right()
    t, _, _, y, x = dock.inspected.found.pixel
    assert (t, y) == (3, pytest.approx(HEIGHT / 2 - 0.5, abs=1))
    assert x > WIDTH / 2 + 2  # where it was let go

    dock.inspected = None
    drag_to_the_right(button=2)
    assert dock.inspected is None
    dock.inspect_button.click()
    drag_to_the_right()
    assert dock.inspected is None


def test_the_camera_rests_while_armed(opened: Callable[..., Opened]) -> None:
    viewer, dock = opened(movie(), movie(name="others"), Points(np.ones((1, 3))))
    camera, points = viewer.scene.camera, viewer.layers[2]
    assert not camera.mouse_pan
    for layer in reversed(viewer.layers):
        viewer.layers.selection.active = layer
        assert not camera.mouse_pan
    viewer.layers.selection.active = points
    for mode in ("add", "pan_zoom", "select"):
        points.mode = mode
        assert not camera.mouse_pan
    dock.inspect_button.click()
    assert not camera.mouse_pan  # which is what selecting points needs
    points.mode = "pan_zoom"
    assert camera.mouse_pan
    for armed in (False, True):
        dock.inspect_button.click()
        assert camera.mouse_pan is armed


def test_of_a_drag_the_last_pixel_is_answered(
    slow: Slow, opened: Callable[..., Opened], qtbot: QtBot
) -> None:
    viewer, dock = opened(movie())
    layer = viewer.layers[0]
    press(viewer, layer, 3, 5, 5)
    for x in range(6, 30):
        drag(viewer, layer, 3, 5, x)
        qtbot.wait(1)
    release(viewer)
    drag(viewer, layer, 3, 9, 9)  # the button is up
    slow.go.set()
    at_rest(qtbot, dock)
    assert slow.count == 2
    assert dock.inspected.found.pixel == (3, 0, 0, 5, 29)

    press(viewer, layer, 3, 6, 6)
    dock.inspect_button.click()
    drag(viewer, layer, 3, 6, 8)  # the button is still down
    at_rest(qtbot, dock)
    assert dock.inspected.found.pixel == (3, 0, 0, 5, 29)


def test_answers_that_nobody_waits_for_are_dropped(
    slow: Slow, opened: Callable[..., Opened], qtbot: QtBot, said_aloud: list[str]
) -> None:
    viewer, dock = opened(movie(), movie(name="others"))
    first, second = viewer.layers
    shown: list[Any] = []
    dock._latest.answered.connect(shown.append)

    click(viewer, first, 3, 5, 5)
    dock.inspect_button.click()
    slow.go.set()
    at_rest(qtbot, dock)
    assert slow.count == 1 and not shown and dock.inspected is None

    slow.go.clear()
    dock.inspect_button.click()
    click(viewer, first, 3, 5, 5)
    viewer.layers.selection.active = second
    click(viewer, second, 3, 6, 6)
    slow.go.set()
    at_rest(qtbot, dock)
    assert [each.question.shown.source for each in shown] == [second]

    slow.go.clear()
    click(viewer, second, 3, 7, 7)
    dock._session.update(is_training=True)
    slow.go.set()
    at_rest(qtbot, dock)
    assert len(shown) == 1
    dock._session.update(is_training=False)

    slow.go.clear()
    click(viewer, second, 3, 8, 8)
    viewer.layers.remove(second)
    slow.go.set()
    at_rest(qtbot, dock)
    assert len(shown) == 1 and not overlay_of(viewer).visible
    assert dock.inspected is None
    click(viewer, first, 3, 5, 5)
    assert "no layer is selected" in says(dock.message)
    assert not said_aloud


# the pixel over time


def denoised(layer: Image, model: Denoiser, mean: Any, std: Any) -> Any:
    """Stand for a denoised movie; layers with a place as the real one has."""
    how = {"contrast_limits": (0, 400), "scale": layer.scale, "units": layer.units}
    return SimpleNamespace(
        layer=Image(mean, name="denoised", **how),
        std_layer=None if std is None else Image(std, name="std", **how),
        source=layer,
        stack=stack_of(layer, axes_of(layer)),
        denoiser=model,
    )


def line(item: Any) -> tuple[np.ndarray, np.ndarray]:
    frames, values = item.getOriginalDataset()
    empty = np.zeros(0)
    return (empty, empty) if frames is None else (frames, values)


def test_the_trace_is_noisy_and_denoised(
    opened: Callable[..., Opened],
    following: Callable[..., Denoiser],
    qtbot: QtBot,
) -> None:
    layer, model = movie(**CALIBRATED), following()
    viewer, dock = opened(layer, model=model)
    mean = np.full(layer.data.shape, np.nan, np.float32)
    std = mean.copy()
    result = denoised(layer, model, mean, std)
    for each in (result.layer, result.std_layer):
        viewer.add_layer(each)
    dock._session.update(results=[result])
    plot = dock.view.trace

    # nothing is denoised yet
    viewer.layers.selection.active = result.layer
    found = inspected(qtbot, Opened(viewer, dock), result.layer, 3, 11, 22)
    assert found.question.shown.source is layer
    np.testing.assert_array_equal(line(plot._noisy)[1], layer.data[:, 11, 22])
    assert np.isnan(line(plot._denoised)[1]).all()
    assert not len(line(plot._low)[0])
    viewer.window.screenshot(canvas_only=False, flash=False)  # it can be drawn

    # some frames
    mean[2:5] = np.arange(2, 5)[:, None, None] + 200
    std[2:5] = 7
    inspected(qtbot, Opened(viewer, dock), result.layer, 3, 11, 22)
    np.testing.assert_array_equal(
        line(plot._denoised)[1], [np.nan] * 2 + [202, 203, 204] + [np.nan] * 2
    )
    np.testing.assert_array_equal(line(plot._low)[0], [2, 3, 4])
    np.testing.assert_array_equal(line(plot._low)[1], [195, 196, 197])
    np.testing.assert_array_equal(line(plot._high)[1], [209, 210, 211])
    viewer.window.screenshot(canvas_only=False, flash=False)

    # all, from the layers of the noise and of the uncertainty
    mean[:], std[:] = 200, 5
    for each in (layer, result.std_layer):
        viewer.layers.selection.active = each
        inspected(qtbot, Opened(viewer, dock), each, 1, 5, 6)
        np.testing.assert_array_equal(line(plot._denoised)[1], [200] * FRAMES)
        np.testing.assert_array_equal(line(plot._low)[0], np.arange(FRAMES))
    # without uncertainty
    result.std_layer = None
    viewer.layers.selection.active = layer
    inspected(qtbot, Opened(viewer, dock), layer, 1, 5, 6)
    assert len(line(plot._denoised)[0]) == FRAMES and not len(line(plot._low)[0])


def test_with_the_pixel_itself(
    opened: Callable[..., Opened],
    following: Callable[..., Denoiser],
    qtbot: QtBot,
) -> None:
    layer = movie(frames=9)
    net = tiny_center_blind(likelihood=True)
    viewer, dock = opened(layer, model=Denoiser(net, (tiny_calibration(),)))
    blind = inspected(qtbot, Opened(viewer, dock), layer, 4, 11, 22).found
    assert not blind.is_posterior and f"± {blind.std:.3g}" in dock.view.words.text()
    own = blind.pixel[0] - blind.origin[0], 11 - blind.origin[1], 22 - blind.origin[2]
    assert blind.weights[own] == 0
    dock.posterior_check.click()  # the same pixel again
    at_rest(qtbot, dock)
    whole = dock.inspected.found
    assert whole.is_posterior and whole.pixel == blind.pixel
    assert whole.weights[own] > 0 and whole.std < blind.std

    dock._session.update(denoiser=following())  # trained on the mean only
    mean = inspected(qtbot, Opened(viewer, dock), layer, 4, 11, 22).found
    assert not mean.is_posterior and mean.std is None
    for _ in range(2):
        dock.posterior_check.click()
        at_rest(qtbot, dock)
    assert "the mean only" in says(dock.message)


# pinned pixels, files, the overlay


def test_pinned_pixels(opened: Callable[..., Opened], qtbot: QtBot) -> None:
    layer = movie(**CALIBRATED, translate=(4, 10, -3))
    viewer, dock = opened(layer, movie(name="others"))
    both, other = Opened(viewer, dock), viewer.layers[1]
    assert (
        not dock.keep.pin_button.isEnabled() and not dock.keep.clear_button.isEnabled()
    )
    places = [(3, 11, 22), (2, 20, 8), (0, 5, 6)]
    for place in places:
        inspected(qtbot, both, layer, *place)
        dock.keep.pin_button.click()
    pins = viewer.layers["pinned pixels"]
    np.testing.assert_array_equal(pins.data, places)
    for place, point in zip(places, pins.data, strict=True):
        np.testing.assert_allclose(
            pins.data_to_world(point), layer.data_to_world(place)
        )
    assert pins.units == layer.units
    assert list(pins.features["name"]) == ["A", "B", "C"]
    assert len(np.unique(pins.face_color, axis=0)) == 3
    assert viewer.layers.selection.active == layer
    assert sum(each.name.startswith("pinned") for each in viewer.layers) == 1

    def texts(row: int) -> list[str]:
        return [
            dock.keep.pins.item(row, k).text()
            for k in range(dock.keep.pins.columnCount())
        ]

    assert dock.keep.pins.rowCount() == 3 and not dock.keep.pins.isHidden()
    assert texts(1) == ["B", "2, 20, 8", "18 px", "0%", texts(1)[4], "1.0, -2.0"]
    assert len(dock.view.trace._pinned) == 3
    np.testing.assert_array_equal(
        line(dock.view.trace._pinned[1])[1], layer.data[:, 20, 8]
    )
    dock.keep.pins.cellClicked.emit(0, 1)
    assert dock.inspected.found.pixel == (3, 0, 0, 11, 22)
    assert "t = 3" in dock.view.words.text()

    # the layer taken out by hand; another movie; Clear; the movie taken out
    viewer.layers.remove(pins)
    qtbot.waitUntil(lambda: dock.keep.pins.isHidden())
    assert not dock.keep.pins.kept and not dock.view.trace._pinned
    for each in (layer, other):
        viewer.layers.selection.active = each
        inspected(qtbot, both, each, 3, 11, 22)
        dock.keep.pin_button.click()
        assert [kept.question.shown.source for kept in dock.keep.pins.kept] == [each]
    np.testing.assert_array_equal(viewer.layers["pinned pixels"].data, [(3, 11, 22)])
    np.testing.assert_array_equal(viewer.layers["pinned pixels"].scale, other.scale)
    dock.keep.clear_button.click()
    assert (
        "pinned pixels" not in viewer.layers and not dock.keep.clear_button.isEnabled()
    )
    dock.keep.pin_button.click()
    viewer.layers.remove(other)
    qtbot.waitUntil(lambda: dock.keep.pins.isHidden())
    assert "pinned pixels" not in viewer.layers


def test_saving(
    opened: Callable[..., Opened],
    qtbot: QtBot,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    said_aloud: list[str],
) -> None:
    layer = movie()
    viewer, dock = opened(layer)
    assert not dock.keep.save_button.isEnabled()
    found = inspected(qtbot, Opened(viewer, dock), layer, 3, 11, 22).found
    answer = "", ""
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: answer)
    dock.keep.save_button.click()  # cancelled
    assert says(dock.message) == ""
    for kind in FILTER_FILES.split(";;"):
        answer = str(tmp_path / "filter"), kind
        dock.keep.save_button.click()
        assert says(dock.message).startswith("Saved as filter.")
    assert {path.suffix for path in tmp_path.glob("filter.*")} == {
        ".png",
        ".npz",
        ".csv",
    }
    with np.load(tmp_path / "filter.npz") as file:
        np.testing.assert_array_equal(file["weights"], found.weights)
    with (tmp_path / "filter.csv").open() as table:
        assert len(list(csv.reader(table))) == 1 + len(found.weights)

    said_aloud.clear()
    answer = str(tmp_path / "filter"), "Weights (*.npz)"
    dock.keep.save_button.click()  # nobody was asked about filter.npz
    assert "exists" in says(dock.message)
    answer = str(tmp_path / "filter.npz"), "Weights (*.npz)"
    dock.keep.save_button.click()  # the dialog has asked
    assert says(dock.message) == "Saved as filter.npz."
    for name, said in (("no/such/folder.npz", "does not exist"), ("a.xls", ".xls")):
        answer = str(tmp_path / name), "Weights (*.npz)"
        dock.keep.save_button.click()
        assert said in says(dock.message) and said_aloud[-1] == says(dock.message)


def test_the_overlay_comes_back(opened: Callable[..., Opened], qtbot: QtBot) -> None:
    layer = movie()
    viewer, dock = opened(layer)
    both = Opened(viewer, dock)
    inspected(qtbot, both, layer, 3, 11, 22)
    overlay = overlay_of(viewer)
    dock.overlay_check.click()
    assert not overlay.visible
    inspected(qtbot, both, layer, 3, 12, 22)
    assert not overlay.visible
    dock.overlay_check.click()
    assert overlay.visible and overlay.translate[1] == dock.inspected.found.origin[1]

    top = viewer.add_image(layer.data + 1, name="on top", axis_labels=("t", "y", "x"))
    assert viewer.layers[-1] == top
    viewer.layers.selection.active = layer
    inspected(qtbot, both, layer, 3, 11, 22)
    assert viewer.layers[-1] == overlay

    viewer.layers.remove(overlay)
    inspected(qtbot, both, layer, 3, 11, 22)
    assert overlay_of(viewer).visible
    viewer.layers.remove("filter weights")
    dock.overlay_check.click()
    assert "filter weights" not in viewer.layers
    dock.overlay_check.click()
    assert overlay_of(viewer).visible

    # a click while the overlay is selected is one on the movie below
    viewer.layers.selection.active = overlay_of(viewer)
    assert inspected(qtbot, both, layer, 2, 9, 9).question.shown.source == layer
    # a movie with other axes
    deep = viewer.add_layer(movie("TZYX", name="deep"))
    viewer.layers.selection.active = deep
    inspected(qtbot, both, deep, 3, 1, 11, 22)
    assert overlay_of(viewer).ndim == 4
    assert sum(each.name.startswith("filter") for each in viewer.layers) == 1


@pytest.mark.parametrize("is_imported", [False, True])
def test_a_movie_that_was_removed_is_let_go(
    opened: Callable[..., Opened],
    following: Callable[..., Denoiser],
    qtbot: QtBot,
    is_imported: bool,
) -> None:
    model = following()
    if is_imported:  # as a published network, which measures every movie anew
        model = Denoiser(model.net, (), record={"imported": "published.pt"})
    viewer, dock = opened(movie(), model=model)
    inspected(qtbot, Opened(viewer, dock), viewer.layers[0], 3, 11, 22)
    stack = weakref.ref(dock.inspected.question.shown.stack)
    assert stack() is not None and overlay_of(viewer).visible
    viewer.layers.remove("cells")
    at_rest(qtbot, dock)
    gc.collect()
    assert stack() is None
    assert dock.inspected is None and not overlay_of(viewer).visible
    assert dock.view.how.isVisibleTo(dock) and not dock.view.strip.isVisibleTo(dock)
    assert not dock.view.words.text() and not dock.keep.save_button.isEnabled()


# closing


def test_the_dock_can_be_closed_while_computing(
    slow: Slow, opened: Callable[..., Opened], qtbot: QtBot, said_aloud: list[str]
) -> None:
    viewer, dock = opened(movie())
    layer = viewer.layers[0]
    before = len(viewer.mouse_drag_callbacks)
    click(viewer, layer, 3, 5, 5)
    worker = dock._latest._worker
    viewer.window.remove_dock_widget(dock)
    assert len(viewer.mouse_drag_callbacks) == before - 1
    assert viewer.scene.camera.mouse_pan
    slow.go.set()
    qtbot.waitUntil(lambda: not worker.is_running, timeout=10_000)
    qtbot.wait(20)
    assert dock.inspected is None and list(viewer.layers) == [layer]
    model = dock._session.denoiser

    again = dock_in(viewer)
    again._session.update(denoiser=model)
    again.inspect_button.click()
    assert inspected(qtbot, Opened(viewer, again), layer, 3, 5, 5)
    assert slow.count == 2 and not said_aloud


@pytest.mark.usefixtures("own_viewer")
@pytest.mark.parametrize("how", ["viewer", "window"])
def test_the_window_can_be_closed_while_computing(
    slow: Slow,
    opened: Callable[..., Opened],
    qtbot: QtBot,
    said_aloud: list[str],
    how: str,
) -> None:
    viewer, dock = opened(movie())
    click(viewer, viewer.layers[0], 3, 5, 5)
    worker = dock._latest._worker
    if how == "window":
        viewer.__wrapped__.window._qt_window.close()
        assert worker.is_cancelled and dock._is_over
    viewer.close()  # the window alone leaves parts of the viewer
    assert worker.is_cancelled and dock._is_over
    slow.go.set()
    qtbot.waitUntil(lambda: not worker.is_running, timeout=10_000)
    qtbot.wait(20)
    assert not viewer.layers and dock.inspected is None and not said_aloud


# bad input: a word in the dock


def test_clicks_that_cannot_be_answered(
    opened: Callable[..., Opened],
    following: Callable[..., Denoiser],
    qtbot: QtBot,
    said_aloud: list[str],
) -> None:
    layer = movie()
    photo = Image(np.zeros((7, 32, 40, 3), np.uint8), rgb=True, name="photo")
    labels = Labels(np.zeros((7, 32, 40), int), name="labels")
    viewer, dock = opened(layer, Shapes(name="box", ndim=3), labels, photo)
    unknown = viewer.add_image(
        np.zeros((2, 3, 32, 40), np.uint8), name="unknown", contrast_limits=(0, 1)
    )

    def refused(said: str, on: Any = layer, at: tuple[float, ...] = (3, 5, 5)) -> None:
        dock.message.clear()
        viewer.layers.selection.active = on
        click(viewer, layer, *at)
        at_rest(qtbot, dock)
        assert said in says(dock.message), (said, dock.message.text())
        assert dock.inspected is None

    for at in ((3, -1, 5), (3, HEIGHT, 5), (3, 5, -1), (3, 5, WIDTH)):
        refused("the click is outside 'cells'", at=at)
    for name in ("box", "labels", "photo", "unknown"):
        refused(repr(name) if name != "unknown" else "axis labels", viewer.layers[name])
    viewer.layers.remove(unknown)
    refused("no layer is selected", None)

    dock._session.update(denoiser=following(channels=2))
    refused("1 channel(s), but the model was trained on 2")
    dock._session.update(denoiser=following(), is_training=True)
    refused("is being trained")
    dock._session.update(is_training=False)
    viewer.dims.ndisplay = 3
    refused("the view is in 3D")
    viewer.dims.ndisplay = 2
    dock._session.denoiser = None
    refused("there is no model yet")
    for _ in range(2):
        dock.inspect_button.click()
    assert "no model yet" in says(dock.message)
    assert not said_aloud
    dock._session.update(denoiser=following())
    viewer.layers.selection.active = layer
    assert inspected(qtbot, Opened(viewer, dock), layer, 3, 5, 5)
    assert says(dock.message) == ""


def test_movies_with_few_frames(
    opened: Callable[..., Opened],
    qtbot: QtBot,
    said_aloud: list[str],
) -> None:
    layer = movie(frames=9)
    net = tiny_center_blind(likelihood=False)  # four frames before and after
    viewer, dock = opened(layer, model=Denoiser(net, (tiny_calibration(),)))
    both = Opened(viewer, dock)
    for t, beyond in ((4, 0), (1, 3), (8, 4)):
        found = inspected(qtbot, both, layer, t, 5, 5).found
        assert found.reflected == beyond
        said = says(dock.message)
        assert (f"{beyond} of the frames" in said) == bool(beyond), said
        assert (said == "") == (not beyond)

    still = viewer.add_layer(movie(frames=1, name="still"))
    picture = viewer.add_layer(movie("YX", name="picture"))
    for each, at in ((still, (0, 5, 5)), (picture, (5, 5))):
        dock.inspected = None
        dock.message.clear()
        viewer.layers.selection.active = each
        click(viewer, each, *at)
        at_rest(qtbot, dock)
        assert "1 frame(s); this model needs at least 2" in says(dock.message)
        assert dock.inspected is None
    assert not said_aloud


def test_loading_a_model(
    viewer_of: Callable[..., napari.Viewer],
    qtbot: QtBot,
    tmp_path: Path,
    said_aloud: list[str],
) -> None:
    viewer = viewer_of()
    dock = dock_in(viewer)
    assert "no model yet" in dock.model.label.text()
    path = tmp_path / "model.safetensors"
    model = Denoiser(tiny_center_blind(), (tiny_calibration(),))
    model.save(path)
    for each, said in ((tmp_path / "none.safetensors", "none.safetensors"), (path, "")):
        dock.model.load(each)
        assert not dock.model.button.isEnabled()
        qtbot.waitUntil(dock.model.button.isEnabled, timeout=20_000)
        assert said in says(dock.message) and bool(said) == bool(says(dock.message))
    assert len(said_aloud) == 1
    assert dock.model.label.text().startswith(f"Model: {model.net.title}")

    # closed while another is read
    dock.model.load(path)
    worker = dock.model._worker
    viewer.window.remove_dock_widget(dock)
    qtbot.waitUntil(lambda: not worker.is_running, timeout=10_000)
    qtbot.wait(20)
