"""The arithmetic of the table of DeepFovea++ beside *Fast*."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def deepfovea(benchmark_script: Callable[[str], Any]) -> Any:
    return benchmark_script("deepfovea")


def test_the_published_scan_is_dense_at_a_point_and_the_same_for_a_seed(
    deepfovea: Any,
) -> None:
    mask = deepfovea.scan(deepfovea.OWN, (6, 128, 128), 3)
    assert mask.dtype == bool and mask.shape == (6, 128, 128)
    blocks = mask.reshape(6, 8, 16, 8, 16).mean(axis=(0, 2, 4))
    assert blocks.max() > 0.9 and blocks.min() == pytest.approx(0.15, abs=0.05)
    again = deepfovea.scan(deepfovea.OWN, (6, 128, 128), 3)
    np.testing.assert_array_equal(mask, again)
    other = deepfovea.scan(deepfovea.OWN, (6, 128, 128), 4)
    assert (mask != other).any()


def test_a_result_is_judged_by_our_figures_and_by_the_published_ones(
    deepfovea: Any, benchmark_script: Callable[[str], Any]
) -> None:
    reconstruct = benchmark_script("reconstruct")
    movie = reconstruct.MOVIES["nuclei"](None)
    part = slice(4), slice(32), slice(32)
    movie = movie._replace(truth=movie.truth[part], noisy=movie.noisy[part])
    measured = deepfovea.scan("random-20", movie.truth.shape, 0)
    off = np.where(measured, np.float32(1), np.float32(-3))
    result = reconstruct.Result(movie.truth + off, np.full_like(movie.truth, 2))
    score = deepfovea.judge(movie, measured, result, 5.0)
    assert (score.seen, score.unseen, score.seconds) == (1, 0, 5)
    assert score.psnr == pytest.approx(reconstruct.psnr(movie.truth, result.mean))
    # its peak is that of the result, which is not one
    assert score.published_psnr != pytest.approx(score.psnr, abs=1e-3)
    assert 0 < score.published_ssim < 1
    rows = deepfovea.report({"nuclei": {"ours": [score, score]}}).splitlines()
    cells = [cell.strip() for cell in rows[2].split("|")]
    assert cells[1:5] == ["nuclei", "ours", f"{score.psnr:.2f}", "100, 0"]


def test_every_budget_is_a_column_for_each_network(deepfovea: Any) -> None:
    options = deepfovea.parsed(["--seconds", "30", "--steps", "9", "4"])
    assert list(deepfovea.methods(options, 0)) == [
        "average, by the truth",
        "Fast, 30 s",
        "DeepFovea++, 30 s",
        "Fast, 9 steps",
        "DeepFovea++, 4 steps",
    ]
