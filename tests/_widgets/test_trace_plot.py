"""A pixel over time: nothing of the plot hides what it shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_udvd._widgets._trace_plot import Trace, TracePlot

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

FRAMES = np.arange(40)


@pytest.fixture
def plot(qtbot: QtBot) -> TracePlot:
    plot = TracePlot()
    qtbot.addWidget(plot)
    return plot


def trace(level: float) -> Trace:
    denoised = level + 10 * np.sin(FRAMES / 5)
    noisy = denoised + 3 * (-1.0) ** FRAMES
    return Trace(FRAMES, noisy, denoised, np.full(len(FRAMES), 2.0))


@pytest.mark.parametrize("level", [1000.0, -500.0])
def test_only_the_levels_of_the_pixel_are_in_view(
    plot: TracePlot, level: float
) -> None:
    plot.show_trace(trace(level), 7)
    plot._plot.getViewBox().updateAutoRange()  # as before it is drawn
    _, (low, high) = plot._plot.viewRange()
    assert low < level - 12 and level + 12 < high
    assert high - low < 60  # zero is not among them


def test_all_lines_are_named_in_their_colours(plot: TracePlot) -> None:
    title = plot._plot.getPlotItem().titleLabel
    assert "noisy" in title.text and "denoised" in title.text
    plot.show_pinned([("A", "#4daf4a", trace(100)), ("B", "#e377c2", trace(90))])
    assert "color: #4daf4a" in title.text and "B</span>" in title.text
    plot.show_pinned([])
    assert "A</span>" not in title.text
