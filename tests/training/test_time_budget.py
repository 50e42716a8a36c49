"""The time budget, with a clock that only moves when work is done."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from napari_udvd.inference.request import EXACT, Request
from napari_udvd.inference.stage_pace import StagePace
from napari_udvd.jobs import make_settings
from napari_udvd.tasks import Verdict
from napari_udvd.training import (
    Finished,
    Started,
    Step,
    afterwards,
    best,
    budget,
    distillation,
    flow_course,
    learner,
    train_events,
    trainer,
)
from napari_udvd.training.estimate import Pace
from napari_udvd.training.validation import Validation, affordable
from tiny import tiny_movie

STEP, VALIDATION = 0.125, 0.0625
"""Seconds that the clock moves on; exact in binary."""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    now = SimpleNamespace(time=1000.0, denoising=0.0, stage=0.0)
    losses = iter(range(10**6, 0, -1))  # always better: it never converges

    def slow_learn(*_: Any) -> float:
        now.time += STEP  # what is learned does not matter to a clock
        return 1.0

    def slow_loss(*_: Any) -> float:
        now.time += VALIDATION
        return float(next(losses))

    def pace(*_: Any, **__: Any) -> Pace:
        pixels = 8 * 24 * 28
        return Pace(*2 * (now.denoising / pixels,), StagePace(now.stage / pixels))

    for module in (trainer, budget):
        time = SimpleNamespace(monotonic=lambda: now.time)
        monkeypatch.setattr(module, "time", time)
    monkeypatch.setattr(learner.Learner, "learn", slow_learn)
    monkeypatch.setattr(Validation, "loss", slow_loss)
    monkeypatch.setattr(afterwards, "measure_pace", pace)
    return now


def run(clock: Any, seconds: float, **options: Any) -> list[Any]:
    follows = options.pop("follows", None)
    quick = {"model": "udvd-3", "width": 4, "patch": 16, "minutes": seconds / 60}
    settings = make_settings(**{**quick, **options})
    told = list(train_events([tiny_movie()], settings, follows=follows))
    assert isinstance(told[-1], Finished)
    assert told[-1].reason == "budget"
    return told


def took(clock: Any) -> float:
    return float(clock.time - 1000.0)


def test_all_of_the_budget_is_for_training_where_nothing_follows(clock: Any) -> None:
    clock.denoising = 4.0
    started, *_ = told = run(clock, 10)
    assert isinstance(started, Started)
    assert started.denoising_seconds is None
    assert started.training_seconds == pytest.approx(10, abs=0.2)
    assert 10 - 6 * STEP < took(clock) <= 10
    steps = [event for event in told if isinstance(event, Step)]
    assert len(steps) > 50
    # the last weights are measured as well
    assert told[-1].history[-1][0] == steps[-1].step


@pytest.mark.parametrize("denoising", [1.0, 4.0])
def test_training_leaves_the_time_that_denoising_takes(
    clock: Any, denoising: float
) -> None:
    clock.denoising = denoising
    started, *_ = run(clock, 10, follows=EXACT, self_ensemble=False)
    assert started.denoising_seconds == pytest.approx(denoising)
    assert started.training_seconds == pytest.approx(10 - denoising, abs=0.2)
    assert 10 - denoising - 6 * STEP < took(clock) <= 10 - denoising


def test_a_long_denoising_leaves_some_time_to_train(clock: Any) -> None:
    clock.denoising = 60.0
    started, *_ = run(clock, 10, follows=EXACT)
    # the estimate is honest even where the budget cannot be kept
    assert started.denoising_seconds == pytest.approx(60)
    assert 2 < took(clock) <= 10 * (1 - budget.LARGEST_RESERVE)


def test_the_average_over_all_views_is_asked_for_where_it_costs_little(
    clock: Any,
) -> None:
    for denoising, expected in ((0.01, True), (6.0, False)):
        clock.time, clock.denoising = 1000.0, denoising
        *_, end = run(clock, 10, follows=EXACT)
        assert end.denoiser.self_ensemble is expected
        assert took(clock) + denoising * (8 if expected else 1) <= 10 + STEP


WITH_TIME = replace(EXACT, events=None, refine=None)
"""Events are looked for, and the result is refined, if there is time for it."""


def test_where_steps_are_counted_the_clock_decides_nothing(clock: Any) -> None:
    for clock.denoising, clock.stage in ((0.01, 0.01), (600.0, 600.0)):
        started, *_, end = run(clock, 10, steps=2, follows=WITH_TIME)
        assert started.denoising_seconds == clock.denoising + clock.stage
        made = end.denoiser
        assert (made.self_ensemble, made.second_stage) == (False, True)
        assert not made.single_view
        assert "seconds" not in made.record
    *_, end = run(clock, 10, steps=2, follows=WITH_TIME, self_ensemble=True)
    assert end.denoiser.self_ensemble


@pytest.mark.parametrize(
    ("follows", "stage", "is_kept"),
    [(WITH_TIME, 3.0, True), (WITH_TIME, 5.0, False), (EXACT, 5.0, True)],
)
def test_training_comes_before_a_second_stage_that_nobody_insists_on(
    clock: Any, follows: Request, stage: float, *, is_kept: bool
) -> None:
    clock.denoising, clock.stage = 1.0, stage
    started, *_, end = run(clock, 10, follows=follows, self_ensemble=False)
    needed = 1.0 + is_kept * stage
    assert started.denoising_seconds == pytest.approx(needed)
    assert 10 - needed - 6 * STEP < took(clock) <= 10 - needed
    assert end.denoiser.second_stage is is_kept
    remarks = [each for each in end.remarks if "no time to look for events" in each]
    assert [is_kept] == [not remarks]
    if remarks:
        assert "6 s of 10 s, and without 1 s" in remarks[0]


def test_a_student_and_its_judge_keep_to_the_budget(
    clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distillation, "LEAST_STEPS", 8)
    monkeypatch.setattr(distillation, "FEWEST", 2)
    advantage = Validation.advantage

    def slow_advantage(*args: Any) -> tuple[float, float]:
        clock.time += 2 * VALIDATION
        return advantage(*args)

    monkeypatch.setattr(Validation, "advantage", slow_advantage)
    fast = {"model": "centerblind", "width": None, "batch": 1, "distil": True}
    *_, end = run(clock, 4, **fast)
    assert "kept" in end.denoiser.record["distillation"]
    assert 4 - 6 * STEP < took(clock) <= 4


def test_the_shipped_weights_count_on_the_clock_too(clock: Any) -> None:
    clock.denoising = 2.0
    fast = {"model": "centerblind", "width": None, "batch": 1}
    _, started, *_ = run(clock, 3, follows=EXACT, self_ensemble=False, **fast)
    assert started.training_seconds <= 1
    assert took(clock) <= 1


@pytest.mark.parametrize("slowness", [3, 20, 60])
def test_measuring_and_judging_stay_within_the_budget_of_a_slow_network(
    clock: Any, slowness: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = 5.0
    cost = slowness / 100
    losses = iter(range(10**6, 0, -1))
    judged = []

    def slow_loss(*_: Any) -> float:
        clock.time += cost
        return float(next(losses))

    def slow_advantage(*_: Any) -> tuple[float, float]:
        clock.time += 2 * cost
        judged.append(clock.time)
        return 1.0, 0.0

    def slow_verdict(*_: Any) -> Verdict:
        clock.time += cost
        return Verdict(())

    monkeypatch.setattr(Validation, "loss", slow_loss)
    monkeypatch.setattr(Validation, "advantage", slow_advantage)
    monkeypatch.setattr(Validation, "verdict", slow_verdict)
    monkeypatch.setattr(flow_course, "movement", lambda *_: 1.0)
    *_, end = run(clock, seconds, model="stbn", width=8, batch=1)
    assert took(clock) <= seconds
    # judged where there is time for it, and else said that it was not
    assert bool(judged) is (slowness < 60)
    assert any("no time" in remark for remark in end.remarks) is not bool(judged)


def test_fewer_and_smaller_windows_where_time_is_short() -> None:
    whole = affordable(1e-6, 10.0)
    assert whole == (160, 6)
    before = 160**2 * 6
    for seconds in (0.1, 0.05, 0.02, 0.01, 0.001):
        edge, most = affordable(1e-6, seconds)
        assert edge**2 * most <= before
        assert edge**2 * most * 1e-6 <= seconds or (edge, most) == (64, 1)
        before = edge**2 * most


def test_the_time_set_aside_is_measured_again(
    clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was measured before anything was warm took twice as long."""
    found: list[float] = []
    measured = afterwards.measure_pace

    def quicker(*args: Any, **options: Any) -> Pace:
        clock.denoising = 2.0 if found else 4.0
        found.append(clock.time)
        return measured(*args, **options)

    monkeypatch.setattr(afterwards, "measure_pace", quicker)
    started, *_ = run(clock, 10, follows=EXACT, self_ensemble=False)
    assert started.denoising_seconds == pytest.approx(4)
    assert len(found) == 2
    assert found[1] - 1000 == pytest.approx(3, abs=2 * (STEP + VALIDATION))
    assert 8 - 6 * STEP < took(clock) <= 8


@pytest.mark.parametrize(
    ("denoising", "given", "every"),
    [(0.5, None, True), (0.5, False, False), (2.0, None, False)],
)
def test_time_that_training_leaves_is_spent_on_views(
    clock: Any,
    monkeypatch: pytest.MonkeyPatch,
    denoising: float,
    given: bool | None,
    every: bool,
) -> None:
    """Eight views take 4 s of the 5 or so that are left, or 16."""
    monkeypatch.setattr(best.Best, "is_final", lambda _, progress: progress > 0.5)
    clock.denoising = denoising
    quick = {"model": "udvd-3", "width": 4, "patch": 16, "minutes": 10 / 60}
    settings = make_settings(**quick, self_ensemble=given)
    *_, end = train_events([tiny_movie()], settings, follows=EXACT)
    assert isinstance(end, Finished)
    assert end.reason == "converged"
    assert end.denoiser.self_ensemble is every
    assert took(clock) + denoising * (8 if every else 1) <= 10
    said = [each for each in end.remarks if "no better weights" in each]
    assert bool(said) is every
