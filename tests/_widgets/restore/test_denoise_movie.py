"""The dock in a real viewer: the whole path, and what goes wrong on the way."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from napari.layers import Image
from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QMessageBox

import napari_udvd as nu
from napari_udvd import jobs as _jobs
from napari_udvd._napari import sample_data
from napari_udvd.inference.restorer import Denoiser
from napari_udvd.metrics import psnr
from napari_udvd.training.checkpoint import read_header
from napari_udvd.training.learner import Learner
from tiny import tiny_calibration, tiny_center_blind

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from napari_udvd._widgets import DenoiseMovie

LONG = 60.0
"""Minutes that no test waits for."""


@pytest.fixture(autouse=True)
def no_question(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not let a test that fails while training wait for an answer for ever."""
    close = QMessageBox.StandardButton.Close
    monkeypatch.setattr(QMessageBox, "question", lambda *_: close)


@pytest.fixture
def movie(noisy: np.ndarray) -> Image:
    return Image(
        noisy,
        name="cells",
        scale=(2.0, 0.5, 0.5),
        units=("s", "µm", "µm"),
        axis_labels=("t", "y", "x"),
        translate=(0.0, 3.0, 4.0),
    )


def begin(qtbot: QtBot, dock: DenoiseMovie, minutes: float = LONG) -> None:
    """Press Train and wait for the first steps."""
    dock.settings.minutes_spin.setValue(minutes)
    dock.training.train_button.click()
    assert dock.trainer.is_running

    def has_begun() -> bool:
        if not dock.trainer.is_running and not steps(dock):
            pytest.fail(f"no step was taken: {dock.training.message.text()}")
        return dock.training.bar.value() > 0 or steps(dock)

    qtbot.waitUntil(has_begun, timeout=60_000)


@pytest.fixture(autouse=True)
def trains_with(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let a training have settings that the dock does not offer.

    Results are of one view: eight of them take eight times as long.
    """
    train = _jobs.train_movies

    def patch(**more: Any) -> None:
        def trained(stack: Any, values: Any, *given: Any, **how: Any) -> Any:
            values = {"self_ensemble": False, **values, **more}
            return train(stack, values, *given, **how)

        monkeypatch.setattr(_jobs, "train_movies", trained)

    patch()
    return patch


def steps(dock: DenoiseMovie) -> bool:
    return bool(dock.training.plot._steps)


def ended(qtbot: QtBot, dock: DenoiseMovie, timeout: int = 60_000) -> None:
    qtbot.waitUntil(lambda: not dock.trainer.is_running, timeout=timeout)


def filled(qtbot: QtBot, dock: DenoiseMovie) -> None:
    def is_filled() -> bool:
        results = dock.delivery.results
        return bool(results) and all(each.is_complete for each in results)

    qtbot.waitUntil(is_filled, timeout=60_000)
    qtbot.waitUntil(lambda: not dock.delivery.is_filling, timeout=10_000)


def exported(qtbot: QtBot, dock: DenoiseMovie) -> None:
    qtbot.waitUntil(lambda: not dock.delivery.is_exporting, timeout=60_000)


def trained(qtbot: QtBot, dock: DenoiseMovie) -> None:
    """Train for as short as can be, and denoise."""
    begin(qtbot, dock)
    dock.training.stop_button.click()
    ended(qtbot, dock)
    filled(qtbot, dock)


def untrained() -> Denoiser:
    """Return a model for tests in which it does not matter how it came about."""
    return Denoiser(tiny_center_blind(), (tiny_calibration(),))


def denoised(qtbot: QtBot, dock: DenoiseMovie) -> None:
    dock.model.take(untrained(), "of a test")
    dock.denoise()
    filled(qtbot, dock)


@pytest.mark.slow
def test_from_a_sample_to_an_exported_file(
    make_napari_viewer_proxy: Callable[..., Any],
    qtbot: QtBot,
    rest: Callable[[DenoiseMovie], None],
    tmp_path: Path,
    trains_with: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sample_data, "_FRAMES", 12)
    monkeypatch.setattr(sample_data, "_SHAPE", (72, 64))
    viewer = make_napari_viewer_proxy(show=True)
    viewer.open_sample("napari-udvd", "nuclei")
    noisy, truth = viewer.layers
    _, dock = viewer.window.add_plugin_dock_widget("napari-udvd", "Denoise movie")
    rest(dock)
    # the sample's truth is not what gets denoised
    assert dock.movie.layer.name == noisy.name
    assert "12 frames, 72 x 64" in dock.movie.summary.text()
    assert "fit to be denoised" in dock.noise.section.sentence.text()

    trains_with(steps=6)  # it ends by itself, however busy the machine is
    begin(qtbot, dock)
    qtbot.waitUntil(lambda: dock.trainer.preview.layer is not None, timeout=30_000)
    assert dock.training.pause_button.isEnabled()
    ended(qtbot, dock)
    assert not dock.trainer.preview.layer.visible
    filled(qtbot, dock)
    (result,) = dock.delivery.results
    denoised = np.asarray(result.layer.data)
    clean = np.asarray(truth.data)
    assert psnr(clean, denoised) > psnr(clean, np.asarray(noisy.data)) + 8
    for attribute in ("scale", "translate"):
        np.testing.assert_array_equal(
            getattr(result.layer, attribute), getattr(noisy, attribute)
        )
    assert result.layer.units == noisy.units
    assert result.layer.axis_labels == noisy.axis_labels
    low, high = result.layer.contrast_limits
    assert denoised.min() <= low < high <= denoised.max() + 1

    for name, dtype in (("out.ome.tif", "input"), ("out.ome.zarr", "float32")):
        dock.result.dtype_box.setCurrentIndex(dock.result.dtype_box.findData(dtype))
        dock.export_to(tmp_path / name)
        exported(qtbot, dock)
        assert str(tmp_path / name) in dock.result.message.text()
        written = nu.open(tmp_path / name)
        assert written.axes == "TYX"
        assert written.dtype == (noisy.data.dtype if dtype == "input" else np.float32)
        assert dict(written.scale) == dict(dock.movie.stack.scale)
        assert dict(written.units) == dict(dock.movie.stack.units)
        tolerance = 0.5 if dtype == "input" else 1e-3
        np.testing.assert_allclose(written.read(), denoised, atol=tolerance)

    dock.save_model_to(tmp_path / "cells")
    qtbot.waitUntil((tmp_path / "cells.safetensors").exists, timeout=10_000)
    qtbot.waitUntil(lambda: not dock.model.is_busy, timeout=10_000)
    dock.load_model_from(tmp_path / "cells.safetensors")
    qtbot.waitUntil(
        lambda: "read from" in dock.result.model_message.text(), timeout=10_000
    )


def test_no_time_to_train_is_said_at_the_end(
    dock: Callable[..., Any],
    qtbot: QtBot,
    movie: Image,
    trains_with: Callable[..., None],
    notified: list[str],
) -> None:
    _, widget = dock(movie)
    trains_with(minutes=1e-5)
    widget.training.train_button.click()
    ended(qtbot, widget)
    text = widget.training.message.text()
    assert "No time was left to train; give it more." in text
    assert "The shipped weights are used as they are." in text
    assert "did not make them better" not in text
    assert any("No time was left to train" in words for words in notified)
    filled(qtbot, widget)  # they are of use all the same


def test_pause_resume_stop(
    dock: Callable[..., Any], qtbot: QtBot, movie: Image, tmp_path: Path
) -> None:
    _, widget = dock(movie)
    widget.settings.common.set_values({"likelihood": False})
    widget.settings.common.set_values({"from_scratch": True})
    begin(qtbot, widget)
    widget.training.pause_button.click()
    assert not widget.training.pause_button.isEnabled()  # until the state is saved
    ended(qtbot, widget)
    (checkpoint,) = (tmp_path / "cache").glob("*.checkpoint")
    before = read_header(checkpoint)["step"]
    assert before > 0
    assert widget.training.pause_button.text() == "Resume"
    assert widget.denoiser is not None
    assert not widget.delivery.results  # nothing is denoised unasked
    assert widget.result.denoise_button.isEnabled()

    # the settings are those of the run, whatever they are by now
    widget.settings.common.set_values({"likelihood": True})
    widget.settings.common.set_values({"from_scratch": False})
    widget.training.pause_button.click()
    qtbot.waitUntil(lambda: steps(widget), timeout=30_000)
    widget.training.stop_button.click()
    ended(qtbot, widget)
    assert read_header(checkpoint)["step"] > before
    filled(qtbot, widget)  # stopping means: use it
    assert not widget.denoiser.net.likelihood


def test_train_again_keeps_what_was_paused(
    dock: Callable[..., Any], qtbot: QtBot, movie: Image, tmp_path: Path
) -> None:
    _, widget = dock(movie)
    box = widget.training.states_box
    begin(qtbot, widget)
    widget.training.pause_button.click()
    ended(qtbot, widget)
    (first,) = (tmp_path / "cache").glob("*.checkpoint")
    paused = first.read_bytes()
    assert not box.isVisible()  # there is nothing to choose

    widget.settings.common.set_values({"likelihood": False})
    begin(qtbot, widget)  # anew
    widget.training.pause_button.click()
    ended(qtbot, widget)
    assert first.read_bytes() == paused
    assert len(list((tmp_path / "cache").glob("*.checkpoint"))) == 2
    assert box.isVisible()
    assert box.count() == 2
    assert widget.training.state_chosen.path != first  # the newest

    box.setCurrentIndex(1)
    assert widget.training.state_chosen.path == first
    before = read_header(first)["step"]
    widget.training.pause_button.click()  # Resume
    qtbot.waitUntil(lambda: steps(widget), timeout=30_000)
    widget.training.pause_button.click()
    ended(qtbot, widget)
    assert read_header(first)["step"] > before
    assert widget.denoiser.net.likelihood  # it is the first that went on
    assert box.count() == 2
    assert widget.training.state_chosen.path == first  # now the newest


def test_all_that_was_paused_is_found_again(
    dock: Callable[..., Any],
    qtbot: QtBot,
    movie: Image,
    rest: Callable[[DenoiseMovie], None],
) -> None:
    viewer, widget = dock(movie)
    for _ in range(2):
        begin(qtbot, widget)
        widget.training.pause_button.click()
        ended(qtbot, widget)
    viewer.window.remove_dock_widget(widget)
    _, again = viewer.window.add_plugin_dock_widget("napari-udvd", "Denoise movie")
    rest(again)
    assert again.training.states_box.count() == 2
    assert "2 trainings of this movie are kept" in again.training.message.text()


def test_the_preview_is_of_what_is_on_view(
    dock: Callable[..., Any], qtbot: QtBot, movie: Image
) -> None:
    viewer, widget = dock(movie)
    begin(qtbot, widget)
    for frame in (3, 9):
        viewer.dims.set_current_step(0, frame)
        qtbot.waitUntil(
            lambda frame=frame: (
                widget.trainer.preview.layer is not None
                and widget.trainer.preview.layer.translate[0] == 2.0 * frame
            ),
            timeout=30_000,
        )
    # one pixel of the preview lies on one of the movie
    preview = widget.trainer.preview.layer
    (_, top, left), (_, bottom, right) = widget.movie.layer.corner_pixels
    rows, columns = slice(top, bottom + 1), slice(left, right + 1)
    seen = movie.data[9, rows, columns]
    assert preview.data.shape == (1, *seen.shape)
    np.testing.assert_allclose(preview.translate, (18, 3 + 0.5 * top, 4 + 0.5 * left))
    np.testing.assert_allclose(preview.scale, movie.scale)
    assert np.std(seen - preview.data[0]) < np.std(seen)  # denoised, and of this frame
    viewer.scene.camera.zoom *= 4
    qtbot.waitUntil(
        lambda: widget.trainer.preview.layer.data.shape[1] < len(seen) / 2,
        timeout=30_000,
    )
    widget.training.stop_button.click()
    ended(qtbot, widget)


@pytest.mark.parametrize("what", ["remove", "data"])
def test_a_movie_that_goes_away_ends_the_training(
    dock: Callable[..., Any],
    qtbot: QtBot,
    movie: Image,
    tmp_path: Path,
    notified: list[str],
    what: str,
) -> None:
    viewer, widget = dock(movie)
    begin(qtbot, widget)
    if what == "remove":
        viewer.layers.remove(widget.movie.layer)
    else:
        widget.movie.layer.data = np.flip(movie.data, 0)
    ended(qtbot, widget)
    assert list((tmp_path / "cache").glob("*.checkpoint"))
    assert any("saved" in text for text in notified)
    assert "saved" in widget.training.message.text()
    assert widget.trainer.preview.layer is None
    if what == "remove":
        assert not widget.training.train_button.isEnabled()
        viewer.add_image(np.array(movie.data), axis_labels=("t", "y", "x"))
    qtbot.waitUntil(widget.training.train_button.isEnabled, timeout=30_000)
    if what == "remove":  # the same pixels: what was learned is found again
        qtbot.waitUntil(
            lambda: widget.training.pause_button.text() == "Resume", timeout=30_000
        )


def test_what_does_not_disturb_a_training(
    dock: Callable[..., Any], qtbot: QtBot, movie: Image
) -> None:
    """To ask for a second one, to choose the same movie again, and to rename it."""
    _, widget = dock(movie)
    begin(qtbot, widget)
    assert not widget.training.train_button.isEnabled()
    before = widget.trainer._worker
    widget.train()
    assert widget.trainer._worker is before

    widget.movie.layer_box.activated.emit(widget.movie.layer_box.currentIndex())
    assert not widget.trainer.is_ending

    widget.movie.layer.name = "other cells"
    assert widget.movie.layer_box.currentText() == "other cells"
    assert not widget.trainer.is_ending
    widget.training.stop_button.click()
    ended(qtbot, widget)
    filled(qtbot, widget)
    assert widget.delivery.results[0].layer.name == "other cells (denoised)"


def test_closing_the_dock_saves_the_training(
    dock: Callable[..., Any],
    qtbot: QtBot,
    movie: Image,
    tmp_path: Path,
    notified: list[str],
    rest: Callable[[DenoiseMovie], None],
) -> None:
    viewer, widget = dock(movie)
    begin(qtbot, widget)
    viewer.window.remove_dock_widget(widget)
    assert any("Resume" in text for text in notified)
    qtbot.waitUntil(lambda: not _threads(), timeout=30_000)
    (checkpoint,) = (tmp_path / "cache").glob("*.checkpoint")
    assert read_header(checkpoint)["step"] > 0
    assert [layer.name for layer in viewer.layers] == ["cells"]
    _, again = viewer.window.add_plugin_dock_widget("napari-udvd", "Denoise movie")
    rest(again)
    assert again.training.pause_button.text() == "Resume"
    assert "Resume" in again.training.message.text()


@pytest.mark.usefixtures("own_viewer")
def test_closing_the_window_asks_once_and_saves(
    dock: Callable[..., Any],
    qtbot: QtBot,
    movie: Image,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    notified: list[str],
) -> None:
    viewer, widget = dock(movie)
    window = widget._window

    class Refuse(QObject):
        def eventFilter(self, watched: Any, event: Any) -> bool:
            if event.type() == QEvent.Type.Close:
                event.ignore()
                return True
            return False

    refuse = Refuse()
    window.installEventFilter(refuse)  # asked first, as the last one that was added
    window.close()
    assert window.isVisible()
    window.removeEventFilter(refuse)
    assert not widget._is_shut_down  # a viewer that stays keeps the dock
    assert widget.training.train_button.isEnabled()

    begin(qtbot, widget)
    asked: list[str] = []
    answer = QMessageBox.StandardButton.Cancel

    def question(_parent: Any, title: str, *_: Any) -> Any:
        asked.append(title)
        return answer

    monkeypatch.setattr(QMessageBox, "question", question)
    window.close()
    assert len(asked) == 1
    assert window.isVisible()
    assert not widget.trainer.is_ending
    answer = QMessageBox.StandardButton.Close
    window.close()
    assert len(asked) == 2
    assert not _threads()  # it has waited for the state to be saved
    (checkpoint,) = (tmp_path / "cache").glob("*.checkpoint")
    assert read_header(checkpoint)["step"] > 0
    viewer.close()  # the window alone leaves parts of the viewer


def test_a_training_that_fails(
    dock: Callable[..., Any],
    qtbot: QtBot,
    movie: Image,
    monkeypatch: pytest.MonkeyPatch,
    notified: list[str],
) -> None:
    _, widget = dock(movie)

    def out_of_memory(*_: Any) -> float:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    def wrong(*_: Any) -> float:
        raise KeyError("weights")

    def diverged(*_: Any) -> float:
        return float("nan")

    # one after the other: it can be used again after each
    for learn, expected in (
        (out_of_memory, "ran out of memory"),
        (wrong, "weights"),
        (diverged, "not finite"),
    ):
        notified.clear()
        with monkeypatch.context() as patch:
            patch.setattr(Learner, "learn", learn)
            widget.settings.minutes_spin.setValue(LONG)
            widget.training.train_button.click()
            ended(qtbot, widget)
        assert expected in widget.training.message.text()
        assert any(expected in text for text in notified)
        assert widget.training.train_button.isEnabled()
    begin(qtbot, widget)
    widget.training.stop_button.click()
    ended(qtbot, widget)


def test_an_export_that_cannot_be_written(
    dock: Callable[..., Any], qtbot: QtBot, movie: Image, tmp_path: Path
) -> None:
    _, widget = dock(movie)
    denoised(qtbot, widget)
    missing = tmp_path / "no" / "such" / "folder" / "out.ome.tif"
    widget.export_to(missing)
    exported(qtbot, widget)
    assert "does not exist" in widget.result.message.text()
    there = tmp_path / "there.ome.tif"
    there.write_bytes(b"precious")
    widget.export_to(there)
    exported(qtbot, widget)
    assert "exists" in widget.result.message.text()
    assert there.read_bytes() == b"precious"
    widget.export_to(tmp_path / "out.ome.tif")
    exported(qtbot, widget)
    assert nu.open(tmp_path / "out.ome.tif").n_frames == 12


def test_cancelling_keeps_frames_and_writes_no_file(
    dock: Callable[..., Any],
    qtbot: QtBot,
    movie: Image,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from napari_udvd.inference import agenda, live_movie

    for module in (agenda, live_movie):
        monkeypatch.setattr(module, "blocks", lambda stack: _one_by_one(stack))
    _, widget = dock(movie)
    widget.model.take(untrained(), "of a test")

    widget.denoise()
    (result,) = widget.delivery.results
    result.progressed.connect(lambda share: widget.result.cancel_button.click())
    qtbot.waitUntil(lambda: not widget.delivery.is_filling, timeout=30_000)
    done = ~np.isnan(np.asarray(result.layer.data)).any(axis=(1, 2))
    assert 0 < done.sum() < 12

    widget.export_to(tmp_path / "out.ome.tif")
    qtbot.waitUntil(lambda: widget.delivery._written > 0, timeout=30_000)
    widget.result.cancel_button.click()
    exported(qtbot, widget)
    if "cancelled" in widget.result.message.text():
        assert list(tmp_path.glob("*.tif")) == []
    else:  # it was quicker than the button
        assert (tmp_path / "out.ome.tif").exists()


def _one_by_one(stack: Any) -> list[tuple[int, int]]:
    return [(t, t + 1) for t in range(stack.n_frames)]


def test_the_result_goes_when_its_layer_goes(
    dock: Callable[..., Any], qtbot: QtBot, movie: Image
) -> None:
    viewer, widget = dock(movie)
    widget.settings.std_check.setChecked(True)
    denoised(qtbot, widget)
    (result,) = widget.delivery.results
    assert np.isfinite(np.asarray(result.std_layer.data)).all()
    viewer.layers.remove(result.layer)
    qtbot.wait(50)
    assert "cells (denoised)" not in viewer.layers
    assert "cells (uncertainty)" not in viewer.layers
    assert not widget.delivery.results
    assert np.isnan(np.asarray(result.layer.data)).all()  # the frames are gone


def test_what_is_ticked_is_what_is_ordered(
    dock: Callable[..., Any],
    qtbot: QtBot,
    movie: Image,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, widget = dock(movie)
    denoised(qtbot, widget)
    ordered: list[dict[str, Any]] = []
    monkeypatch.setattr(widget.delivery, "add", lambda *_, **how: ordered.append(how))
    settings = widget.settings
    boxes = {
        "use_posterior": settings.posterior_check,
        "events": settings.events_check,
        "refine": settings.refine_check,
        "with_std": settings.std_check,
    }
    for name, box in boxes.items():
        widget.orders.denoise()
        before = ordered[-1]
        box.click()
        widget.orders.denoise()
        assert ordered[-1] == before | {name: not before[name]}


def test_compare(dock: Callable[..., Any], qtbot: QtBot, movie: Image) -> None:
    viewer, widget = dock(movie)
    denoised(qtbot, widget)
    layer = widget.delivery.results[0].layer
    for visible in (False, True):
        widget.switch()
        assert layer.visible is visible
    widget.comparing.section.split_check.setChecked(True)
    assert viewer.canvas.grid.enabled
    widget.comparing.section.split_check.setChecked(False)
    assert not viewer.canvas.grid.enabled


def test_apply_to_several_layers(
    dock: Callable[..., Any], qtbot: QtBot, movie: Image, notified: list[str]
) -> None:
    viewer, widget = dock(movie)
    widget.model.take(untrained(), "of a test")
    other = viewer.add_image(np.array(movie.data[:, :40]), name="others")
    points = viewer.add_points(np.zeros((1, 3)), name="marks")
    viewer.layers.selection = {viewer.layers["cells"], other, points}
    widget.apply_to_selected()
    assert any("'marks' is a Points layer" in text for text in notified)
    filled(qtbot, widget)
    assert {each.source.name for each in widget.delivery.results} == {"cells", "others"}
    assert viewer.layers["others (denoised)"].data.shape == (12, 40, 48)


def test_training_on_a_part_denoises_the_whole(
    dock: Callable[..., Any], qtbot: QtBot, movie: Image
) -> None:
    viewer, widget = dock(movie)
    box = np.array([[0, 5, 6], [0, 5, 40], [0, 44, 40], [0, 44, 6]]) * movie.scale
    viewer.add_shapes([box + movie.translate], name="box", units=("s", "µm", "µm"))
    widget.movie.part.region_box.setCurrentIndex(
        widget.movie.part.region_box.findText("box")
    )
    widget.movie.part.first_frame.setValue(2)
    widget.movie.part.last_frame.setValue(10)
    part = widget.movie.training_stack()
    assert part.shape == (9, 40, 35)
    np.testing.assert_array_equal(part.read(), movie.data[2:11, 5:45, 6:41])
    trained(qtbot, widget)
    assert widget.delivery.results[0].layer.data.shape == movie.data.shape
    assert widget.denoiser.record["movies"][0]["shape"] == [9, 40, 35]


def _threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name == "napari-udvd"]


def test_a_movie_chosen_while_the_state_is_saved(
    dock: Callable[..., Any], qtbot: QtBot, movie: Image
) -> None:
    viewer, widget = dock(movie)
    other = viewer.add_image(np.array(movie.data[:, :40]), name="other", visible=False)
    begin(qtbot, widget)
    widget.training.stop_button.click()
    widget.movie.choose(other)
    ended(qtbot, widget)
    qtbot.waitUntil(lambda: not widget.noise.is_measuring, timeout=60_000)
    # what was learned from the one is not used on the other, nor resumed there
    assert not widget.delivery.results
    assert widget.training.pause_button.text() == "Pause"
    widget.movie.choose(viewer.layers["cells"])
    qtbot.waitUntil(
        lambda: widget.training.pause_button.text() == "Resume", timeout=60_000
    )


def test_a_failed_training_can_be_resumed_from_its_last_state(
    dock: Callable[..., Any],
    qtbot: QtBot,
    movie: Image,
    monkeypatch: pytest.MonkeyPatch,
    trains_with: Callable[..., None],
) -> None:
    _, widget = dock(movie)
    trains_with(checkpoint_seconds=1e-6)
    learn, learned = Learner.learn, []

    def fail_later(self: Learner, *given: Any) -> float:
        learned.append(1)
        if len(learned) > 4:
            raise RuntimeError("the driver was reset")
        return learn(self, *given)

    with monkeypatch.context() as patch:
        patch.setattr(Learner, "learn", fail_later)
        widget.settings.minutes_spin.setValue(LONG)
        widget.training.train_button.click()
        ended(qtbot, widget)
    assert "the driver was reset" in widget.training.message.text()
    assert widget.training.pause_button.text() == "Resume"
    widget.training.pause_button.click()
    qtbot.waitUntil(lambda: steps(widget), timeout=30_000)
    widget.training.stop_button.click()
    ended(qtbot, widget)
    assert widget.denoiser.record["steps"] > 4


def test_both_layers_of_a_result_deleted_at_once(
    dock: Callable[..., Any], qtbot: QtBot, movie: Image
) -> None:
    viewer, widget = dock(movie)
    widget.settings.std_check.setChecked(True)
    denoised(qtbot, widget)
    result = widget.delivery.results[0]
    viewer.layers.selection = {result.layer, result.std_layer}
    viewer.layers.remove_selected()
    qtbot.wait(50)
    assert not [
        layer
        for layer in viewer.layers
        if "cells (" in layer.name
        and ("denoised" in layer.name or "uncertainty" in layer.name)
    ]
    assert not widget.delivery.results
