"""Traces of regions: bias, noise and events."""

from __future__ import annotations

import numpy as np
import pytest
from quality_movies import NOISE

from napari_udvd.quality._copies import Correlations
from napari_udvd.quality._regions import (
    Traces,
    TraceSums,
    judge_regions,
    variance_of_mean,
)


def region_of(noisy: np.ndarray, result: np.ndarray, pixels: int = 25):  # type: ignore[no-untyped-def]
    mask = np.zeros((16, 16), bool)
    mask.ravel()[:pixels] = True
    (region,) = judge_regions(
        {"soma": mask},
        {"soma": Traces(noisy, result)},
        lambda name, level: variance_of_mean(
            pixels, level, NOISE, Correlations(0.0, 0.0)
        ),
    )
    return region


def traces(frames: int = 200) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    clean = np.full(frames, 150.0)
    clean[[40, 41, 120]] += 30
    std = np.sqrt(NOISE.variance(150.0) / 25)
    return clean, clean + std * rng.normal(size=frames)


def test_events_that_stay_and_that_go() -> None:
    clean, noisy = traces()
    region = region_of(noisy, clean)
    assert region.events_after == 2
    assert region.events_kept == 2
    lost = clean.copy()
    lost[120] = 150
    assert region_of(noisy, lost).events_kept == region.events_kept - 1


def test_noise_and_bias() -> None:
    clean, noisy = traces()
    region = region_of(noisy, clean + 1.5)
    std = float(np.sqrt(NOISE.variance(150.0) / 25))
    assert region.noise_before == pytest.approx(std, rel=0.2)
    assert region.noise_after < 0.1 * std
    assert region.bias == pytest.approx(1.5, abs=4 * std / np.sqrt(200))
    assert region.bias_error == pytest.approx(std / np.sqrt(200), rel=0.1)


def test_neighbours_that_share_noise_average_less() -> None:
    level = np.full(3, 150.0)
    white = variance_of_mean(25, level, NOISE, Correlations(0.0, 0.0))
    shared = variance_of_mean(25, level, NOISE, Correlations(0.0, 0.3))
    assert (shared / white) == pytest.approx([1.6] * 3, rel=0.01)


def test_the_choice_of_measured_pixels_is_no_noise() -> None:
    rng = np.random.default_rng(2)
    level = np.linspace(0, 100, 256).reshape(16, 16)  # uneven: which ones matters
    sums = TraceSums({"soma": np.ones((16, 16), bool), "gone": np.eye(16) > 1})
    for t in range(40):
        noisy = level + rng.normal(0, 2, level.shape)
        measured = rng.random(level.shape) < (0.0 if t == 7 else 0.2)
        sums.add(np.where(measured, noisy, np.nan), level, measured)
    traces = sums.traces()
    assert set(traces) == {"soma"}
    noisy, result, pixels = traces["soma"]
    assert len(noisy) == 39  # one frame told nothing
    assert pixels is not None
    assert pixels.mean() == pytest.approx(51, rel=0.1)
    np.testing.assert_allclose(result, 50, atol=1e-9)
    assert noisy.std() == pytest.approx(2 / 51**0.5, rel=0.3)
    variance = variance_of_mean(pixels, result, NOISE, Correlations(0.0, 0.0))
    np.testing.assert_allclose(variance, NOISE.variance(50.0) / pixels)
