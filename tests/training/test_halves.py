"""The error of a prediction is found without knowledge of the noise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_udvd.noise import NoiseModel
from napari_udvd.training.halves import Halves, error_of
from napari_udvd.training.scan_noise import fitted_noise
from napari_udvd.training.std_factors import std_factors

CAMERA = NoiseModel(gain=2.0, offset=10.0, read_noise=1.5)


def predicted(
    frames: int = 8,
    bias: float = 1.0,
    chance: float = 1.0,
    said: float = 1.0,
) -> list[Halves]:
    """Windows of a scan with predictions whose bias and variance are known.

    The prediction from either half has twice the variance of that from both.
    """
    rng = np.random.default_rng(0)
    found = []
    for _ in range(frames):
        scene = np.tile(np.linspace(15, 200, 128), (128, 1))
        noisy = 2 * rng.poisson((scene - 10) / 2) + 10
        noisy = noisy + rng.normal(0, CAMERA.read_noise, scene.shape)
        wrong = gaussian_filter(rng.normal(size=scene.shape), 4)
        wrong *= bias / wrong.std() if bias else 0.0
        one, other = rng.normal(0, chance * 2**0.5, (2, *scene.shape))
        measured = rng.random(scene.shape) < 0.2
        hidden = measured & (rng.random(scene.shape) < 0.3)
        true = np.full(scene.shape, np.hypot(bias, chance))
        found.append(
            Halves(
                noisy=noisy,
                measured=measured,
                first=rng.random(scene.shape) < 0.5,
                often=np.full(scene.shape, 0.2),
                mean=scene + wrong + (one + other) / 2,
                std=true / said,
                halves=(scene + wrong + one, scene + wrong + other),
                hidden=(hidden, scene + 1.5 * wrong + one / 2**0.5 * 1.5, true / said),
            )
        )
    return found


@pytest.mark.parametrize("bias, chance", [(1.0, 1.0), (3.0, 1.0), (0.0, 2.0)])
def test_bias_and_variance_below_the_noise(bias: float, chance: float) -> None:
    found = predicted(16, bias, chance)
    error = error_of(found)
    assert error is not None
    noise = float(np.mean([CAMERA.variance(one.mean).mean() for one in found]))
    assert noise > 100  # many times what is looked for
    assert error.variance == pytest.approx(chance**2, rel=0.03)
    # chance: the products of residuals scatter by the noise
    assert error.bias == pytest.approx(bias**2, abs=2.5 * error.uncertainty)
    assert error.uncertainty < 0.3 * bias**2 + 0.01 * noise


def test_nothing_is_told_of_pixels_without_neighbours() -> None:
    (one,) = predicted(1)
    lonely = np.zeros_like(one.measured)
    lonely[4, 4] = True
    assert error_of([one._replace(measured=lonely)]) is None
    assert error_of([]) is None


@pytest.mark.parametrize("wrong", [0.7, 1.4])
def test_noise_is_what_is_left_over(wrong: float) -> None:
    told = NoiseModel(CAMERA.gain * wrong, CAMERA.offset, CAMERA.read_noise * wrong)
    noise = fitted_noise(predicted(8, bias=3.0, chance=2.0), told)
    assert noise.gain == pytest.approx(CAMERA.gain, rel=0.06)
    levels = np.array([50.0, 110.0, 150.0])
    ratio = noise.variance(levels) / CAMERA.variance(levels)
    np.testing.assert_allclose(ratio, 1, atol=0.1)
    assert noise.offset == CAMERA.offset


def test_where_nothing_was_seen_noise_stays() -> None:
    assert fitted_noise([], CAMERA) == CAMERA


@pytest.mark.parametrize("said", [0.5, 1.0, 2.0])
def test_factors_are_by_what_the_error_is_larger(said: float) -> None:
    found = [one._replace(hidden=None) for one in predicted(8, 4.0, 4.0, said)]
    seen, unseen = std_factors(found, CAMERA, 0.01)
    assert seen == unseen == pytest.approx(said, rel=0.1)


def test_noise_that_is_a_little_off_decides_nothing() -> None:
    off = NoiseModel(CAMERA.gain * 1.08, CAMERA.offset, CAMERA.read_noise)
    found = [one._replace(hidden=None) for one in predicted(16, 2.0, 3.0)]
    seen, _ = std_factors(found, off, 0.04)  # 8 % of the noise are more than the error
    assert seen == pytest.approx(1.0, rel=0.25)


def test_hidden_sites_tell_of_those_that_are_never_measured() -> None:
    seen, unseen = std_factors(predicted(16, 4.0, 4.0), CAMERA, 0.01)
    assert seen == pytest.approx(1.0, rel=0.1)
    assert unseen == pytest.approx(1.5, rel=0.15)


def test_rarely_measured_places_tell_of_what_was_not_measured() -> None:
    """As around a fovea: there the error is twice as large."""
    found = []
    rng = np.random.default_rng(5)
    for one in predicted(16, 3.0, 3.0):
        outside = np.arange(128) >= 64
        often = np.broadcast_to(np.where(outside, 0.1, 0.8), (128, 128))
        scene = np.tile(np.linspace(15, 200, 128), (128, 1))
        times = np.where(outside, 2.0, 1.0)
        found.append(
            one._replace(
                measured=rng.random(often.shape) < often,
                often=often,
                mean=scene + times * (one.mean - scene),
                halves=tuple(scene + times * (half - scene) for half in one.halves),
                hidden=None,
            )
        )
    seen, unseen = std_factors(found, CAMERA, 0.01)
    assert seen == pytest.approx((0.89 + 0.11 * 4) ** 0.5, rel=0.12)
    assert unseen == pytest.approx((0.18 + 0.82 * 4) ** 0.5, rel=0.12)


def test_a_prediction_that_is_too_bright_is_not_taken_for_noise() -> None:
    found = []
    for one in predicted(16, 0.0, 1.0):
        bright = 4.0
        found.append(
            one._replace(
                mean=one.mean + bright,
                halves=tuple(half + bright for half in one.halves),
                std=np.full_like(one.std, np.hypot(1.0, bright)),
                hidden=None,
            )
        )
    seen, _ = std_factors(found, CAMERA, 0.001)
    assert seen == pytest.approx(1.0, rel=0.1)


@pytest.mark.parametrize("said", [0.5, 1.0])
def test_below_far_more_noise_the_bias_goes_with_the_variance(said: float) -> None:
    """A window of a movie whose noise has thousands of times the error's variance."""
    found = [one._replace(hidden=None) for one in predicted(2, 0.087, 0.1, said)]
    seen, unseen = std_factors(found, CAMERA, 0.01)
    assert seen == pytest.approx(said, rel=0.1)
    assert unseen == pytest.approx(said, rel=0.1)
