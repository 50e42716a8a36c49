"""Copies of a movie with fresh noise."""

from __future__ import annotations

import numpy as np
import pytest
from quality_movies import NOISE, known_movie

from napari_udvd.quality._copies import (
    Correlations,
    as_drawn,
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


def test_noise_that_is_drawn_is_white_where_the_movie_is_nearly() -> None:
    assert as_drawn(Correlations(0.02, -0.6)) == (0.0, -0.49)
