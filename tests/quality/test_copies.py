"""Recorrupted copies, and what they tell of an error that is known."""

from __future__ import annotations

import numpy as np
import pytest
from quality_movies import NOISE, known_movie
from scipy.ndimage import gaussian_filter

from napari_udvd.quality._accuracy import CopySums
from napari_udvd.quality._copies import (
    Correlations,
    Restored,
    draw,
    kernel_of,
    noise_on,
    spread_noise,
)

WHITE = Correlations(0.0, 0.0)


@pytest.mark.parametrize("rows", [-0.3, 0.0, 0.4])
@pytest.mark.parametrize("columns", [0.0, 0.3, 0.49])
def test_noise_is_drawn_with_the_correlation_of_the_movie(
    rows: float, columns: float
) -> None:
    noise = draw(np.random.default_rng(0), (8, 128, 128), Correlations(rows, columns))
    assert noise.var() == pytest.approx(1, abs=0.03)
    down = (noise[:, 1:] * noise[:, :-1]).mean()
    right = (noise[:, :, 1:] * noise[:, :, :-1]).mean()
    assert (down, right) == pytest.approx((rows, columns), abs=0.02)
    assert (kernel_of(Correlations(rows, columns)) ** 2).sum() == pytest.approx(1)


def test_copies_have_independent_noise_of_twice_the_variance() -> None:
    movie = known_movie(frames=20)
    rng = np.random.default_rng(1)
    added = spread_noise(movie.truth, NOISE, WHITE, rng)
    plus, minus = (movie.noisy + sign * added - movie.truth for sign in (1, -1))
    v = NOISE.variance(movie.truth)
    assert (plus**2 / v).mean() == pytest.approx(2, rel=0.02)
    assert (plus * minus / v).mean() == pytest.approx(0, abs=0.02)


def test_noise_is_recorded_with_photons() -> None:
    background = np.full((40, 64, 64), NOISE.offset + 4.0, np.float32)
    noisy = noise_on(background, NOISE, WHITE, np.random.default_rng(2))
    assert noisy.mean() == pytest.approx(background.mean(), rel=0.002)
    assert noisy.var() == pytest.approx(float(NOISE.variance(104.0)), rel=0.03)
    skew = ((noisy - noisy.mean()) ** 3).mean() / noisy.std() ** 3
    assert skew > 0.1  # as counted light has, and normal noise has not


@pytest.mark.parametrize("sigma", [0.6, 1.0, 2.0])
def test_the_error_of_a_filter_is_predicted(sigma: float) -> None:
    # sees the pixel itself, blurs the scene: both kinds of error at once
    movie = known_movie(frames=60, seed=3)

    def denoised(noisy: np.ndarray) -> np.ndarray:
        return gaussian_filter(noisy, (0, sigma, sigma))

    rng = np.random.default_rng(4)
    added = spread_noise(denoised(movie.noisy), NOISE, WHITE, rng)
    copies = [Restored(denoised(movie.noisy + s * added), None) for s in (1, -1)]
    sums = CopySums(NOISE)
    measured = np.ones(movie.noisy.shape, bool)
    sums.add(movie.noisy, measured, movie.truth, added, (copies[0], copies[1]), None)
    errors = [(copy.mean - movie.truth) ** 2 for copy in copies]
    true = np.mean(errors) / NOISE.variance(movie.truth).mean()
    estimate = sums.recorrupted()
    # told for the movie itself, by the rule for models without a standard deviation
    assert estimate.share / 2**-0.75 == pytest.approx(true, rel=0.05, abs=0.005)
    assert estimate.low < estimate.share < estimate.high


def test_an_error_that_the_movie_does_not_tell_has_no_estimate() -> None:
    movie = known_movie(frames=4)
    none = np.zeros_like(movie.noisy)
    sums = CopySums(NOISE)
    measured = np.ones(movie.noisy.shape, bool)
    perfect = Restored(movie.truth, None)
    sums.add(movie.noisy, measured, movie.truth, none, (perfect, perfect), None)
    estimate = sums.recorrupted()
    assert np.isinf(estimate.error)
    value, least, most = estimate.gain()
    assert np.isnan(value) or value > 15
    assert 10 < least < most
