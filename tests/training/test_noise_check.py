"""Frames held out contradict a noise model that is wrong, and no other."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from napari_udvd.noise import NoiseModel
from napari_udvd.simulation import simulate
from napari_udvd.training import TrainingSettings
from napari_udvd.training.noise_check import Levels, _confirmed, confirm_noise
from napari_udvd.training.plan import make_plan

if TYPE_CHECKING:
    from napari_udvd.simulation import SimulatedMovie
    from napari_udvd.training.plan import Plan

TRUE = NoiseModel(gain=2.0, offset=100.0, read_noise=3.0)

SUPPOSED = NoiseModel(0.0, 0.0, 10.0)

WRONG = {
    "too little where it is bright": NoiseModel(2.0 / 3, 100.0, 3.0),
    "too much where it is bright": NoiseModel(6.0, 100.0, 3.0),
    "too little where it is dark": NoiseModel(2.0, 100.0, 1.0),
    "too much where it is dark": NoiseModel(2.0, 100.0, 9.0),
}
"""Each wrong by a factor of three or more, of the gain or of the read noise."""


@cache
def movie(kind: str) -> SimulatedMovie:
    return simulate(kind, frames=30, shape=(128, 128), seed=6, photons=30)


def confirmed(kind: str, noise: NoiseModel, given: bool = False) -> Plan:
    """Ask frames held out about a plan that was made with another noise model."""
    values = (noise.gain, noise.offset, noise.read_noise)
    settings = TrainingSettings(noise=values if given else None)
    stacks = [movie(kind).noisy]
    plan = make_plan(stacks, settings, on_cpu=True)
    (calibration,) = plan.calibrations
    plan = replace(plan, calibrations=(replace(calibration, noise=noise),))
    return confirm_noise(plan, stacks, settings, torch.device("cpu"))


def levels(kind: str) -> np.ndarray:
    return np.quantile(movie(kind).truth.read(), np.linspace(0.05, 0.999, 30))


def ratios(kind: str, noise: NoiseModel) -> np.ndarray:
    at = levels(kind)
    return np.asarray(noise.variance(at) / TRUE.variance(at))


@pytest.mark.parametrize("kind", ["nuclei", "filaments"])
@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_wrong_model_is_corrected(kind: str, wrong: NoiseModel) -> None:
    plan = confirmed(kind, wrong)
    noise = plan.calibrations[0].noise
    (said,) = plan.corrections
    assert "it was corrected" in said
    assert f"instead of {wrong.gain:.3g} and {wrong.read_noise:.3g}" in said
    before, after = (np.abs(np.log(ratios(kind, n))).max() for n in (wrong, noise))
    assert after < np.log(1.5)
    assert after < 0.5 * before


@pytest.mark.parametrize("kind", ["nuclei", "calcium", "filaments", "vesicles"])
def test_a_right_model_is_left_alone(kind: str) -> None:
    plan = confirmed(kind, TRUE)
    assert plan.calibrations[0].noise == TRUE
    assert plan.corrections == ()


@pytest.mark.parametrize(
    "wrong", [NoiseModel(0.5, 100.0, 3.0), WRONG["too much where it is bright"]]
)
def test_noise_that_the_user_gave_is_doubted_and_kept(wrong: NoiseModel) -> None:
    plan = confirmed("nuclei", wrong, given=True)
    assert plan.calibrations[0].noise == wrong
    (said,) = plan.corrections
    assert "the noise that was given is used all the same" in said
    factor = float(said.split("variance is at ")[1].split()[1])
    assert (factor > 1) == (wrong.gain < TRUE.gain)


def test_noise_that_the_user_gave_and_is_right_is_not_doubted() -> None:
    plan = confirmed("nuclei", TRUE, given=True)
    assert plan.corrections == ()


@pytest.mark.parametrize(
    ("lower", "upper", "said"),
    [(400.0, 600.0, "at least 4 times"), (20.0, 25.0, "at most 0.25 times")],
)
def test_the_factor_is_the_bound_that_is_violated(
    lower: float, upper: float, said: str
) -> None:
    """The model says 100; the truth lies between the bounds, wherever."""
    level = np.array([100.0, 200.0])
    bounds = Levels(level, np.full(2, upper), np.full(2, lower), error=np.full(2, 1e-3))
    judge = SimpleNamespace(noise=SUPPOSED, is_able=True, levels=lambda _: bounds)
    noise, sentence = _confirmed(judge, True)  # type: ignore[arg-type]
    assert noise == SUPPOSED
    assert f"the noise variance is {said} what the noise model says" in sentence


def test_bounds_that_hold_the_model_say_nothing() -> None:
    level = np.array([100.0, 200.0])
    bounds = Levels(level, np.full(2, 150.0), np.full(2, 70.0), np.full(2, 1e-3))
    judge = SimpleNamespace(noise=SUPPOSED, is_able=True, levels=lambda _: bounds)
    assert _confirmed(judge, True) == (SUPPOSED, "")  # type: ignore[arg-type]
