"""The simulated schedule of many movies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_schedule_without_losses_is_arithmetic(
    benchmark_script: Callable[[str], Any],
) -> None:
    scale = benchmark_script("scale")
    # seven movies of one second on three workers take three
    found = scale.simulated([1.0], 7, 3, 0.0, 0.0)
    assert found.efficiency == pytest.approx(7 / 9)
    assert (found.repeated, found.given_up) == (0, 0)


def test_what_is_lost_is_repeated(benchmark_script: Callable[[str], Any]) -> None:
    scale = benchmark_script("scale")
    found = scale.simulated([60.0], 1000, 64, 0.01, 1.0)
    assert 3 <= found.repeated <= 25
    assert found.efficiency > 0.9
    poisoned = scale.simulated([60.0], 5, 2, 1.0, 0.0)
    assert (poisoned.repeated, poisoned.given_up) == (5, 5)
