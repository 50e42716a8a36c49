"""MRC files: what their bytes mean, what their third axis is, and pixel sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from microscope_files import write_mrc
from napari_udvd.errors import InputError
from napari_udvd.formats import open_stack

if TYPE_CHECKING:
    from pathlib import Path

PIXELS = np.arange(6 * 8 * 9, dtype=np.uint16).reshape(6, 8, 9)
SMOOTH = 40 * np.sin(np.arange(6 * 16 * 18) / 60).reshape(6, 16, 18)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.mrc"


@pytest.mark.parametrize(("dtype", "mode"), [("i2", 1), ("f4", 2), ("u2", 6)])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("extended", [0, 640])
def test_pixels(path: Path, dtype: str, mode: int, order: str, extended: int) -> None:
    pixels = PIXELS.astype(dtype)
    write_mrc(path, pixels, mode, order=order, extended=extended)
    stack = open_stack(path)
    assert stack.axes == "TYX" and "not named" in stack.notes[0]
    assert stack.scale == {"X": 2.0, "Y": 2.0} and stack.units == {"X": "Å", "Y": "Å"}
    assert stack.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(np.asarray(stack.data), pixels)
    np.testing.assert_array_equal(
        stack.read(slice(2, 4), rows=slice(3, 6)), pixels[2:4, 3:6]
    )


@pytest.mark.parametrize(
    ("dtype", "mode"), [("i1", 0), ("i2", 1), ("f4", 2), ("u2", 6)]
)
def test_mrcfile_reads_the_same(path: Path, dtype: str, mode: int) -> None:
    mrcfile = pytest.importorskip("mrcfile")
    pixels = SMOOTH.astype(dtype)
    with mrcfile.new(path) as file:
        file.set_data(pixels)
        file.set_image_stack()
        file.voxel_size = 1.25
    stack = open_stack(path)
    with mrcfile.open(path) as file:
        np.testing.assert_array_equal(np.asarray(stack.data), file.data)
        assert int(file.header.mode) == mode
    assert stack.scale == pytest.approx({"X": 1.25, "Y": 1.25})


class TestBytes:
    """Mode 0: signed by the standard, but not in every program."""

    @pytest.mark.parametrize("imod", [None, 1])
    def test_signed(self, path: Path, imod: int | None) -> None:
        pixels = SMOOTH.astype("i1")
        write_mrc(path, pixels, 0, imod=imod, limits=(pixels.min(), pixels.max()))
        stack = open_stack(path)
        assert stack.dtype == np.int8 and len(stack.notes) == 1
        np.testing.assert_array_equal(np.asarray(stack.data), pixels)

    @pytest.mark.parametrize("imod", [None, 0, 4])
    def test_unsigned(self, path: Path, imod: int | None) -> None:
        pixels = (128 + 2 * SMOOTH).astype("u1")
        write_mrc(path, pixels, 0, imod=imod, limits=(pixels.min(), pixels.max()))
        stack = open_stack(path)
        assert stack.dtype == np.uint8 and len(stack.notes) == 1
        np.testing.assert_array_equal(np.asarray(stack.data), pixels)

    @pytest.mark.parametrize(
        ("pixels", "said"),
        [
            (SMOOTH.astype("i1"), "signed"),
            ((128 + SMOOTH).astype("u1"), "unsigned"),
            ((120 + SMOOTH / 4).astype("u1"), "unsigned"),
        ],
    )
    def test_pixels_decide_where_the_header_is_empty(
        self, path: Path, pixels: Any, said: str
    ) -> None:
        write_mrc(path, pixels, 0)
        stack = open_stack(path)
        assert f"read as {said}" in stack.notes[0]
        np.testing.assert_array_equal(np.asarray(stack.data), pixels)

    def test_nothing_to_decide(self, path: Path) -> None:
        pixels = (30 + SMOOTH / 2).astype("i1")
        write_mrc(path, pixels, 0)
        stack = open_stack(path)
        assert len(stack.notes) == 1  # that of the axes
        np.testing.assert_array_equal(np.asarray(stack.data), pixels)

    def test_limits_that_name_neither(self, path: Path) -> None:
        """Programs that do not know the range write a highest below the lowest."""
        pixels = (128 + SMOOTH).astype("u1")
        write_mrc(path, pixels, 0, limits=(0.0, -1.0))
        assert "read as unsigned" in open_stack(path).notes[0]


def test_half_floats_are_widened(path: Path) -> None:
    pixels = SMOOTH.astype("f2")
    write_mrc(path, pixels, 12)
    stack = open_stack(path)
    assert stack.dtype == np.float32
    np.testing.assert_array_equal(stack.read(), pixels.astype("f4"))


@pytest.mark.parametrize("columns", [8, 9])
def test_four_bits(path: Path, columns: int) -> None:
    """Two pixels in a byte, the low one first; odd rows end with half a byte."""
    pixels = np.random.default_rng(0).integers(0, 16, (5, 6, columns)).astype("u1")
    pairs = np.pad(pixels, ((0, 0), (0, 0), (0, columns % 2)))
    raw = (pairs[..., ::2] | pairs[..., 1::2] << 4).tobytes()
    write_mrc(path, pixels, 101, raw=raw)
    stack = open_stack(path)
    np.testing.assert_array_equal(np.asarray(stack.data), pixels)
    np.testing.assert_array_equal(
        stack.read(3, rows=slice(2, 5), columns=slice(1, 4)), pixels[3:4, 2:5, 1:4]
    )


class TestPixelSize:
    @pytest.mark.parametrize(
        "cell", [(-320.0, -320.0, -1.0), (0.0, 0.0, 0.0), (np.nan, np.inf, 1.0)]
    )
    def test_unknown(self, path: Path, cell: Any) -> None:
        write_mrc(path, PIXELS, 6, cell=cell)
        stack = open_stack(path)
        assert stack.scale == {} and stack.units == {}

    def test_no_samples(self, path: Path) -> None:
        write_mrc(path, PIXELS, 6, samples=(0, 0, 0))
        assert open_stack(path, axes="TYX").scale == {}

    def test_different_along_the_axes(self, path: Path) -> None:
        write_mrc(path, PIXELS, 6, cell=(27.0, 16.0, 30.0), space_group=1)
        stack = open_stack(path)
        assert stack.axes == "ZYX"
        assert stack.scale == {"X": 3.0, "Y": 2.0, "Z": 5.0}

    def test_axes_in_another_order(self, path: Path) -> None:
        write_mrc(path, PIXELS, 6, cell=(27.0, 16.0, 30.0), samples=(9, 8, 6))
        straight = open_stack(path).scale
        write_mrc(
            path,
            PIXELS,
            6,
            cell=(16.0, 27.0, 30.0),
            samples=(8, 9, 6),
            along=(2, 1, 3),
        )
        assert open_stack(path).scale == straight


class TestThirdAxis:
    def test_volumes_are_depth(self, path: Path) -> None:
        write_mrc(path, PIXELS, 6, space_group=1)
        stack = open_stack(path)
        assert stack.axes == "ZYX" and stack.scale["Z"] == 1.0
        assert open_stack(path, axes="TYX").n_frames == 6

    def test_stacks_of_volumes(self, path: Path) -> None:
        write_mrc(path, PIXELS, 6, space_group=401, samples=(9, 8, 3))
        with pytest.raises(InputError, match=r"\(2, 3, 8, 9\) are ambiguous"):
            open_stack(path)
        stack = open_stack(path, axes="TZYX")
        pixels = PIXELS.reshape(2, 3, 8, 9)
        np.testing.assert_array_equal(np.asarray(stack.data), pixels)
        np.testing.assert_array_equal(stack.data[1, ::2, 3:5], pixels[1, ::2, 3:5])


class TestRefused:
    @pytest.mark.parametrize(("mode", "said"), [(3, "complex"), (4, "complex")])
    def test_complex(self, path: Path, mode: int, said: str) -> None:
        write_mrc(path, PIXELS, mode)
        with pytest.raises(InputError, match=rf"{said}.*mode {mode}"):
            open_stack(path)

    def test_packed_in_the_old_way(self, path: Path) -> None:
        write_mrc(path, PIXELS.astype("u1"), 0, imod=16)
        with pytest.raises(InputError, match="flag 16"):
            open_stack(path)

    def test_cut(self, path: Path) -> None:
        write_mrc(path, PIXELS, 6)
        path.write_bytes(path.read_bytes()[:-50])
        with pytest.raises(InputError, match="truncated: its 6 images of 8 x 9"):
            open_stack(path)

    @pytest.mark.parametrize("size", [100, 3000])
    def test_something_else(self, path: Path, size: int) -> None:
        path.write_bytes(b"no movie " * size)
        with pytest.raises(InputError, match=r"a\.mrc.* no MRC file"):
            open_stack(path)


def test_more_than_the_header_says(path: Path) -> None:
    write_mrc(path, PIXELS[:4], 6, raw=PIXELS.tobytes())
    stack = open_stack(path)
    assert stack.n_frames == 4 and "room for 2 more" in stack.notes[0]
