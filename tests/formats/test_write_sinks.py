"""Writing: what comes out, what is left behind when it fails."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import textwrap
import tracemalloc
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pytest
import tifffile
import zarr

from napari_udvd.errors import OutputError
from napari_udvd.formats import (
    ArraySink,
    create,
    open_stack,
    read_record,
    to_dtype,
)
from napari_udvd.inference.frame_store import FrameArray
from napari_udvd.stack import Layout, Plane, Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NAMES = ("out.ome.tif", "out.tiff", "out.ome.zarr", "out.zarr")
BOTH = ("out.ome.tif", "out.ome.zarr")


@pytest.fixture
def stack(movie: Any) -> Stack:
    return Stack.from_array(movie, "TYX", scale={"T": 2.0}, units={"T": "s"})


def everything_in(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


@pytest.mark.parametrize("name", NAMES)
def test_nothing_has_the_final_name_before_the_end(
    tmp_path: Path, stack: Stack, name: str
) -> None:
    target = tmp_path / name
    with create(target, like=stack, dtype="u2", record={}) as sink:
        sink.write(stack.read(slice(0, 7)), 0)
        (partial,) = everything_in(tmp_path)
        assert partial.startswith(f".{name}.partial-") and str(os.getpid()) in partial
        sink.write(stack.read(slice(7, 12)), 7)
    assert everything_in(tmp_path) == [name]
    np.testing.assert_array_equal(np.asarray(open_stack(target).data), stack.data)


def results(stack: Stack) -> dict[str, Layout]:
    """Layouts of results that differ from the movie."""
    like = stack.layout
    return {
        "finer": like.zoomed(2),
        "one frame": like.without("T"),
        "other channels": like.with_channels(("dz", "dy", "dx")),
        "finer part": like.crop(slice(2, 5), slice(1, 7)).zoomed(3),
    }


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("what", ["finer", "one frame", "other channels", "finer part"])
def test_a_result_that_differs_from_the_movie(
    tmp_path: Path, movie: Any, name: str, what: str
) -> None:
    two = np.stack([movie, movie[::-1]], axis=1)
    stack = Stack.from_array(
        two,
        "TCYX",
        scale={"T": 2.0, "Y": 0.4, "X": 0.2},
        units={"T": "s", "Y": "µm", "X": "µm"},
        channel_names=("GFP", "RFP"),
    )
    like = results(stack)[what]
    pixels = np.random.default_rng(0).random(like.shape, np.float32)
    with create(tmp_path / name, like=like, dtype="f4", record={}) as sink:
        for c in range(like.n_channels):
            part = pixels.take(c, like.axes.index("C"))
            sink.write(part if "T" in like.axes else part[None], 0, Plane(c))
    back = open_stack(tmp_path / name)
    np.testing.assert_array_equal(np.asarray(back.data), pixels)
    assert (back.axes, back.shape) == (like.axes, like.shape)
    assert back.units == like.units and back.channel_names == like.channel_names
    assert back.scale == pytest.approx(like.scale)
    if "finer" in what:
        zoom = 2 if what == "finer" else 3
        assert back.scale["X"] == pytest.approx(0.2 / zoom)
        assert back.scale["T"] == 2.0


def test_a_larger_result_in_memory_and_on_disk(stack: Stack, tmp_path: Path) -> None:
    like = stack.layout.zoomed(2)
    frames = np.random.default_rng(0).random((12, *like.frame_shape), np.float32)
    stored = FrameArray(like, tmp_path)
    with ArraySink(like, "f4") as sink:
        sink.write(frames, 0)
        stored.put(3, Plane(), frames[3])
    np.testing.assert_array_equal(sink.array, frames)
    np.testing.assert_array_equal(stored[3], frames[3])
    assert stored.shape == like.shape and np.isnan(stored[0]).all()
    with pytest.raises(ValueError, match="do not fit the movie"), sink:
        sink.write(stack.read().astype("f4"), 0)


@pytest.mark.parametrize("name", BOTH)
def test_no_result_replaces_the_files_of_its_movie(
    tmp_path: Path, stack: Stack, name: str
) -> None:
    with create(tmp_path / name, like=stack, dtype="u2", record={}) as sink:
        sink.write(stack.read(), 0)
    like = open_stack(tmp_path / name).layout.zoomed(2)
    with pytest.raises(OutputError, match="the recorded data are never changed"):
        create(tmp_path / name, like=like, dtype="f4", record={}, overwrite=True)


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, GeneratorExit])
def test_an_exception_leaves_nothing(
    tmp_path: Path, stack: Stack, name: str, error: type[BaseException]
) -> None:
    with (
        pytest.raises(error),
        create(tmp_path / name, like=stack, dtype="u2", record={}) as sink,
    ):
        sink.write(stack.read(), 0)
        raise error
    assert everything_in(tmp_path) == []


@pytest.mark.parametrize("name", BOTH)
def test_discard_leaves_nothing(tmp_path: Path, stack: Stack, name: str) -> None:
    with create(tmp_path / name, like=stack, dtype="u2", record={}) as sink:
        sink.write(stack.read(), 0)
        sink.discard()
    assert everything_in(tmp_path) == []


@pytest.mark.parametrize("name", BOTH)
def test_frames_never_written_are_an_error(
    tmp_path: Path, stack: Stack, name: str
) -> None:
    sink = create(tmp_path / name, like=stack, dtype="u2", record={})
    with pytest.raises(OutputError, match="1 of 12 frames were never written"), sink:
        sink.write(stack.read(slice(1, 12)), 1)
    assert everything_in(tmp_path) == []


@pytest.mark.parametrize(
    ("start", "frames", "plane"),
    [
        (10, (3, 10, 14), Plane()),
        (-1, (3, 10, 14), Plane()),
        (0, (3, 14, 10), Plane()),
        (0, (3, 10, 14), Plane(1, 0)),
        (0, (3, 10, 14), Plane(0, -1)),
    ],
)
def test_blocks_that_do_not_fit(
    stack: Stack, start: int, frames: tuple[int, ...], plane: Plane
) -> None:
    sink = ArraySink(stack)
    with pytest.raises(ValueError, match="do not fit"), sink:
        sink.write(np.zeros(frames), start, plane)


def test_writing_outside_the_context(tmp_path: Path, stack: Stack) -> None:
    sink = create(tmp_path / "a.tif", like=stack, dtype="u2", record={})
    with pytest.raises(ValueError, match="not open"):
        sink.write(stack.read(), 0)
    assert everything_in(tmp_path) == []


class TestArraySink:
    @pytest.mark.parametrize("axes", ["TYX", "CTZYX", "YXT", "ZXYTC", "YX", "XCY"])
    def test_axes_in_the_order_of_the_stack(self, axes: str) -> None:
        sizes = {"T": 3, "C": 2, "Z": 4, "Y": 5, "X": 6}
        shape = tuple(sizes[axis] for axis in axes)
        pixels = np.random.default_rng(0).random(shape, np.float32)
        stack = Stack.from_array(pixels, axes)
        with ArraySink(stack) as sink:
            for plane in stack.planes():
                for t in reversed(range(stack.n_frames)):
                    sink.write(stack.read(t, plane), t, plane)
        np.testing.assert_array_equal(sink.array, pixels)

    def test_dtype(self, stack: Stack) -> None:
        with ArraySink(stack, ">u1") as sink:
            sink.write(stack.read().astype(np.float32) - 2.4, 0)
        assert sink.array.dtype == np.uint8
        assert sink.array[0, 0, :6].tolist() == [0, 0, 0, 1, 2, 3]
        assert sink.array[-1, -1, -1] == 255


class TestToDtype:
    @pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8"])
    @pytest.mark.parametrize("source", ["f4", "f8"])
    def test_integers_are_rounded_and_clipped(self, dtype: str, source: str) -> None:
        info = np.iinfo(dtype)
        values = np.array([-np.inf, -1e30, -0.6, 0.4, 0.6, 99.5, 1e30, np.inf], source)
        result = to_dtype(values, dtype)
        assert result.dtype == np.dtype(dtype)
        low = info.min
        assert result[:6].tolist() == [low, low, max(low, -1), 0, 1, 100]
        # The largest number that the float type has and the integer type holds.
        assert result[6] == result[7] and result[7] > 0.999 * info.max

    def test_every_integer_survives_float32(self) -> None:
        values = np.arange(2**16, dtype=np.uint16)
        np.testing.assert_array_equal(to_dtype(values.astype("f4"), "u2"), values)

    def test_integers_into_narrower_ones(self) -> None:
        values = np.array([-5, 0, 200, 70000], np.int64)
        assert to_dtype(values, "u1").tolist() == [0, 0, 200, 255]
        assert to_dtype(values.astype("u4")[1:], "i1").tolist() == [0, 127, 127]

    def test_floats_stay_floats(self) -> None:
        values = np.array([0.25, np.nan, 1e6, -1e6], np.float32)
        result = to_dtype(values, np.float16)
        assert result[0] == 0.25 and np.isnan(result[1])
        assert np.isfinite(result[2:]).all()
        assert to_dtype(values, np.float32) is values

    def test_nan_has_no_integer(self) -> None:
        with pytest.raises(ValueError, match="NaN cannot be stored as uint16"):
            to_dtype(np.array([1.0, np.nan]), np.uint16)


class TestRecord:
    RECORD: ClassVar = {
        "model": "udvd",
        "hole": (1, 3),
        "psnr": np.float32(31.5),
        "steps": np.int64(70),
        "loss": np.array([1.0, 0.5]),
        "bad": float("inf"),
        "text": 'a "quoted" <tag> & µ\nline {brace}',
        "nested": {"none": None, "yes": True},
    }

    @pytest.mark.parametrize("name", BOTH)
    def test_comes_back(self, tmp_path: Path, stack: Stack, save: Any, name: str):
        save(tmp_path / name, stack, record=self.RECORD)
        assert read_record(tmp_path / name) == {
            "model": "udvd",
            "hole": [1, 3],
            "psnr": 31.5,
            "steps": 70,
            "loss": [1.0, 0.5],
            "bad": None,
            "text": 'a "quoted" <tag> & µ\nline {brace}',
            "nested": {"none": None, "yes": True},
        }

    def test_paths_are_text(self, tmp_path: Path, stack: Stack, save: Any) -> None:
        save(tmp_path / "a.tif", stack, record={"input": tmp_path})
        assert read_record(tmp_path / "a.tif") == {"input": str(tmp_path)}

    def test_what_cannot_be_kept_fails_first(self, tmp_path: Path, stack: Stack):
        with pytest.raises(TypeError, match="object"):
            create(tmp_path / "a.tif", like=stack, dtype="u2", record={"a": object()})

    def test_files_of_others_have_none(self, tmp_path: Path, movie: Any) -> None:
        tifffile.imwrite(tmp_path / "a.tif", movie)
        tifffile.imwrite(tmp_path / "b.ome.tif", movie, ome=True)
        zarr.create_array(tmp_path / "c.zarr", data=movie)
        for name in ("a.tif", "b.ome.tif", "c.zarr"):
            assert read_record(tmp_path / name) is None


class TestOverwrite:
    @pytest.mark.parametrize("name", BOTH)
    def test_old_result_stays_until_the_new_one_is_complete(
        self, tmp_path: Path, stack: Stack, save: Any, name: str
    ) -> None:
        target = tmp_path / name
        save(target, stack, record={"run": 1})
        options = {"like": stack, "dtype": "f4", "overwrite": True}
        with (
            pytest.raises(RuntimeError),
            create(target, record={"run": 2}, **options) as sink,
        ):
            sink.write(stack.read(), 0)
            raise RuntimeError
        assert read_record(target) == {"run": 1}
        assert everything_in(tmp_path) == [name]
        with create(target, record={"run": 3}, **options) as sink:
            sink.write(stack.read() + 0.5, 0)
            assert read_record(target) == {"run": 1}
        assert read_record(target) == {"run": 3}
        assert open_stack(target).dtype == np.float32
        assert everything_in(tmp_path) == [name]

    @pytest.mark.parametrize("name", BOTH)
    def test_created_by_someone_else_meanwhile(
        self, tmp_path: Path, stack: Stack, save: Any, name: str
    ) -> None:
        sink = create(tmp_path / name, like=stack, dtype="u2", record={"run": 1})
        with pytest.raises(OutputError, match="meanwhile"), sink:
            sink.write(stack.read(), 0)
            save(tmp_path / name, stack, record={"run": 2})
        assert read_record(tmp_path / name) == {"run": 2}
        assert everything_in(tmp_path) == [name]

    @pytest.mark.parametrize("name", BOTH)
    def test_a_link_is_replaced_and_what_it_leads_to_stays(
        self, tmp_path: Path, stack: Stack, save: Any, name: str
    ) -> None:
        (tmp_path / "elsewhere").mkdir()
        save(tmp_path / "elsewhere" / name, stack, record={"run": 1})
        (tmp_path / name).symlink_to(tmp_path / "elsewhere" / name)
        save(tmp_path / name, stack, record={"run": 2}, overwrite=True)
        assert read_record(tmp_path / name) == {"run": 2}
        assert read_record(tmp_path / "elsewhere" / name) == {"run": 1}
        assert everything_in(tmp_path) == sorted(["elsewhere", name])

    def test_old_zarr_comes_back_if_the_new_one_cannot_take_its_place(
        self,
        tmp_path: Path,
        stack: Stack,
        save: Any,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        target = tmp_path / "out.zarr"
        save(target, stack, record={"run": 1})
        rename = os.rename

        def failing(source: Any, destination: Any) -> None:
            if ".partial-" in str(source):
                raise OSError(errno.EIO, "Input/output error")
            rename(source, destination)

        monkeypatch.setattr(os, "rename", failing)
        with pytest.raises(OutputError, match="Input/output error"):
            save(target, stack, record={"run": 2}, overwrite=True)
        assert read_record(target) == {"run": 1}
        assert everything_in(tmp_path) == ["out.zarr"]


@pytest.mark.parametrize("name", BOTH)
def test_full_disk_says_how_far_it_got_and_leaves_nothing(
    tmp_path: Path, stack: Stack, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_udvd.formats import _tiff_sink

    full = OSError(errno.ENOSPC, "No space left on device")
    room = 5  # frames
    write_fully, put = _tiff_sink._write_fully, zarr.storage.LocalStore.set

    def write(file: Any, block: Any) -> None:
        nonlocal room
        room -= len(block)
        if room < 0:
            raise full
        write_fully(file, block)

    async def store(self: Any, key: str, *args: Any, **options: Any) -> None:
        nonlocal room
        room -= "c/" in key
        if room < 0:
            raise full
        await put(self, key, *args, **options)

    monkeypatch.setattr(_tiff_sink, "_write_fully", write)
    monkeypatch.setattr(zarr.storage.LocalStore, "set", store)
    sink = create(tmp_path / name, like=stack, dtype="u2", record={})
    with pytest.raises(OutputError) as caught, sink:
        sink.write(stack.read(slice(0, 4)), 0)
        sink.write(stack.read(slice(4, 8)), 4)
    assert everything_in(tmp_path) == []
    message = str(caught.value)
    written, total = 4 * 10 * 14 * 2, 12 * 10 * 14 * 2
    assert "No space left on device" in message
    assert f"{written} of {total} bytes" in message
    assert "nothing is left behind" in message and name in message


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 1 MiB, where that is allowed."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True)
    except OSError as error:
        pytest.skip(f"a small disk cannot be mounted here: {error}")
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("name", BOTH)
def test_a_disk_that_really_fills_up(small_disk: Path, name: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 2**16, (9, 200, 200), np.uint16)
    stack = Stack.from_array(pixels, "TYX")
    sink = create(small_disk / name, like=stack, dtype="u2", record={})
    with pytest.raises(OutputError, match="No space left") as caught, sink:
        for t in range(9):
            sink.write(stack.read(t), t)
            if t == 3:
                (small_disk / "other").write_bytes(bytes(500_000))
    assert "of 720000 bytes" in str(caught.value)
    assert everything_in(small_disk) == ["other"]
    with pytest.raises(OutputError, match=r"needs 720 kB \(720000 bytes\) but only"):
        create(small_disk / name, like=stack, dtype="u2", record={})


CHILD = textwrap.dedent(
    """
    import sys, time
    import numpy as np
    from napari_udvd.formats import create
    from napari_udvd.stack import Stack

    stack = Stack.from_array(np.ones((12, 10, 14), "u2"), "TYX")
    with create(sys.argv[1], like=stack, dtype="u2", record={}) as sink:
        sink.write(stack.read(slice(0, 11)), 0)
        print("writing", flush=True)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            sink.write(stack.read(slice(0, 11)), 0)
    """
)


@pytest.mark.parametrize("name", BOTH)
def test_a_killed_run_leaves_no_finished_file_and_the_next_one_tidies_up(
    tmp_path: Path, stack: Stack, save: Callable[..., None], name: str
) -> None:
    target = tmp_path / name
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(target)], stdout=subprocess.PIPE, text=True
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "writing\n"
        # A run beside it leaves what the living one is writing alone.
        (living,) = everything_in(tmp_path)
        save(target, stack)
        assert everything_in(tmp_path) == [living, name]
        child.kill()
    assert living.startswith(f".{name}.partial-")
    save(target, stack, overwrite=True)
    assert everything_in(tmp_path) == [name]
    np.testing.assert_array_equal(np.asarray(open_stack(target).data), stack.data)


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent there")
@pytest.mark.parametrize("name", BOTH)
def test_ctrl_c_in_the_middle_of_a_block_leaves_nothing(
    tmp_path: Path, name: str
) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path / name)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with child:
        assert child.stdout is not None and child.stderr is not None
        assert child.stdout.readline() == "writing\n"
        child.send_signal(signal.SIGINT)
        assert "KeyboardInterrupt" in child.stderr.read()
    assert child.returncode != 0
    assert everything_in(tmp_path) == []


def test_partials_of_other_machines_and_other_outputs_stay(
    tmp_path: Path, stack: Stack, save: Any
) -> None:
    others = [
        ".out.tif.partial-elsewhere-99999999-0123abcd",
        ".other.tif.partial-here-99999999-0123abcd",
        ".out.tif.partial-notes.txt",
    ]
    for name in others:
        (tmp_path / name).write_text("")
    save(tmp_path / "out.tif", stack)
    assert everything_in(tmp_path) == sorted([*others, "out.tif"])


class TestTiff:
    def test_is_ome_for_others(self, tmp_path: Path, save: Any) -> None:
        ome_types = pytest.importorskip("ome_types")
        pixels = np.arange(4 * 2 * 3 * 8 * 9, dtype="i2").reshape(4, 2, 3, 8, 9)
        stack = Stack.from_array(
            pixels,
            "TCZYX",
            scale={"T": 0.5, "Z": 300.0, "Y": 0.1, "X": 0.2},
            units={"T": "ms", "Z": "nm", "Y": "µm", "X": "µm"},
            channel_names=("DAPI", "GFP <b> & 'c'"),
        )
        path = tmp_path / "a.tif"
        save(path, stack, record={"model": "udvd"})
        with tifffile.TiffFile(path) as tif:
            assert tif.is_ome and not tif.is_bigtiff
            (series,) = tif.series
            assert (series.kind, series.axes) == ("ome", "TCZYX")
            assert series.dataoffset is not None
            np.testing.assert_array_equal(series.asarray(), pixels)
        ome = ome_types.from_tiff(path)
        (image,) = ome.images
        assert image.pixels.size_t == 4 and image.pixels.type.value == "int16"
        assert image.pixels.time_increment == 0.5
        assert image.pixels.time_increment_unit.value == "ms"
        assert image.pixels.physical_size_z == 300.0
        assert image.pixels.physical_size_z_unit.value == "nm"
        assert [c.name for c in image.pixels.channels] == ["DAPI", "GFP <b> & 'c'"]
        (annotation,) = ome.structured_annotations.map_annotations
        assert dict(annotation.value)["record"] == '{"model": "udvd"}'

    def test_bigtiff_where_needed(self, tmp_path: Path) -> None:
        class Promise:
            shape = (2100, 1024, 1024)
            dtype = np.dtype("u2")

            def __getitem__(self, key: Any) -> Any:
                raise AssertionError("not read")

        stack = Stack(Promise(), "TYX")
        sink = create(tmp_path / "a.tif", like=stack, dtype="u2", record={})
        with sink:
            sink.write(np.full((1, 1024, 1024), 7, "u2"), 2099)
            (partial,) = tmp_path.iterdir()
            with tifffile.TiffFile(partial) as tif:
                assert tif.is_bigtiff
                assert len(tif.pages) == 2100
                assert (tif.pages[2099].asarray() == 7).all()
            sink.discard()


class TestZarr:
    def test_is_ngff_0_5_for_others(self, tmp_path: Path, save: Any) -> None:
        pixels = np.arange(4 * 2 * 8 * 9, dtype="u2").reshape(4, 2, 8, 9)
        stack = Stack.from_array(
            pixels.transpose(1, 0, 2, 3),
            "CTYX",
            scale={"T": 2.0, "X": 0.1},
            units={"T": "s", "X": "µm"},
            channel_names=("DAPI", "GFP"),
        )
        save(tmp_path / "a.ome.zarr", stack)
        group = zarr.open_group(tmp_path / "a.ome.zarr", mode="r")
        assert group.metadata.zarr_format == 3
        ome = group.attrs["ome"]
        assert ome["version"] == "0.5"
        (image,) = ome["multiscales"]
        assert image["axes"] == [
            {"name": "t", "type": "time", "unit": "second"},
            {"name": "c", "type": "channel"},
            {"name": "y", "type": "space"},
            {"name": "x", "type": "space", "unit": "micrometer"},
        ]
        (level,) = image["datasets"]
        assert level["coordinateTransformations"] == [
            {"type": "scale", "scale": [2.0, 1.0, 1.0, 0.1]}
        ]
        array = group[level["path"]]
        assert array.chunks == (1, 1, 8, 9)
        assert array.metadata.dimension_names == ("t", "c", "y", "x")
        np.testing.assert_array_equal(array[:], pixels)
        channels = ome["omero"]["channels"]
        assert [channel["label"] for channel in channels] == ["DAPI", "GFP"]
        window = channels[1]["window"]
        assert (window["start"], window["end"]) == (pixels[:, 1].min(), pixels.max())


def test_two_thousand_frames_stream(tmp_path: Path) -> None:
    frame = np.ones((10, 64, 64), np.float32)

    class Promise:
        shape = (2000, 64, 64)
        dtype = np.dtype("f4")

        def __getitem__(self, key: Any) -> Any:
            raise AssertionError("not read")

    stack = Stack(Promise(), "TYX")
    tracemalloc.start()
    try:
        with create(tmp_path / "a.tif", like=stack, dtype="f4", record={}) as sink:
            for start in range(0, 2000, 10):
                sink.write(frame, start)
        opened = open_stack(tmp_path / "a.tif")
        for start in range(0, 2000, 10):
            assert opened.read(slice(start, start + 10)).sum() == frame.size
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 0.25 * 2000 * 64 * 64 * 4
