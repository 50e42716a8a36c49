"""What is said of a noise model that frames held out contradict."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from napari_udvd.noise import NoiseModel
from napari_udvd.training.noise_check import Levels, _confirmed

SUPPOSED = NoiseModel(0.0, 0.0, 10.0)


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
