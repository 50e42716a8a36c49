"""Series: which 2-D movies a stack falls into, and how their frames are read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_udvd.series import Series, read_clip, reflected, series_of
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


@given(n_frames=st.integers(1, 9), frame=st.integers(-40, 40))
def test_reflection_in_time(n_frames: int, frame: int) -> None:
    found = reflected(frame, n_frames)
    assert 0 <= found < n_frames
    # NumPy's own reflection
    padded = np.pad(np.arange(n_frames), 40, mode="reflect")
    assert found == padded[frame + 40]


@pytest.mark.parametrize(
    ("frame", "expected"), [(-2, 2), (-1, 1), (0, 0), (4, 4), (5, 3), (6, 2)]
)
def test_the_end_frames_are_not_repeated(frame: int, expected: int) -> None:
    assert reflected(frame, 5) == expected
