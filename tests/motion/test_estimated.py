"""Classical optical flow, on movies whose motion is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy import ndimage

from napari_udvd.errors import InputError
from napari_udvd.motion import METHODS, estimated_motion
from napari_udvd.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("method", METHODS)
def test_clean_frames_of_known_motion(
    method: str, benchmark_script: Callable[[str], Any]
) -> None:
    scene = benchmark_script("known_motion").moving_scene("1 px", frames=5, size=80)
    stack = Stack.from_array(scene.clean, "TYX")
    motion = estimated_motion(stack, scene.middle, method)
    expected = np.moveaxis(scene.flow, 0, -1)
    inner = (slice(8, -8), slice(8, -8))
    for way, truth in (
        (motion.to_next, expected),
        (motion.to_previous, -expected),
        (motion.per_frame, expected),
    ):
        error = np.hypot(*np.moveaxis(way - truth, -1, 0))[inner]
        assert np.median(error) < 0.15
    assert np.median(motion.confidence[inner]) > 0.9
    np.testing.assert_array_equal(motion.dense(), np.moveaxis(motion.per_frame, -1, 0))


def test_a_grid_holds_the_same_numbers(benchmark_script: Callable[[str], Any]) -> None:
    scene = benchmark_script("known_motion").moving_scene("1 px", frames=3, size=48)
    stack = Stack.from_array(scene.clean, "TYX")
    every = estimated_motion(stack, 1, "ilk")
    some = estimated_motion(stack, 1, "ilk", 16)
    assert some.to_next.shape == (3, 3, 2)
    grid = np.ix_(some.rows, some.columns)
    np.testing.assert_array_equal(some.to_next, every.to_next[grid])
    np.testing.assert_array_equal(some.confidence, every.confidence[grid])


@pytest.mark.parametrize("t", [0, 2])
def test_at_the_ends_of_the_movie(
    t: int, benchmark_script: Callable[[str], Any]
) -> None:
    scene = benchmark_script("known_motion").moving_scene("1 px", frames=3, size=48)
    motion = estimated_motion(Stack.from_array(scene.clean, "TYX"), t, "ilk", 16)
    missing, known = motion.to_previous, motion.to_next
    if t == 2:
        missing, known = known, missing
    assert np.isnan(missing).all() and np.isfinite(known).all()
    assert np.isfinite(motion.per_frame).all()
    np.testing.assert_array_equal(motion.confidence, 0.5)


def test_brightness_and_data_type_do_not_matter(
    benchmark_script: Callable[[str], Any],
) -> None:
    scene = benchmark_script("known_motion").moving_scene("1 px", frames=3, size=48)
    counts = np.rint(10 * scene.clean + 5000).astype("u2")
    one = estimated_motion(Stack.from_array(scene.clean, "TYX"), 1, "ilk", 8)
    other = estimated_motion(Stack.from_array(counts, "TYX"), 1, "ilk", 8)
    np.testing.assert_allclose(one.per_frame, other.per_frame, atol=0.02)


def test_frames_without_contrast_do_not_move() -> None:
    motion = estimated_motion(Stack.from_array(np.full((3, 32, 32), 7, "u2"), "TYX"), 1)
    np.testing.assert_allclose(motion.per_frame, 0, atol=1e-3)


@pytest.mark.parametrize(
    ("frames", "how", "message"),
    [
        (3, {"method": "farneback"}, "'farneback'.*'tvl1' or 'ilk'"),
        (1, {}, "two frames at least"),
        (3, {"t": 3}, "t is 3.*0 to 2"),
        (3, {"c": 1}, "c is 1.*0 to 0"),
        (3, {"z": -1}, "z is -1"),
        (3, {"spacing": 0}, "spacing is 0"),
    ],
)
def test_bad_input(frames: int, how: dict[str, Any], message: str) -> None:
    stack = Stack.from_array(np.zeros((frames, 16, 16), "u2"), "TYX")
    with pytest.raises(InputError, match=message):
        estimated_motion(stack, **{"t": 0, **how})


def test_borders_that_were_not_measured_do_not_move() -> None:
    rng = np.random.default_rng(0)
    scene = ndimage.gaussian_filter(rng.normal(0, 100, (64, 64)), 3)
    frames = np.stack([np.roll(scene, t, axis=1) for t in range(3)])
    frames[:, :6] = np.nan
    found = estimated_motion(Stack.from_array(frames, "TYX"), 1)
    assert np.isfinite(found.to_next).all()
    inside = found.to_next[16:-8, 8:-8]
    assert np.median(inside[..., 1]) == pytest.approx(1, abs=0.2)
    assert np.abs(found.to_next[:4]).max() < 1.5


def test_a_sparse_scan_is_refused() -> None:
    rng = np.random.default_rng(0)
    frames = np.where(rng.random((4, 32, 32)) < 0.2, rng.normal(size=(4, 32, 32)), 0)
    stack = Stack.from_array(frames, "TYX", unmeasured=0)
    with pytest.raises(InputError, match="fill it with reconstruct"):
        estimated_motion(stack, 1)
