"""Movies become layers of the viewer, and layers become movies, without loss."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.utils.transforms._units import get_units_from_name

from napari_udvd._napari.layer_data import (
    KEPT,
    contrast_limits,
    guess_axes,
    layer_data,
    stack_from,
)
from napari_udvd.errors import InputError
from napari_udvd.formats import open_stack
from napari_udvd.formats._lazy import FileArray
from napari_udvd.formats._units import LENGTHS, TIMES
from napari_udvd.stack import Stack

if TYPE_CHECKING:
    from pathlib import Path

PHYSICAL = sorted(LENGTHS | TIMES)
FOREIGN = ["frames", "1/nm", "a.u.", "bananas", "pixel"]


class Counted:
    """An array on a disk that counts the frames that are read of it."""

    def __init__(self, pixels: np.ndarray[Any, Any]) -> None:
        self.pixels, self.frames_read = pixels, 0
        self.shape, self.dtype = pixels.shape, pixels.dtype

    def __getitem__(self, key: Any) -> np.ndarray[Any, Any]:
        block = np.asarray(self.pixels[key])
        self.frames_read += block.size // (self.shape[-1] * self.shape[-2])
        return block


def back(layer: Any, axes: str, *, kept: bool = True) -> Stack:
    """Make the layer a movie again; its units are such as the viewer holds."""
    data, arguments, _ = layer
    return stack_from(
        data,
        axes=axes,
        scale=np.asarray(arguments["scale"]),
        units=get_units_from_name(arguments["units"]),
        kept=arguments["metadata"][KEPT] if kept else None,
    )


@st.composite
def stacks(draw: st.DrawFn, units: list[str], *, complete: bool) -> Stack:
    """Small movies; `complete` ones have a unit wherever they have a step."""
    extra = draw(st.sets(st.sampled_from("TCZ")))
    axes = "".join(draw(st.permutations(["Y", "X", *sorted(extra)])))
    steps = draw(st.dictionaries(st.sampled_from(axes), st.floats(1e-9, 1e9)))
    known = sorted(steps) if complete else list(axes)
    named = {
        axis: draw(st.sampled_from(units))
        for axis in known
        if complete or draw(st.booleans())
    }
    shape = tuple(draw(st.integers(1, 3)) for _ in axes)
    n_channels = shape[axes.index("C")] if "C" in axes else 0
    return Stack.from_array(
        np.zeros(shape, "u2"),
        axes,
        scale=steps,
        units=named,
        channel_names=tuple(f"channel {i}" for i in range(n_channels)),
        source="movie.tif",
    )


@given(stack=stacks(PHYSICAL + FOREIGN, complete=False))
@settings(max_examples=150, deadline=None)
def test_everything_comes_back(stack: Stack) -> None:
    found = back(layer_data(stack, "movie"), stack.axes)
    assert found.data is stack.data and found.axes == stack.axes
    assert found.scale == stack.scale and found.units == stack.units
    assert found.channel_names == stack.channel_names
    assert found.source == stack.source


def test_times_come_back_unless_the_viewer_has_an_interval() -> None:
    stack = Stack.from_array(
        np.zeros((3, 4, 5), "u1"), "TYX", units={"T": "s"}, times=(0.5, 1, 9)
    )
    made = layer_data(stack, "movie")
    found = back(made, "TYX")
    assert found.times == (0.5, 1.0, 9.0) and found.units == {"T": "s"}
    data, arguments, _ = made
    changed = stack_from(
        data,
        axes="TYX",
        scale=(3.0, 1.0, 1.0),
        units=("s", "pixel", "pixel"),
        kept=arguments["metadata"][KEPT],
    )
    assert changed.times is None and changed.scale == {"T": 3.0}
    shorter = back((data[:2], *made[1:]), "TYX")
    assert shorter.times is None


@given(stack=stacks(PHYSICAL, complete=True))
@settings(max_examples=100, deadline=None)
def test_lengths_and_times_need_no_metadata(stack: Stack) -> None:
    found = back(layer_data(stack, "movie"), stack.axes, kept=False)
    assert found.scale == stack.scale and found.units == stack.units


@pytest.mark.parametrize("unit", PHYSICAL)
def test_the_viewer_knows_every_length_and_time(unit: str) -> None:
    pixels = np.zeros((2, 3), "u1")
    stack = Stack.from_array(pixels, "YX", scale={"X": 2.0}, units={"X": unit})
    shown = layer_data(stack, "movie")[1]["units"]
    assert shown == ("pixel", unit)
    physical = get_units_from_name(shown)[1]
    assert physical.dimensionality in ("[length]", "[time]")


def test_the_viewer_wins_where_it_was_changed() -> None:
    stack = Stack.from_array(
        np.zeros((4, 3, 3), "u1"),
        "TYX",
        scale={"T": 2.0, "Y": 0.5, "X": 0.5},
        units={"T": "frames", "Y": "µm", "X": "µm"},
    )
    data, arguments, _ = layer_data(stack, "movie")
    assert arguments["scale"] == (2.0, 0.5, 0.5)
    assert arguments["units"] == ("pixel", "µm", "µm")
    found = stack_from(
        data,
        axes="TYX",
        scale=(2.0, 0.25, 500.0),
        units=("pixel", "micrometer", "nanometer"),
        kept=arguments["metadata"][KEPT],
    )
    assert found.scale == {"T": 2.0, "Y": 0.25, "X": 500.0}
    assert found.units == {"T": "frames", "Y": "µm", "X": "nm"}


def test_pixels_are_no_calibration() -> None:
    pixels = np.zeros((4, 3, 3), "u1")
    found = stack_from(
        pixels, axes="TYX", scale=(1, 2.5, 1), units=("pixel", "pixel", "")
    )
    assert found.scale == {"Y": 2.5} and found.units == {}


def test_a_file_is_read_frame_by_frame() -> None:
    pixels = np.arange(50 * 2 * 6 * 7, dtype="u2").reshape(50, 2, 6, 7)
    disk = Counted(pixels)
    data, arguments, kind = layer_data(Stack.from_array(disk, "TCYX"), "movie")
    assert kind == "image" and isinstance(data, da.Array)
    assert data.chunksize == (1, 1, 6, 7) and data.dtype == pixels.dtype
    assert arguments["axis_labels"] == ("t", "c", "y", "x")
    assert disk.frames_read == 6  # three of each channel, for the contrast
    np.testing.assert_array_equal(np.asarray(data[31, 1]), pixels[31, 1])
    assert disk.frames_read == 7
    np.testing.assert_array_equal(np.asarray(data), pixels)


@pytest.mark.parametrize("make", [np.asarray, da.from_array], ids=["numpy", "dask"])
def test_arrays_are_taken_as_they_are(make: Any) -> None:
    pixels = make(np.zeros((4, 3, 3), "f4"))
    assert layer_data(Stack.from_array(pixels), "movie")[0] is pixels


def test_a_result_of_another_size_has_its_own_scale() -> None:
    movie = Stack.from_array(
        np.zeros((4, 3, 5), "u2"),
        "TYX",
        scale={"T": 2.0, "Y": 0.4, "X": 0.4},
        units={"T": "s", "Y": "µm", "X": "µm"},
        source="a.tif",
    )
    like = movie.layout.zoomed(2)
    frames = np.random.default_rng(0).random((4, 6, 10), np.float32)
    layer = layer_data(like, "result", frames)
    assert layer[0] is frames
    assert layer[1]["scale"] == (2.0, 0.2, 0.2)
    low, high = layer[1]["contrast_limits"]
    assert 0 <= low < 0.05 and 0.95 < high <= 1
    again = back(layer, "TYX")
    assert again.layout == replace(like, dtype=np.dtype("f4"), notes=())
    with pytest.raises(InputError, match=r"shape \(4, 3, 5\)"):
        layer_data(like, "result", movie.data)


def test_more_arguments() -> None:
    stack = Stack.from_array(np.zeros((4, 3, 3), "f4"), source="a.tif")
    _, arguments, _ = layer_data(
        stack, "movie", visible=False, contrast_limits=(2, 3), metadata={"mine": 1}
    )
    assert arguments["visible"] is False and arguments["contrast_limits"] == (2, 3)
    assert arguments["metadata"]["mine"] == 1
    assert arguments["metadata"][KEPT]["source"] == "a.tif"
    assert "read as TYX" in arguments["metadata"][KEPT]["notes"][0]


def test_contrast_ignores_a_few_bright_and_broken_pixels() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.normal(100.0, 5.0, (9, 1200, 64)).astype("f4")
    pixels[0, 0, :3] = 1e9, np.nan, -np.inf
    low, high = contrast_limits(Stack.from_array(pixels))
    assert low == pytest.approx(100 - 3.09 * 5, abs=0.5)
    assert high == pytest.approx(100 + 3.09 * 5, abs=0.5)


@pytest.mark.parametrize(
    "level", [0, 7, -3.5, 1e9, 1e30, np.nan], ids=lambda level: f"{level:g}"
)
def test_a_constant_movie_has_a_contrast(level: float) -> None:
    pixels = np.full((4, 8, 8), level, "f4")
    low, high = np.float32(contrast_limits(Stack.from_array(pixels)))
    assert np.isfinite([low, high]).all() and low < high


@pytest.mark.parametrize(
    ("labels", "axes"),
    [
        (("t", "y", "x"), "TYX"),
        (("time", "c", "y", "x"), "TCYX"),
        (("Time", "Channel", "Z", "Y", "X"), "TCZYX"),
        (("z", "y", "x"), "ZYX"),
        (("y", "x", "t"), "YXT"),
        (("frame", "row", "column"), "TYX"),
        (("axis -3", "axis -2", "axis -1"), "TYX"),
        (("-3", "-2", "-1"), "TYX"),
        (("axis -2", "axis -1"), "YX"),
        (("z", "axis -2", "axis -1"), "ZYX"),
        (("t", "c", "axis -2", "axis -1"), "TCYX"),
    ],
)
def test_labels_name_the_axes(labels: tuple[str, ...], axes: str) -> None:
    assert guess_axes(labels, (5,) * len(labels)) == axes


@pytest.mark.parametrize(
    "labels",
    [
        ("axis -4", "axis -3", "axis -2", "axis -1"),
        ("c", "axis -3", "axis -2", "axis -1"),
        ("z", "axis -3", "y", "x"),
        ("lambda", "y", "x"),
        ("t", "t", "y", "x"),
        ("t", "time", "y", "x"),
        ("t", "z", "c"),
        ("axis -3", "x", "y", "t"),
        ("x",),
    ],
)
def test_labels_that_leave_it_open(labels: tuple[str, ...]) -> None:
    shape = tuple(range(5, 5 + len(labels)))
    with pytest.raises(InputError, match="type them into the field") as caught:
        guess_axes(labels, shape)
    assert repr(labels) in str(caught.value) and repr(shape) in str(caught.value)


@pytest.mark.parametrize("step", [0.0, -0.5, np.nan, np.inf])
def test_an_impossible_scale_is_quoted(step: float) -> None:
    with pytest.raises(InputError, match=f"scale of axis Y is {step:g};"):
        stack_from(
            np.zeros((4, 3, 3), "u1"),
            axes="TYX",
            scale=(1, step, 1),
            units=("s", "µm", "µm"),
        )


def test_a_scale_for_each_axis() -> None:
    with pytest.raises(InputError, match=r"2 scales .* for the axes 'TYX'"):
        stack_from(
            np.zeros((4, 3, 3)), axes="TYX", scale=(1, 1), units=("s", "µm", "µm")
        )


def test_names_of_channels_that_are_none_are_dropped() -> None:
    """A user may say that what the file calls channels is time."""
    pixels = np.zeros((2, 4, 4), "u1")
    stack = Stack.from_array(pixels, "CYX", channel_names=("a", "b"))
    layer = layer_data(stack, "movie")
    assert back(layer, "CYX").channel_names == ("a", "b")
    assert back(layer, "TYX").channel_names == ()


def test_all_files_of_a_set_are_remembered() -> None:
    files = ("part0.tif", "part1.tif")
    disk = FileArray(np.ones((4, 3, 3), "u1"), files[0], files=files)
    found = back(layer_data(Stack.from_array(disk, "TYX"), "movie"), "TYX")
    assert getattr(found.data, "files", ()) == files
    np.testing.assert_array_equal(found.read(2), np.ones((1, 3, 3)))


def test_a_real_movie(shared_data: Path) -> None:
    path = next(iter(sorted(shared_data.rglob("*.tif"))))
    stack = open_stack(path)
    found = back(layer_data(stack, "movie"), stack.axes)
    np.testing.assert_array_equal(found.read(1), stack.read(1))
    assert found.scale == stack.scale and found.units == stack.units


def test_files_and_samples_open_without_torch_and_qt() -> None:
    code = (
        "import sys\n"
        "from napari_udvd._napari import layer_data, reader, sample_data, writer\n"
        "sample_data.lattice(); reader.get_reader('a.tif')\n"
        "print(*(name.partition('.')[0] for name in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert not {"torch", "qtpy", "PyQt6", "napari"} & set(done.stdout.split())
