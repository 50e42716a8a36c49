"""Series: which 2-D movies a stack falls into, and how their frames are read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_udvd.cutting import window
from napari_udvd.planes import Series, read_clip, series_of
from napari_udvd.stack import Plane, Stack


def numbered(axes: str = "TCZYX") -> Stack:
    sizes = {"T": 7, "C": 2, "Z": 3, "Y": 4, "X": 5}
    shape = [sizes[axis] for axis in axes]
    return Stack.from_array(np.arange(np.prod(shape)).reshape(shape), axes)


def test_every_plane_is_a_movie_of_its_own() -> None:
    assert series_of(numbered()) == [Series((c,), z) for c in (0, 1) for z in (0, 1, 2)]
    assert series_of(numbered("TYX")) == [Series((0,), 0)]


def test_joint_channels_are_one_movie_per_depth() -> None:
    assert series_of(numbered(), joint=True) == [Series((0, 1), z) for z in (0, 1, 2)]
    assert Series((0, 1), 2).planes() == [Plane(0, 2), Plane(1, 2)]


@given(frames=st.lists(st.integers(0, 6), min_size=1, max_size=9))
def test_frames_in_any_order(frames: list[int]) -> None:
    stack = numbered()
    clip = read_clip(stack, Series((1, 0), 2), frames, slice(1, 3), slice(0, 4))
    assert clip.dtype == np.float32
    assert clip.shape == (len(frames), 2, 2, 4)
    data = np.asarray(stack.data)
    for t, frame in enumerate(frames):
        np.testing.assert_array_equal(clip[t], data[frame, [1, 0], 2, 1:3, :4])


def test_neighbouring_frames_are_read_with_one_call_per_channel() -> None:
    calls: list[Any] = []

    class Counting:
        shape, dtype = (100, 2, 4, 4), np.dtype("u2")

        def __getitem__(self, key: Any) -> np.ndarray:
            calls.append(key[0])
            return np.zeros(self.shape, "u2")[key]

    stack = Stack.from_array(Counting(), "TCYX")
    read_clip(stack, Series((0, 1), 0), [52, 51, 50, 51, 52])
    assert calls == [slice(50, 53)] * 2


@st.composite
def frame_of_a_movie(draw: st.DrawFn) -> tuple[int, int]:
    n_frames = draw(st.integers(1, 25))
    return draw(st.integers(0, n_frames - 1)), n_frames


@given(place=frame_of_a_movie(), context=st.integers(0, 30))
def test_a_window_never_shows_its_own_frame_twice(
    place: tuple[int, int], context: int
) -> None:
    frame, n_frames = place
    found = window(frame, context, n_frames)
    assert len(found) == 2 * context + 1
    assert all(0 <= t < n_frames for t in found)
    assert found[context] == frame
    # a network that sees neighbours in full would copy the noise of the frame
    assert found.count(frame) == (1 if n_frames > 1 else 2 * context + 1)


@given(place=frame_of_a_movie(), context=st.integers(0, 30))
def test_a_window_shows_the_frames_around_wherever_there_are_any(
    place: tuple[int, int], context: int
) -> None:
    frame, n_frames = place
    for step, t in zip(
        range(-context, context + 1), window(frame, context, n_frames), strict=True
    ):
        if 0 <= frame + step < n_frames:
            assert t == frame + step
        elif 0 <= frame - step < n_frames:
            assert t == frame - step  # equally far away, on the other side
        elif n_frames > 1:  # the movie is shorter than the window: one of its ends
            assert t in {0, n_frames - 1} - {frame}


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (0, [3, 2, 1, 0, 1, 2, 3]),
        (1, [4, 3, 0, 1, 2, 3, 4]),
        (4, [1, 2, 3, 4, 3, 2, 1]),
    ],
)
def test_the_ends_of_a_movie_of_five_frames(frame: int, expected: list[int]) -> None:
    assert window(frame, 3, 5) == expected
