"""Motion is read off filters whose shift is known."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from fields import Following
from napari_udvd.errors import InputError
from napari_udvd.filters import adaptive_filter
from napari_udvd.inference.restorer import Denoiser
from napari_udvd.motion import implied_motion
from napari_udvd.stack import Stack
from tiny import tiny_calibration, tiny_net

if TYPE_CHECKING:
    from napari_udvd.models import Network
    from napari_udvd.motion import Motion

EDGE = 12
"""Beside the border the hand-made filters wrap around."""


def movie(frames: int = 5, shape: tuple[int, int] = (64, 80)) -> Stack:
    rng = np.random.default_rng(0)
    return Stack.from_array(rng.poisson(200, (frames, *shape)).astype("u2"), "TYX")


def denoiser_of(net: Network) -> Denoiser:
    return Denoiser(net, (tiny_calibration(),))


def inside(motion: Motion) -> tuple[np.ndarray, np.ndarray]:
    height, width = motion.shape
    rows = (motion.rows >= EDGE) & (motion.rows < height - EDGE)
    columns = (motion.columns >= EDGE) & (motion.columns < width - EDGE)
    return np.ix_(rows, columns)  # type: ignore[return-value]


@pytest.mark.parametrize("v", [(0, 0), (1, 0), (0, -2), (-3, 2)], ids=str)
@pytest.mark.parametrize("context", [1, 2])
def test_the_shift_of_the_filters_is_the_motion(
    v: tuple[int, int], context: int
) -> None:
    net = Following(lambda k: (k * v[0], k * v[1]), context=context)
    motion = implied_motion(denoiser_of(net), movie(), 2, 16)
    part = inside(motion)
    assert part[0].size >= 2 and part[1].size >= 3
    expected = np.broadcast_to(v, motion.to_next[part].shape)
    np.testing.assert_allclose(motion.to_next[part], expected, atol=0.1)
    np.testing.assert_allclose(motion.to_previous[part], -expected, atol=0.1)
    np.testing.assert_allclose(motion.per_frame[part], expected, atol=0.1)
    assert (motion.confidence[part] > 0.9).all()
    assert motion.method == "implied" and motion.t == 2


def test_halves_that_move_in_opposite_directions() -> None:
    net = Following(lambda k: (0, 2 * k), lambda k: (0, -2 * k))
    motion = implied_motion(denoiser_of(net), movie(), 2, 8)
    part = inside(motion)
    columns = motion.columns[part[1]]
    away = np.abs(columns - 39.5).ravel() > 4
    expected = np.where(columns < 40, 2, -2)
    flow = motion.per_frame[part]
    for row in flow:
        np.testing.assert_allclose(row[away, 1], expected.ravel()[away], atol=0.1)
        np.testing.assert_allclose(row[away, 0], 0, atol=0.1)
    dense = motion.dense()
    assert dense.shape == (2, 64, 80)
    np.testing.assert_allclose(dense[1, 20:44, 14:20], 2, atol=0.1)
    np.testing.assert_allclose(dense[1, 20:44, 60:66], -2, atol=0.1)


@pytest.mark.parametrize("box", [(21, 21), (3, 21), (21, 3)], ids=str)
def test_wide_and_long_filters_have_no_clear_place(box: tuple[int, int]) -> None:
    """An empty background, and edges: there is nothing that says how far."""
    net = Following(lambda k: (k, 2 * k), box=box)
    motion = implied_motion(denoiser_of(net), movie(), 2, 16)
    assert (motion.confidence < 0.5).all()


def test_ways_that_do_not_cancel_are_no_motion() -> None:
    net = Following(lambda k: (2, 1))  # the same way in the past and in the future
    motion = implied_motion(denoiser_of(net), movie(), 2, 16)
    part = inside(motion)
    np.testing.assert_allclose(motion.to_next[part], motion.to_previous[part], atol=0.1)
    assert (motion.confidence[part] < 0.1).all()


@pytest.mark.parametrize(("t", "known", "missing"), [(0, 1, -1), (4, -1, 1)])
def test_at_the_ends_of_the_movie_one_way_is_known(
    t: int, known: int, missing: int
) -> None:
    net = Following(lambda k: (0, 0))
    motion = implied_motion(denoiser_of(net), movie(), t, 16)
    ways = {1: motion.to_next, -1: motion.to_previous}
    assert np.isnan(ways[missing]).all()
    part = inside(motion)
    np.testing.assert_allclose(ways[known][part], 0, atol=0.1)
    np.testing.assert_allclose(motion.per_frame[part], 0, atol=0.1)
    # half as sure: nothing confirms it
    assert ((motion.confidence[part] > 0.4) & (motion.confidence[part] <= 0.5)).all()


def test_a_click_follows_the_same_motion() -> None:
    net = Following(lambda k: (k, -2 * k))
    found = adaptive_filter(denoiser_of(net), movie(), 2, 30, 40)
    assert found.velocity == pytest.approx((1, -2), abs=0.01)
    np.testing.assert_allclose(found.shares, [0.5, 0, 0.5], atol=1e-6)
    assert found.averaged == pytest.approx(18, rel=1e-5)
    assert "follows a motion of (1.0, -2.0) px/frame" in found.describe()
    wide = adaptive_filter(
        denoiser_of(Following(lambda k: (k, -2 * k), box=(21, 21))), movie(), 2, 30, 40
    )
    assert wide.velocity is None
    assert "no clear motion" in wide.describe()


def test_channel_and_plane() -> None:
    data = np.stack([movie().read()] * 2, axis=1)
    stack = Stack.from_array(data, "TZYX")
    net = Following(lambda k: (0, k))
    motion = implied_motion(denoiser_of(net), stack, 2, 16, z=1)
    np.testing.assert_allclose(motion.per_frame[inside(motion)][..., 1], 1, atol=0.1)
    with pytest.raises(InputError, match="z is 2"):
        implied_motion(denoiser_of(net), stack, 2, 16, z=2)


def test_cancelled_before_the_end() -> None:
    stop = threading.Event()
    stop.set()
    net = Following(lambda k: (0, k))
    motion = implied_motion(denoiser_of(net), movie(), 2, 8, cancel=stop)
    reached = np.isfinite(motion.to_next).all(axis=-1)
    assert 0 < reached.sum() < reached.size
    assert not motion.confidence[~reached].any()
    assert np.isfinite(motion.dense()).all()


@pytest.mark.parametrize(
    ("net", "how", "message"),
    [
        (tiny_net(frames=1), {}, "one frame only"),
        (tiny_net(frames=3), {"spacing": 0}, "spacing is 0"),
        (tiny_net(frames=3), {"t": 5}, "t is 5"),
        (tiny_net(frames=3), {"c": 1}, "c is 1"),
    ],
    ids=["one frame", "spacing", "frame", "channel"],
)
def test_bad_input(net: Network, how: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        implied_motion(denoiser_of(net), movie(), **{"t": 2, "spacing": 8, **how})
