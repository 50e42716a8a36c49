"""A layout is a movie without its pixels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from napari_udvd.errors import InputError
from napari_udvd.stack import Layout, Plane, Stack


def movie(axes: str = "TCYX", **how: Any) -> Stack:
    sizes = {"T": 5, "C": 2, "Z": 3, "Y": 6, "X": 8}
    steps = {"T": 2.0, "Z": 0.5, "Y": 0.2, "X": 0.3}
    words = {"T": "s", "Z": "µm", "Y": "µm", "X": "µm"}
    return Stack.from_array(
        np.zeros([sizes[axis] for axis in axes], "u2"),
        axes,
        **{
            "scale": {axis: steps[axis] for axis in axes if axis in steps},
            "units": {axis: words[axis] for axis in axes if axis in words},
            "channel_names": ("GFP", "RFP") if "C" in axes else (),
            "source": "a.tif",
            **how,
        },
    )


@pytest.mark.parametrize("axes", ["YX", "TYX", "TCYX", "XYZCT"])
def test_it_says_what_the_movie_says(axes: str) -> None:
    stack = movie(axes)
    layout = stack.layout
    assert layout.layout is layout
    for name in (
        *("axes", "shape", "dtype", "scale", "units", "channel_names", "source"),
        *("notes", "times", "files", "n_frames", "n_channels", "n_planes"),
        *("frame_shape", "canonical_axes"),
    ):
        assert getattr(layout, name) == getattr(stack, name), name
    assert layout.describe() == stack.describe()
    assert list(layout.planes()) == list(stack.planes())
    assert layout == stack.layout != replace(layout, dtype=np.dtype("f4"))


def test_parts_are_those_of_the_movie() -> None:
    stack = movie(scale={}, times=[0, 1, 5, 6, 9])
    part = slice(1, 3), slice(-4, None), slice(2, 3)
    assert stack.layout.crop(*part) == stack.crop(*part).layout
    assert stack.layout.crop(*part).times == (1.0, 5.0)
    with pytest.raises(InputError, match=r"axis Y of 'a.tif' is empty or reaches"):
        stack.layout.crop(rows=slice(0, 7))


def test_a_finer_grid_over_the_same_field_of_view() -> None:
    layout = movie("XTCY").layout
    fine = layout.zoomed(2)
    assert (fine.axes, fine.shape) == ("XTCY", (16, 5, 2, 12))
    assert fine.scale == {"T": 2.0, "Y": 0.1, "X": 0.15}
    assert (fine.units, fine.channel_names) == (layout.units, layout.channel_names)
    for axis in "YX":
        extent = layout.size(axis) * layout.scale[axis]
        assert fine.size(axis) * fine.scale[axis] == pytest.approx(extent)
    assert layout.zoomed(1) == layout


def test_axes_that_a_result_lacks() -> None:
    layout = movie("TCZYX").layout
    left = layout.without("TC")
    assert (left.axes, left.shape, left.channel_names) == ("ZYX", (3, 6, 8), ())
    assert set(left.scale) == set(left.units) == set("ZYX")
    timed = movie("TYX", scale={}, times=range(5)).layout
    assert timed.without("T").times is None
    assert timed.without("CZ") == timed


@pytest.mark.parametrize(
    ("axes", "expected"), [("TYX", "TCYX"), ("YX", "CYX"), ("TCYX", "TCYX")]
)
def test_channels_of_its_own(axes: str, expected: str) -> None:
    found = movie(axes).layout.with_channels(("dz", "dy", "dx"))
    assert (found.axes, found.n_channels) == (expected, 3)
    assert found.channel_names == ("dz", "dy", "dx")
    assert found.scale == movie(axes).scale


def test_what_contradicts_itself_is_refused() -> None:
    layout = movie().layout
    with pytest.raises(InputError, match="name 4 dimensions"):
        replace(layout, shape=(1, 2, 3))
    with pytest.raises(InputError, match="1 channel names"):
        replace(layout, channel_names=("one",))
    with pytest.raises(InputError, match="scale of axis X"):
        replace(layout, scale={"X": 0.0})
    with pytest.raises(InputError, match="dtype complex64"):
        Layout("YX", (2, 3), np.dtype("c8"))


def test_pixels_for_a_layout() -> None:
    fine = movie().layout.zoomed(2)
    stack = Stack.of(fine, np.ones(fine.shape, "f4"))
    assert stack.layout == replace(fine, dtype=np.dtype("f4"))
    assert stack.read(1, Plane(1)).shape == (1, 12, 16)
    with pytest.raises(InputError, match=r"shape \(5, 2, 6, 8\).*'TCYX' has \(5, 2, 1"):
        Stack.of(fine, movie().data)
