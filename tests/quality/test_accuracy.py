"""What is told of a PSNR, given what is known of the error."""

from __future__ import annotations

import numpy as np
import pytest
from quality_movies import NOISE, Known, known_movie

from napari_udvd.quality._accuracy import Accuracy, Opinion, accuracy_of
from napari_udvd.quality._copies import Restored
from napari_udvd.quality._pair import Pixels
from napari_udvd.quality._risk import Risk


@pytest.fixture(scope="module")
def movie() -> Known:
    return known_movie(frames=4)


def told(
    movie: Known, opinion: Opinion, risk: Risk | None
) -> tuple[Accuracy, float | None]:
    everywhere = np.ones(movie.noisy.shape, bool)
    pixels = [Pixels(movie.noisy, movie.truth, everywhere)]
    return accuracy_of(pixels, NOISE, 1.0, opinion, risk)


def opinion_of(movie: Known, share: float) -> Opinion:
    """Make a model say that this share of the noise is left."""
    std = np.sqrt(share * NOISE.variance(movie.truth)).astype(np.float32)
    opinion = Opinion()
    opinion.add(Restored(movie.truth, std), np.ones(std.shape, bool))
    return opinion


def test_what_is_measured_is_predicted(movie: Known) -> None:
    accuracy, left = told(movie, opinion_of(movie, 0.02), Risk(0.01, 0.001, 0.02))
    assert accuracy.predicted == accuracy.measured is not None
    assert accuracy.posterior is not None
    assert accuracy.gain == pytest.approx(20)
    assert accuracy.posterior[0] - accuracy.noisy == pytest.approx(10 * np.log10(50))
    assert left == pytest.approx(0.01 * accuracy.noise)
    assert not accuracy.disagree
    value, least, most = accuracy.predicted
    assert most - value == pytest.approx(value - least)
    assert 1 < most - least < 4


def test_an_error_that_the_movie_does_not_tell_has_a_wide_interval(
    movie: Known,
) -> None:
    accuracy, _ = told(movie, Opinion(), Risk(0.001, 0.003, 0.001))
    assert accuracy.predicted is not None
    _, least, most = accuracy.predicted
    assert most - least > 20


def test_the_std_is_all_there_is_where_nothing_is_measured(movie: Known) -> None:
    accuracy, left = told(movie, opinion_of(movie, 0.1), None)
    assert accuracy.predicted == accuracy.posterior is not None
    assert left == pytest.approx(0.1 * accuracy.noise, rel=1e-3)
    accuracy, left = told(movie, Opinion(), None)
    assert accuracy.predicted is None is left


def test_a_model_that_does_not_know_its_errors_is_told(movie: Known) -> None:
    accuracy, _ = told(movie, opinion_of(movie, 0.001), Risk(0.1, 0.005, 0.1))
    assert accuracy.disagree


def test_the_truth_varies_more_than_what_estimates_it() -> None:
    # of normal truth and errors, the best estimate is known, and what it lacks
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 2, (4, 200, 200))
    noisy = truth + rng.normal(size=truth.shape)
    estimate = (noisy * 4 / 5).astype(np.float32)
    opinion = Opinion()
    std = np.full(truth.shape, (4 / 5) ** 0.5, np.float32)
    opinion.add(Restored(estimate, std), np.ones(truth.shape, bool))
    ranges = [
        float(np.subtract(*np.percentile(a, (99.9, 0.1)))) for a in (truth, estimate)
    ]
    assert opinion.widening() == pytest.approx(ranges[0] / ranges[1], rel=0.02)
    assert Opinion().widening() == 1
