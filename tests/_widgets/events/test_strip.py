"""The timeline: places, what is painted, and what the mouse does."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication

from napari_udvd._widgets.events.strip import TimelineStrip
from napari_udvd._widgets.events.strip_view import GUTTER, ROW, RULER, View
from napari_udvd.spans import Span

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

BLUE, ORANGE = "#0072b2", "#e69f00"


@pytest.fixture
def strip(qtbot: QtBot) -> TimelineStrip:
    """Three regions of forty frames, ten pixels each."""
    strip = TimelineStrip()
    qtbot.addWidget(strip)
    strip.resize(GUTTER + 400 + 6, RULER + 3 * ROW)
    strip.update_shown(
        rows=("a", "b", "c"), n_frames=40, colours={"on": ORANGE, "off": BLUE}
    )
    strip.show()
    qtbot.waitExposed(strip)
    assert strip.view.per_frame == 10
    return strip


def painted(strip: TimelineStrip) -> np.ndarray:
    """Return the pixels as they are shown, ``(y, x, 3)``."""
    image = strip.viewport().grab().toImage()
    return np.array(
        [
            [image.pixelColor(x, y).getRgb()[:3] for x in range(image.width())]
            for y in range(image.height())
        ]
    )


def at(row: int, frame: float) -> QPoint:
    return QPoint(int(GUTTER + 10 * frame + 5), RULER + ROW * row + ROW // 2)


def colour(name: str) -> list[int]:
    return [int(name[k : k + 2], 16) for k in (1, 3, 5)]


def test_labels_are_colours_and_confidence_is_opacity(strip: TimelineStrip) -> None:
    strip.update_shown(frame=39)
    ground = painted(strip)[at(1, 5).y(), at(1, 5).x()]
    strip.show_spans(
        [Span("a", 2, 8, "on")],
        [Span("b", 2, 8, "on", 0.9), Span("b", 20, 30, "off", 0.1)],
    )
    pixels = painted(strip)

    def mean(row: int, frame: float) -> np.ndarray:
        return pixels[at(row, frame).y(), at(row, frame).x()].astype(float)

    np.testing.assert_allclose(mean(0, 4), colour(ORANGE), atol=2)
    strong = np.abs(mean(1, 4) - ground).sum() / np.abs(colour(ORANGE) - ground).sum()
    weak = np.abs(mean(1, 25) - ground).sum() / np.abs(colour(BLUE) - ground).sum()
    assert 0.85 < strong < 0.97 and 0.15 < weak < 0.4
    # an outline around what a person has labelled, none around what was found
    edges = [
        pixels[at(row, 4).y() - height, at(row, 4).x()]
        for row, height in ((0, ROW // 2 - 1), (1, ROW // 2 - 5))
    ]
    assert np.abs(edges[0] - np.array(colour(ORANGE))).max() > 40
    np.testing.assert_allclose(edges[1], mean(1, 4), atol=2)
    np.testing.assert_array_equal(pixels[at(2, 4).y(), at(2, 4).x()], ground)


def test_a_click_goes_there_and_a_drag_marks(
    strip: TimelineStrip, qtbot: QtBot
) -> None:
    picked, marked = [], []
    strip.picked.connect(lambda *what: picked.append(what))
    strip.marked.connect(lambda *what: marked.append(what))
    left, port = Qt.MouseButton.LeftButton, strip.viewport()
    qtbot.mouseClick(port, left, pos=at(1, 7))
    qtbot.mouseClick(port, left, pos=QPoint(at(1, 9).x(), 4))  # the frame numbers
    strip.update_shown(frame=3)
    qtbot.mouseClick(port, left, pos=QPoint(5, at(2, 0).y()))  # a name
    assert picked == [("b", 7), (None, 9), ("c", 3)]
    qtbot.mousePress(port, left, pos=at(0, 12))
    qtbot.mouseMove(port, at(2, 6))
    qtbot.mouseRelease(port, left, pos=at(2, 6))
    assert marked == [("a", 6, 13)] and len(picked) == 3


def test_rows_scroll_and_frames_are_enlarged(
    strip: TimelineStrip, qtbot: QtBot
) -> None:
    strip.update_shown(rows=tuple(map(str, range(50))))
    assert strip.verticalScrollBar().maximum() == 47 * ROW
    strip.reveal("30", 0)
    assert 30 in strip.view.rows_seen
    x = at(0, 20).x()
    wheel = QWheelEvent(
        QPointF(x, 40),
        QPointF(x, 40),
        QPoint(),
        QPoint(0, 480),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.ControlModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(strip.viewport(), wheel)
    view = strip.view
    assert view.shown == pytest.approx(40 / 1.25**4)
    assert view.frame_at(x) in (19, 20, 21)  # what is under the mouse stays
    strip.reveal("30", 0)
    assert strip.view.first == 0
    strip.enlarge(1e-3)
    assert strip.view.shown == 40 and strip.horizontalScrollBar().maximum() == 0
    strip.enlarge(1e3)
    assert strip.view.shown == 8


def test_what_is_under_the_mouse_is_said(strip: TimelineStrip) -> None:
    strip.show_spans([Span("a", 2, 8, "on")], [Span("b", 2, 8, "off", 0.61)])
    assert strip.words_at(at(0, 3)).endswith("on, 2 to 7 (labelled)")
    assert strip.words_at(at(1, 3)).endswith("off, 2 to 7 (found, 61 % sure)")
    assert strip.words_at(at(2, 3)) == "Region c, frame 3: no label"


def test_two_hundred_regions_of_two_thousand_frames_are_fast(qtbot: QtBot) -> None:
    strip = TimelineStrip()
    qtbot.addWidget(strip)
    names = tuple(map(str, range(200)))
    strip.resize(900, RULER + 40 * ROW)
    strip.update_shown(rows=names, n_frames=2000, colours={"on": ORANGE, "off": BLUE})
    spans = [
        Span(name, t, t + 20, "off" if t % 40 else "on", 0.5)
        for name in names
        for t in range(0, 2000, 20)
    ]
    strip.show_spans([], spans)
    strip.show()
    qtbot.waitExposed(strip)
    begin = time.process_time()
    for frame in range(5):
        strip.update_shown(frame=frame)
        strip.viewport().grab()
    assert (time.process_time() - begin) / 5 < 0.15


def test_frame_numbers_have_room() -> None:
    for shown in (8.0, 72.0, 2000.0):
        view = View(400, 100, 2000, 3, 0.0, shown, 0)
        ticks = view.ticks()
        assert ticks[0] == 0 and len(ticks) > 1
        assert (ticks[1] - ticks[0]) * view.per_frame >= 44
        assert [view.frame_at(view.x(t) + 0.1) for t in ticks] == ticks
