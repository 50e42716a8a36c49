"""Leica LIF files: pixels, axes, sizes, times, several images, and what is refused."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import numpy as np
import pytest

from microscope_files import LifImage, write_lif
from napari_udvd.errors import InputError
from napari_udvd.formats import list_images, open_stack
from napari_udvd.stack import Plane

if TYPE_CHECKING:
    from pathlib import Path

liffile = pytest.importorskip("liffile")

PIXELS = np.arange(4 * 2 * 3 * 8 * 9, dtype=np.uint16).reshape(4, 2, 3, 8, 9)
LENGTHS = {"X": 8 * 2e-7, "Y": 7 * 1e-7, "Z": 2 * 5e-7, "T": 3 * 1.5}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.lif"


def test_what_the_file_says(path: Path) -> None:
    image = LifImage(PIXELS, "TCZYX", lengths=LENGTHS, luts=["Green", "Red"])
    write_lif(path, [image])
    stack = open_stack(path)
    assert (stack.axes, stack.shape) == ("TCZYX", PIXELS.shape)
    np.testing.assert_array_equal(np.asarray(stack.data), PIXELS)
    assert stack.scale == pytest.approx({"X": 2e-7, "Y": 1e-7, "Z": 5e-7, "T": 1.5})
    assert stack.units == {"X": "m", "Y": "m", "Z": "m", "T": "s"}
    assert stack.channel_names == ("Green", "Red") and stack.notes == ()
    block = stack.read(slice(1, 3), Plane(1, 2), slice(2, 5), slice(3, 7))
    np.testing.assert_array_equal(block, PIXELS[1:3, 1, 2, 2:5, 3:7])


@pytest.mark.parametrize("axes", ["TCZYX", "TZCYX", "CTZYX", "ZTCYX"])
def test_axes_in_any_order(path: Path, axes: str) -> None:
    stored = np.ascontiguousarray(PIXELS.transpose(["TCZYX".index(a) for a in axes]))
    write_lif(path, [LifImage(stored, axes)])
    stack = open_stack(path)
    assert stack.shape == tuple(PIXELS.shape["TCZYX".index(a)] for a in stack.axes)
    for plane in stack.planes():
        np.testing.assert_array_equal(
            stack.read(plane=plane), PIXELS[:, plane.c, plane.z]
        )


def test_the_library_reads_the_same(path: Path) -> None:
    write_lif(path, [LifImage(PIXELS, "TCZYX")])
    with liffile.LifFile(path) as file:
        assert file.images[0].dims == ("T", "C", "Z", "Y", "X")
        np.testing.assert_array_equal(file.images[0].asarray(), PIXELS)


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_types(path: Path, dtype: str) -> None:
    write_lif(path, [LifImage(PIXELS[:, 0, 0].astype(dtype), "TYX")])
    assert open_stack(path).dtype == np.dtype(dtype)


def test_names_of_dyes_are_better_than_colours(path: Path) -> None:
    image = LifImage(PIXELS, "TCZYX", luts=["Gray", "Gray"], dyes=["GFP", "mCherry"])
    write_lif(path, [image])
    assert open_stack(path).channel_names == ("GFP", "mCherry")


@pytest.mark.parametrize("per_frame", [1, 3, 6])
def test_times_of_every_frame(path: Path, per_frame: int) -> None:
    """One stamp a frame, a plane, or a plane of a channel."""
    times = np.array([0.0, 1.5, 3.0, 9.0])
    stamps = (times[:, None] + 0.01 * np.arange(per_frame)).ravel()
    write_lif(path, [LifImage(PIXELS, "TCZYX", lengths=LENGTHS, stamps=stamps)])
    stack = open_stack(path)
    assert stack.times == pytest.approx(times) and "T" not in stack.scale
    assert stack.units["T"] == "s" and "irregular" in stack.notes[0]


def test_a_number_of_stamps_that_fits_nothing(path: Path) -> None:
    image = LifImage(PIXELS, "TCZYX", lengths=LENGTHS, stamps=[0.0, 7.0, 8.0])
    write_lif(path, [image])
    assert open_stack(path).scale["T"] == pytest.approx(1.5)


class TestSeveralImages:
    @pytest.fixture
    def several(self, path: Path) -> Path:
        write_lif(
            path,
            [
                LifImage(PIXELS[0, 0], "ZYX", name="overview"),
                LifImage(PIXELS[:, 0, 0] + 100, "TYX", name="Series 2"),
                LifImage(PIXELS[:3, 1, 0], "TYX", name="after/drug"),
            ],
        )
        return path

    def test_are_listed(self, several: Path) -> None:
        listed = [(i.name, i.axes, i.shape) for i in list_images(several)]
        assert listed == [
            ("overview", "ZYX", (3, 8, 9)),
            ("Series 2", "TYX", (4, 8, 9)),
            ("after/drug", "TYX", (3, 8, 9)),
        ]

    @pytest.mark.parametrize("choice", ["2", "Series 2"])
    def test_are_chosen(self, several: Path, choice: str) -> None:
        stack = open_stack(f"{several}#{choice}")
        np.testing.assert_array_equal(np.asarray(stack.data), PIXELS[:, 0, 0] + 100)

    def test_are_not_guessed(self, several: Path) -> None:
        with pytest.raises(InputError, match=r"3 images.*'overview'.*'Series 2'"):
            open_stack(several)
        with pytest.raises(InputError, match="no image 'Series 9'"):
            open_stack(f"{several}#Series 9")


def test_every_position_is_an_image(path: Path) -> None:
    stored = np.ascontiguousarray(PIXELS[:, 0])  # four positions, three times
    write_lif(path, [LifImage(stored, "MTYX", name="cells")])
    names = [image.name for image in list_images(path)]
    assert names == [f"cells (position {k})" for k in (1, 2, 3, 4)]
    stack = open_stack(f"{path}#cells (position 3)")
    assert stack.axes == "TYX"
    np.testing.assert_array_equal(np.asarray(stack.data), stored[2])


class TestRefused:
    def test_colour(self, path: Path) -> None:
        stored = np.zeros((4, 8, 9, 3), np.uint8)
        image = LifImage(stored.transpose(0, 3, 1, 2), "TCYX")  # samples side by side
        write_lif(path, [image])
        with pytest.raises(InputError, match="colour"):
            open_stack(path)

    @pytest.mark.parametrize(("axis", "called"), [("A", "rotation"), ("L", "loop")])
    def test_other_axes(self, path: Path, axis: str, called: str) -> None:
        write_lif(path, [LifImage(PIXELS[:, 0], f"{axis}TYX")])
        with pytest.raises(InputError, match=f"{called!r}, which is not time"):
            open_stack(path)

    def test_line_scans(self, path: Path) -> None:
        write_lif(path, [LifImage(PIXELS[0, 0, 0], "TX")])
        with pytest.raises(InputError, match="scans along T and X"):
            open_stack(path)

    def test_recordings_that_were_stopped(self, path: Path) -> None:
        write_lif(path, [LifImage(PIXELS, "TCZYX", missing=200)])
        with pytest.raises(InputError, match=r"promises 3456 bytes .* holds 3256"):
            open_stack(path)

    @pytest.mark.parametrize("part", [0.01, 0.2, 0.9])
    def test_cut(self, path: Path, part: float) -> None:
        write_lif(path, [LifImage(PIXELS, "TCZYX")])
        whole = path.read_bytes()
        path.write_bytes(whole[: int(part * len(whole))])
        with pytest.raises(InputError, match=r"a\.lif"):
            open_stack(path)
        gc.collect()

    def test_something_else(self, path: Path) -> None:
        path.write_text("not what the suffix says " * 100)
        with pytest.raises(InputError, match=r"a\.lif"):
            open_stack(path)
        gc.collect()


def test_sections_in_depth(path: Path) -> None:
    stored = np.ascontiguousarray(PIXELS[:, 0, :, 0])
    write_lif(path, [LifImage(stored, "TZX", lengths=LENGTHS)])
    stack = open_stack(path)
    assert stack.axes == "TYX" and stack.scale["Y"] == pytest.approx(5e-7)
    assert "x-z sections" in stack.notes[0]
    np.testing.assert_array_equal(np.asarray(stack.data), stored)


def test_the_file_is_closed_with_the_last_array(path: Path) -> None:
    write_lif(path, [LifImage(PIXELS, "TCZYX")])
    stack = open_stack(path)
    gc.collect()
    assert stack.read(0).size  # still open
    del stack
    gc.collect()  # an unclosed file would warn now
