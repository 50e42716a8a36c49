"""The dock that does many movies: in a viewer, with models too small to take time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from napari.layers import Image
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent
from qtpy.QtWidgets import QMessageBox

from napari_udvd._widgets.batch import choices, order
from napari_udvd._widgets.shared.layers import RESULT
from napari_udvd._widgets.shared.session import session_of
from napari_udvd.formats import open_stack
from napari_udvd.inference.restorer import Denoiser
from tiny import learned_from, tiny_calibration, tiny_movie, tiny_net
from written import content, write

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import napari
    from pytestqt.qtbot import QtBot

    from napari_udvd._widgets import BatchDock
    from napari_udvd._widgets.batch.rows import Row

WAITS = 60_000
"""Milliseconds that a machine with much else to do may take."""


class Opened:
    """The dock in a viewer.

    Parameters
    ----------
    viewer, dock
        They.
    qtbot
        Lets the window work.
    """

    def __init__(self, viewer: napari.Viewer, dock: BatchDock, qtbot: QtBot) -> None:
        self.viewer, self.dock, self._qtbot = viewer, dock, qtbot

    def until(self, condition: Callable[[], object]) -> None:
        self._qtbot.waitUntil(lambda: bool(condition()), timeout=WAITS)

    def run(self) -> str:
        """Start, wait for the end, and return what is said."""
        self.dock.run.start_button.click()
        return self.end()

    def end(self) -> str:
        self.until(lambda: not self.dock.runner.is_running)
        return self.dock.run.message.text()

    def states(self) -> list[str]:
        return [row.state for row in self.dock.movies.rows]

    def select(self, *numbers: int) -> None:
        rows = self.dock.movies.rows
        self.dock.movies.refresh([rows[k] for k in numbers])


@pytest.fixture
def batch(viewer_of: Callable[..., Any], qtbot: QtBot) -> Callable[..., Opened]:
    """Open the dock in a viewer that holds some layers."""

    def open_dock(*layers: Any) -> Opened:
        viewer = viewer_of(*layers)
        _, dock = viewer.window.add_plugin_dock_widget("napari-udvd", "Batch")
        opened = Opened(viewer, dock, qtbot)
        opened.until(lambda: dock.is_loaded)
        dock.settings.events_check.setChecked(False)
        dock.settings.refine_check.setChecked(False)
        return opened

    return open_dock


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Save a model that takes all of these movies."""
    net = tiny_net(frames=3, likelihood=True)
    known = learned_from(tiny_movie(4))
    path = tmp_path / "model.safetensors"
    Denoiser(net, (tiny_calibration(),), record=known).save(path)
    return path


@pytest.fixture
def movies(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "movies"
    folder.mkdir()
    return [
        write(folder / f"{name}.ome.tif", tiny_movie(frames, seed=seed))
        for seed, (name, frames) in enumerate((("a", 4), ("b", 24), ("c", 5)))
    ]


def constant(path: Path) -> Path:
    """Write a movie that can be opened, and not denoised."""
    tifffile.imwrite(
        path, np.full((6, 24, 28), 7, np.uint16), imagej=True, metadata={"axes": "TYX"}
    )
    return path


def test_movies_of_a_folder_get_a_result_or_a_reason(
    batch: Callable[..., Opened],
    movies: list[Path],
    model: Path,
    tmp_path: Path,
    notified: list[str],
) -> None:
    flat = constant(movies[0].parent / "flat.tif")
    at = batch()
    dock = at.dock
    assert not dock.run.start_button.isEnabled()  # there is nothing to do yet
    dock.movies.add_paths([movies[0].parent])  # the pattern takes all of it
    names = [row.name for row in dock.movies.rows]
    assert names == ["a.ome.tif", "b.ome.tif", "c.ome.tif", "flat.tif"]
    dock.movies.add_paths(movies)
    assert len(dock.movies.rows) == 4
    assert "3 were in the list already" in dock.movies.message.text()

    dock.model.take(model)
    assert not dock.settings.minutes_spin.isEnabled()  # nothing is trained
    assert "no folder for the results" in at.run()
    dock.output.line.edit.setText(str(tmp_path / "out"))
    said = at.run()
    assert at.states() == ["done", "done", "done", "failed"]
    assert said.startswith("3 done, 1 failed, in ") and said in notified
    at.select(3)
    assert str(flat) in dock.movies.details.text()
    assert "Failed: " in dock.movies.details.text()
    assert "Failed: " in dock.movies.table.item(3, 1).toolTip()
    assert dock.movies.table.item(3, 1).text().startswith("failed: ")
    assert not dock.run.resume_button.isEnabled()

    before = content(tmp_path / "out" / "b.denoised.ome.tif")
    assert at.run().startswith("1 failed, 3 skipped, in ")
    assert at.states() == ["skipped", "skipped", "skipped", "failed"]
    assert content(tmp_path / "out" / "b.denoised.ome.tif") == before

    # what was asked otherwise is not what is there
    at.select(3)
    dock.movies.remove_selected()
    dock.settings.posterior_check.setChecked(False)
    assert at.run().startswith("3 done, in ")
    assert dock.movies.table.item(0, 1).text() == "done anew"
    at.select(0)
    said = dock.movies.details.text()
    assert "was replaced: it was made with use posterior True, not False" in said
    assert content(tmp_path / "out" / "b.denoised.ome.tif") != before
    dock.settings.posterior_check.setChecked(True)
    assert at.run().startswith("3 done, in ")
    assert content(tmp_path / "out" / "b.denoised.ome.tif") == before

    # a double click opens both, once
    for _ in range(2):
        dock.movies.table.cellDoubleClicked.emit(0, 1)
        at.until(lambda: not dock.opening.is_busy)
    assert [layer.name for layer in at.viewer.layers] == ["a", "a (denoised)"]
    assert RESULT in at.viewer.layers[1].metadata
    expected = open_stack(tmp_path / "out" / "a.denoised.ome.tif").read()
    np.testing.assert_array_equal(at.viewer.layers[1].data, expected)


def test_a_stopped_batch_goes_on_with_the_same_bytes(
    batch: Callable[..., Opened],
    movies: list[Path],
    model: Path,
    tmp_path: Path,
    qtbot: QtBot,
) -> None:
    at = batch()
    dock = at.dock
    dock.model.take(model)
    dock.movies.add_paths(movies)
    at.select(2)
    dock.movies.buttons["up"].click()
    assert [row.name[0] for row in dock.movies.rows] == ["a", "c", "b"]
    at.select(1, 2)
    dock.movies.buttons["down"].click()  # there is nothing below
    dock.movies.buttons["up"].click()
    assert [row.name[0] for row in dock.movies.rows] == ["c", "b", "a"]

    def stop(row: Row) -> None:
        if row.name.startswith("b") and row.state == "denoising" and row.share > 0:
            dock.run.stop_button.click()

    dock.runner.row_changed.connect(stop)
    dock.output.line.edit.setText(str(tmp_path / "out"))
    said = at.run()
    dock.runner.row_changed.disconnect(stop)
    assert not list((tmp_path / "out").glob("b*"))
    assert at.states() == ["done", "stopped", "stopped"]
    assert said.startswith("Stopped: 1 done, 2 stopped, in ")
    assert [p.name for p in (tmp_path / "out").glob("*.tif")] == ["c.denoised.ome.tif"]

    dock.settings.posterior_check.setChecked(False)
    assert "name another folder, or choose Replace results" in at.run()
    # what was refused is not what is gone on with
    assert at.states() == ["done", "stopped", "stopped"]
    dock.run.resume_button.click()
    assert at.end().startswith("3 done, in ")
    dock.settings.posterior_check.setChecked(True)
    assert at.states() == ["done"] * 3
    # one after the other, without a stop
    dock.output.line.edit.setText(str(tmp_path / "whole"))
    assert at.run().startswith("3 done, in ")
    assert content(tmp_path / "out") == content(tmp_path / "whole")


def test_what_waits_can_be_moved_and_removed_meanwhile(
    batch: Callable[..., Opened], movies: list[Path], model: Path, tmp_path: Path
) -> None:
    more = write(tmp_path / "d.ome.tif", tiny_movie(4, seed=9))
    at = batch()
    dock = at.dock
    dock.model.take(model)
    dock.output.format_box.setCurrentIndex(dock.output.format_box.findData(".ome.zarr"))
    dock.output.line.edit.setText(str(tmp_path / "out"))
    dock.movies.add_paths([movies[1], movies[0], movies[2], more])
    began: list[str] = []

    def arrange(row: Row) -> None:
        if row.state == "training" and row.name not in began:
            began.append(row.name)
        if began == ["b.ome.tif"] and len(dock.movies.rows) == 4:
            at.select(0, 1)
            dock.movies.remove_selected()  # the one that is worked on stays
            at.select(2)
            dock.movies.move_selected(-1)

    dock.runner.row_changed.connect(arrange)
    said = at.run()
    assert [row.name for row in dock.movies.rows] == began
    assert began == ["b.ome.tif", "d.ome.tif", "c.ome.tif"]
    assert said.startswith("3 done, in ")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        f"{name}.denoised.ome.zarr" for name in "bcd"
    ]  # nothing is left to go on with, and nothing of what was removed


def test_a_layer_is_read_from_its_file_or_written_first(
    batch: Callable[..., Opened],
    movies: list[Path],
    model: Path,
    tmp_path: Path,
    noisy: np.ndarray,
) -> None:
    drawn = Image(noisy, name="made here", axis_labels=("t", "y", "x"))
    at = batch(drawn)
    (opened,) = at.viewer.open(str(movies[0]), plugin="napari-udvd")
    flat = at.viewer.add_image(noisy[0], name="a picture")
    dock = at.dock
    dock.model.take(model)
    dock.output.line.edit.setText(str(tmp_path / "out"))
    at.viewer.layers.selection = set(at.viewer.layers)
    dock.movies.buttons["layers"].click()
    names = [row.name for row in dock.movies.rows]
    assert names == ["made here", opened.name, flat.name]
    assert at.run().startswith("2 done, 1 failed, in ")  # a picture is no movie
    at.select(2)
    dock.movies.buttons["remove"].click()
    made, read = (row.file for row in dock.movies.rows)
    assert made == tmp_path / "out" / "movies" / "made here.ome.tif"
    np.testing.assert_array_equal(open_stack(made).read(), noisy)
    assert read == movies[0]
    # only what was not there yet is opened
    dock.movies.table.cellDoubleClicked.emit(0, 0)
    at.until(lambda: not dock.opening.is_busy)
    assert at.viewer.layers[-1].name == "made here (denoised)"
    assert len(at.viewer.layers) == 4

    # a layer that was changed since is no longer what is in the file
    opened.data = np.asarray(opened.data) + 1
    dock.output.existing_box.setCurrentIndex(1)
    assert at.run().startswith("2 done, in ")
    assert dock.movies.rows[0].file == made
    written = dock.movies.rows[1].file
    assert written == tmp_path / "out" / "movies" / "a.ome.tif"
    np.testing.assert_array_equal(open_stack(written).read(), opened.data)


def test_what_cannot_be_done_is_refused_before_anything_starts(
    batch: Callable[..., Opened],
    movies: list[Path],
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at = batch()
    dock, out = at.dock, tmp_path / "out"
    dock.movies.add_paths(movies[:1])
    dock.output.line.edit.setText(str(out))
    dock.model.take(tmp_path / "none.safetensors")
    assert "none.safetensors" in at.run()
    dock.model.take(model)

    dock.output.line.edit.setText(str(movies[0].parent))
    assert "is that of the movie 'a.ome.tif'" in at.run()
    dock.output.line.edit.setText(str(out))

    other = tmp_path / "other"
    other.mkdir()
    twin = write(other / "a.tif", tiny_movie(4))
    dock.movies.add_paths([twin])
    said = at.run()
    assert str(movies[0]) in said and str(twin) in said and "rename one" in said
    at.select(1)
    dock.movies.remove_selected()

    bad = tmp_path / "bad.tif"
    bad.write_bytes(b"this is no TIFF")
    dock.movies.add_paths([bad])
    said = at.run()
    assert said.startswith("1 movie cannot be read, and nothing was begun")
    assert "bad.tif" in said
    at.select(1)
    dock.movies.remove_selected()

    session = session_of(at.viewer)
    session.update(is_training=True)
    assert "trained in the dock Denoise movie" in at.run()
    session.update(is_training=False)

    monkeypatch.setattr(choices, "has_dask", lambda: False)
    dock.where.choose("workers")
    assert "napari-udvd[cluster]" in dock.where.note.text()
    assert "napari-udvd[cluster]" in at.run()
    monkeypatch.setattr(choices, "has_dask", lambda: True)
    dock.where.choose("scheduler")
    assert dock.where.note.isHidden()
    assert "no address of a scheduler" in at.run()
    assert at.states() == ["waiting"] and not out.exists()


def test_a_scheduler_that_does_not_answer_is_told(
    batch: Callable[..., Opened],
    movies: list[Path],
    model: Path,
    tmp_path: Path,
) -> None:
    pytest.importorskip("distributed")
    at = batch()
    at.dock.model.take(model)
    at.dock.movies.add_paths(movies[:1])
    at.dock.output.line.edit.setText(str(tmp_path / "out"))
    at.dock.where.choose("scheduler")
    at.dock.where.edit.setText(str(tmp_path / "none.json"))
    assert "there is no scheduler file" in at.run()
    assert not (tmp_path / "out").exists()


def test_workers_do_a_batch(
    batch: Callable[..., Opened],
    movies: list[Path],
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("distributed")
    from contextlib import contextmanager

    from dask_workers import in_this_process
    from napari_udvd.runtime import cluster

    asked: list[Any] = []

    @contextmanager
    def workers(*given: Any) -> Any:
        asked.append(given)
        with in_this_process(1) as client:
            yield client

    monkeypatch.setattr(cluster, "computing_on", workers)
    at = batch()
    dock = at.dock
    dock.model.take(model)
    dock.movies.add_paths([*movies, constant(tmp_path / "flat.tif")])
    dock.output.line.edit.setText(str(tmp_path / "out"))
    dock.where.choose("workers")
    dock.where.spin.setValue(2)

    def remove(row: Row) -> None:
        if row.state == "training" and len(dock.movies.rows) == 4:
            assert row.name == "b.ome.tif"  # the largest comes first
            at.select(2)
            dock.movies.remove_selected()

    dock.runner.row_changed.connect(remove)
    assert at.run().startswith("2 done, 1 failed, in ")
    assert asked == [(None, 2)]
    assert at.states() == ["done", "done", "failed"]
    assert "worker inproc" in dock.movies.table.item(0, 1).toolTip()
    assert not (tmp_path / "out" / "c.denoised.ome.tif").exists()


def test_a_training_for_each_movie_is_shown(
    batch: Callable[..., Opened],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(order, "TOLD_EVERY", 0.0)
    at = batch()
    dock = at.dock
    dock.movies.add_paths([write(tmp_path / "b.tif", tiny_movie(10))])
    dock.output.line.edit.setText(str(tmp_path / "out"))
    dock.settings.model_box.setCurrentIndex(dock.settings.model_box.findData("udvd"))
    dock.settings.form.set_values({"width": 4})
    dock.settings.minutes_spin.setValue(0.05)
    seen: list[str] = []
    dock.runner.row_changed.connect(lambda row: seen.append(row.text))
    assert "1 done" in at.run(), dock.movies.rows[0].told
    assert any(text.startswith("training ") and "%" in text for text in seen)
    assert any(text.startswith("denoising ") for text in seen)
    left = [path.name for path in (tmp_path / "out").iterdir()]
    assert left == ["b.denoised.ome.tif"]  # the state of the training is gone


def test_closing_stops_it_and_leaves_nothing_half_written(
    batch: Callable[..., Opened],
    movies: list[Path],
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at = batch()
    dock = at.dock
    dock.model.take(model)
    dock.movies.add_paths([movies[1]])
    dock.output.line.edit.setText(str(tmp_path / "out"))
    asked: list[str] = []

    def refuse(_parent: Any, _title: str, text: str, _buttons: Any) -> Any:
        asked.append(text)
        return QMessageBox.StandardButton.Cancel

    monkeypatch.setattr(QMessageBox, "question", refuse)

    def close(row: Row) -> None:
        if row.state == "denoising" and row.share > 0 and not asked:
            assert not dock.may_close()
            dock.shut_down()

    dock.runner.row_changed.connect(close)
    dock.run.start_button.click()
    at.until(lambda: asked)
    dock.wait()
    assert "Close napari?" in asked[0]
    assert not (tmp_path / "out").exists()


def test_files_are_dropped_on_the_table(
    batch: Callable[..., Opened], movies: list[Path], tmp_path: Path
) -> None:
    at = batch()
    empty = tmp_path / "empty"
    empty.mkdir()
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in (*movies[:2], empty)])
    event = QDropEvent(
        QPointF(5, 5),
        Qt.DropAction.CopyAction,
        data,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    at.dock.movies.table.dropEvent(event)
    assert [row.file for row in at.dock.movies.rows] == movies[:2]
    assert "empty" in at.dock.movies.message.text()
