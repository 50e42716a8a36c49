"""The arithmetic of the quality table: movies, filters beside ours, goals."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize("name", ["nuclei", "calcium", "lattice"])
def test_simulated_movies_have_the_noise_they_say(
    benchmark_script: Callable[[str], Any], name: str, tmp_path: Path
) -> None:
    movies = benchmark_script("movies")
    movie = movies.scene(name, tmp_path, frames=4)  # needs no file
    assert movie.truth.shape == movie.noisy.shape == (4, 128, 128)
    assert np.percentile(movie.truth, 99.9) == pytest.approx(movies.PHOTONS, rel=0.05)
    variance = np.mean(movie.truth) * movie.gain + movie.read_noise**2
    error = movie.noisy.astype(float) - movie.truth
    assert np.mean(error**2) == pytest.approx(variance, rel=0.05)
    assert np.mean(error) == pytest.approx(0, abs=0.03)


def test_every_movie_of_the_table_has_a_name(
    benchmark_script: Callable[[str], Any],
) -> None:
    assert len(benchmark_script("movies").MOVIES) == 8


@pytest.mark.parametrize("read_noise", [0.0, 0.7])
def test_the_unbiased_inverse_is_unbiased(
    benchmark_script: Callable[[str], Any], read_noise: float
) -> None:
    baselines = benchmark_script("baselines")
    rng = np.random.default_rng(0)
    for photons in (1.0, 5.0, 60.0):
        counted = rng.poisson(photons, 100_000) + rng.normal(0, read_noise, 100_000)
        stable = baselines.stabilise(counted, read_noise)
        assert photons < 5 or stable.std() == pytest.approx(1, abs=0.05)
        found = baselines.unbiased_inverse(np.array([stable.mean(), 9.0]), read_noise)
        assert found[0] == pytest.approx(photons, rel=0.02)


@pytest.mark.parametrize(
    "name", ["best_gaussian", "best_median", "best_total_variation"]
)
def test_a_filter_with_an_oracle_is_better_than_nothing(
    benchmark_script: Callable[[str], Any], name: str, tmp_path: Path
) -> None:
    movie = benchmark_script("movies").scene("nuclei", tmp_path, frames=5)
    truth, noisy = movie.truth[:, :48, :48], movie.noisy[:, :48, :48]
    found = getattr(benchmark_script("baselines"), name)(truth, noisy)
    quality = benchmark_script("quality")
    assert quality.psnr(truth, found) > quality.psnr(truth, noisy) + 1
    assert quality.ssim(truth, found) > quality.ssim(truth, noisy)


def test_psnr_and_ssim(benchmark_script: Callable[[str], Any]) -> None:
    quality = benchmark_script("quality")
    truth = np.linspace(0, 10, 2 * 32 * 32, dtype="f4").reshape(2, 32, 32)
    scale = quality.peak(truth)
    assert scale == pytest.approx(9.98, abs=0.01)
    assert quality.psnr(truth, truth + scale / 10) == pytest.approx(20, abs=0.01)
    assert quality.ssim(truth, truth) == pytest.approx(1)


def test_goals_say_by_how_much_they_are_missed(
    benchmark_script: Callable[[str], Any],
) -> None:
    quality = benchmark_script("quality_tables")

    def row(ours: float) -> dict[str, Any]:
        return {
            "BM4D": quality.Score(30.0, 0.9, 12.0),
            "ours, 60 s": quality.Score(ours, 0.9, 61.0),
        }

    scores = {"a": row(31.0), "b": row(29.6)}
    goal = quality.Goal("ours, 60 s", "BM4D", mean=0.2, each=-0.3)
    said = quality.verdict(goal, scores)
    assert "on average +0.30 dB, goal +0.2 dB: reached" in said
    assert "at worst (b) -0.40 dB, goal -0.3 dB: **missed by 0.10 dB**" in said
    assert "61.0 s" in said
    other = quality.Goal("ours, 3 s", "BM4D", mean=0.0, each=None)
    assert quality.verdict(other, scores).endswith("not measured")
    table = quality.score_table(scores, "psnr", 2)
    assert table.splitlines()[-1] == "| average | 30.00 | 30.30 |"


def test_a_method_without_a_result_is_no_number_and_has_a_reason(
    benchmark_script: Callable[[str], Any],
) -> None:
    tables = benchmark_script("quality_tables")
    nan = float("nan")

    def row(bm4d: Any) -> dict[str, Any]:
        return {
            "noisy": tables.Score(20.0, 0.5, 0.0),
            "BM4D": bm4d,
            "median": tables.Score(31.2, 0.9, 1.0),
            "ours, 60 s": tables.Score(31.0, 0.9, 60.0),
        }

    scores = {
        "a": row(tables.Score(30.6, 0.9, 1.0)),
        "b": row(tables.Score(nan, nan, 70.0, reason="it took too long")),
        "c": row(tables.Score(29.0, 0.9, 1.0)),
    }
    table = tables.score_table(scores, "psnr", 2)
    assert "| b | 20.00 | none | 31.20 | 31.00 |" in table
    assert "| average | 20.00 | none | 31.20 | 31.00 |" in table
    assert tables.reasons(scores) == ["- BM4D on b: it took too long"]
    # BM4D is to be beaten by half a decibel, a method without a goal by nothing
    assert tables.gaps(scores, "ours, 60 s").splitlines()[2:] == [
        "| a | **+0.40** | **-0.20** |",
        "| b | none | **-0.20** |",
        "| c | +2.00 | **-0.20** |",
    ]
    goal = tables.Goal("ours, 60 s", "BM4D", mean=0.5, each=0.5)
    assert tables.verdict(goal, scores).endswith("no result on b")


def test_memory_and_frames_per_second_of_a_method_are_measured(
    benchmark_script: Callable[[str], Any], tmp_path: Path
) -> None:
    quality = benchmark_script("quality")
    movie = benchmark_script("movies").scene("nuclei", tmp_path, frames=3)

    def wasteful(given: Any) -> Any:
        waste = np.ones(25_000_000)  # 200 MB
        time.sleep(0.3)
        return given.noisy + 0 * waste[0]

    score = quality.measure(movie, wasteful)
    assert 150 < score.peak < 400
    assert score.frames_per_second == pytest.approx(3 / score.seconds)
    assert score.psnr == pytest.approx(quality.psnr(movie.truth, movie.noisy))
