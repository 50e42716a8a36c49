"""Folders and lists of TIFF files with one picture each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

from dialects import ome_xml, plain_pages
from napari_udvd.errors import InputError
from napari_udvd.formats import open_series, open_stack

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

PIXELS = np.arange(12 * 8 * 9, dtype=np.uint16).reshape(12, 8, 9)


def write(
    folder: Path, names: Iterable[str], pixels: Any = PIXELS, **more: Any
) -> None:
    folder.mkdir(exist_ok=True)
    for name, picture in zip(names, pixels, strict=False):
        tifffile.imwrite(folder / name, picture, **more)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "movie"


@pytest.mark.parametrize(
    "pattern", ["t{}.tif", "img_{:09d}_Default_000.tif", "{:03d}.TIFF", "a1_time{}.tif"]
)
def test_frames_in_natural_order(folder: Path, pattern: str) -> None:
    write(folder, [pattern.format(t) for t in range(12)])
    stack = open_stack(folder)
    assert stack.axes == "TYX" and "12 files" in stack.notes[0]
    np.testing.assert_array_equal(np.asarray(stack.data), PIXELS)
    np.testing.assert_array_equal(
        stack.read(slice(9, 11), rows=slice(2, 5)), PIXELS[9:11, 2:5]
    )


def test_a_number_without_a_meaning_is_said(folder: Path) -> None:
    write(folder, [f"movie_{t}.tif" for t in range(12)])
    assert any("taken for times" in note for note in open_stack(folder).notes)


def test_calibration_of_the_first(folder: Path) -> None:
    write(
        folder,
        [f"t{t}.ome.tif" for t in range(5)],
        ome=True,
        metadata={"PhysicalSizeX": 0.2, "PhysicalSizeY": 0.3},
    )
    stack = open_stack(folder)
    assert stack.scale == {"X": 0.2, "Y": 0.3} and stack.units["X"] == "µm"


@pytest.mark.parametrize(
    ("names", "axes", "shape"),
    [
        ([f"x_z{z}.tif" for z in range(12)], "ZYX", (12, 8, 9)),
        ([f"t{t}_z{z}.tif" for t in range(4) for z in range(3)], "TZYX", (4, 3, 8, 9)),
        ([f"t{t}_c{c}.tif" for t in range(6) for c in (1, 2)], "TCYX", (6, 2, 8, 9)),
        (
            [
                f"img_channel{c:03d}_position000_time{t:09d}_z{z:03d}.tif"
                for t in range(2)
                for c in range(2)
                for z in range(3)
            ],
            "TCZYX",
            (2, 2, 3, 8, 9),
        ),
    ],
)
def test_names_that_count_several_things(
    folder: Path, names: list[str], axes: str, shape: tuple[int, ...]
) -> None:
    write(folder, names)
    stack = open_stack(folder)
    assert (stack.axes, stack.shape) == (axes, shape)
    np.testing.assert_array_equal(np.asarray(stack.data), PIXELS.reshape(shape))


def test_gaps_in_the_numbers_are_said(folder: Path) -> None:
    write(folder, [f"t{t}.tif" for t in (1, 2, 3, 7, 8)])
    assert any("jump from 3 to 7" in note for note in open_stack(folder).notes)


def test_compressed_pictures(folder: Path) -> None:
    write(folder, [f"t{t}.tif" for t in range(12)], compression="zlib")
    np.testing.assert_array_equal(open_stack(folder).read(), PIXELS)


def test_signed_pictures_of_imagej(folder: Path) -> None:
    """Stored with an offset, which each file says itself."""
    signed = PIXELS.astype("i2") - 300
    write(folder, [f"t{t}.tif" for t in range(12)], signed, imagej=True)
    stack = open_stack(folder)
    assert stack.dtype == np.int16
    np.testing.assert_array_equal(stack.read(), signed)


def test_a_set_that_says_itself_what_it_is(folder: Path) -> None:
    """The names of an OME set need not count anything."""
    folder.mkdir()
    names = ["b.ome.tif", "a.ome.tif", "c.ome.tif"]
    blocks = [
        {"FirstT": t, "IFD": 0, "PlaneCount": 1, "file": name, "uuid": f"urn:uuid:{t}"}
        for t, name in enumerate(names)
    ]
    sizes = {"T": 3, "Y": 8, "X": 9}
    for t, name in enumerate(names):
        xml = ome_xml([{"sizes": sizes, "blocks": blocks}], f"urn:uuid:{t}")
        plain_pages(folder / name, PIXELS[t : t + 1], xml)
    stack = open_stack(folder)
    assert stack.axes == "TYX"
    np.testing.assert_array_equal(stack.read(), PIXELS[:3])


class TestRefused:
    def test_nothing_there(self, folder: Path) -> None:
        folder.mkdir()
        (folder / "notes.txt").write_text("nothing")
        with pytest.raises(InputError, match=r"no zarr .* no TIFF files"):
            open_stack(folder)

    @pytest.mark.parametrize(
        ("odd", "said"),
        [
            (np.zeros((8, 10), "u2"), r"not alike: 't3\.tif'"),
            (np.zeros((8, 9), "u1"), r"not alike: 't3\.tif'"),
            (np.zeros((2, 8, 9), "u2"), r"t3\.tif' holds more than one picture"),
            (np.zeros((8, 9, 3), "u2"), r"t3\.tif' .*colour"),
        ],
    )
    def test_pictures_that_are_not_alike(
        self, folder: Path, odd: Any, said: str
    ) -> None:
        write(folder, [f"t{t}.tif" for t in range(5)])
        tifffile.imwrite(folder / "t3.tif", odd)
        with pytest.raises(InputError, match=said):
            open_stack(folder)

    def test_movies(self, folder: Path) -> None:
        write(folder, ["t0.tif", "t1.tif"], [PIXELS, PIXELS])
        with pytest.raises(InputError, match="more than one picture"):
            open_stack(folder)

    @pytest.mark.parametrize(
        "names",
        [
            [f"pos{p}_t{t}.tif" for p in range(2) for t in range(3)],
            [f"{a}_{b}.tif" for a in range(2) for b in range(3)],
            [f"xy{p}.tif" for p in range(6)],
            [f"t{a}t{b}.tif" for a in range(2) for b in range(3)],
        ],
    )
    def test_names_that_count_something_else(
        self, folder: Path, names: list[str]
    ) -> None:
        write(folder, names)
        with pytest.raises(InputError, match="not only times"):
            open_stack(folder)

    def test_names_without_a_pattern(self, folder: Path) -> None:
        write(folder, ["before1.tif", "after1.tif", "after2.tif"])
        with pytest.raises(InputError, match="more than numbers"):
            open_stack(folder)

    def test_a_picture_is_missing(self, folder: Path) -> None:
        write(folder, [f"t{t}_z{z}.tif" for t in range(4) for z in range(3)])
        (folder / "t2_z1.tif").unlink()
        with pytest.raises(InputError, match=r"\(4, 3\) pictures .* there are 11"):
            open_stack(folder)

    def test_a_picture_that_is_cut(self, folder: Path) -> None:
        write(folder, [f"t{t}.tif" for t in range(5)])
        cut = folder / "t3.tif"
        cut.write_bytes(cut.read_bytes()[:-30])
        with pytest.raises(InputError):
            open_stack(folder).read()

    def test_a_picture_that_is_no_tiff(self, folder: Path) -> None:
        write(folder, [f"t{t}.tif" for t in range(5)])
        (folder / "t3.tif").write_text("not what the suffix says")
        with pytest.raises(InputError, match=r"t3\.tif"):
            open_stack(folder)


class TestLists:
    def test_order_of_the_list_does_not_matter(self, folder: Path) -> None:
        write(folder, [f"t{t}.tif" for t in range(12)])
        stack = open_series(sorted(map(str, folder.iterdir())))  # t0, t1, t10, ...
        np.testing.assert_array_equal(stack.read(), PIXELS)

    def test_names_without_numbers(self, folder: Path) -> None:
        write(folder, ["a.tif", "b.tif", "c.tif"])
        stack = open_series([folder / "c.tif", folder / "a.tif", folder / "b.tif"])
        np.testing.assert_array_equal(stack.read(), PIXELS[:3])

    def test_a_file_that_is_missing(self, folder: Path) -> None:
        write(folder, ["t0.tif"])
        with pytest.raises(InputError, match=r"t1\.tif.* does not exist"):
            open_series([folder / "t0.tif", folder / "t1.tif"])
