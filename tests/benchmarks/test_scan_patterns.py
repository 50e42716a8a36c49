"""The comparison of patterns for sparse scans, on sizes that take no time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


def test_gaps_are_filled_from_visited_pixels_alone(
    benchmark_script: Callable[[str], Any],
) -> None:
    patterns = benchmark_script("scan_patterns")
    ramp = np.broadcast_to(np.arange(48.0), (12, 40, 48))
    for name, mask in patterns.variants(12, (40, 48), 0.2).items():
        visited = np.asarray(mask)
        scanned = np.where(visited, ramp, np.nan)
        filled = patterns.interpolated(scanned, visited, 2.0, 0.8)
        error = np.abs(filled - ramp)[:, 6:-6, 6:-6]
        assert error.mean() < 0.6, name
    # and the truth is worth more than any pattern
    everything = np.ones_like(visited)
    assert patterns.best(ramp, ramp, everything) > patterns.best(ramp, ramp, visited)


def test_the_picture_has_a_panel_for_each_pattern(
    benchmark_script: Callable[[str], Any],
) -> None:
    patterns = benchmark_script("scan_patterns")
    drawn = np.asarray(patterns.picture(0.2))
    side, step = patterns.SIDE * patterns.TIMES_LARGER, 0
    for _ in patterns.PATTERNS:
        panel = drawn[-side:, step : step + side]
        black = (panel == patterns.NOW).all(axis=2).mean()
        assert black == pytest.approx(0.2, abs=0.03)
        step += side + patterns.GAP
    assert drawn.shape[1] == step - patterns.GAP
