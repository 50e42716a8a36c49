"""Results that are kept, compared, measured and exported; controls that stay calm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.layers import Image, Shapes
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication, QMessageBox

import napari_udvd as nu
from napari_udvd._widgets import _result
from napari_udvd.denoiser import Denoiser
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
        widget._take(each, "of a test")
        widget.denoise()
        filled(qtbot, widget, count)
    first, second = widget.delivery.results
    names = [first.layer.name, second.layer.name]
    assert names == ["cells (denoised)", "cells (denoised 2)"]
    assert (first.layer.visible, second.layer.visible) == (False, True)
    box = widget.movie.layer_box
    assert [box.itemText(k) for k in range(box.count())] == ["cells"]

    widget.compare.results.setCurrentRow(1)  # the newest is the first in the list
    assert (first.layer.visible, second.layer.visible) == (True, False)
    assert widget.denoiser is models[0]

    widget.compare.residual_check.setChecked(True)
    (residual,) = (layer for layer in viewer.layers if "residual" in layer.name)
    expected = movie.data[3] - np.asarray(first.layer.data[3])
    np.testing.assert_allclose(residual.data[3], expected)

    widget.compare.curtain_check.setChecked(True)
    widget.compare.slider.setValue(250)
    (curtain,) = (layer for layer in viewer.layers if "curtain" in layer.name)
    shown = curtain.data[5]
    np.testing.assert_allclose(shown[:, :12], movie.data[5][:, :12])
    np.testing.assert_allclose(shown[:, 12:], first.layer.data[5][:, 12:])

    widget.compare.link_check.setChecked(True)
    first.layer.contrast_limits = (20, 90)
    assert tuple(movie.contrast_limits) == (20, 90)
    widget.compare.link_check.setChecked(False)

    # a part of the residual, in a file
    widget.movie.first_frame.setValue(2)
    widget.movie.last_frame.setValue(6)
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


def test_a_wheel_in_passing_changes_nothing(
    dock: Callable[..., Any], movie: Image, noisy: np.ndarray
) -> None:
    other = Image(noisy, name="others", axis_labels=("t", "y", "x"))
    _, widget = dock(movie, other)
    controls = (
        widget.movie.layer_box,
        widget.settings.model_box,
        widget.settings.minutes_spin,
        widget.settings.seed_spin,
        widget.compare.slider,
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
    assert not widget.settings.seed_spin.isVisible()
    widget.settings.advanced.expand(animate=False)
    assert widget.settings.seed_spin.isVisibleTo(widget)


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
    widget._take(model(), "read from a file")
    widget.denoise()
    filled(qtbot, widget, 1)
    text = widget.result.message.text()
    assert text.startswith("Do not trust the result for cells. The noise is ten times")
    assert "is denoised" not in text


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
    assert widget._may_change() is agrees
    if not agrees:
        box.setCurrentIndex(wanted)
        box.activated.emit(wanted)
        assert widget.movie.layer == before
        assert box.currentText() == before.name
    monkeypatch.undo()
