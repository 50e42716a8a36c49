"""Whether frames follow one another at a regular interval."""

from __future__ import annotations

import numpy as np
import pytest

from napari_udvd.formats._facts import timing


@pytest.mark.parametrize("jitter", [0.0, 0.02, 0.09])
@pytest.mark.parametrize("interval", [1e-3, 0.5, 60.0])
def test_a_steady_clock_with_jitter(interval: float, jitter: float) -> None:
    late = np.random.default_rng(0).uniform(-jitter, jitter, 50)
    times = (7 + np.arange(50) + late) * interval
    step, exact, notes = timing(times, "sec")
    assert exact is None and notes == () and step is not None
    assert step[0] == pytest.approx(interval, rel=2 * jitter / 49 + 1e-9)
    assert step[1] == "s"


@pytest.mark.parametrize(
    "intervals", [[1.0] * 9 + [60.0] * 30, [1, 1, 2, 1, 1, 1], [1, 1.8] * 20]
)
def test_irregular_times_are_kept(intervals: list[float]) -> None:
    times = np.cumsum([3.0, *intervals])
    step, exact, _ = timing(times, "ms", stated=(1.0, "ms"))
    assert step is None and exact == tuple(times)


def test_times_that_run_back_are_left_out_with_a_note() -> None:
    step, exact, (note,) = timing([0, 1, 2, 1.5, 4], "s", stated=(1.0, "s"))
    assert step == (1.0, "s") and exact is None
    assert "frame 3 is at 1.5 s, the one before at 2" in note


@pytest.mark.parametrize("times", [[], [3.0], [0.0] * 5, [0, np.nan, 2]])
def test_times_that_say_nothing(times: list[float]) -> None:
    assert timing(times, "s", stated=(2.0, "s")) == ((2.0, "s"), None, ())
    assert timing(times, "s") == (None, None, ())


@pytest.mark.parametrize("stated", [(2000.0, "ms"), (2.0, "s"), (1 / 30, "min")])
def test_the_stated_interval_is_kept_where_the_times_agree(
    stated: tuple[float, str],
) -> None:
    assert timing(np.arange(9) * 2.01, "s", stated) == (stated, None, ())


def test_the_times_win_over_a_nominal_interval() -> None:
    step, exact, (note,) = timing(np.arange(9) * 133.0, "ms", stated=(0.1, "s"))
    assert step == (pytest.approx(133.0), "ms") and exact is None
    assert "0.1 s" in note and "133 ms" in note
