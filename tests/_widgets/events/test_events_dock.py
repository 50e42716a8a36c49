"""The dock that finds events: marking, learning, correcting, tables, bad input."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
import tifffile
from napari.layers import Image, Labels, Tracks
from qtpy.QtCore import QPoint, Qt

from napari_udvd._widgets.events.controls import BEGIN_KEY, END_KEY, SUGGEST_KEY
from napari_udvd._widgets.events.strip_view import ROW, RULER
from napari_udvd.spans import Span, f1_within, read_spans, write_spans

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from napari_udvd._widgets import EventsDock

FRAMES, SIZE = 24, 24
PLACE = {"scale": (30.0, 0.5, 0.5), "units": ("s", "µm", "µm")}
CENTRES = {"1": (6, 6), "2": (6, 17), "3": (17, 11)}
FLASHES = {"1": (5, 10), "2": (12, 17), "3": (8, 13)}


class Docked(NamedTuple):
    """The dock, and the viewer that it is in."""

    viewer: Any
    dock: EventsDock

    @property
    def frame(self) -> int:
        return int(self.viewer.dims.current_step[0])

    def see(self, frame: int) -> None:
        self.viewer.dims.set_current_step(0, frame)

    def press(self, key: str) -> None:
        """Press a key on the canvas: what is bound to it is called."""
        bound = {str(keys): action for keys, action in self.viewer.keymap.items()}
        bound[key](self.viewer)


@pytest.fixture(scope="module")
def flashing() -> np.ndarray:
    """Three spots, each of which is bright for five frames."""
    rng = np.random.default_rng(1)
    movie = rng.normal(100, 3, (FRAMES, SIZE, SIZE))
    for name, (y, x) in CENTRES.items():
        movie[:, y - 3 : y + 4, x - 3 : x + 4] += 20
        movie[slice(*FLASHES[name]), y - 3 : y + 4, x - 3 : x + 4] += 60
    return movie.astype(np.float32)


def truth() -> list[Span]:
    found = []
    for name, (start, stop) in FLASHES.items():
        found += [
            Span(name, 0, start, "quiet"),
            Span(name, start, stop, "event"),
            Span(name, stop, FRAMES, "quiet"),
        ]
    return found


def movie_layer(pixels: np.ndarray) -> Image:
    return Image(pixels, name="cells", axis_labels=("t", "y", "x"), **PLACE)


def tracks_layer() -> Tracks:
    rows = [[int(name), t, *at] for name, at in CENTRES.items() for t in range(FRAMES)]
    return Tracks(np.array(rows, float), name="tracks", **PLACE)


@pytest.fixture
def find(viewer_of: Callable[..., Any], qtbot: QtBot) -> Callable[..., Docked]:
    """Open the dock in a viewer that holds some layers; the last has the regions."""

    def open_dock(*layers: Any) -> Docked:
        viewer = viewer_of(*layers)
        _, dock = viewer.window.add_plugin_dock_widget("napari-udvd", "Events")
        if len(layers) > 1:
            dock.movie.choose_regions(viewer.layers[-1])
            dock.movie.radius_spin.setValue(4)
        at_rest(qtbot, dock)
        return Docked(viewer, dock)

    return open_dock


def at_rest(qtbot: QtBot, dock: EventsDock) -> None:
    qtbot.waitUntil(lambda: not dock.is_busy, timeout=60_000)


def test_spans_are_marked_learned_found_and_exported(
    find: Callable[..., Docked], flashing: np.ndarray, qtbot: QtBot, tmp_path: Path
) -> None:
    at = find(movie_layer(flashing), tracks_layer())
    viewer, dock = at
    assert dock.strip.shown.rows == ("1", "2", "3")
    (marks,) = (layer for layer in viewer.layers if layer.name == "events")
    np.testing.assert_allclose(marks.data[:, 1:], list(CENTRES.values()))

    # two keys, and dragging over the timeline
    dock.labels.choose("event")
    at.see(5)
    at.press(BEGIN_KEY)
    at.see(9)
    assert dock.strip.shown.begun == Span("1", 5, 10, "event")
    at.press(END_KEY)
    dock.labels.choose("quiet")
    dock.strip.marked.emit("1", 0, 5)
    dock.strip.marked.emit("1", 10, FRAMES)
    assert list(dock.record.now.labelled) == truth()[:3]
    at.see(6)
    assert marks.border_color[0].tolist() == pytest.approx([230 / 255, 159 / 255, 0, 1])

    for span in truth()[3:6]:
        dock.marker.mark(span)
    dock.learning.train_button.click()
    assert dock.learner.is_running and not dock.learning.train_button.isEnabled()
    at_rest(qtbot, dock)
    assert "Learned from 48 labelled frames of 2 regions" in dock.learning.told.text()
    found = [span for span in dock.record.now.found if span.region == "3"]
    assert f1_within(truth()[6:], found, "event", within=1) == 1.0
    assert all(span.confidence < 1 for span in found)

    # the next span is suggested and gone to
    at.press(SUGGEST_KEY)
    at_rest(qtbot, dock)
    region, start, stop = dock.strip.shown.asked
    assert (region, dock.strip.shown.row, stop - start) == ("3", "3", 10)
    assert at.frame == start
    assert f"Label frames {start} to {stop - 1}" in dock.message.text()

    # what was found is looked through
    (event,) = (span for span in found if span.label == "event")
    dock.go_to("3", event.start)
    assert dock.marker.selected == event and at.frame == event.start
    dock.marking.accept_button.click()
    accepted = Span("3", event.start, event.stop, "event")
    assert accepted in dock.record.now.labelled
    dock.labels.choose("quiet")
    dock.marking.correct_button.click()
    assert Span("3", event.start, event.stop, "quiet") in dock.record.now.labelled
    dock.marking.undo_button.click()
    dock.strip.marked.emit("3", start, stop)
    assert dock.strip.shown.asked is None  # it has its label
    dock.marking.undo_button.click()
    assert accepted in dock.record.now.labelled
    dock.go_to("3", event.start)
    dock.marking.erase_button.click()
    assert {span.region for span in dock.record.now.labelled} == {"1", "2"}

    path = tmp_path / "events.csv"
    dock.tables.export_to(path)
    written, known = read_spans(path), dock.record.now.timeline()
    sure = [span.confidence for span in known]
    assert [span.confidence for span in written] == pytest.approx(sure, abs=1e-5)
    assert [replace(span, confidence=1.0) for span in written] == [
        replace(span, confidence=1.0) for span in known
    ]
    assert "start_s" in path.read_text().splitlines()[0]
    dock.tables.export_to(path)
    assert "exists" in dock.message.text() or "created" in dock.message.text()


def test_a_click_on_the_timeline_goes_to_frame_and_region(
    find: Callable[..., Docked], flashing: np.ndarray, qtbot: QtBot
) -> None:
    viewer, dock = at = find(movie_layer(flashing), tracks_layer())
    viewer.reset_view()
    centre = viewer.scene.camera.center
    view = dock.strip.view
    row = RULER + ROW + ROW // 2
    place = QPoint(int(view.x(15) + view.per_frame / 2), row)
    qtbot.mouseClick(dock.strip.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert at.frame == 15 and dock.strip.shown.frame == 15
    assert dock.marking.region_box.currentText() == dock.strip.shown.row == "2"
    assert viewer.scene.camera.center == centre  # it is on view
    viewer.scene.camera.zoom *= 8
    viewer.scene.camera.center = (0, 2, 2)
    qtbot.waitUntil(lambda: dock.sight.place.rows.stop < SIZE, timeout=5000)
    dock.marking.region_box.setCurrentText("3")
    assert viewer.scene.camera.center[1:] == pytest.approx((8.5, 5.5))
    assert at.frame == 15


def test_labels_outlive_the_dock_and_the_viewer(
    find: Callable[..., Docked], flashing: np.ndarray, tmp_path: Path, qtbot: QtBot
) -> None:
    path = tmp_path / "cells.tif"
    tifffile.imwrite(path, flashing, metadata={"axes": "TYX"}, imagej=True)
    beside = tmp_path / "cells.spans.csv"
    viewer, dock = find()
    viewer.open(str(path), plugin="napari-udvd")
    qtbot.waitUntil(lambda: dock.strip.shown.rows == ("frame",), timeout=10_000)
    dock.strip.marked.emit("frame", 3, 6)
    assert read_spans(beside) == [Span("frame", 3, 6, "event")]
    dock.record.undo()
    assert read_spans(beside) == []
    dock.record.redo()
    dock.labels.recolour("#0072b2")
    viewer.layers.clear()
    qtbot.waitUntil(lambda: dock.movie.layer is None, timeout=10_000)
    assert not dock.record.now.labelled and "no movie" in dock.message.text()

    beside.write_text(beside.read_text() + "frame,quiet,8,9,1,#999999\n")
    viewer.open(str(path), plugin="napari-udvd")
    qtbot.waitUntil(lambda: bool(dock.record.now.labelled), timeout=10_000)
    assert [span.label for span in dock.record.now.labelled] == ["event", "quiet"]
    assert dock.record.labels["event"] == "#0072b2"
    at_rest(qtbot, dock)


def test_labels_are_added_renamed_coloured_and_removed(
    find: Callable[..., Docked], flashing: np.ndarray
) -> None:
    _, dock = find(movie_layer(flashing))
    assert list(dock.record.labels) == ["event", "quiet"]
    dock.labels.add_button.click()
    item = dock.labels.list.currentItem()
    assert item.text() == "label 3"
    item.setText("plate")
    assert list(dock.record.labels) == ["event", "quiet", "plate"]
    dock.strip.marked.emit("frame", 0, 4)
    item.setText("quiet")
    assert "a label 'quiet' already" in dock.message.text()
    assert item.text() == "plate" == dock.labels.label
    dock.labels.remove_button.click()
    assert "1 labelled span is called 'plate'" in dock.message.text()
    dock.labels.choose("event")
    dock.labels.remove_button.click()
    assert list(dock.record.labels) == ["quiet", "plate"]
    assert dock.strip.shown.colours == dock.record.labels


def test_what_cannot_be_is_said(
    find: Callable[..., Docked], flashing: np.ndarray, qtbot: QtBot, tmp_path: Path
) -> None:
    at = find(movie_layer(flashing), tracks_layer())
    dock = at.dock
    at.press(END_KEY)
    assert "no span was begun" in dock.message.text()
    at.press(SUGGEST_KEY)
    assert "nothing was learned yet" in dock.message.text()

    dock.learning.train_button.click()
    at_rest(qtbot, dock)
    assert dock.message.text()  # there is no label at all
    dock.strip.marked.emit("1", 5, 10)
    dock.learning.train_button.click()
    at_rest(qtbot, dock)
    assert "label" in dock.message.text() and not dock.record.now.found

    table = tmp_path / "spans.csv"
    for spans, why in (
        ([Span("1", 8, 12, "quiet")], "overlap"),
        ([Span("2", 20, 30, "quiet")], "beyond the movie"),
        ([Span("9", 2, 3, "quiet")], "a region that is not there"),
    ):
        write_spans(table, spans, overwrite=True)
        dock.tables.import_from(table)
        assert why in dock.message.text()
    assert list(dock.record.now.labelled) == [Span("1", 5, 10, "event")]
    table.write_text("region,label,start_s,stop_s\n2,quiet,60,150\n")
    dock.tables.import_from(table)
    assert Span("2", 2, 5, "quiet") in dock.record.now.labelled

    dock.movie.choose_denoised(dock.movie.layer)
    dock.learning.train_button.click()
    assert "chosen as the movie and as its denoised version" in dock.message.text()
    dock.movie.choose_regions(None)
    at_rest(qtbot, dock)
    assert "2 labelled spans of regions that are not here (1, 2)" in dock.message.text()


def test_a_training_is_cancelled_and_regions_follow_their_layer(
    find: Callable[..., Docked], flashing: np.ndarray, qtbot: QtBot
) -> None:
    image = np.zeros((SIZE, SIZE), int)
    for name, (y, x) in CENTRES.items():
        image[y - 3 : y + 4, x - 3 : x + 4] = int(name)
    viewer, dock = find(
        movie_layer(flashing),
        Labels(
            image, name="cells 2", scale=PLACE["scale"][1:], units=PLACE["units"][1:]
        ),
    )
    assert dock.strip.shown.rows == ("1", "2", "3")
    for span in truth()[:3]:
        dock.marker.mark(span)
    dock.train()
    dock.learning.cancel_button.click()
    at_rest(qtbot, dock)
    assert not dock.record.now.found and dock.learner.answer is None

    layer = viewer.layers["cells 2"]
    layer.data = np.where(layer.data == 3, 0, layer.data)
    qtbot.waitUntil(lambda: dock.strip.shown.rows == ("1", "2"), timeout=10_000)
    assert len(dock.record.now.labelled) == 3
