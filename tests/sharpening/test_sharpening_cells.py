"""Paired comparisons with a copy, and what training may cost."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_udvd.sharpening import Effort
from napari_udvd.sharpening._cells import CELL, cell_sums, sureness
from napari_udvd.sharpening._clock import Clock


def test_cells_hold_all_that_is_compared() -> None:
    squares = torch.rand(3, 2 * CELL, CELL + 5)
    cells = cell_sums(squares)
    assert cells.shape == (3 * 2 * 2,)
    assert cells.sum() == pytest.approx(float(squares.sum()), rel=1e-5)
    assert cells[0] == pytest.approx(float(squares[0, :CELL, :CELL].sum()), rel=1e-5)


def test_how_sure_a_difference_is() -> None:
    chance = np.random.default_rng(0)
    noise = chance.standard_normal(400)
    assert abs(sureness(noise)) < 3
    # a mean of a tenth, 400 times, is two standard errors
    assert sureness(noise - noise.mean() + 0.1) == pytest.approx(2, rel=0.1)
    assert sureness(np.zeros(10)) == 0


def test_a_clock_counts_steps_or_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    by_steps = Clock(Effort(steps=4))
    by_steps.steps = 3
    assert by_steps.progress == 0.75
    by_steps.steps = 9
    assert by_steps.progress == 1
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    by_time = Clock(Effort(minutes=2))
    by_time.steps = 1000
    now += 30
    assert by_time.progress == 0.25
    now += 300
    assert by_time.progress == 1
