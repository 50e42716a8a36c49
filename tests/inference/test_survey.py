"""What a look at a few frames says of all of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_udvd.inference import survey as surveying
from napari_udvd.inference.guard import NONE
from napari_udvd.inference.request import EXACT
from napari_udvd.inference.survey import (
    LEAST_ODDS,
    Surveys,
    can_refine,
    odds_against,
)
from napari_udvd.stack import Stack
from tiny import tiny_calibration, tiny_center_blind, tiny_movie

if TYPE_CHECKING:
    from napari_udvd.inference.survey import Survey

torch.set_num_threads(1)


def made(stack: Stack, surveys: Surveys | None = None, **net: Any) -> Survey:
    fast = tiny_center_blind(likelihood=True, **net)
    calibrations = [tiny_calibration()] * stack.n_channels
    return (surveys or Surveys()).made(fast, calibrations, stack, 0, EXACT)


def test_the_better_a_result_the_more_it_takes_to_be_an_event() -> None:
    odds = [odds_against(error) for error in (1.0, 0.1, 1e-3, 1e-5)]
    assert odds == sorted(odds)
    assert odds[0] == LEAST_ODDS
    assert odds[2] > 9
    assert odds_against(0.0) == surveying.MOST_ODDS
    assert odds_against(0.01, tails=3.0) > odds_against(0.01, tails=1.0)


def test_false_events_stay_within_the_budget() -> None:
    rng = np.random.default_rng(0)
    z = rng.standard_normal(4_000_000)
    for error in (0.02, 0.1):
        odds = odds_against(error)
        log_odds = z**2 / 2 - odds - np.log1p(np.maximum(z, 0))
        weight = np.where(z > 0, 1 / (1 + np.exp(-log_odds)), 0)
        added = float((weight * z).__pow__(2).mean())
        assert added < 1.5 * surveying.FALSE_ENERGY * error


def test_the_spread_is_that_of_the_scores_and_events_do_not_matter() -> None:
    rng = np.random.default_rng(0)
    ratio = rng.uniform(-3, 1, 60_000).astype(np.float32)
    width = np.where(ratio > -1, 2.0, 1.2)
    z = (width * rng.standard_normal(60_000)).astype(np.float32)
    z[rng.integers(60_000, size=200)] += 20
    ratios, values = surveying._spread(z, ratio)
    assert list(ratios) == sorted(ratios)
    expected = np.where(np.array(ratios) > -1, 2.0, 1.2)
    inner = np.abs(np.array(ratios) + 1) > 0.2
    np.testing.assert_allclose(np.array(values)[inner], expected[inner], rtol=0.08)


def test_scores_are_never_said_to_reach_less_far_than_noise() -> None:
    z = (0.5 * np.random.default_rng(0).standard_normal(9000)).astype(np.float32)
    _, values = surveying._spread(z, np.zeros(9000, np.float32))
    assert values == (1.0,)


def test_a_movie_is_looked_at_once_and_always_says_the_same() -> None:
    stack, surveys = tiny_movie(6), Surveys()
    first = made(stack, surveys)
    assert made(stack, surveys) is first
    assert made(tiny_movie(6)) == first


def test_frames_of_a_small_movie_are_predicted_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []
    predict = surveying.predict

    def each_alone(
        blind: Any, stack: Any, series: Any, scaler: Any, frames: Any
    ) -> Any:
        asked.extend(frames)
        found = {}
        for t in frames:
            found |= yield from predict(blind, stack, series, scaler, [t])
        return found

    expected = made(tiny_movie(9))
    monkeypatch.setattr(surveying, "predict", each_alone)
    assert made(tiny_movie(9)) == expected
    assert sorted(asked) == list(range(9))


@pytest.mark.parametrize("edge", [16, 256])
def test_no_more_is_looked_at_than_needed(
    edge: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(surveying, "EDGE", edge)
    monkeypatch.setattr(surveying, "PIXELS", 5 * 16 * 16)
    places = surveying._places(tiny_movie(30, (40, 52)), 0)
    assert len(places) == (5 if edge == 16 else 4)
    assert len({place[0] for place in places}) == len(places)
    for _, _, rows, columns in places:
        assert rows.stop - rows.start == min(edge, 40)
        assert 0 <= columns.start < columns.stop <= 52


def test_a_channel_in_which_nothing_was_measured() -> None:
    data = np.array(tiny_movie(6).data)
    stack = Stack.from_array(np.stack([0 * data, data], axis=1), "TCYX")
    found = made(stack)
    assert found.odds == (LEAST_ODDS,) * 3
    assert found.to_dict() == {
        "odds": [LEAST_ODDS] * 3,
        "widest": [1.0] * 3,
        "refined": NONE.to_dict(),
    }


def test_noise_that_is_alike_in_neighbours_is_not_refined() -> None:
    stack = tiny_movie(6)
    for hole in [(1, 1), (3, 1)]:
        net = tiny_center_blind(hole=hole)
        assert can_refine(net, EXACT) == (hole == (1, 1))
        found = Surveys().made(net, (tiny_calibration(),), stack, 0, EXACT)
        assert 0 <= found.share.value <= 1
        assert (found.share == NONE) == (hole != (1, 1))
    assert not can_refine(tiny_center_blind(), replace(EXACT, refine=False))
