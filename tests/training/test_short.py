"""Trainings that are too short to be of use."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_udvd.inference.scaling import Calibration
from napari_udvd.jobs import make_settings
from napari_udvd.noise import NoiseModel
from napari_udvd.simulation import simulate
from napari_udvd.tasks import DENOISE
from napari_udvd.training import Finished, Started, train_events
from napari_udvd.training.budget import Budget
from napari_udvd.training.estimate import Pace
from napari_udvd.training.short import doubted, too_few_steps
from napari_udvd.training.validation import Residual

if TYPE_CHECKING:
    from napari_udvd import Denoiser

CALIBRATION = Calibration(0.0, 1.0, NoiseModel(1.0, 0.0, 1.0))


def residual(error: float, expected: float, noise: float = 4.0) -> Residual:
    """Leave over what a prediction with such a squared error does."""
    rng = np.random.default_rng(0)
    left = rng.normal(0.0, np.sqrt(error + noise), (200, 200))
    flat = np.ones_like(left)
    return Residual(flat, left, expected * flat, flat > 0, noise * flat, noise * flat)


def factor(*left: Residual, likelihood: bool = True) -> float:
    validation: Any = SimpleNamespace(residuals=lambda _: list(left))
    net: Any = SimpleNamespace(likelihood=likelihood)
    (found,) = doubted([CALIBRATION], validation, net)
    assert replace(found, std_factors=(1.0, 1.0)) == CALIBRATION
    return found.std_factors[0]


def test_a_network_that_does_not_know_its_error_is_doubted() -> None:
    # with a squared error of 128 beside a noise of 4, prior variances of 128 are best
    assert factor(residual(128.0, 0.5)) == 16.0
    both = factor(residual(128.0, 0.5), residual(12800.0, 50.0, noise=400.0))
    assert both == 16.0


@pytest.mark.parametrize(
    ("error", "expected"),
    [(128.0, 128.0), (128.0, 90.0), (20.0, 0.01), (0.1, 8.0)],
    ids=["known", "nearly", "of little harm", "too modest"],
)
def test_others_are_believed(error: float, expected: float) -> None:
    assert factor(residual(error, expected)) == 1.0


def test_without_a_likelihood_there_is_nothing_to_weigh() -> None:
    assert factor(residual(8.0, 0.5), likelihood=False) == 1.0


# --- before -------------------------------------------------------------------------


def said(seconds_per_pixel: float, minutes: float = 1.0, steps: Any = None) -> str:
    net = SimpleNamespace(title="Network")
    learner: Any = SimpleNamespace(net=net, task=DENOISE)
    batches: Any = SimpleNamespace(longest=(10, 1, 100, 100), size=1)
    budget = Budget(minutes, steps, SOON)
    return too_few_steps(learner, batches, Pace(0.0, seconds_per_pixel), budget)


SOON = 1e12
"""A clock that has hardly begun, whatever it shows: nothing is used up."""


def test_too_few_steps_are_told_in_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.monotonic", lambda: SOON)
    # a step takes 3 x 10^5 pixels: 3 s
    words = said(1e-5)
    assert "about 20 steps, too few for Network" in words
    assert "give it 2 minutes or more" in words
    assert said(1e-6) == ""
    assert said(1e-5, minutes=5) == ""
    assert said(1e-5, steps=7) == ""  # as many as were asked for


@pytest.mark.parametrize(("model", "told"), [("stbn", True), ("centerblind", False)])
def test_it_is_told_before_training(model: str, told: bool) -> None:
    movie = simulate("calcium", frames=12, shape=(32, 32), seed=1)
    events = train_events([movie.noisy], make_settings(model=model, minutes=0.02))
    remarks = next(event for event in events if isinstance(event, Started)).remarks
    assert any("begins with nothing" in words for words in remarks) == told


def test_hardly_trained_it_leaves_the_movie_nearly_as_it_was() -> None:
    """In a movie with little noise, where a network that knows nothing does harm."""
    movie = simulate("nuclei", frames=12, shape=(48, 48), seed=2, photons=400)
    settings = make_settings(model="stbn", steps=3, width=4, flow=False)
    *_, end = train_events([movie.noisy], settings)
    assert isinstance(end, Finished)
    noisy, truth = (np.asarray(x.data, float) for x in (movie.noisy, movie.truth))
    first = end.denoiser.calibrations[0]
    assert first.std_factors[0] > 1

    def error(denoiser: Denoiser) -> float:
        found = denoiser.denoise(
            movie.noisy, dtype=np.float32, events=False, refine=False
        )
        return float(np.mean((found - truth) ** 2))

    alike = (replace(first, std_factors=(1.0, 1.0)),)
    believed = replace(end.denoiser, calibrations=alike)
    noise = float(np.mean((noisy - truth) ** 2))
    assert error(end.denoiser) < 1.05 * noise
    assert error(believed) > 1.5 * noise
