"""How well a movie fixes its gain is known, and said where it does not."""

from __future__ import annotations

import numpy as np
import pytest

from napari_udvd.noise import diagnose, fit_line
from napari_udvd.simulation import KINDS, simulate
from napari_udvd.stack import Stack


def test_the_error_of_a_slope_is_its_scatter() -> None:
    rng = np.random.default_rng(0)
    level = np.linspace(0, 30, 20)
    truth = 2.0 * level + 9.0
    error = np.full(20, 0.1)
    lines = [
        fit_line(level, truth * (1 + rng.normal(0, 0.1, 20)), error) for _ in range(300)
    ]
    slopes = [line.slope for line in lines]
    assert np.mean(slopes) == pytest.approx(2.0, rel=0.05)
    said = np.median([line.error for line in lines])
    assert said == pytest.approx(np.std(slopes), rel=0.3)


def test_points_that_scatter_more_than_they_say_fix_less() -> None:
    rng = np.random.default_rng(1)
    level = np.linspace(0, 30, 20)
    variance = (2.0 * level + 9.0) * (1 + rng.normal(0, 0.1, 20))
    honest = fit_line(level, variance, np.full(20, 0.1)).error
    proud = fit_line(level, variance, np.full(20, 0.01)).error
    assert proud > 0.5 * honest


def test_a_slope_that_is_none_has_an_error_all_the_same() -> None:
    rng = np.random.default_rng(3)
    level = np.linspace(0, 1, 20)
    line = fit_line(level, 9 * (1 + rng.normal(0, 0.1, 20)), np.full(20, 0.1))
    assert line.slope == 0.0
    assert line.error == pytest.approx(9 * 0.1 / (np.std(level) * 20**0.5), rel=0.5)


def remark(kind: str, photons: float, frames: int, side: int) -> tuple[float, str]:
    movie = simulate(kind, frames=frames, shape=(side, side), seed=3, photons=photons)
    found = diagnose(movie.noisy)
    said = [
        s for s in found.reasons if "gain is uncertain" in s or "gain is at most" in s
    ]
    assert found.verdict == "ok" or len(found.reasons) > len(said)
    return found.noise.gain, " ".join(said)


@pytest.mark.parametrize("kind", KINDS)
def test_a_gain_that_is_far_off_is_called_uncertain(kind: str) -> None:
    """In small, short, dim movies; the truth, 2, is in the range that is named."""
    for photons in (1.0, 3.0):
        gain, said = remark(kind, photons, frames=12, side=64)
        if not 2 / 1.5 < gain < 2 * 1.5:
            assert said
        if "at most" in said:
            assert float(said.split("at most ")[1].split(";")[0]) > 1.4
        if "uncertain" in said:
            low, high = said.split("between ")[1].split(",")[0].split(" and ")
            assert 0.7 * float(low) <= 2.0 <= 1.5 * float(high)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_said_of_a_gain_that_is_known(kind: str) -> None:
    gain, said = remark(kind, 30.0, frames=40, side=128)
    assert gain == pytest.approx(2.0, rel=0.15)
    assert said == ""


def test_it_is_no_matter_for_the_verdict() -> None:
    movie = simulate("nuclei", frames=12, shape=(64, 64), seed=3, photons=1.0)
    found = diagnose(movie.noisy)
    assert any("gain is uncertain" in reason for reason in found.reasons)
    assert found.verdict == "ok"
    assert found.broken == ()


def test_a_bright_even_movie_does_not_pretend_to_know() -> None:
    """Where all pixels are equally bright there is no line to see a slope in."""
    frames = np.random.default_rng(4).normal(500, 9, (40, 64, 64))
    found = diagnose(Stack.from_array(frames.astype(np.float32), "TYX"))
    assert found.noise.gain == 0.0
    assert any("gain is at most" in reason for reason in found.reasons)
