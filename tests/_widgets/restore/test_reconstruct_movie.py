"""The dock and movies of which not all was measured: scans, borders, masks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.layers import Image, Labels

import napari_udvd as nu
from napari_udvd import jobs as _jobs
from napari_udvd._widgets.restore.words import WORDS
from napari_udvd._widgets.shared.session import session_of
from napari_udvd.scanning import make_mask
from napari_udvd.simulation import simulate
from napari_udvd.tasks import TASKS
from napari_udvd.training import estimate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from napari_udvd._widgets import DenoiseMovie

FRAMES, SHAPE = 12, (48, 48)


@pytest.fixture(autouse=True)
def no_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not time networks each time that something else is said of a movie."""
    monkeypatch.setattr(estimate, "denoising_seconds", lambda *_: iter(()))


@pytest.fixture(scope="module")
def scene() -> tuple[np.ndarray, np.ndarray]:
    """Noisy frames and their truth, float32."""
    made = simulate("nuclei", frames=FRAMES, shape=SHAPE, photons=20, seed=1)
    noisy, truth = (np.asarray(s.read(), np.float32) for s in (made.noisy, made.truth))
    return noisy, truth


def error(found: Any, truth: np.ndarray) -> float:
    """Root mean squared distance."""
    return float(np.sqrt(np.mean((np.asarray(found) - truth) ** 2)))


def choose_task(dock: DenoiseMovie, task: str) -> None:
    """Choose in the box, as a user does."""
    box = dock.task.section.box
    box.setCurrentIndex(box.findData(task))
    box.activated.emit(box.currentIndex())


def filled(qtbot: QtBot, dock: DenoiseMovie, count: int = 1) -> None:
    def are_filled() -> bool:
        results = dock.delivery.results
        return len(results) == count and all(each.is_complete for each in results)

    qtbot.waitUntil(are_filled, timeout=60_000)
    qtbot.waitUntil(lambda: not dock.delivery.is_filling, timeout=10_000)


def test_every_task_has_words() -> None:
    assert set(WORDS) == set(TASKS)


def test_a_scan_is_filled_as_soon_as_it_is_there_then_by_what_it_teaches(
    dock: Callable[..., Any],
    qtbot: QtBot,
    scene: tuple[np.ndarray, np.ndarray],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    noisy, truth = scene
    mask = np.asarray(make_mask("blue-noise", FRAMES, SHAPE, share=0.3))
    sparse = Image(np.where(mask, noisy, np.nan), name="scan")
    viewer, widget = dock(sparse)
    assert widget.task.name == "reconstruct"
    assert "A sparse scan" in widget.task.section.note.text()
    assert widget.result.denoise_button.text() == "Reconstruct"
    # a guess that knows the mean grey level alone
    empty = error(np.nanmean(sparse.data), truth)

    preview = widget.trainer.preview
    qtbot.waitUntil(lambda: preview.layer is not None, timeout=30_000)
    viewer.dims.set_current_step(0, 7)
    qtbot.waitUntil(lambda: preview.layer.translate[0] == 7, timeout=30_000)
    qtbot.waitUntil(lambda: not widget.task.looks.is_busy, timeout=10_000)
    place = tuple(
        slice(int(start), int(start) + length)
        for start, length in zip(
            preview.layer.translate, preview.layer.data.shape, strict=True
        )
    )
    assert error(preview.layer.data, truth[place]) < 0.7 * empty

    train = _jobs.train_movies
    monkeypatch.setattr(
        _jobs,
        "train_movies",
        lambda stacks, values, *more, **how: train(
            stacks, {**values, "steps": 3}, *more, **how
        ),
    )
    widget.settings.std_check.setChecked(True)
    widget.training.train_button.click()
    assert not widget.task.looks.is_on  # what is learned is shown in its place
    qtbot.waitUntil(lambda: not widget.trainer.is_running, timeout=60_000)
    assert widget.denoiser is not None, widget.training.message.text()
    assert widget.denoiser.task == "reconstruct"
    filled(qtbot, widget)
    (result,) = widget.delivery.results
    assert result.layer.name == "scan (reconstructed)"
    found, std = np.asarray(result.layer.data), np.asarray(result.std_layer.data)
    assert np.isfinite(found).all() and (std > 0).all()
    assert error(found, truth) < 0.5 * empty
    assert std[~mask].mean() > std[mask].mean()  # which had a pixel to go by
    assert not preview.layer.visible
    assert "scan is reconstructed" in widget.result.message.text()

    widget.result.what_box.setCurrentIndex(widget.result.what_box.findData("std"))
    widget.export_to(tmp_path / "std.ome.tif")
    qtbot.waitUntil(lambda: not widget.delivery.is_exporting, timeout=60_000)
    written = nu.open(tmp_path / "std.ome.tif").read()
    np.testing.assert_allclose(written, std, rtol=1e-5)


def test_borders_that_registration_left_are_filled_if_asked(
    dock: Callable[..., Any],
    qtbot: QtBot,
    scene: tuple[np.ndarray, np.ndarray],
    rest: Callable[[DenoiseMovie], None],
) -> None:
    noisy, truth = scene
    registered = noisy.copy()
    for t in range(FRAMES):  # a drift to and fro
        registered[t, : t % 5] = registered[t, :, 44 + t % 5 :] = np.nan
    holes = np.isnan(registered)
    _, widget = dock(Image(registered, name="registered"))
    assert widget.task.name == "denoise"
    widget.denoise_now()
    filled(qtbot, widget)
    np.testing.assert_array_equal(
        np.isnan(widget.delivery.results[0].layer.data), holes
    )

    choose_task(widget, "reconstruct")
    assert "cannot reconstruct" in widget.result.model_message.text()
    widget.denoise()
    assert len(widget.delivery.results) == 1  # it would leave the holes
    assert "the task 'denoise'" in widget.result.message.text()
    rest(widget)
    assert widget.task.name == "reconstruct"  # whatever would suit the movie
    widget.denoise_now()
    filled(qtbot, widget, count=2)
    found = np.asarray(widget.delivery.results[1].layer.data)
    assert np.isfinite(found).all()
    empty = np.sqrt(np.mean((truth[holes] - np.nanmean(registered)) ** 2))
    assert error(found[holes], truth[holes]) < 0.7 * empty


def test_a_mask_and_a_value_say_what_was_not_measured(
    dock: Callable[..., Any],
    qtbot: QtBot,
    scene: tuple[np.ndarray, np.ndarray],
    rest: Callable[[DenoiseMovie], None],
) -> None:
    pixels = scene[0].astype(np.uint16)
    mask = np.asarray(make_mask("random", FRAMES, SHAPE, share=0.4))
    scan = Labels(mask.astype(np.uint8), name="visited")
    small = Labels(np.ones((5, 5), np.uint8), name="small")
    viewer, widget = dock(scan, small, Image(np.where(mask, pixels, 0), name="zeros"))
    measured = widget.movie.measured
    assert widget.task.name == "denoise"  # zeros may be grey levels

    measured.choose(viewer.layers["visited"])
    rest(widget)
    assert widget.task.name == "reconstruct"
    np.testing.assert_array_equal(widget.movie.stack.read_mask(), mask)
    # and other docks know of it before there is a result
    known = session_of(viewer).what(viewer.layers["zeros"]).stack.read_mask()
    np.testing.assert_array_equal(known, mask)
    assert "of the pixels were measured, by the mask" in (
        widget.noise.section.numbers.text()
    )
    viewer.layers["visited"].paint((5, 20, 20), 1)
    rest(widget)
    assert widget.movie.stack.read_mask()[5, 20, 20]

    measured.choose(viewer.layers["small"])
    assert widget.movie.stack is None
    assert "the mask has the shape (5, 5)" in measured.message.text()
    assert not widget.training.train_button.isEnabled()

    viewer.layers.remove("small")
    assert widget.movie.stack is not None and widget.movie.stack.mask is None
    for typed, said in (("black", "'black'; type a number"), ("0.5", "never be 0.5")):
        measured.value_edit.setText(typed)
        measured.value_edit.editingFinished.emit()
        assert said in measured.message.text()
    measured.value_edit.setText("0")
    measured.value_edit.editingFinished.emit()
    rest(widget)
    assert widget.task.name == "reconstruct" and measured.message.text() == ""
    known = widget.movie.stack.read_mask()
    np.testing.assert_array_equal(known, np.where(mask, pixels, 0) != 0)

    measured.value_edit.clear()
    measured.value_edit.editingFinished.emit()
    rest(widget)
    assert widget.task.name == "denoise"
    choose_task(widget, "reconstruct")
    rest(widget)
    widget.training.train_button.click()
    qtbot.waitUntil(lambda: not widget.trainer.is_running, timeout=20_000)
    assert "there is nothing to reconstruct" in widget.training.message.text()
    measured.choose(viewer.layers["visited"])
    assert widget.task.chosen == "reconstruct"  # for the same movie, as it was
