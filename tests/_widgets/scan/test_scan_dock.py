"""The dock that plans a scan: its mask, its files, and the scan of an open movie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.layers import Image, Labels

from napari_udvd.scanning import make_mask

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from napari_udvd._widgets import ScanDock


@pytest.fixture
def plan(
    viewer_of: Callable[..., Any], qtbot: QtBot
) -> Callable[..., tuple[Any, ScanDock]]:
    """Open the dock in a viewer that holds some layers."""

    def open_dock(*layers: Any) -> tuple[Any, ScanDock]:
        viewer = viewer_of(*layers)
        _, dock = viewer.window.add_plugin_dock_widget("napari-udvd", "Plan a scan")
        at_rest(qtbot, dock)
        return viewer, dock

    return open_dock


def at_rest(qtbot: QtBot, dock: ScanDock) -> None:
    qtbot.waitUntil(lambda: not dock.is_busy, timeout=30_000)


def labels(viewer: Any) -> list[Labels]:
    return [layer for layer in viewer.layers if isinstance(layer, Labels)]


def test_a_scan_is_planned_shown_tried_and_written(
    plan: Callable[..., Any], qtbot: QtBot, noisy: np.ndarray, tmp_path: Path
) -> None:
    how = {"scale": (2.0, 0.5, 0.5), "units": ("s", "µm", "µm"), "translate": (0, 3, 4)}
    viewer, dock = plan(Image(noisy, name="cells", axis_labels=("t", "y", "x"), **how))
    movie = viewer.layers[0]
    assert dock.movie.layer == movie and not labels(viewer)
    assert "20 % of the pixels of 12 frames of 48 x 48" in dock.actions.told.text()

    dock.pattern.choose("rows")
    dock.pattern.own["rows"].set_values({"every": 4, "shift": 1})
    dock.pattern.times.set_values({"flyback": 10.0})
    dock.actions.show_check.setChecked(True)
    assert not dock.actions.save_button.isEnabled()  # what was planned is out of date
    at_rest(qtbot, dock)
    mask = make_mask("rows", 12, (48, 48), every=4, shift=1)
    (layer,) = labels(viewer)
    np.testing.assert_array_equal(layer.data, np.asarray(mask))
    np.testing.assert_array_equal(layer.scale, movie.scale)
    np.testing.assert_array_equal(layer.translate, movie.translate)
    assert "75 % saved" in dock.actions.told.text()  # dose, and time of whole rows
    assert viewer.layers.selection.active == movie

    for suffix in ("npy", "csv"):
        dock.save_to(tmp_path / f"mask.{suffix}")
        at_rest(qtbot, dock)
        assert f"mask.{suffix}" in dock.actions.message.text()
    np.testing.assert_array_equal(np.load(tmp_path / "mask.npy"), np.asarray(mask))
    x, y, t = np.loadtxt(tmp_path / "mask.csv", int, delimiter=",", skiprows=1).T
    visited = np.zeros(mask.shape, bool)
    visited[t, y, x] = True
    np.testing.assert_array_equal(visited, np.asarray(mask))
    dock.save_to(tmp_path / "mask.npy")
    at_rest(qtbot, dock)
    assert "exists" in dock.actions.message.text()  # nothing is replaced unasked

    dock.actions.simulate_button.click()
    at_rest(qtbot, dock)
    sparse = viewer.layers[-1]
    assert sparse.name == "cells (rows scan)" and not layer.visible
    expected = np.where(np.asarray(mask), noisy, np.nan).astype(np.float32)
    np.testing.assert_array_equal(sparse.data, expected)
    np.testing.assert_array_equal(sparse.translate, movie.translate)
    assert sparse.units == movie.units
    assert dock.movie.layer == movie  # another scan is one of the full movie, too

    dock.actions.compare_button.click()
    at_rest(qtbot, dock)
    assert "Most even: blue-noise" in dock.actions.table.text()


def test_the_centre_is_picked_and_what_is_wrong_is_said(
    plan: Callable[..., Any], qtbot: QtBot, noisy: np.ndarray
) -> None:
    movie = Image(noisy, name="cells", scale=(1, 0.5, 0.5), translate=(0, 3, 4))
    viewer, dock = plan(movie)
    dock.pattern.choose("foveated")
    dock.pattern.own["foveated"].set_values({"inner_radius": 4, "outer_radius": 8})
    dock.pattern.pick_button.click()
    viewer_movie = viewer.layers[0]
    dock._picker.picked.emit(tuple(viewer_movie.data_to_world((5, 12, 30))))
    at_rest(qtbot, dock)
    assert dock.plan.mask.pattern.centre == ((12.0, 30.0),)
    seen = np.asarray(dock.plan.mask).mean(axis=0)
    assert seen[10:15, 28:33].mean() > 0.9 > 0.3 > seen[35:].mean()
    dock._picker.picked.emit(tuple(viewer_movie.data_to_world((5, -7, 99))))
    at_rest(qtbot, dock)
    assert dock.plan.mask.pattern.centre == ((0.0, 47.0),)  # not outside

    dock.pattern.choose("rows")
    assert not dock._picker.is_armed
    dock.pattern.common.set_values({"share": 0.3})
    at_rest(qtbot, dock)
    assert dock.plan is None and dock.actions.told.text() == ""
    assert "share is 0.3; whole rows are one in so many" in dock.actions.message.text()
    assert not dock.actions.simulate_button.isEnabled()
    dock.actions.compare_button.click()
    at_rest(qtbot, dock)
    assert "rows: share is 0.3" in dock.actions.table.text()

    dock.pattern.choose("random")
    dock.movie.choose(None)
    for name, value in {"frames": 5, "rows": 30, "columns": 20}.items():
        dock.movie.spins[name].setValue(value)
    dock.actions.show_check.setChecked(True)
    at_rest(qtbot, dock)
    assert not dock.actions.simulate_button.isEnabled()
    assert dock.actions.message.isHidden()
    expected = np.asarray(make_mask("random", 5, (30, 20), share=0.3))
    np.testing.assert_array_equal(labels(viewer)[0].data, expected)
