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


def test_tables_and_verdict(reconstruct: Any) -> None:
    def score(psnr: float) -> Any:
        return reconstruct.Score(psnr, 0.7, 0.65, 2.0)

    average = [reconstruct.Score(30.0, None, None, 1.0)]
    scores = {
        "a": {reconstruct.AVERAGE: average, "ours": [score(31.0), score(32.0)]},
        "b": {reconstruct.AVERAGE: average, "ours": [score(30.5)]},
    }
    assert "| a | 30.00 | 31.50 |" in reconstruct.decibels(scores)
    assert "| average | 30.00 | 31.00 |" in reconstruct.decibels(scores)
    assert "| a | ours | 70 % | 65 % | 2.0 |" in reconstruct.honesty(scores)
    said = reconstruct.verdict(scores)
    assert "on average +1.00 dB, at worst (b) +0.50 dB" in said


def test_the_columns_are_those_asked_for(reconstruct: Any) -> None:
    options = reconstruct.parsed(["--steps", "3", "9", "--no-biharmonic"])
    assert list(reconstruct.methods(options, 0)) == [
        reconstruct.AVERAGE,
        reconstruct.PREVIEW,
        reconstruct.DENOISED,
        "ours, 3 steps",
        "ours, 9 steps",
    ]
