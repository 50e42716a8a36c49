"""The dock that judges a result, in a real viewer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.layers import Image, Labels, Shapes
from qtpy.QtWidgets import QFileDialog

import napari_udvd as nu
from napari_udvd._widgets import QualityDock
from napari_udvd._widgets.quality import dock as dock_module
from napari_udvd._widgets.quality.dock import REPORT_FILES
from napari_udvd._widgets.quality.questions import judge
from napari_udvd._widgets.shared.layers import RESULT
from napari_udvd._widgets.shared.overlays import OWN
from napari_udvd.simulation import simulate

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import napari
    from napari.layers import Layer
    from pytestqt.qtbot import QtBot

CALIBRATED = {"scale": (2.0, 0.5, 0.5), "units": ("s", "um", "um")}


@pytest.fixture(autouse=True)
def said_aloud(notified: list[str]) -> list[str]:
    """Keep what would be a window of its own."""
    return notified


@pytest.fixture
def opened(
    viewer_of: Callable[..., napari.Viewer],
) -> Callable[..., tuple[napari.Viewer, QualityDock]]:
    def opened(*layers: Layer) -> tuple[napari.Viewer, QualityDock]:
        viewer = viewer_of(*layers)
        _, dock = viewer.window.add_plugin_dock_widget("napari-udvd", "Quality")
        assert isinstance(dock, QualityDock)
        return viewer, dock

    return opened


def layers() -> tuple[Image, Image]:
    """Make a noisy movie, and its truth as the result of another program."""
    movie = simulate("nuclei", frames=12, shape=(48, 48), photons=20, seed=1)
    noisy = Image(movie.noisy.read(), name="movie", **CALIBRATED)
    clean = Image(
        movie.truth.read(), name="clean", metadata={RESULT: True}, **CALIBRATED
    )
    return noisy, clean


def run(qtbot: QtBot, dock: QualityDock) -> None:
    dock.run_button.click()
    qtbot.waitUntil(lambda: not dock.is_judging, timeout=30_000)


def test_a_result_is_judged_shown_and_saved(
    opened: Any, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noisy, clean = layers()
    labels = np.zeros((48, 48), int)
    labels[10:15, 10:15] = 3
    viewer, dock = opened(clean, noisy, Labels(labels, name="cells"))
    assert dock.choices.noisy_box.currentText() == "movie"
    assert dock.choices.result_box.currentText() == "clean"
    assert not dock.save_button.isEnabled()
    dock.choices.regions_box.setCurrentText("cells")
    run(qtbot, dock)
    report = dock.report
    assert report is not None, dock.message.text()
    assert report.verdict.level == "trust", report.verdict
    assert report.noisy == "movie"
    assert report.planes[0].regions[0].name == "3"
    assert report.verdict.summary in dock.verdict.text()
    assert dock.choices.result_box.currentData().name in dock.verdict.text()
    assert dock.figures.isVisible()
    assert not dock.figures.rings.isVisible()  # needs the model

    count = len(viewer.layers)
    dock.maps_button.click()
    dock.maps_button.click()  # replaces them
    added = list(viewer.layers)[count:]
    assert [layer.name for layer in added] == [
        "residual",
        "mean residual",
        "residual / noise",
    ]
    assert all(OWN in layer.metadata for layer in added)
    np.testing.assert_allclose(added[1].scale, (0.5, 0.5))
    assert added[1].data.shape == (48, 48)
    residual = noisy.data[4].astype(np.float32) - clean.data[4]
    np.testing.assert_allclose(np.asarray(added[0].data[4]), residual, atol=1e-3)

    for name, kind in (("page", "Page (*.html)"), ("all.json", "Numbers (*.json)")):
        monkeypatch.setattr(
            QFileDialog,
            "getSaveFileName",
            lambda *_, chosen=(str(tmp_path / name), kind): chosen,
        )
        dock.save_button.click()
    assert kind in REPORT_FILES
    assert (tmp_path / "page.html").read_text("utf-8") == report.to_html()
    found = json.loads((tmp_path / "all.json").read_text("utf-8"))
    assert found["result"] == "clean"
    dock.save_to(tmp_path / "none" / "page.html")
    assert "does not exist" in dock.message.text() or "cannot" in dock.message.text()


@pytest.mark.filterwarnings("ignore:the result is no better")
def test_with_the_model_in_use(opened: Any, qtbot: QtBot) -> None:
    noisy, _ = layers()
    stack = nu.Stack.from_array(noisy.data, "TYX")
    model = nu.train(stack, steps=1, preset="small")
    clean = Image(
        model.denoise(stack, dtype=np.float32, events=False, refine=False),
        name="clean",
        metadata={RESULT: True},
        **CALIBRATED,
    )
    square = np.array([[0, 5, 5], [0, 5, 20], [0, 20, 20], [0, 20, 5]])
    shapes = Shapes([square], shape_type="polygon", name="soma", **CALIBRATED)
    _, dock = opened(noisy, clean, shapes)
    assert not dock.choices.model_check.isEnabled()
    assert dock.choices.model_check.text() == "not known"
    dock._session.update(denoiser=model)
    qtbot.waitUntil(dock.choices.model_check.isEnabled)
    assert model.net.title in dock.choices.model_check.text()
    dock.choices.regions_box.setCurrentText("soma")
    run(qtbot, dock)
    assert dock.report is not None, dock.message.text()
    assert dock.report.model == model.net.title
    assert dock.report.planes[0].resolution is not None
    assert dock.report.planes[0].regions[0].pixels > 150
    assert dock.figures.rings.isVisible()


def test_what_cannot_be_judged_is_said(opened: Any, qtbot: QtBot) -> None:
    viewer, dock = opened()
    dock.run_button.click()
    assert "no movie and its denoised version yet" in dock.message.text()
    noisy, clean = layers()
    viewer.add_layer(noisy)
    qtbot.waitUntil(lambda: dock.choices.noisy_box.count() == 1)
    dock.run_button.click()
    assert "choose two layers" in dock.message.text()
    short = Image(clean.data[:7], name="short", metadata={RESULT: True})
    viewer.add_layer(short)
    qtbot.waitUntil(lambda: dock.choices.result_box.count() == 2)
    dock.choices.result_box.setCurrentText("short")
    run(qtbot, dock)
    assert "one size" in dock.message.text()
    assert dock.report is None
    empty = Shapes(name="nothing")
    viewer.add_layer(empty)
    viewer.add_layer(clean)
    qtbot.waitUntil(lambda: dock.choices.result_box.count() == 3)
    dock.choices.result_box.setCurrentText("clean")
    dock.choices.regions_box.setCurrentText("nothing")
    dock.run_button.click()
    assert "no shape" in dock.message.text()


def test_of_files_the_noisy_one_was_opened_first(opened: Any, qtbot: QtBot) -> None:
    viewer, dock = opened()
    boxes = dock.choices.noisy_box, dock.choices.result_box
    for name in ("noisy", "clean"):
        viewer.add_image(np.zeros((5, 8, 9)), name=name)
    qtbot.waitUntil(lambda: boxes[1].count() == 2)
    assert [box.currentText() for box in boxes] == ["noisy", "clean"]
    boxes[1].setCurrentText("clean")
    boxes[1].activated.emit(1)  # as a user chooses
    viewer.add_image(np.zeros((5, 8, 9)), name="other")
    qtbot.waitUntil(lambda: boxes[1].count() == 3)
    assert [box.currentText() for box in boxes] == ["noisy", "clean"]


def test_it_can_be_cancelled(
    opened: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def until_cancelled(question: Any, cancel: threading.Event) -> Iterator[Any]:
        steps = judge(question, cancel)
        yield next(steps)
        assert cancel.wait(20)
        yield from steps

    monkeypatch.setattr(dock_module, "judge", until_cancelled)
    _, dock = opened(*layers())
    dock.run_button.click()
    qtbot.waitUntil(lambda: dock.progress.value() == 1, timeout=20_000)
    assert not dock.choices.isEnabled()
    dock.cancel_button.click()
    qtbot.waitUntil(lambda: not dock.is_judging, timeout=20_000)
    assert dock.report is None
    assert "Cancelled" in dock.message.text()
    assert dock.run_button.isEnabled()
