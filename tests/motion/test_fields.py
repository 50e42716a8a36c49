"""Fields between their grid points, tracks, colours."""

from __future__ import annotations

import colorsys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fields import moved
from napari_udvd.motion import Motion, colour_wheel, flow_colours, tracks_through
from napari_udvd.motion._motion import agreement


def linear(t: int = 0, shape: tuple[int, int] = (96, 112)) -> Motion:
    """Turn and stretch about the middle."""
    flat = moved(t, (0, 0), shape=shape)
    y, x = np.meshgrid(flat.rows, flat.columns, indexing="ij")
    return moved(t, np.stack([0.01 * y - 0.02 * x, 0.02 * y + 1], -1), shape=shape)


def test_a_linear_field_is_interpolated_exactly() -> None:
    motion = linear()
    y, x = np.mgrid[:96, :112].astype(float)
    dense = motion.dense()
    expected = np.stack([0.01 * y - 0.02 * x, 0.02 * y + 1])
    # three grid points from the border: there neighbours are missing
    inner = (slice(None), slice(32, -32), slice(32, -32))
    np.testing.assert_allclose(dense[inner], expected[inner], atol=1e-4)
    np.testing.assert_allclose(dense, expected, atol=0.2)


@given(st.tuples(st.floats(-5, 5), st.floats(-5, 5)))
def test_an_even_field_is_even_everywhere(v: tuple[float, float]) -> None:
    dense = moved(0, v).dense()
    np.testing.assert_allclose(
        dense, np.broadcast_to(np.reshape(v, (2, 1, 1)), dense.shape), atol=1e-4
    )


def test_what_is_not_sure_gives_way_to_its_neighbours() -> None:
    motion = moved(0, (1, 2))
    motion.to_next[4, 5] = motion.to_previous[4, 5] = 50, -50
    motion.to_next[2, 2] = motion.to_previous[2, 2] = np.nan
    motion.confidence[4, 5] = 0
    np.testing.assert_allclose(motion.dense()[0], 1, atol=2e-4)
    np.testing.assert_allclose(motion.dense()[1], 2, atol=2e-4)


def test_nothing_known_is_zero() -> None:
    motion = moved(0, (np.nan, np.nan))
    np.testing.assert_array_equal(motion.dense(), 0)


def test_the_motion_per_frame_is_half_the_way_from_before_to_after() -> None:
    motion = replace(moved(0, (1, 2)), to_previous=moved(0, (-3, 0)).to_next)
    np.testing.assert_allclose(motion.per_frame[0, 0], (2, 1))
    first, last = moved(0, (1, 2), frames=3), moved(2, (1, 2), frames=3)
    for end in (first, last):
        np.testing.assert_allclose(end.per_frame[0, 0], (1, 2))


def test_agreement() -> None:
    ways = np.float32([(1, 2), (1, 2), (np.nan, np.nan)])
    back = np.float32([(-1, -2), (1, 2), (1, 2)])
    np.testing.assert_allclose(agreement(ways, back), (1, np.exp(-10), 0.5), rtol=1e-5)


@pytest.mark.parametrize("v", [(0.5, -1.0), (0.0, 0.0), (-1.25, 0.5)])
def test_tracks_follow_an_even_field(v: tuple[float, float]) -> None:
    frames, shape = 7, (64, 80)
    motions = [moved(t, v, frames=frames) for t in range(frames)]
    tracks = tracks_through(motions)
    middle = motions[3]
    points = np.stack(np.meshgrid(middle.rows, middle.columns, indexing="ij"), -1)
    steps = np.arange(frames) - 3
    expected = points.reshape(-1, 1, 2) + steps[:, None] * np.array(v)
    outside = ((expected < 0) | (expected > np.array(shape) - 1)).any(axis=-1)
    assert tracks.shape == expected.shape
    np.testing.assert_array_equal(np.isnan(tracks).any(axis=-1), outside)
    np.testing.assert_allclose(tracks[~outside], expected[~outside], atol=1e-3)


def test_tracks_go_round_in_a_rotation() -> None:
    frames, shape, turn = 9, (97, 97), 0.03
    flat = moved(0, (0, 0), shape=shape)
    y, x = np.meshgrid(flat.rows - 48, flat.columns - 48, indexing="ij")
    c, s = np.cos(turn), np.sin(turn)
    motions = []
    for t in range(frames):
        motion = moved(t, (0, 0), shape=shape)
        motion.to_next[:] = np.stack([c * y - s * x - y, s * y + c * x - x], -1)
        motion.to_previous[:] = np.stack([c * y + s * x - y, -s * y + c * x - x], -1)
        motions.append(motion)
    tracks = tracks_through(motions) - 48
    radius = np.hypot(*np.moveaxis(tracks, -1, 0))
    near = radius[:, 4] < 20
    np.testing.assert_allclose(
        radius[near], radius[near][:, [4]] * np.ones(9), atol=0.05
    )
    angle = np.unwrap(np.arctan2(tracks[near, :, 0], tracks[near, :, 1]))
    # rows grow downwards, so the angle falls with this sign of the turn
    np.testing.assert_allclose(np.diff(angle), -turn, atol=2e-3)


def test_tracks_end_where_the_motion_is_not_sure() -> None:
    motions = [moved(t, (0, 1), frames=5) for t in range(5)]
    motions[3].confidence[:] = 0.2
    tracks = tracks_through(motions, least_confidence=0.5)
    known = np.isfinite(tracks).all(axis=-1).all(axis=0)
    # the step from frame 3 to 4 is missing; the frame before is reached by frame 2's
    assert known.tolist() == [True, True, True, True, False]
    assert np.isfinite(tracks_through(motions, least_confidence=0.1)[:, 4]).any()


def test_directions_are_hues() -> None:
    ways = {(0, 1): 0.0, (1, 0): 0.25, (0, -1): 0.5, (-1, 0): 0.75}
    for (dy, dx), hue in ways.items():
        flow = np.array([dy, dx], float).reshape(2, 1, 1)
        expected = 255 * np.array(colorsys.hsv_to_rgb(hue, 1, 1))
        np.testing.assert_allclose(flow_colours(flow, 1)[0, 0], expected, atol=1)
        pale = 255 * np.array(colorsys.hsv_to_rgb(hue, 0.5, 1))
        np.testing.assert_allclose(flow_colours(flow / 2, 1)[0, 0], pale, atol=1)


def test_what_is_unknown_or_still_is_white_and_what_is_fast_is_full() -> None:
    flow = np.array([[[0, np.nan, 0]], [[0, np.nan, 9]]])
    np.testing.assert_array_equal(
        flow_colours(flow, 3)[0], [[255, 255, 255], [255, 255, 255], [255, 0, 0]]
    )
    np.testing.assert_array_equal(flow_colours(np.zeros((2, 2, 2)), 0), 255)


def test_the_wheel_is_round_and_says_what_the_colours_say() -> None:
    wheel = colour_wheel(61)
    assert wheel.shape == (61, 61, 4) and wheel.dtype == np.uint8
    assert not wheel[[0, 0, -1, -1], [0, -1, 0, -1], 3].any()
    assert wheel[..., 3].mean() / 255 == pytest.approx(np.pi * 30**2 / 61**2, rel=0.01)
    np.testing.assert_array_equal(wheel[30, 30], 255)
    np.testing.assert_array_equal(wheel[30, 60], [255, 0, 0, 255])
    way = np.array([20.0, -15.0]).reshape(2, 1, 1)
    np.testing.assert_array_equal(wheel[50, 15, :3], flow_colours(way, 30)[0, 0])
