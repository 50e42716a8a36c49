"""Events of a single frame: told from noise, and put back as they were recorded."""

from __future__ import annotations

import csv
import io
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.ndimage import uniform_filter1d
from torch import Tensor

from napari_udvd.inference.flash_scores import REACH, TEMPLATES, Frame, score
from napari_udvd.inference.flashes import (
    KINDS,
    LEAST_WEIGHT,
    Candidate,
    Flash,
    Spread,
    find,
    flash_table,
    put_back,
)
from napari_udvd.inference.survey import _spread
from napari_udvd.models import CameraNoise

torch.set_num_threads(1)

SHAPE = 160, 200

PLAIN = Spread(((0.0,),) * 3, ((1.0,),) * 3)


def camera(gain: float, read_noise: float, dark: float = 0.0) -> CameraNoise:
    return CameraNoise(
        torch.tensor([[gain]]), torch.tensor([[dark]]), torch.tensor([[read_noise**2]])
    )


def recorded(truth: Tensor, noise: CameraNoise, seed: int = 0) -> Tensor:
    rng = np.random.default_rng(seed)
    light = (truth - noise.dark).numpy().astype(float)
    gain = float(noise.gain)
    counted = gain * rng.poisson(light / gain) if gain else light
    read = rng.normal(0, math.sqrt(float(noise.read_variance)), light.shape)
    return torch.from_numpy((counted + read).astype(np.float32)) + noise.dark


def known(level: float, noise: CameraNoise, seed: int = 0) -> Frame:
    """Return a flat frame whose truth is predicted exactly."""
    truth = torch.full(SHAPE, level)
    return Frame(recorded(truth, noise, seed), truth, torch.full(SHAPE, 1e-4))


def with_event(
    level: float, kind: int, amplitude: float, at: tuple[int, int], noise: CameraNoise
) -> Frame:
    truth = torch.full(SHAPE, level)
    bright = truth.clone()
    row, column = at
    padded = torch.zeros(SHAPE[0] + 4, SHAPE[1] + 4)
    padded[row : row + 5, column : column + 5] = TEMPLATES[kind]
    bright += amplitude * padded[2:-2, 2:-2]
    return Frame(recorded(bright, noise), truth, torch.full(SHAPE, 1e-4))


@pytest.mark.parametrize(
    ("level", "gain", "read_noise", "dark"),
    [(3.0, 0.0, 1.0, 0.0), (130.0, 2.0, 3.0, 100.0), (5.0, 1.0, 0.0, 0.0),
     (102.0, 2.0, 1.4, 100.0)],
)  # fmt: skip
def test_scores_of_noise_are_standard_normal(
    level: float, gain: float, read_noise: float, dark: float
) -> None:
    noise = camera(gain, read_noise, dark)
    z = score(known(level, noise), torch.full(SHAPE, level), noise).rise
    assert z.shape == (len(KINDS), *SHAPE)
    # the few photons of a single pixel come in whole numbers
    np.testing.assert_allclose(z.std(dim=(1, 2)), 1, atol=0.12)
    np.testing.assert_allclose(z[1:].std(dim=(1, 2)), 1, atol=0.06)
    for each in z:
        # no more far above than chance has it: the skew of photons is known
        assert (each > 3.5).float().mean() < 3 * 2.3e-4


def test_what_the_prediction_does_not_know_makes_scores_smaller() -> None:
    noise = camera(0.0, 1.0)
    sure = known(0.0, noise)
    unsure = sure._replace(std=torch.full(SHAPE, 1.0))
    one, two = (score(each, each.mean, noise).rise for each in (sure, unsure))
    np.testing.assert_allclose(two[0], one[0] / math.sqrt(2), rtol=1e-3, atol=1e-4)
    inside = (slice(3, -3), slice(3, -3))
    np.testing.assert_allclose(  # it errs alike in all nine pixels
        two[1][inside], one[1][inside] / math.sqrt(10), rtol=1e-3, atol=1e-4
    )


@pytest.mark.parametrize("unit", [1e-12, 1e9])
def test_scores_do_not_depend_on_units(unit: float) -> None:
    noise = camera(2.0, 3.0, 100.0)
    frame = known(130.0, noise)
    other = Frame(*(each * unit for each in frame[:3] if each is not None))
    in_units = camera(2.0 * unit, 3.0 * unit, 100.0 * unit)
    found = score(other, other.mean, in_units)
    expected = score(frame, frame.mean, noise)
    np.testing.assert_allclose(found.z, expected.z, rtol=1e-2, atol=5e-2)
    np.testing.assert_allclose(found.rise, expected.rise, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("at", [(80, 90), (0, 0), (159, 1), (1, 199)], ids=str)
@pytest.mark.parametrize("kind", range(3), ids=KINDS)
def test_an_event_is_found_and_put_back(kind: int, at: tuple[int, int]) -> None:
    noise = camera(2.0, 3.0, 100.0)
    frame = with_event(130.0, kind, 120.0, at, noise)
    (first, *_) = found = find(score(frame, frame.mean, noise), PLAIN, [9.0] * 3)
    assert [each for each in found if each.weight > 0.5] == [first]
    assert abs(first.row - at[0]) <= 1
    assert abs(first.column - at[1]) <= 1
    assert first.weight > 0.99
    mean, std = frame.mean.clone(), torch.full(SHAPE, 2.0)
    unsure = torch.full(SHAPE, 2.0)
    (amplitude,) = put_back(mean, std, frame, frame.mean, unsure, noise, [first])
    assert amplitude == pytest.approx(120.0, rel=0.35)
    assert mean[at] - 130.0 == pytest.approx(120.0, rel=0.4)
    error = abs(float(mean[at]) - 250.0)
    assert error < 3 * float(std[at])
    far = torch.ones(SHAPE, dtype=torch.bool)
    far[max(at[0] - 4, 0) : at[0] + 5, max(at[1] - 4, 0) : at[1] + 5] = False
    assert (mean[far] == 130.0).all()
    assert (std[far] == 2.0).all()


@pytest.mark.parametrize("axis", [0, 1])
def test_noise_that_is_alike_in_neighbours_widens_the_spread(axis: int) -> None:
    noise = camera(0.0, 1.0)
    frame = known(0.0, noise)
    alike = uniform_filter1d(frame.noisy.numpy(), 3, axis=axis) * math.sqrt(3)
    correlated = frame._replace(noisy=torch.from_numpy(alike))
    widths = []
    for each in (frame, correlated):
        scores = score(each, each.mean, noise)
        z, ratio = scores.rise, scores.ratio
        spreads = [
            _spread(z[k].numpy().ravel(), ratio[k].numpy().ravel()) for k in (0, 1)
        ]
        widths.append([float(np.mean(values)) for _, values in spreads])
    (_, square), (single, wide) = widths
    assert square < 1.1
    assert single < 1.1  # a pixel is as noisy as before
    assert wide > 1.4
    spread = Spread(((0.0,),) * 3, ((1.0,), (wide,), (wide,)))
    found = find(score(correlated, correlated.mean, noise), spread, [10.0] * 3)
    assert all(candidate.weight < 0.5 for candidate in found)


def test_noise_alone_is_no_event() -> None:
    noise = camera(2.0, 3.0, 100.0)
    found = find(
        score(known(120.0, noise), torch.full(SHAPE, 120.0), noise), PLAIN, [10.0] * 3
    )
    assert all(each.weight < 0.5 for each in found)


def test_what_was_not_measured_is_no_event() -> None:
    noise = camera(2.0, 3.0, 100.0)
    frame = with_event(130.0, 0, 500.0, (40, 50), noise)
    measured = torch.ones(SHAPE, dtype=torch.bool)
    measured[40, 50] = measured[:, 0] = False
    noisy = torch.where(measured, frame.noisy, 1e6)
    noisy[5, 0] = math.nan
    mean = torch.where(measured, frame.mean, math.nan)
    holed = Frame(noisy, mean, frame.std, measured)
    scores = score(holed, holed.mean, noise)
    assert scores.z.isfinite().all()
    assert scores.ratio.isfinite().all()
    found = find(scores, PLAIN, [10.0] * 3)
    assert all(each.weight < 0.5 for each in found)


def test_an_event_beside_what_was_not_measured() -> None:
    noise = camera(2.0, 3.0, 100.0)
    frame = with_event(130.0, 1, 120.0, (40, 50), noise)
    measured = torch.ones(SHAPE, dtype=torch.bool)
    measured[:, 51] = False
    noisy = torch.where(measured, frame.noisy, math.nan)
    holed = Frame(
        noisy, torch.where(measured, frame.mean, math.nan), frame.std, measured
    )
    first = find(score(holed, holed.mean, noise), PLAIN, [9.0] * 3)[0]
    mean, std = holed.mean.clone(), frame.std.clone()
    put_back(mean, std, holed, holed.mean, frame.std, noise, [first])
    assert mean[40, 50] - 130 == pytest.approx(120, rel=0.3)
    assert mean[measured].isfinite().all()
    assert mean[~measured].isnan().all()


def test_what_is_found_is_where_the_odds_are_highest() -> None:
    noise = camera(1.0, 1.0)
    frame = known(4.0, noise)
    scores = score(frame, frame.mean, noise)
    spread = Spread(((-9.0, -8.0),) * 3, ((1.0, 1.5), (1.2, 1.2), (1.0, 1.1)))
    odds = [6.0, 2.0, 7.0]
    z = scores.z / spread.at(scores.ratio)
    against = torch.tensor(odds)[:, None, None]
    best = (z.square() / 2 - against - torch.log1p(z)).amax(dim=0)
    around = F.max_pool2d(best[None], 2 * REACH + 1, stride=1, padding=REACH)[0]
    least = math.log(LEAST_WEIGHT / (1 - LEAST_WEIGHT))
    expected = ((best == around) & (best > least)).nonzero().tolist()
    found = find(scores, spread, odds)
    assert len(found) > 50
    assert sorted([each.row, each.column] for each in found) == expected
    np.testing.assert_allclose(
        [each.log_odds for each in found],
        [best[each.row, each.column] for each in found],
        rtol=1e-5,
        atol=1e-5,
    )
    assert find(scores, spread, [100.0] * 3) == []


def test_events_that_overlap_are_put_back_one_after_the_other() -> None:
    noise = camera(2.0, 3.0, 100.0)
    frame = with_event(130.0, 1, 120.0, (40, 50), noise)
    places = [(40, 50, 1), (43, 52, 0), (0, 1, 2), (41, 54, 2), (37, 51, 1)]
    found = [Candidate(*each, z=4.0, log_odds=0.5 * k) for k, each in enumerate(places)]
    unsure = torch.full(SHAPE, 2.0)

    def put(result: tuple[Tensor, Tensor], events: list[Candidate]) -> list[float]:
        return put_back(*result, frame, frame.mean, unsure, noise, events)

    together = frame.mean.clone(), unsure.clone()
    alone = frame.mean.clone(), unsure.clone()
    amplitudes = put(together, found)
    assert amplitudes == [put(alone, [each])[0] for each in found]
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_array_equal(one, other)
    assert put(together, []) == []


def test_the_spread_is_interpolated_and_constant_beyond_its_ends() -> None:
    spread = Spread(
        ((-1.0, 1.0, 3.0), (0.0,), (0.0, 1.0)), ((1.0, 2.0, 4.0), (3.0,), (1.0, 1.5))
    )
    ratio = torch.tensor([[-5.0, -1.0, 0.0, 2.0, 3.0, 9.0]]).repeat(3, 1, 1)
    found = spread.at(ratio)
    assert found[0, 0].tolist() == [1.0, 1.0, 1.5, 3.0, 4.0, 4.0]
    assert found[1, 0].tolist() == [3.0] * 6
    assert found[2, 0].tolist() == [1.0, 1.0, 1.0, 1.5, 1.5, 1.5]


def test_events_as_a_table() -> None:
    flash = Flash(3, 0, 1, 20, 30, "3x3", 12.5, 6.25, 0.999)
    rows = list(csv.DictReader(io.StringIO(flash_table([flash, flash]).decode())))
    assert len(rows) == 2
    assert rows[0] == {
        "frame": "3", "channel": "0", "plane": "1", "row": "20", "column": "30",
        "kind": "3x3", "amplitude": "12.5", "z": "6.25", "probability": "0.999",
    }  # fmt: skip
    assert flash_table([]).decode().startswith("frame,channel,plane,row,column,kind")
