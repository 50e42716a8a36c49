"""A stack names the axes of any array and reads only what is asked for."""

from __future__ import annotations

import itertools
from typing import Any

import dask.array as da
import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_udvd.errors import InputError
from napari_udvd.stack import AXES, Plane, Stack

DTYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "f2", "f4", "f8", ">u2", ">f4"]
SIZES = {"T": 4, "C": 2, "Z": 3, "Y": 5, "X": 6}

AXES_STRINGS = [
    "".join(order)
    for n in range(4)
    for extra in itertools.combinations("TCZ", n)
    for order in itertools.permutations((*extra, "Y", "X"))
]


def array_of(axes: str, dtype: Any = "u2") -> np.ndarray:
    """Every pixel is its own index in ``TCZYX``, so a mistake shows."""
    shape = [SIZES[axis] for axis in axes]
    grid = dict(zip(axes, np.indices(shape), strict=True))
    index = np.zeros(shape, np.int64)
    for axis in AXES:
        index = index * SIZES[axis] + grid.get(axis, 0)
    return index.astype(dtype)


def value(t: Any, c: Any, z: Any, y: Any, x: Any) -> Any:
    index = 0
    for axis, i in zip(AXES, (t, c, z, y, x), strict=True):
        index = index * SIZES[axis] + i
    return index


@pytest.mark.parametrize("axes", AXES_STRINGS)
def test_any_order_of_axes_reads_the_same_pixels(axes: str) -> None:
    stack = Stack.from_array(array_of(axes), axes)
    assert stack.axes == axes
    t_size = stack.n_frames
    assert t_size == (SIZES["T"] if "T" in axes else 1)
    assert stack.frame_shape == (5, 6)
    planes = list(stack.planes())
    assert len(planes) == stack.n_channels * stack.n_planes
    for plane in planes:
        block = stack.read(slice(None), plane)
        t, y, x = np.indices(block.shape)
        assert block.shape == (t_size, 5, 6)
        np.testing.assert_array_equal(block, value(t, plane.c, plane.z, y, x))
        crop = stack.read(t_size - 1, plane, slice(1, 4), slice(2, 6))
        assert crop.shape == (1, 3, 4)
        np.testing.assert_array_equal(crop, block[t_size - 1 :, 1:4, 2:6])
    canonical = "".join(axis for axis in AXES if axis in axes)
    assert stack.canonical_axes == canonical


@settings(max_examples=60, deadline=None)
@given(
    axes=st.sampled_from([a for a in AXES_STRINGS if "T" in a]),
    dtype=st.sampled_from(DTYPES),
    first=st.integers(0, 3),
    length=st.integers(1, 4),
    corner=st.tuples(st.integers(0, 4), st.integers(0, 5)),
    plane=st.tuples(st.integers(0, 1), st.integers(0, 2)),
    kind=st.sampled_from(["numpy", "dask", "cupy"]),
)
def test_blocks_of_any_array(
    axes: str,
    dtype: str,
    first: int,
    length: int,
    corner: tuple[int, int],
    plane: tuple[int, int],
    kind: str,
) -> None:
    numbers = array_of(axes, dtype)
    wrap = {"numpy": np.asarray, "dask": da.from_array, "cupy": FakeCuPy}[kind]
    stack = Stack.from_array(wrap(numbers), axes.lower())
    where = Plane(
        plane[0] if "C" in axes else 0,
        plane[1] if "Z" in axes else 0,
    )
    rows, columns = slice(corner[0], None), slice(corner[1], corner[1] + 3)
    block = stack.read(slice(first, first + length), where, rows, columns)
    assert type(block) is np.ndarray
    assert block.dtype == np.dtype(dtype) == stack.dtype
    order = [axes.index(axis) for axis in AXES if axis in axes]
    ordered = numbers.transpose(order)
    for axis, index in (("C", where.c), ("Z", where.z)):
        if axis in axes:
            ordered = ordered[:, index]
    np.testing.assert_array_equal(block, ordered[first : first + length, rows, columns])


class FakeCuPy:
    """Behaves like a CuPy array: indexing stays on the device, ``get`` copies."""

    def __init__(self, data: np.ndarray) -> None:
        self._data = data
        self.shape, self.dtype = data.shape, data.dtype

    def __getitem__(self, key: Any) -> FakeCuPy:
        return FakeCuPy(self._data[key])

    def __array__(self, *args: Any, **options: Any) -> np.ndarray:
        raise TypeError("Implicit conversion to a NumPy array is not allowed")

    def get(self) -> np.ndarray:
        return self._data


class Counting:
    """Counts the pixels that are read."""

    def __init__(self, data: np.ndarray) -> None:
        self._data = data
        self.shape, self.dtype = data.shape, data.dtype
        self.pixels = 0

    def __getitem__(self, key: Any) -> np.ndarray:
        block = self._data[key]
        self.pixels += block.size
        return block


def test_only_the_asked_for_is_read() -> None:
    data = Counting(array_of("TCZYX"))
    stack = Stack.from_array(data, "TCZYX")
    assert (stack.n_frames, stack.n_channels, stack.n_planes) == (4, 2, 3)
    stack.describe()
    assert data.pixels == 0
    stack.read(slice(1, 3), Plane(1, 2), slice(0, 2), slice(0, 3))
    assert data.pixels == 2 * 2 * 3
    stack.read(2, Plane(0, 1))
    assert data.pixels == 12 + 30


def test_dask_computes_only_the_chunks_it_needs() -> None:
    computed: list[int] = []

    def frame(block_info: Any = None) -> np.ndarray:
        t = block_info[None]["chunk-location"][0]
        computed.append(t)
        return np.full((1, 5, 6), t, "u2")

    movie = da.map_blocks(frame, chunks=((1,) * 1000, (5,), (6,)), dtype="u2")
    computed.clear()
    block = Stack.from_array(movie, "TYX").read(slice(500, 503))
    assert sorted(computed) == [500, 501, 502]
    assert block[:, 0, 0].tolist() == [500, 501, 502]


def test_zarr_and_memory_maps_stay_lazy(tmp_path: Any) -> None:
    numbers = array_of("TYX")
    stored = zarr.create_array(tmp_path / "a.zarr", shape=(4, 5, 6), dtype="u2")
    stored[:] = numbers
    np.save(tmp_path / "a.npy", numbers)
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    for data in (stored, mapped):
        stack = Stack.from_array(data, "TYX")
        assert stack.data is data
        np.testing.assert_array_equal(stack.read(slice(1, 3)), numbers[1:3])


def test_the_array_is_neither_copied_nor_written() -> None:
    numbers = array_of("TYX")
    numbers.setflags(write=False)
    stack = Stack.from_array(numbers)
    assert stack.data is numbers
    block = stack.read()
    np.testing.assert_array_equal(block, numbers)


def test_lists_become_arrays() -> None:
    assert Stack.from_array([[[1, 2], [3, 4]]], "TYX").shape == (1, 2, 2)


def test_three_dimensions_are_time_and_this_is_noted() -> None:
    stack = Stack.from_array(array_of("TYX"))
    assert stack.axes == "TYX"
    assert len(stack.notes) == 1
    assert "TYX" in stack.notes[0]
    assert Stack.from_array(array_of("TYX"), "TYX").notes == ()


@pytest.mark.parametrize("shape", [(4, 5), (2, 3, 4, 5), (1, 2, 3, 4, 5), (7,), ()])
def test_other_dimensions_are_not_guessed(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError) as caught:
        Stack.from_array(np.zeros(shape), source="a.tif")
    message = str(caught.value)
    assert str(shape) in message
    assert "ambiguous" in message
    assert "axes=" in message
    assert "'a.tif'" in message


@pytest.mark.parametrize(
    ("axes", "complaint"),
    [
        ("TYQ", "'TYQ'"),
        ("TYY", "'TYY'"),
        ("TY", "3: shape"),
        ("TCYX", "3: shape"),
        ("TZX", "must contain Y and X"),
        ("", "3: shape"),
        ("T Y", "'T Y'"),
    ],
)
def test_axes_that_do_not_fit(axes: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint.replace("(", r"\(")):
        Stack.from_array(np.zeros((3, 4, 5)), axes)


@pytest.mark.parametrize("dtype", ["bool", "c8", "c16", "O", "U3", "M8[s]", "V4"])
def test_what_is_no_number_is_refused(dtype: str) -> None:
    with pytest.raises(InputError, match=r"dtype .*astype") as caught:
        Stack.from_array(np.zeros((3, 4, 5), dtype), "TYX")
    assert str(np.dtype(dtype)) in str(caught.value)


@pytest.mark.parametrize("shape", [(0, 4, 4), (4, 0, 4), (4, 4, 0)])
def test_empty_arrays_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="empty"):
        Stack.from_array(np.zeros(shape), "TYX")


@pytest.mark.parametrize("step", [0, -1.0, np.nan, np.inf])
def test_scales_must_be_positive(step: float) -> None:
    with pytest.raises(InputError, match=r"axis X.*positive"):
        Stack.from_array(array_of("TYX"), "TYX", scale={"X": step})


def test_scales_and_units_belong_to_axes_of_the_movie() -> None:
    with pytest.raises(InputError, match=r"Z.*'TYX'"):
        Stack.from_array(array_of("TYX"), "TYX", scale={"Z": 1.0})
    with pytest.raises(InputError, match=r"units.*C"):
        Stack.from_array(array_of("TYX"), "TYX", units={"C": "s"})


def test_a_name_for_every_channel() -> None:
    names = ("GFP", "RFP")
    assert Stack.from_array(array_of("TCYX"), "TCYX", channel_names=names)
    with pytest.raises(InputError, match="1 channel names"):
        Stack.from_array(array_of("TCYX"), "TCYX", channel_names=("GFP",))


def test_a_stack_does_not_change() -> None:
    scale = {"X": 0.1}
    stack = Stack.from_array(array_of("TYX"), "TYX", scale=scale)
    scale["X"] = 2.0
    assert stack.scale == {"X": 0.1}
    with pytest.raises(TypeError):
        stack.scale["X"] = 3.0  # type: ignore[index]
    with pytest.raises(AttributeError):
        stack.axes = "ZYX"  # type: ignore[misc]


def test_other_names_for_the_axes() -> None:
    stack = Stack.from_array(array_of("TYX"), scale={"T": 2.0}, source="a.npy")
    renamed = stack.with_axes("zyx")
    assert renamed.axes == "ZYX"
    assert renamed.n_frames == 1
    assert renamed.n_planes == 4
    assert not renamed.scale
    assert renamed.notes == ()
    assert renamed.source == "a.npy"
    with pytest.raises(InputError):
        stack.with_axes("TCYX")


@pytest.mark.parametrize("frame", [-1, 4, 100])
def test_frames_outside_the_movie(frame: int) -> None:
    with pytest.raises(IndexError, match=f"frame {frame} of 4"):
        Stack.from_array(array_of("TYX")).read(frame)


def test_numpy_integers_are_frames() -> None:
    stack = Stack.from_array(array_of("TYX"))
    np.testing.assert_array_equal(stack.read(np.int64(2)), stack.read(2))


def test_description() -> None:
    stack = Stack.from_array(
        array_of("TCZYX"),
        "TCZYX",
        scale={"T": 2, "X": 0.2, "Y": 0.2},
        units={"T": "s", "X": "µm", "Y": "µm"},
    )
    assert stack.describe() == "4 frames, 2 channels, 3 planes, 5 x 6, 0.2 µm, 2 s"
    assert Stack.from_array(array_of("YX"), "YX").describe() == "1 frame, 5 x 6"


class TestTimes:
    """When the frames of a movie without a regular interval were recorded."""

    def stack(self, axes: str = "TZYX") -> Stack:
        return Stack.from_array(
            array_of(axes), axes, units={"T": "s"}, times=[0.5, 1, 60, 61.5]
        )

    def test_they_are_kept_and_said(self) -> None:
        stack = self.stack()
        assert stack.times == (0.5, 1.0, 60.0, 61.5)
        assert stack.describe() == "4 frames, 3 planes, 5 x 6, irregular interval"

    @pytest.mark.parametrize(
        ("frames", "times"),
        [
            (slice(1, 3), (1.0, 60.0)),
            (slice(-1, None), (61.5,)),
            (slice(None), (0.5, 1.0, 60.0, 61.5)),
        ],
    )
    def test_a_part_has_its_own(self, frames: slice, times: tuple[float, ...]) -> None:
        part = self.stack().crop(frames, rows=slice(2, 4))
        assert part.times == times and part.units == {"T": "s"}

    def test_they_stay_with_the_axis_of_time(self) -> None:
        renamed = self.stack().with_axes("TCYX")
        assert renamed.times == self.stack().times and renamed.units == {"T": "s"}
        assert self.stack().with_axes("ZTYX").times is None

    @pytest.mark.parametrize(
        ("times", "complaint"),
        [
            ([1, 2, 3], r"3 times were given for the 4 frame\(s\)"),
            ([0, 1, 1, 2], "do not increase: frame 2 is at 1, the one before it at 1"),
            ([0, 1, float("nan"), 2], "not finite"),
        ],
    )
    def test_times_that_cannot_be(self, times: list[float], complaint: str) -> None:
        with pytest.raises(InputError, match=complaint):
            Stack.from_array(array_of("TYX"), "TYX", times=times)

    def test_an_interval_and_times_contradict_each_other(self) -> None:
        with pytest.raises(InputError, match="both a frame interval, 2, and a time"):
            Stack.from_array(
                array_of("TYX"), "TYX", scale={"T": 2.0}, times=[0, 1, 2, 3]
            )
        with pytest.raises(InputError, match="axes 'ZYX'"):
            Stack.from_array(array_of("ZYX"), "ZYX", times=[0, 1, 2, 3])


# --- parts of a movie -----------------------------------------------------------------


@st.composite
def parts(draw: st.DrawFn, size: int) -> slice:
    """Any way to write a range of step 1 that is not empty."""
    first = draw(st.integers(0, size - 1))
    last = draw(st.integers(first + 1, size))
    start = draw(
        st.sampled_from([first, first - size, *([None] if first == 0 else [])])
    )
    stop = last if last < size else draw(st.sampled_from([size, None]))
    if last < size and draw(st.booleans()):
        stop = last - size
    return slice(start, stop, draw(st.sampled_from([None, 1])))


class OnDisk:
    """An array of which every access is noted, with the files that it is in."""

    def __init__(self, data: Any) -> None:
        self._data = data
        self.shape, self.dtype, self.files = data.shape, data.dtype, ("a.tif", "b.tif")
        self.read = 0

    def __getitem__(self, key: Any) -> Any:
        block = self._data[key]
        self.read += block.size
        return block


KINDS = {"numpy": np.asarray, "dask": da.from_array, "zarr": zarr.array, "file": OnDisk}


@settings(max_examples=80, deadline=None)
@given(
    axes=st.sampled_from(AXES_STRINGS),
    kind=st.sampled_from(list(KINDS)),
    frames=parts(4),
    rows=parts(5),
    columns=parts(6),
)
def test_a_part_of_any_array(
    axes: str, kind: str, frames: slice, rows: slice, columns: slice
) -> None:
    numbers = array_of(axes)
    stack = Stack.from_array(KINDS[kind](numbers), axes)
    if "T" not in axes:
        frames = slice(None)
    part = stack.crop(frames, rows, columns)
    chosen = {"T": frames, "Y": rows, "X": columns}
    expected = numbers[tuple(chosen.get(axis, slice(None)) for axis in axes)]
    assert part.axes == axes
    assert part.shape == expected.shape
    assert part.dtype == numbers.dtype
    np.testing.assert_array_equal(np.asarray(part.data), expected)
    np.testing.assert_array_equal(np.asarray(part.data[..., 1::2]), expected[..., 1::2])
    np.testing.assert_array_equal(np.asarray(part.data[-1]), expected[-1])
    for plane in part.planes():
        np.testing.assert_array_equal(
            part.read(slice(None), plane), stack.read(frames, plane, rows, columns)
        )
    again = part.crop(rows=slice(-1, None))
    np.testing.assert_array_equal(
        np.asarray(again.data), np.take(expected, [-1], axis=axes.index("Y"))
    )


def test_nothing_is_read_for_a_part() -> None:
    data = OnDisk(array_of("TCYX"))
    stack = Stack.from_array(data, "TCYX")
    part = stack.crop(slice(1, 3), slice(2, 4), slice(0, 3)).crop(slice(1, 2))
    assert data.read == 0
    assert part.shape == (1, 2, 2, 3)
    part.read(0, Plane(1))
    assert data.read == 2 * 3
    lazy = Stack.from_array(da.from_array(array_of("TYX")), "TYX").crop(slice(1, 2))
    assert hasattr(lazy.data[0], "compute")
    numbers = array_of("TYX")
    assert np.shares_memory(Stack.from_array(numbers).crop().data[0], numbers)


def test_a_part_keeps_what_is_known_of_the_movie() -> None:
    stack = Stack.from_array(
        OnDisk(array_of("TCYX")),
        "TCYX",
        scale={"T": 2.0, "X": 0.1},
        units={"T": "s"},
        channel_names=("GFP", "RFP"),
        source="a.tif",
    )
    part = stack.crop(slice(1, 3), columns=slice(2, 4))
    assert (part.scale, part.units) == (stack.scale, stack.units)
    assert part.channel_names == ("GFP", "RFP")
    assert (part.source, part.notes) == ("a.tif", stack.notes)
    assert part.data.files == ("a.tif", "b.tif")  # type: ignore[attr-defined]
    assert part.describe() == "2 frames, 2 channels, 5 x 2, 0.1, 2 s"


@pytest.mark.parametrize("axis", ["T", "Y", "X"])
@pytest.mark.parametrize(
    ("first", "last"), [(0, 0), (3, 2), (0, 9), (-9, 2), (4, None), (None, -9), (2, -4)]
)
def test_parts_that_are_not_there(axis: str, first: Any, last: Any) -> None:
    data = np.zeros((4, 4, 4))
    which = {"T": "frames", "Y": "rows", "X": "columns"}[axis]
    part = slice(first, last)
    with pytest.raises(InputError) as caught:
        Stack.from_array(data, "TYX", source="a.tif").crop(**{which: part})
    message = str(caught.value)
    assert str(part) in message
    assert f"axis {axis} of 'a.tif'" in message
    assert "size, 4" in message


@pytest.mark.parametrize("step", [0, 2, -1])
def test_parts_have_the_step_one(step: int) -> None:
    with pytest.raises(InputError, match=f"step {step}"):
        Stack.from_array(array_of("TYX")).crop(slice(0, 4, step))


def test_a_part_of_a_movie_without_time() -> None:
    stack = Stack.from_array(array_of("YX"), "YX")
    assert stack.crop(slice(0, 1), slice(1, 3)).shape == (2, 6)
    with pytest.raises(InputError, match="size, 1"):
        stack.crop(slice(0, 2))


@pytest.mark.parametrize("axes", ["TYX", None])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_length_that_is_not_computed_yet(axes: str | None, axis: int) -> None:
    """As dask has it after a choice by truth values."""
    frames = da.from_array(np.zeros((12, 16, 20), "u2"), chunks=(4, 16, 20))
    n = frames.shape[axis]
    kept = da.from_array(np.arange(n) % 2 == 0, chunks=n // 2)
    chosen = da.compress(kept, frames, axis=axis)
    with pytest.raises(InputError, match=rf"axis {axis}.*compute_chunk_sizes\(\)"):
        Stack.from_array(chosen, axes)
    with pytest.raises(InputError, match=r"compute_chunk_sizes\(\)"):
        Stack(chosen, "TYX")
    chosen.compute_chunk_sizes()
    assert Stack.from_array(chosen, axes).shape == chosen.shape


@pytest.mark.parametrize(
    ("step", "unit", "said"),
    [
        (1.03e-7, "m", "0.103 µm"),
        (9.2e-12, "m", "0.0092 nm"),
        (2.5, "m", "2.5 m"),
        (65.0, "nm", "65 nm"),
    ],
)
def test_metres_are_said_as_one_reads_them(step: float, unit: str, said: str) -> None:
    stack = Stack.from_array(
        array_of("TYX"), "TYX", scale={"X": step}, units={"X": unit}
    )
    assert stack.describe().endswith(said)
    assert (stack.scale["X"], stack.units["X"]) == (step, unit)  # as they are
