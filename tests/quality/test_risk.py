"""Errors that are known, and what the residual and the answer to noise tell of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from quality_movies import NOISE, known_movie
from scipy.ndimage import gaussian_filter

from napari_udvd.noise import NoiseModel
from napari_udvd.quality._copies import Correlations, spread_noise
from napari_udvd.quality._frequencies import Boxes
from napari_udvd.quality._risk import NUDGE, Risk, RiskSums

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]

WHITE = Correlations(0.0, 0.0)


def measured_risk(
    noisy: Floats, denoised: Callable[[Floats], Floats], noise: NoiseModel
) -> Risk:
    result = denoised(noisy)
    added = spread_noise(result, noise, WHITE, np.random.default_rng(4))
    change = (denoised(noisy + np.float32(NUDGE) * added) - result) / NUDGE
    everywhere = np.ones(noisy.shape, bool)
    sums = RiskSums(noise, WHITE, Boxes(4, *noisy.shape[1:]))
    sums.add_residual(noisy, result, everywhere)
    sums.add_answer(added, change, result, everywhere)
    risk = sums.result()
    assert risk is not None
    return risk


@pytest.mark.parametrize("off", [-0.01, 0.01])
@pytest.mark.parametrize("sigmas", [(0, 1.0, 1.0), (0, 2.0, 2.0), (2.0, 1.0, 1.0)])
def test_the_error_of_a_filter_is_measured_though_the_noise_model_is_off(
    sigmas: tuple[float, float, float], off: float
) -> None:
    # sees the pixel itself, blurs the scene: both kinds of error at once
    movie = known_movie(frames=32, seed=3)
    told = NoiseModel(
        NOISE.gain * (1 + off), NOISE.offset, NOISE.read_noise * (1 + off) ** 0.5
    )

    def denoised(noisy: Floats) -> Floats:
        return gaussian_filter(noisy, sigmas)

    risk = measured_risk(movie.noisy, denoised, told)
    error = np.mean((denoised(movie.noisy) - movie.truth) ** 2, dtype=float)
    true = error / told.variance(movie.truth).mean()
    assert risk.share == pytest.approx(true, rel=0.15)
    assert abs(risk.share - true) < 2.5 * risk.error


def test_structures_that_are_lost_count() -> None:
    movie = known_movie(frames=32, seed=6)

    def denoised(noisy: Floats) -> Floats:
        return gaussian_filter(noisy, (4, 3, 3))

    risk = measured_risk(movie.noisy, denoised, NOISE)
    error = np.mean((denoised(movie.noisy) - movie.truth) ** 2, dtype=float)
    true = error / NOISE.variance(movie.truth).mean()
    # the response to noise alone knows nothing of them
    assert risk.expected < 0.3 * true
    assert risk.share == pytest.approx(true, rel=0.15)


def test_what_was_not_measured_does_not_count() -> None:
    movie = known_movie(frames=20)
    noisy, measured = movie.noisy.copy(), np.ones(movie.noisy.shape, bool)
    noisy[:, :30] = 0
    measured[:, :30] = False
    found = []
    for seen, known in ((noisy, measured), (movie.noisy, measured)):
        sums = RiskSums(NOISE, WHITE, Boxes(4, 96, 96))
        sums.add_residual(seen, movie.truth, known)
        sums.add_answer(seen, 0 * seen, movie.truth, known)
        found.append(sums.result())
    assert found[0] == found[1]


def test_without_a_box_nothing_is_measured() -> None:
    movie = known_movie(frames=3)
    sums = RiskSums(NOISE, WHITE, Boxes(4, 96, 96))
    assert sums.result() is None
    everywhere = np.ones(movie.noisy.shape, bool)
    sums.add_residual(movie.noisy, movie.truth, everywhere)
    assert sums.result() is None
