"""Each pattern visits what it says, evenly, and others in the next frame."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_udvd.errors import InputError
from napari_udvd.scanning import PATTERNS, ScanMask, evenness, make_mask
from napari_udvd.scanning._foveated import Foveated
from napari_udvd.scanning._threshold_matrix import SIDE, threshold_matrix

if TYPE_CHECKING:
    from pathlib import Path

SHAPE = (60, 80)


def made(pattern: str, frames: int = 10, **how: Any) -> ScanMask:
    return make_mask(pattern, frames, SHAPE, **how)


# --- all of them --------------------------------------------------------------------


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_fifth_of_the_pixels_is_visited(pattern: str) -> None:
    mask = made(pattern, share=0.2)
    assert mask.share == pytest.approx(0.2, rel=0.02)
    assert mask.share == pytest.approx(np.asarray(mask).mean())
    # in every frame, not on average
    np.testing.assert_allclose(mask.visits / (60 * 80), 0.2, rtol=0.1)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_neighbouring_frames_visit_other_pixels(pattern: str) -> None:
    pixels = np.asarray(made(pattern, share=0.2))
    for one, next_one in pairwise(pixels):
        # those of random patterns overlap by a fifth, as chance has it
        assert (one & next_one).sum() < 0.3 * one.sum()


@pytest.mark.parametrize("pattern", PATTERNS)
def test_fixed_is_the_first_frame_throughout(pattern: str) -> None:
    mask, fixed = made(pattern), made(pattern, fixed=True)
    for t in (0, 1, 9, -1):
        np.testing.assert_array_equal(fixed.frame(t), mask.frame(0))
    assert fixed.never_visited == pytest.approx(1 - fixed.share)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_seed_makes_the_mask_again(pattern: str) -> None:
    mask = made(pattern, seed=3)
    # whatever was asked for before
    late = made(pattern, seed=3).frame(7)
    np.testing.assert_array_equal(mask[7], late)
    if pattern != "rows":  # which has no random numbers
        assert (made(pattern, seed=4).frame(7) != late).any()


@pytest.mark.parametrize("pattern", PATTERNS)
def test_positions_are_the_pixels_of_the_frame(pattern: str) -> None:
    mask = made(pattern)
    positions = mask.positions(4)
    visited = np.zeros(SHAPE, int)
    np.add.at(visited, tuple(positions.T), 1)
    np.testing.assert_array_equal(visited, mask.frame(4))  # each once
    if mask.pattern.by_rows:
        numbers = positions @ (SHAPE[1], 1)
        assert (np.diff(numbers) > 0).all()


@settings(max_examples=25, deadline=None)
@given(
    pattern=st.sampled_from(sorted(PATTERNS)),
    shape=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    share=st.sampled_from([0.02, 0.1, 0.25, 1 / 3, 0.5, 0.9, 1.0]),
    t=st.integers(0, 11),
)
def test_any_size_and_share_is_made_or_refused_in_words(
    pattern: str, shape: tuple[int, int], share: float, t: int
) -> None:
    try:
        mask = make_mask(pattern, 12, shape, share=share)
    except InputError as error:
        assert "share" in str(error)
        return
    assert mask.frame(t).shape == shape
    assert mask.positions(t).shape == (mask.frame(t).sum(), 2)
    if share == 1:
        assert mask.frame(t).all()


# --- blue noise ---------------------------------------------------------------------


def test_the_matrix_holds_every_rank_once() -> None:
    ranks = threshold_matrix(0)
    np.testing.assert_array_equal(np.sort(ranks, axis=None), np.arange(SIDE**2))


@pytest.mark.parametrize("share", [0.03, 0.1, 0.2, 0.4])
def test_blue_noise_has_smaller_holes_than_chance(share: float) -> None:
    shape = (2 * SIDE, 2 * SIDE)
    blue = make_mask("blue-noise", 8, shape, share=share)
    white = make_mask("random", 8, shape, share=share)
    for within, farther in ((0, 1.05), (1, 1.1)):
        one, other = evenness(blue, within), evenness(white, within)
        assert one.mean * farther < other.mean
        assert one.farthest < other.farthest


@pytest.mark.parametrize("share", [0.2, 0.3, 0.07])
def test_blue_noise_visits_every_pixel_before_any_again(share: float) -> None:
    frames = np.asarray(made("blue-noise", frames=int(1 / share) + 1, share=share))
    visits = frames.sum(axis=0)
    assert visits.min() >= 1
    assert frames[:-1].sum(axis=0).max() == 1


def test_blue_noise_lacks_low_frequencies() -> None:
    """Its spectrum is empty around zero, where chance has as much as elsewhere."""
    radius = np.hypot(*np.meshgrid(*[np.fft.fftfreq(SIDE)] * 2))
    for t in (0, 1, 3):
        frame = make_mask("blue-noise", 5, (SIDE, SIDE), share=0.2).frame(t)
        power = np.abs(np.fft.fft2(frame - frame.mean())) ** 2
        low = power[(radius > 0) & (radius < 0.15)].mean()
        assert low < 0.15 * power[radius > 0].mean()


# --- rows ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("every", "shift"), [(1, 0), (2, 1), (3, 1), (5, 2), (8, 3), (10, 3)]
)
def test_rows_are_visited_in_turn(every: int, shift: int) -> None:
    mask = made("rows", frames=every, share=1 / every)
    assert mask.pattern.settings == {"every": every, "shift": shift}
    pixels = np.asarray(mask)
    np.testing.assert_array_equal(pixels.sum(axis=0), 1)
    assert (pixels.all(axis=2) | ~pixels.any(axis=2)).all()


def test_rows_move_by_the_shift() -> None:
    mask = made("rows", every=6, shift=4)
    firsts = [int(mask.positions(t)[0, 0]) for t in range(4)]
    assert firsts == [0, 4, 2, 0]
    # 4 and 6 have a factor in common: some rows never come
    assert mask.never_visited == pytest.approx(0.5)


# --- foveated -----------------------------------------------------------------------


def test_the_probability_of_the_published_mask(shared_parity: Path) -> None:
    with np.load(shared_parity / "deepfovea_mask.npz") as published:
        shape, centre = published["shape"].tolist(), published["centre"]
        probability, kept = published["probability"], published["kept"]
    mask = make_mask(
        "foveated", 40, shape, centre=centre, inner_radius=20, outer_radius=40
    )
    assert isinstance(mask.pattern, Foveated)
    np.testing.assert_allclose(mask.pattern.probability(5), probability, atol=1e-6)
    assert mask.share == pytest.approx(probability.mean(), abs=1e-3)
    assert mask.share == pytest.approx(kept.mean(), abs=5e-3)


def test_a_pixel_is_visited_as_often_as_its_probability_says() -> None:
    mask = made("foveated", frames=90, centre=(20, 30), inner=0.8, outer=0.1)
    assert isinstance(mask.pattern, Foveated)
    often = np.asarray(mask).mean(axis=0)
    np.testing.assert_allclose(often, mask.pattern.probability(0), atol=0.05)


def test_the_share_chooses_the_probability_outside() -> None:
    how: dict[str, Any] = {"inner_radius": 8, "outer_radius": 12}
    mask = made("foveated", frames=20, share=0.3, **how)
    assert mask.share == pytest.approx(0.3, abs=0.005)
    assert mask.pattern.settings["inner"] == 0.98
    assert 0.2 < mask.pattern.settings["outer"] < 0.3


def test_a_fovea_moves_along_its_path() -> None:
    path = [(10, 10), (10, 70), (50, 70)]
    mask = made("foveated", frames=9, centre=path, inner=1, outer=0)
    for t, centre in ((0, (10, 10)), (2, (10, 40)), (4, (10, 70)), (8, (50, 70))):
        np.testing.assert_allclose(mask.positions(t).mean(axis=0), centre, atol=1)


# --- the spiral ---------------------------------------------------------------------


def test_a_spiral_goes_outwards_at_equal_density() -> None:
    mask = make_mask("spiral", 4, (101, 101), share=0.2)
    path = mask.positions(2)
    far = np.hypot(*(path - 50).T)
    assert far[0] < 1
    assert (np.diff(np.convolve(far, np.ones(200) / 200, "valid")) > -0.05).all()
    radius = np.hypot(*np.ogrid[-50:51, -50:51])
    for low, high in ((5, 20), (20, 35), (35, 50)):
        ring = (radius >= low) & (radius < high)
        assert mask.frame(2)[ring].mean() == pytest.approx(0.2, abs=0.02)


def test_inside_the_frame_a_spiral_never_jumps() -> None:
    path = make_mask("spiral", 4, (101, 101), share=0.1).positions(1)
    inner = path[np.cumprod(np.hypot(*(path - 50).T) < 45).astype(bool)]
    assert len(inner) > 500
    # a pixel that was visited before is passed over
    assert np.abs(np.diff(inner, axis=0)).max() <= 2


def test_a_spiral_at_another_centre() -> None:
    mask = made("spiral", centre=(5, 70), share=0.15)
    assert mask.share == pytest.approx(0.15, rel=0.05)
    assert np.abs(mask.positions(0)[0] - (5, 70)).max() <= 1
