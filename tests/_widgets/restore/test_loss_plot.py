"""The curve of the loss, and the mark at the weights that are used."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_udvd._widgets.restore.loss_plot import MOST_POINTS, LossPlot
from napari_udvd._widgets.restore.training_section import TrainingSection, remaining
from napari_udvd.training import Step

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot


@pytest.fixture
def plot(qtbot: QtBot) -> LossPlot:
    plot = LossPlot()
    qtbot.addWidget(plot)
    return plot


def drawn(plot: LossPlot, curve: str) -> list[tuple[float, float]]:
    """Points of a curve on the screen, found by its name in the legend."""
    (item,) = [c for c in plot._plot.listDataItems() if c.name() == curve]
    x, y = item.getData()
    return [] if x is None else list(zip(x.tolist(), y.tolist(), strict=True))


def test_it_begins_empty(plot: LossPlot) -> None:
    assert plot.best is None
    assert [drawn(plot, name) for name in ("training", "held out", "used")] == [[]] * 3


def test_the_mark_is_at_the_best_loss_on_held_out_frames(plot: LossPlot) -> None:
    for t, held_out in enumerate((5.0, 3.0, 2.0, 2.5, 4.0)):
        plot.add(float(t), 1.0 / (t + 1), held_out)
    assert plot.best == (2.0, 2.0)
    assert drawn(plot, "used") == [(2.0, 2.0)]
    assert drawn(plot, "held out") == [(0, 5), (1, 3), (2, 2), (3, 2.5), (4, 4)]


def test_losses_of_a_likelihood_may_be_negative(plot: LossPlot) -> None:
    for t, held_out in enumerate((1.0, -2.0, -1.0)):
        plot.add(float(t), 0.5, held_out)
    assert drawn(plot, "used") == [(1.0, -2.0)]


def test_a_measurement_is_drawn_once(plot: LossPlot) -> None:
    for t, held_out in enumerate((None, 5.0, 5.0, 5.0, 3.0, 3.0)):
        plot.add(float(t), 1.0, held_out)
    assert drawn(plot, "held out") == [(1, 5), (4, 3)]


def test_a_training_that_diverges_does_not_take_the_mark_along(plot: LossPlot) -> None:
    for t, held_out in enumerate((5.0, 3.0, math.nan, math.inf)):
        plot.add(float(t), math.nan, held_out)
    assert plot.best == (1.0, 3.0)
    assert drawn(plot, "training") == []


def test_a_held_out_loss_that_is_no_number_comes_first(plot: LossPlot) -> None:
    for t, held_out in enumerate((math.nan, 3.0, 4.0)):
        plot.add(float(t), 1.0, held_out)
    assert plot.best == (1.0, 3.0)


def test_a_long_training_keeps_a_drawable_number_of_points(plot: LossPlot) -> None:
    n = 5 * MOST_POINTS
    for t in range(n):
        plot.add(float(t), float(t), None)
    points = np.array(drawn(plot, "training"))
    assert MOST_POINTS / 2 - 1 <= len(points) <= MOST_POINTS
    np.testing.assert_array_equal(points[:, 0], points[:, 1])
    gaps = np.diff(points[:, 0])
    assert (gaps > 0).all() and gaps.max() <= 2 * gaps.min()
    assert points[0, 0] == 0 and points[-1, 0] >= n - gaps.max() - 1


def test_a_new_training_begins_anew(plot: LossPlot) -> None:
    for t in range(2 * MOST_POINTS):
        plot.add(float(t), 1.0, float(t))
    plot.clear()
    assert plot.best is None
    assert [drawn(plot, name) for name in ("training", "held out", "used")] == [[]] * 3
    plot.add(0.0, 1.0, 7.0)
    plot.add(1.0, 1.0, 7.0)
    assert drawn(plot, "training") == [(0, 1), (1, 1)]
    assert drawn(plot, "held out") == [(0, 7)]


# where it is shown


def test_a_step_moves_bar_and_plot(qtbot: QtBot) -> None:
    section = TrainingSection()
    qtbot.addWidget(section)
    assert section.plot.isHidden() and section.bar.isHidden()
    section.begin()
    assert not section.plot.isHidden() and not section.bar.isHidden()
    section.show_step(step(0.25, 10.0))
    assert section.bar.value() == 250
    assert section.bar.format() == "25%, 30 s left"
    assert section.plot.best == (10.0, 0.5)
    section.begin()
    assert section.bar.value() <= 0 and section.plot.best is None


def step(progress: float, elapsed: float) -> Step:
    return Step(
        **{"step": 3, "loss": 1.0, "validation": 0.5}
        | {"progress": progress, "elapsed": elapsed}
    )


@pytest.mark.parametrize(
    ("progress", "elapsed", "text"),
    [
        (0.0, 5.0, "0%"),
        (0.5, 60.0, "50%, 60 s left"),
        (0.01, 60.0, "1%, 99 min left"),
        (1.0, 60.0, "100%, 0 s left"),
        (1.2, 60.0, "120%, 0 s left"),
    ],
)
def test_what_remains_is_said_in_words(
    progress: float, elapsed: float, text: str
) -> None:
    assert remaining(progress, elapsed) == text


@pytest.mark.parametrize(
    ("state", "enabled", "pause"),
    [
        ("nothing", (False, False, False), "Pause"),
        ("ready", (True, False, False), "Pause"),
        ("interrupted", (True, True, False), "Resume"),
        ("training", (False, True, True), "Pause"),
        ("stopping", (False, False, False), "Pause"),
    ],
)
def test_only_what_makes_sense_can_be_pressed(
    qtbot: QtBot, state: str, enabled: tuple[bool, ...], pause: str
) -> None:
    section = TrainingSection()
    qtbot.addWidget(section)
    section.set_phase(state)
    buttons = section.train_button, section.pause_button, section.stop_button
    assert tuple(button.isEnabled() for button in buttons) == enabled
    assert section.pause_button.text() == pause


@pytest.mark.parametrize("state", ["interrupted", "training"])
def test_one_button_pauses_and_resumes(qtbot: QtBot, state: str) -> None:
    section = TrainingSection()
    qtbot.addWidget(section)
    section.set_phase(state)
    heard: list[str] = []
    section.pause.connect(lambda: heard.append("training"))
    section.resume.connect(lambda: heard.append("interrupted"))
    section.pause_button.click()
    assert heard == [state]
