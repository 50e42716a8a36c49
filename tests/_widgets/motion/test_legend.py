"""Motion in numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_udvd._widgets.motion.legend import Legend, Speeds
from napari_udvd.motion import Motion
from napari_udvd.stack import Stack

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot


def moving(dy: float, dx: float) -> Motion:
    """Motion of 2 x 3 points, of which one is not sure and one is unknown."""
    way = np.full((2, 3, 2), (dy, dx), np.float32)
    way[0, 0] = np.nan
    sure = np.ones((2, 3), np.float32)
    sure[1, 1] = 0.2
    rows, columns = np.arange(2), np.arange(3)
    return Motion(4, (20, 30), rows, columns, way, -way, sure, "tvl1")


def test_speeds_of_the_points_that_are_sure() -> None:
    speeds = Speeds.of(moving(3, 4), 0.5)
    assert (speeds.points, speeds.sure) == (6, 4)
    assert speeds.median == speeds.fast == speeds.full == pytest.approx(5)
    assert Speeds.of(moving(3, 4), 0.1).sure == 5
    nothing = Speeds.of(moving(np.nan, np.nan), 0.5)
    assert nothing[1:] == (0, 0, 0) and nothing.full > 0
    assert Speeds.of(moving(0, 0), 0.5).full > 0  # nothing is coloured by noise


def test_what_is_said_of_a_frame(qtbot: QtBot) -> None:
    legend = Legend()
    qtbot.addWidget(legend)
    pixels = np.zeros((6, 20, 30), np.uint16)
    plain = Stack.from_array(pixels, "TYX")
    legend.show_speeds(4, Speeds.of(moving(3, 4), 0.5), plain)
    assert legend.statistics.text() == (
        "Frame 4: 4 of 6 points are sure. Speed 5.00 px/frame (median), 5.00 (95 %). "
        "Full colour is 5 px/frame."
    )
    assert not legend.wheel.pixmap().isNull()
    legend.show_speeds(4, Speeds.of(moving(np.nan, 0), 0.5), plain)
    assert "Frame 4: nothing is sure enough" in legend.statistics.text()
