"""Distances to the nearest visited pixel, dose and time: numbers known by reckoning."""

from __future__ import annotations

import numpy as np
import pytest

from napari_udvd.errors import InputError
from napari_udvd.scanning import (
    compare_patterns,
    describe_cost,
    evenness,
    make_mask,
    scan_cost,
)

# --- evenness -----------------------------------------------------------------------


def test_distances_between_rows() -> None:
    """In five rows, one visited: 0, 1, 2, 2, 1 rows away, if there are rows beyond."""
    pixels = np.zeros((3, 46, 20), bool)
    pixels[:, 0::5] = True
    found = evenness(pixels)
    assert found.mean == pytest.approx((9 * (0 + 1 + 2 + 2 + 1)) / 46)
    assert (found.most, found.farthest) == (2, 2)


def test_neighbours_in_time_fill_the_gaps() -> None:
    mask = make_mask("rows", 20, (50, 40), share=0.2)
    near = [evenness(mask, within).mean for within in (0, 1, 2)]
    assert near == pytest.approx([1.2, 0.4, 0], abs=0.1)
    # those that visit the same pixels do not
    fixed = make_mask("rows", 20, (50, 40), share=0.2, fixed=True)
    assert evenness(fixed, 2) == evenness(fixed, 0)


def test_frames_at_the_ends_are_left_out_unless_there_are_no_others() -> None:
    pixels = np.zeros((5, 9, 9), bool)
    pixels[0] = pixels[4] = True
    assert evenness(pixels, 1).mean > 0
    pixels[1] = pixels[2] = pixels[3] = True
    pixels[0] = pixels[4] = False
    assert evenness(pixels, 1).mean == 0
    assert evenness(pixels[:2], 1).mean == 0


def test_a_frame_without_a_visit_is_infinitely_far_from_one() -> None:
    assert evenness(np.zeros((2, 5, 5), bool)).mean == np.inf


# --- dose and time ------------------------------------------------------------------


def test_the_time_of_rows() -> None:
    mask = make_mask("rows", 10, (50, 40), share=0.2)
    cost = scan_cost(mask, dwell=2, flyback=30)
    assert cost.dose == pytest.approx(0.2)
    assert cost.dwell_for_equal_dose == pytest.approx(5)
    assert cost.full == pytest.approx(50 * (40 * 2 + 30) * 1e-6)
    assert cost.jumping == pytest.approx(cost.full / 5)
    assert cost.sweeping == pytest.approx(cost.full / 5)


def test_the_time_of_single_pixels() -> None:
    mask = make_mask("random", 4, (50, 40), share=0.2, seed=1)
    cost = scan_cost(mask, dwell=2, flyback=30, settle=5)
    flybacks, jumps = [], []
    for frame in np.asarray(mask):
        flybacks.append(frame.any(axis=1).sum())
        # in a row: from each visited pixel but the last, if the next one is not visited
        lone = frame[:, :-1] & ~frame[:, 1:]
        later = np.cumsum(frame[:, ::-1], axis=1)[:, ::-1][:, 1:] > 0
        jumps.append((lone & later).sum())
    expected = 400 * 2 + np.mean(flybacks) * 30 + np.mean(jumps) * 5
    assert cost.jumping == pytest.approx(expected * 1e-6)
    # a beam that sweeps visits all rows, and saves dose alone
    assert cost.sweeping == pytest.approx(np.mean(flybacks) * (40 * 2 + 30) * 1e-6)


def test_a_spiral_flies_back_once() -> None:
    mask = make_mask("spiral", 4, (51, 51), share=0.2)
    cost = scan_cost(mask, dwell=2, flyback=300)
    assert cost.sweeping is None
    visits = mask.share * 51 * 51
    assert cost.jumping == pytest.approx((visits * 2 + 300) * 1e-6)
    assert scan_cost(mask, dwell=2, settle=9).jumping > visits * 2e-6


@pytest.mark.parametrize(
    ("name", "value"),
    [("dwell", 0), ("dwell", -1), ("flyback", -0.1), ("settle", float("nan"))],
)
def test_times_that_are_none(name: str, value: float) -> None:
    mask = make_mask("rows", 4, (50, 40))
    with pytest.raises(InputError, match=f"`{name}` is .*; give microseconds"):
        scan_cost(mask, **{name: value})


def test_a_cost_in_words() -> None:
    rows = make_mask("rows", 10, (50, 40))
    dose, full, jumping, sweeping = describe_cost(scan_cost(rows, dwell=500))
    assert dose.startswith("dose: 20 % of the full scan's")
    assert "80 % saved" in dose and "5 times the dwell time" in dose
    assert full == "time of a frame, full scan: 1 s"
    assert jumping.endswith("200 ms, 80 % saved")
    assert sweeping.endswith("200 ms, 80 % saved")
    blue = make_mask("blue-noise", 10, (50, 40))
    cost = scan_cost(blue, settle=50)
    *_, jumping, sweeping = describe_cost(cost)
    assert jumping.endswith("more")
    assert sweeping.endswith("2 ms, 0 % saved")
    spiral = make_mask("spiral", 10, (50, 40))
    assert describe_cost(scan_cost(spiral))[3].endswith("no scan by rows")


# --- the comparison -----------------------------------------------------------------


def test_evenly_spaced_beats_random() -> None:
    found = compare_patterns(10, (64, 64), share=0.2)
    names = [one.mask.pattern.name for one in found.patterns]
    assert names[0] == "blue-noise"
    assert names.index("rows") < names.index("random")
    assert not found.refused
    means = [sum(each.mean for each in one.evenness) for one in found.patterns]
    assert means == sorted(means)
    assert found.advice == (
        "most even: blue-noise; where the beam can only sweep whole rows, only rows "
        "saves time"
    )


def test_patterns_that_cannot_have_the_share_are_named() -> None:
    found = compare_patterns(6, (64, 64), share=0.6)
    assert set(found.refused) == {"rows", "spiral"}
    assert "one row in 2" in found.refused["rows"]
    assert "no pattern of this share saves time" in found.advice
    with pytest.raises(InputError, match="`share` is 2"):
        compare_patterns(6, (64, 64), share=2)
