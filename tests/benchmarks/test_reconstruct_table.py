"""The arithmetic of the table of reconstructions: masks, opponents, tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

if TYPE_CHECKING:
    from collections.abc import Callable

torch.set_num_threads(1)

SHAPE = 20, 40, 50


@pytest.fixture
def reconstruct(benchmark_script: Callable[[str], Any]) -> Any:
    return benchmark_script("reconstruct")


def small(reconstruct: Any) -> tuple[Any, Any]:
    movie = reconstruct.MOVIES["nuclei"](None)
    part = slice(12), slice(40), slice(40)
    movie = movie._replace(truth=movie.truth[part], noisy=movie.noisy[part])
    measured = np.random.default_rng(0).random(movie.truth.shape) < 0.2
    return movie, measured


@pytest.mark.parametrize(
    ("name", "share"),
    [("random-20", 0.2), ("random-10", 0.1), ("rows-5", 0.2), ("fixed-20", 0.2)],
)
def test_masks_keep_the_share_they_say(
    reconstruct: Any, name: str, share: float
) -> None:
    mask = reconstruct.MASKS[name](SHAPE, np.random.default_rng(0))
    assert mask.shape == SHAPE
    assert mask.dtype == bool
    assert mask.mean() == pytest.approx(share, abs=0.03)
    is_fixed = bool((mask == mask[0]).all())
    assert is_fixed == name.startswith("fixed")


def test_a_foveated_mask_is_densest_in_the_middle(reconstruct: Any) -> None:
    mask = reconstruct.MASKS["fovea"](SHAPE, np.random.default_rng(0))
    assert mask[:, 18:22, 22:28].mean() > 3 * mask[:, :6, :6].mean() > 0


def test_the_truth_chooses_no_worse_than_the_preview(reconstruct: Any) -> None:
    movie, measured = small(reconstruct)
    best = reconstruct.measure(movie, measured, reconstruct.best_average)
    preview = reconstruct.measure(movie, measured, reconstruct.preview)
    inpainted = reconstruct.measure(movie, measured, reconstruct.biharmonic)
    assert best.psnr >= preview.psnr > best.psnr - 1
    assert inpainted.psnr < best.psnr
    assert best.seen is None


def test_within_one_std_is_counted_where_it_belongs(reconstruct: Any) -> None:
    movie, measured = small(reconstruct)
    truth = movie.truth

    def honest_where_measured(*_: Any) -> Any:
        std = np.where(measured, 1.0, 1e-3)
        return reconstruct.Result(truth + 0.5, std)

    score = reconstruct.measure(movie, measured, honest_where_measured)
    assert (score.seen, score.unseen) == (1.0, 0.0)


def test_the_pixels_that_were_not_measured_are_judged_alone(reconstruct: Any) -> None:
    movie, measured = small(reconstruct)
    truth = movie.truth

    def wrong_in_the_gaps(*_: Any) -> Any:
        return reconstruct.Result(np.where(measured, truth, truth + 2.0))

    score = reconstruct.measure(movie, measured, wrong_in_the_gaps)
    peak = np.ptp(np.percentile(truth, (0.1, 99.9)))
    assert score.gaps == pytest.approx(20 * np.log10(peak / 2), abs=1e-3)
    assert score.psnr == pytest.approx(
        score.gaps - 10 * np.log10(1 - measured.mean()), abs=1e-3
    )


def score(reconstruct: Any, psnr: float, std: float | None = 0.7) -> Any:
    return reconstruct.Score(psnr, std, std, 2.0, psnr - 1)


def test_tables_and_verdict(reconstruct: Any) -> None:
    average = [score(reconstruct, 30.0, None)]
    scores = {
        ("a", "rows-5"): {
            reconstruct.AVERAGE: average,
            reconstruct.PREVIEW: [score(reconstruct, 29.9, None)],
            "ours, 9 s": [score(reconstruct, v) for v in (31.0, 32.0)],
        },
        ("b", "rows-5"): {
            reconstruct.AVERAGE: average,
            reconstruct.PREVIEW: [score(reconstruct, 29.6, None)],
            reconstruct.DENOISED: [score(reconstruct, 28.0, 0.01)],
            "ours, 9 s": [score(reconstruct, 30.5, 0.8)],
        },
    }
    table = reconstruct.decibels(scores)
    assert "| a, rows-5 | 30.00 | 29.90 | 31.50 |  |" in table
    assert "| average | 30.00 | 29.75 | 31.00 |  |" in table
    assert "| a, rows-5 | 29.00 | 28.90 |" in reconstruct.decibels(scores, "gaps")
    said = reconstruct.honesty(scores)
    assert "| a, rows-5 | ours, 9 s | 70 % | 70 % | 2.0 |" in said
    assert "| b, rows-5 | interpolate, then denoise | 1 % | 1 % |" in said
    said = reconstruct.verdict(scores)
    assert (
        "rows-5: ours, 9 s, against average, by the truth: on average +1.00 dB, at "
        "worst (b) +0.50 dB"
    ) in said
    dose = reconstruct.equal_dose.Dose("calcium", 0.7, 3.0, 27.0, 27.8)
    reached = reconstruct.goals(scores, [dose], 0.5)
    assert "| >= +0.7 dB | +1.00 dB, worst +0.50 |" in reached
    assert "| <= 0.3 dB | 0.40 dB |" in reached
    assert "| 60 to 76 % | 70 to 80 %, 67 % inside |" in reached
    assert "| equal dose, calcium, read noise 0.7 | >= 0 dB | +0.80 dB |" in reached
    assert "| 0.4 s | 0.50 s |" in reached


def test_the_columns_are_those_asked_for(reconstruct: Any) -> None:
    options = reconstruct.parsed(["--steps", "3", "9", "--no-biharmonic"])
    first, *_, last = options.masks
    ours = ["ours, 3 steps", "ours, 9 steps"]
    averages = [reconstruct.AVERAGE, reconstruct.PREVIEW]
    found = list(reconstruct.methods(options, 0, first))
    assert found == [*averages, reconstruct.DENOISED, *ours]
    assert list(reconstruct.methods(options, 0, last)) == [*averages, *ours]
    (only,) = reconstruct.budgets_of(reconstruct.parsed([]))
    assert only == "60 s"


def test_a_dose_is_compared_and_drawn(
    reconstruct: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = reconstruct.equal_dose
    drawn = []

    def scene(kind: str, data: Any, photons: float, read_noise: float) -> Any:
        drawn.append((kind, photons, read_noise))
        truth = photons * np.random.default_rng(0).random((12, 20, 30))
        return reconstruct.KnownMovie(truth, truth, 1.0, 0.0, read_noise)

    def full(movie: Any, seed: int, steps: int) -> Any:
        return reconstruct.Result(movie.truth + 0.02 * movie.truth.max())

    def ours(movie: Any, measured: Any, seed: int, steps: int) -> Any:
        assert measured.mean() == pytest.approx(0.2, abs=0.02)
        assert len(movie.noisy) == 10
        return reconstruct.Result(movie.truth + 0.01 * movie.truth.max())

    for name, value in {"scene": scene, "full": full, "ours": ours}.items():
        monkeypatch.setattr(page, name, value)
    dose = page.compare("calcium", 0.7, 3.0, [0, 1], frames=10, steps=1)
    assert drawn == [("calcium", 3.0, 0.7), ("calcium", 15.0, 0.7)]
    assert dose.sparse - dose.full == pytest.approx(20 * np.log10(2), abs=1e-6)
    assert "+6.02" in page.dose_table([dose])
    other = dose._replace(photons=9.0, full=dose.full + 2, sparse=dose.sparse + 3)
    picture = np.asarray(page.draw([dose, other]))
    assert picture.min() == 0
    assert (picture == page.COLOURS[0.7]).all(axis=-1).sum() > 100
