"""Results that are kept, compared, measured and exported; controls that stay calm."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.layers import Image, Shapes
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication, QMessageBox

import napari_udvd as nu
from napari_udvd._widgets.restore import result as _result
from napari_udvd.inference.restorer import Denoiser
from napari_udvd.jobs import make_settings
from napari_udvd.training import Finished, train_events
from tiny import tiny_calibration, tiny_center_blind

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot


@pytest.fixture
def movie(noisy: np.ndarray) -> Image:
    return Image(noisy, name="cells", axis_labels=("t", "y", "x"))


def model(seed: int = 0) -> Denoiser:
    return Denoiser(tiny_center_blind(seed), (tiny_calibration(),))


def filled(qtbot: QtBot, dock: Any, count: int) -> None:
    def is_filled() -> bool:
        results = dock.delivery.results
        return len(results) == count and not dock.delivery.is_filling

    qtbot.waitUntil(is_filled, timeout=120_000)


def turn_wheel(control: Any) -> None:
    at = QPointF(control.rect().center())
    event = QWheelEvent(
        at,
        QPointF(control.mapToGlobal(control.rect().center())),
        QPoint(0, -120),
        QPoint(0, -120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(control, event)


def test_results_are_kept_named_and_compared(
    dock: Callable[..., Any], qtbot: QtBot, movie: Image, tmp_path: Path
) -> None:
    viewer, widget = dock(movie)
    models = [model(seed) for seed in (1, 2)]
    for count, each in enumerate(models, start=1):
        widget.model.take(each, "of a test")
        widget.denoise()
        filled(qtbot, widget, count)
    first, second = widget.delivery.results
    names = [first.layer.name, second.layer.name]
    assert names == ["cells (denoised)", "cells (denoised 2)"]
    assert (first.layer.visible, second.layer.visible) == (False, True)
    box = widget.movie.layer_box
    assert [box.itemText(k) for k in range(box.count())] == ["cells"]

    widget.comparing.section.results.setCurrentRow(
        1
    )  # the newest is the first in the list
    assert (first.layer.visible, second.layer.visible) == (True, False)
    assert widget.denoiser is models[0]

    widget.comparing.section.residual_check.setChecked(True)
    (residual,) = (layer for layer in viewer.layers if "residual" in layer.name)
    expected = movie.data[3] - np.asarray(first.layer.data[3])
    np.testing.assert_allclose(residual.data[3], expected)

    widget.comparing.section.curtain_check.setChecked(True)
    widget.comparing.section.slider.setValue(250)
    (curtain,) = (layer for layer in viewer.layers if "curtain" in layer.name)
    shown = curtain.data[5]
    np.testing.assert_allclose(shown[:, :12], movie.data[5][:, :12])
    np.testing.assert_allclose(shown[:, 12:], first.layer.data[5][:, 12:])

    widget.comparing.section.link_check.setChecked(True)
    first.layer.contrast_limits = (20, 90)
    assert tuple(movie.contrast_limits) == (20, 90)
    widget.comparing.section.link_check.setChecked(False)

    # a part of the residual, in a file
    widget.movie.part.first_frame.setValue(2)
    widget.movie.part.last_frame.setValue(6)
    widget.result.part_check.setChecked(True)
    widget.result.what_box.setCurrentIndex(2)
    viewer.layers.selection.active = first.layer
    widget.export_to(tmp_path / "part.ome.tif")
    qtbot.waitUntil(lambda: not widget.delivery.is_exporting, timeout=60_000)
    written = nu.open(tmp_path / "part.ome.tif").read()
    expected = movie.data[2:7] - np.asarray(first.layer.data[2:7])
    np.testing.assert_allclose(written, expected, atol=1e-3)

    # and the mean of two regions
    square = np.array([[10.0, 10], [10, 20], [20, 20], [20, 10]])
    shapes = viewer.add_layer(Shapes([square, square + 15], shape_type="polygon"))
    viewer.layers.selection.active = shapes
    widget.traces.save_to(tmp_path / "traces.csv")
    qtbot.waitUntil(lambda: widget.traces._worker is None, timeout=60_000)
    table = np.genfromtxt(tmp_path / "traces.csv", delimiter=",", names=True)
    assert len(table) == len(movie.data)
    inside = movie.data[4, 11:20, 11:20].mean()
    assert table["1_noisy"][4] == pytest.approx(inside, rel=0.05)


def compared(dock: Callable[..., Any], qtbot: QtBot, movie: Image) -> Any:
    """Open the dock with a result."""
    _, widget = dock(movie)
    widget.model.take(model(), "of a test")
    widget.denoise()
    filled(qtbot, widget, 1)
    return widget


def test_same_contrast_gives_back_what_each_had(
    dock: Callable[..., Any], qtbot: QtBot, movie: Image
) -> None:
    widget = compared(dock, qtbot, movie)
    (result,) = widget.delivery.results
    movie.contrast_limits, result.layer.contrast_limits = (10, 70), (20, 60)
    widget.comparing.section.link_check.setChecked(True)
    assert tuple(movie.contrast_limits) == (20, 60)
    result.layer.contrast_limits = (0, 99)
    assert tuple(movie.contrast_limits) == (0, 99)
    widget.comparing.section.link_check.setChecked(False)
    assert tuple(movie.contrast_limits) == (10, 70)
    assert tuple(result.layer.contrast_limits) == (20, 60)
    movie.contrast_limits = (11, 71)  # each on its own again
    assert tuple(result.layer.contrast_limits) == (20, 60)


def test_a_result_that_was_linked_empty_gets_limits_of_its_own(
    dock: Callable[..., Any], qtbot: QtBot, movie: Image
) -> None:
    _, widget = dock(movie)
    own = tuple(movie.contrast_limits)
    widget.comparing.section.link_check.setChecked(True)
    widget.model.take(model(), "of a test")
    widget.denoise()
    filled(qtbot, widget, 1)
    widget.comparing.section.link_check.setChecked(False)
    (result,) = widget.delivery.results
    assert tuple(movie.contrast_limits) == own
    assert tuple(result.layer.contrast_limits) == result.limits
    assert result.limits != own


def test_a_result_that_fills_shows_in_what_compares_it(
    dock: Callable[..., Any], qtbot: QtBot, movie: Image
) -> None:
    viewer, widget = dock(movie)
    widget.comparing.section.curtain_check.setChecked(True)
    widget.comparing.section.residual_check.setChecked(True)
    viewer.dims.set_current_step(0, 3)
    widget.model.take(model(), "of a test")
    widget.denoise()
    views = [layer for layer in viewer.layers if "–" in layer.name]
    assert len(views) == 2
    empty = [np.isnan(layer._data_view).any() for layer in views]
    assert all(empty)  # else this test shows nothing
    filled(qtbot, widget, 1)
    for layer in views:
        np.testing.assert_array_equal(layer._data_view, layer.data[3])
        assert np.isfinite(layer._data_view).all()


def test_a_result_that_is_looked_at_again_has_its_layers_again(
    dock: Callable[..., Any], qtbot: QtBot, movie: Image
) -> None:
    viewer, widget = dock(movie)
    widget.comparing.section.residual_check.setChecked(True)
    for seed in (1, 2):
        widget.model.take(model(seed), "of a test")
        widget.denoise()
        filled(qtbot, widget, seed)
    residuals = [layer for layer in viewer.layers if "residual" in layer.name]
    assert [layer.visible for layer in residuals] == [False, True]
    for row in (1, 0, 1):
        widget.comparing.section.results.setCurrentRow(row)
    assert [layer for layer in viewer.layers if "residual" in layer.name] == residuals
    assert [layer.visible for layer in residuals] == [True, False]


def test_what_was_made_of_a_result_is_hidden_when_that_goes(
    dock: Callable[..., Any], qtbot: QtBot, movie: Image
) -> None:
    widget = compared(dock, qtbot, movie)
    viewer = widget._viewer
    widget.comparing.section.residual_check.setChecked(True)
    (residual,) = (layer for layer in viewer.layers if "residual" in layer.name)
    viewer.layers.remove(widget.delivery.results[0].layer)
    qtbot.wait(50)
    assert not residual.visible
    assert widget.comparing.result is None


class Mouse:
    """Presses and drags as the viewer tells it."""

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer

    def drag(self, start: Any, *path: Any, button: int = 1) -> bool:
        """Drag along points of the movie; return whether the camera is held."""
        viewer = self._viewer
        event = SimpleNamespace(
            type="mouse_press",
            button=button,
            modifiers=(),
            position=start,
            camera_zoom=viewer.scene.camera.zoom,
        )
        running = [
            generator
            for callback in viewer.mouse_drag_callbacks
            if (generator := callback(viewer, event)) is not None
            and next(generator, self) is not self
        ]
        is_held = not viewer.scene.camera.mouse_pan
        event.type = "mouse_move"
        for event.position in path:
            for generator in running:
                next(generator)
        event.type = "mouse_release"
        for generator in running:
            next(generator, None)
        return is_held


@pytest.mark.parametrize("turned", [0.0, 90.0])
def test_the_curtain_is_dragged_by_its_border(
    dock: Callable[..., Any], qtbot: QtBot, noisy: np.ndarray, turned: float
) -> None:
    movie = Image(
        noisy,
        name="cells",
        scale=(1, 0.5, 0.5),
        translate=(0, 3, 4),
        rotate=turned,
        axis_labels=("t", "y", "x"),
    )
    widget = compared(dock, qtbot, movie)
    viewer = widget._viewer
    viewer.dims.set_current_step(0, 5)
    mouse, width = Mouse(viewer), noisy.shape[2]
    pixel = viewer.scene.camera.zoom * 0.5  # of the movie, on the screen

    def at(column: float) -> Any:
        return tuple(movie.data_to_world((0, 20, column)))

    assert not mouse.drag(at(width / 2), at(3))  # there is no curtain
    widget.comparing.section.curtain_check.setChecked(True)
    (curtain,) = (layer for layer in viewer.layers if "curtain" in layer.name)
    border = width // 2 - 0.5
    near, far = 4 / pixel, 12 / pixel
    assert not mouse.drag(at(border + far), at(3))
    assert not mouse.drag(at(border - far), at(3))
    assert not mouse.drag(at(border), at(3), button=2)
    assert curtain.data.column == width // 2

    assert mouse.drag(at(border + near), at(20), at(11.5))
    assert curtain.data.column == 12
    assert viewer.scene.camera.mouse_pan  # moves the picture again
    assert widget.comparing.section.slider.value() == 250
    shown = curtain.data[5]
    np.testing.assert_allclose(shown[:, :12], movie.data[5][:, :12])
    np.testing.assert_array_equal(curtain._data_view, shown)

    mouse.drag(at(11.5), at(-30))  # outside
    assert curtain.data.column == 0
    widget.comparing.section.hang_curtain(0.5)
    curtain.visible = False
    assert not mouse.drag(at(border), at(3))


def test_dragging_the_curtain_does_not_move_the_picture(
    dock: Callable[..., Any], qtbot: QtBot, movie: Image
) -> None:
    widget = compared(dock, qtbot, movie)
    viewer = widget._viewer
    widget.comparing.section.curtain_check.setChecked(True)
    (curtain,) = (layer for layer in viewer.layers if "curtain" in layer.name)
    before = curtain.data.column
    camera = viewer.scene.camera
    camera.center = movie.data_to_world((0, 24, before - 0.5))[1:]
    where = tuple(camera.center)
    qtbot.wait(50)
    canvas = viewer.__wrapped__.window._qt_viewer.canvas._scene_canvas
    middle, mouse = np.array(canvas.size) / 2, canvas._backend
    aside = middle + np.array((5 * camera.zoom, 0))
    mouse._vispy_mouse_press(pos=middle, button=1, modifiers=())
    for k in (0.5, 1.0):
        qtbot.wait(20)  # the canvas is not asked more often
        mouse._vispy_mouse_move(pos=middle + k * (aside - middle), modifiers=())
    mouse._vispy_mouse_release(pos=aside, button=1, modifiers=())
    assert abs(curtain.data.column - before - 5) <= 1
    assert tuple(camera.center) == pytest.approx(where)


def test_the_curtain_stays_while_the_mouse_draws(
    dock: Callable[..., Any], qtbot: QtBot, movie: Image
) -> None:
    widget = compared(dock, qtbot, movie)
    viewer = widget._viewer
    widget.comparing.section.curtain_check.setChecked(True)
    shapes = viewer.add_layer(Shapes(name="regions", ndim=3))
    shapes.mode = "add_rectangle"
    assert not viewer.scene.camera.mouse_pan
    border = movie.data.shape[2] // 2 - 0.5
    Mouse(viewer).drag((0.0, 20.0, border), (0.0, 20.0, 3.0))
    (curtain,) = (layer for layer in viewer.layers if "curtain" in layer.name)
    assert curtain.data.column == movie.data.shape[2] // 2
    assert not viewer.scene.camera.mouse_pan  # the camera is still held


def test_a_wheel_in_passing_changes_nothing(
    dock: Callable[..., Any], movie: Image, noisy: np.ndarray
) -> None:
    other = Image(noisy, name="others", axis_labels=("t", "y", "x"))
    _, widget = dock(movie, other)
    controls = (
        widget.movie.layer_box,
        widget.settings.model_box,
        widget.settings.minutes_spin,
        widget.settings.common.controls["seed"].native,
        widget.comparing.section.slider,
    )
    widget.training.train_button.setFocus()
    before = widget.movie.layer
    for control in controls:
        value = control.value() if hasattr(control, "value") else control.currentIndex()
        turn_wheel(control)
        now = control.value() if hasattr(control, "value") else control.currentIndex()
        assert now == value, control
    assert widget.movie.layer == before


def test_train_is_a_few_tabs_away(dock: Callable[..., Any], movie: Image) -> None:
    _, widget = dock(movie)
    control, steps = widget.movie.layer_box, 0
    while control is not widget.training.train_button:
        control = control.nextInFocusChain()
        if (
            control.focusPolicy() & Qt.FocusPolicy.TabFocus
            and control.isEnabled()
            and control.isVisible()
        ):
            steps += 1
        assert steps <= 8
    assert not widget.settings.common.controls["seed"].native.isVisible()
    widget.settings.advanced.expand(animate=False)
    assert widget.settings.common.controls["seed"].native.isVisibleTo(widget)


def test_warnings_come_first(
    dock: Callable[..., Any],
    qtbot: QtBot,
    movie: Image,
    monkeypatch: pytest.MonkeyPatch,
    notified: list[str],
) -> None:
    _, widget = dock(movie)
    monkeypatch.setattr(
        _result, "warnings_for", lambda *_: ("the noise is ten times as strong",)
    )
    widget.model.take(model(), "read from a file")
    widget.denoise()
    filled(qtbot, widget, 1)
    text = widget.result.message.text()
    assert text.startswith("Do not trust the result for cells. The noise is ten times")
    assert "is denoised" not in text


def test_a_model_of_larger_pixels_is_doubted_where_its_result_is(
    dock: Callable[..., Any],
    qtbot: QtBot,
    movie: Image,
    tmp_path: Path,
    notified: list[str],
) -> None:
    movie.scale, movie.units = (1.0, 0.5, 0.5), ("s", "µm", "µm")
    # other cells, through an objective that magnifies a tenth
    other = movie.data[:, ::-1].copy()
    coarse = {"scale": {"Y": 5.0, "X": 5.0}, "units": {"Y": "µm", "X": "µm"}}
    learned = model_trained_on(other, **coarse)
    learned.save(tmp_path / "coarse.safetensors")
    own = Image(
        other,
        name="coarse",
        scale=(1.0, 5.0, 5.0),
        units=("s", "µm", "µm"),
        axis_labels=("t", "y", "x"),
    )
    viewer, widget = dock(movie, own)
    widget.load_model_from(tmp_path / "coarse.safetensors")
    qtbot.waitUntil(lambda: widget.denoiser is not None, timeout=20_000)
    qtbot.waitUntil(lambda: not widget.model.is_busy, timeout=20_000)
    viewer.layers.selection = {movie, own}
    widget.apply_to_selected()
    filled(qtbot, widget, 2)
    text = widget.result.message.text()
    doubted, fine = widget.delivery.results
    assert doubted.source == movie and doubted.warnings
    assert not fine.warnings  # it is the movie that was learned from
    # what is denoised well does not hide what is not
    assert text.startswith("Do not trust the result for cells.")
    assert "A pixel of the movie is 0.5 µm along Y" in text
    assert text.endswith("coarse is denoised.")
    assert any("Do not trust the result for cells" in words for words in notified)
    good, bad = (widget.comparing.section.results.item(row) for row in (0, 1))
    assert (good.text(), good.toolTip()) == ("coarse (denoised)", "")
    assert bad.text() == "⚠ cells (denoised)"
    assert "a pixel of the movie" in bad.toolTip().lower()


def model_trained_on(pixels: np.ndarray, **more: Any) -> Denoiser:
    stack = nu.Stack.from_array(pixels, "TYX", **more)
    events = train_events([stack], make_settings(steps=1, device="cpu"))
    (outcome,) = (event for event in events if isinstance(event, Finished))
    return outcome.denoiser


def test_a_loaded_model_is_judged_also_where_another_was_trained(
    dock: Callable[..., Any], qtbot: QtBot, movie: Image, monkeypatch: Any
) -> None:
    _, widget = dock(movie)
    doubts = ("the movie is of another kind",)
    monkeypatch.setattr(_result, "warnings_for", lambda *_: doubts)
    widget.model.take(model(), "trained on this movie", own=widget.movie.stack)
    widget.denoise()
    filled(qtbot, widget, 1)
    assert widget.delivery.results[0].warnings == ()
    widget.model.take(model(1), "read from a file")
    widget.denoise()
    filled(qtbot, widget, 2)
    assert widget.delivery.results[1].warnings == doubts


@pytest.mark.parametrize("agrees", [True, False])
def test_another_movie_during_a_training_is_a_question(
    dock: Callable[..., Any],
    movie: Image,
    noisy: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
    agrees: bool,
) -> None:
    other = Image(noisy, name="others", axis_labels=("t", "y", "x"))
    _, widget = dock(movie, other)
    buttons = QMessageBox.StandardButton
    answer = buttons.Yes if agrees else buttons.No
    monkeypatch.setattr(QMessageBox, "question", lambda *_: answer)
    monkeypatch.setattr(type(widget.trainer), "is_running", property(lambda _: True))
    box = widget.movie.layer_box
    before = widget.movie.layer
    wanted = 1 - box.currentIndex()
    assert widget.may_change() is agrees
    if not agrees:
        box.setCurrentIndex(wanted)
        box.activated.emit(wanted)
        assert widget.movie.layer == before
        assert box.currentText() == before.name
    monkeypatch.undo()
