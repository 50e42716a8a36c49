"""What still fits into the time of a training."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
import torch

from napari_udvd.inference.request import EXACT
from napari_udvd.training import budget
from napari_udvd.training.budget import LARGEST_RESERVE, Budget
from napari_udvd.training.estimate import Pace
from tiny import tiny_center_blind, tiny_movie, tiny_net

if TYPE_CHECKING:
    from napari_udvd.models import Network


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    now = SimpleNamespace(time=100.0)
    time = SimpleNamespace(monotonic=lambda: now.time)
    monkeypatch.setattr(budget, "time", time)
    return now


@pytest.mark.parametrize(
    ("net", "least", "most"),
    [
        (tiny_center_blind(), 2, 8),
        (tiny_center_blind(hole=(3, 1)), 2, 4),
        (tiny_net(), 1, 8),
    ],
    ids=["fast", "fast, hole", "udvd"],
)
def test_what_follows_is_as_many_views_as_there_will_be(
    net: Network, least: int, most: int
) -> None:
    stack, device = tiny_movie(4, (20, 30)), torch.device("cpu")
    one = 4 * 20 * 30 * 1e-3
    for minutes, asked, views in (
        (1.0, False, least),
        (1.0, True, most),
        (1.0, None, most if most * one < 12 else least),
        (100.0, None, most),
    ):
        after = budget.reserve(
            net,
            Pace(1e-3, 1e-3),
            [stack],
            device,
            self_ensemble=asked,
            follows=EXACT,
            minutes=minutes,
        )
        assert after.seconds == pytest.approx(views * one)
        assert after.self_ensemble is (views == most)


@pytest.mark.parametrize("asked", [None, False])
def test_one_view_where_two_take_too_long(asked: bool | None) -> None:
    net, stack = tiny_center_blind(), tiny_movie(4, (20, 30))
    one = 4 * 20 * 30 * 1e-3

    def after(minutes: float, **how: object) -> budget.Reserve:
        return budget.reserve(
            net,
            Pace(1e-3, 1e-3),
            [stack],
            torch.device("cpu"),
            self_ensemble=asked,
            follows=replace(EXACT, **how),
            minutes=minutes,
        )

    enough, short = 4.1 * one / 60, 3.9 * one / 60  # two views may take half of it
    assert not after(enough).single_view
    found = after(short)
    assert found.single_view and not found.self_ensemble
    assert found.seconds == pytest.approx(one)
    (remark,) = found.remarks
    assert f"{2 * one:.3g} s of {60 * short:.3g} s" in remark
    # somebody's word counts
    told = after(short, single_view=False)
    assert not told.single_view and told.seconds == pytest.approx(2 * one)


def test_minutes_on_the_clock(clock: SimpleNamespace) -> None:
    timed = Budget(minutes=1, steps=None, began=100.0)
    assert timed.is_timed and timed.left == timed.seconds == 60
    clock.time += 15
    assert (timed.elapsed, timed.progress) == (15, 0.25)
    timed.resumed_at = 30.0  # by a run before this one
    assert timed.progress == 0.75
    timed.step_seconds, timed.validation_seconds = 5.0, 4.0
    assert timed.has_time(0, 3.0) and not timed.has_time(0, 3.1)
    assert not timed.has_time(1)
    assert timed.spare(0.05) == 3.0
    timed.closing = 2.0
    assert timed.has_time(0, 1.0) and not timed.has_time(0, 1.1)
    assert timed.spare(0.05) == 1.0
    timed.closing = 0.0
    clock.time += 3
    assert not timed.is_over(is_good=False)  # one step is taken always
    assert timed.is_over(is_good=True)
    clock.time += 100
    assert timed.progress == 1.0 and timed.left == 0 and timed.spare(0.05) == 0


def test_steps_do_not_look_at_the_clock(clock: SimpleNamespace) -> None:
    counted = Budget(minutes=1, steps=48, began=100.0)
    clock.time += 1e6
    assert counted.left is None
    assert counted.has_time(100)
    for step in range(48):
        assert not counted.is_over(is_good=True)
        assert counted.progress == step / 48
        assert counted.is_validation_due(at=0.0) is (step % 2 == 0)
        counted.step += 1
    assert counted.is_over(is_good=False)


@pytest.mark.usefixtures("clock")
def test_what_follows_takes_no_more_than_its_share() -> None:
    timed = Budget(minutes=1, steps=None, began=100.0)
    timed.reserve = 20.0
    assert timed.seconds == 40
    timed.reserve = 500.0
    assert timed.seconds == pytest.approx(60 * (1 - LARGEST_RESERVE))
    assert timed.whole == 60


def test_measurements_are_rare_where_they_cost_much(clock: SimpleNamespace) -> None:
    timed = Budget(minutes=1, steps=None, began=100.0)
    assert timed.next_validation() == 60 / budget.VALIDATIONS
    assert timed.next_validation(4.0) == 4.0 / budget.VALIDATION_SHARE
    assert not timed.is_validation_due(50.0)
    clock.time += 50
    assert timed.is_validation_due(50.0)
