"""Zeiss CZI files: pixels, axes, sizes, times, scenes, and what is refused."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from microscope_files import Tile, czi_metadata, czi_tiles, write_czi
from napari_udvd.errors import InputError
from napari_udvd.formats import list_images, open_stack
from napari_udvd.stack import Plane

if TYPE_CHECKING:
    from pathlib import Path

czifile = pytest.importorskip("czifile")

PIXELS = np.arange(5 * 2 * 3 * 8 * 9, dtype=np.uint16).reshape(5, 2, 3, 8, 9)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.czi"


def test_what_the_file_says(path: Path) -> None:
    size = {"X": 6.5e-8, "Y": 6.4e-8, "Z": 3e-7}
    meta = czi_metadata(size=size, interval=2.5, channels=["EGFP", "DAPI"])
    write_czi(path, czi_tiles(PIXELS, "TCZYX"), meta)
    stack = open_stack(path)
    assert (stack.axes, stack.shape) == ("TCZYX", PIXELS.shape)
    np.testing.assert_array_equal(np.asarray(stack.data), PIXELS)
    assert stack.scale == {"T": 2.5, **size}
    assert stack.units == {"T": "s", "X": "m", "Y": "m", "Z": "m"}
    assert stack.channel_names == ("EGFP", "DAPI")
    assert stack.notes == ()
    block = stack.read(slice(1, 3), Plane(1, 2), slice(2, 5), slice(3, 7))
    np.testing.assert_array_equal(block, PIXELS[1:3, 1, 2, 2:5, 3:7])


def test_the_library_reads_the_same(path: Path) -> None:
    write_czi(path, czi_tiles(PIXELS, "TCZYX"))
    with czifile.CziFile(path) as file:
        image = file.scenes[0] if hasattr(file, "scenes") else file
        theirs, axes = image.asarray(), "".join(image.axes)
    theirs = theirs.transpose([*map(axes.index, "TCZYX")] + [5] * (len(axes) > 5))
    stack = open_stack(path)
    np.testing.assert_array_equal(np.asarray(stack.data), theirs.reshape(stack.shape))


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
@pytest.mark.parametrize("compression", [0, 2, 4, 5, 6])
def test_compressions(path: Path, dtype: str, compression: int) -> None:
    pytest.importorskip("imagecodecs")
    pixels = (np.random.default_rng(0).random((3, 16, 32)) * 200).astype(dtype)
    write_czi(path, czi_tiles(pixels, "TYX", compression=compression))
    stack = open_stack(path)
    assert stack.dtype == np.dtype(dtype)
    exact = compression != 4 or dtype != "f4"  # JPEG XR rounds floats
    np.testing.assert_allclose(stack.read(), pixels, rtol=0 if exact else 1e-3)


def test_loss_is_said(path: Path) -> None:
    pytest.importorskip("imagecodecs")
    pixels = np.full((3, 16, 32), 100, np.uint8)
    write_czi(path, czi_tiles(pixels, "TYX", compression=1))
    stack = open_stack(path)
    assert np.ptp(stack.read()) <= 1 and "compressed with loss" in stack.notes[0]


def test_unknown_compression(path: Path) -> None:
    write_czi(path, czi_tiles(PIXELS[:, 0, 0], "TYX", compression=77))
    with pytest.raises(InputError, match=r"not known here \(number 77"):
        open_stack(path).read()


def test_order_of_planes_in_the_file_does_not_matter(path: Path) -> None:
    tiles = czi_tiles(PIXELS[:, :, 0], "TCYX")
    write_czi(path, tiles[::-1])
    np.testing.assert_array_equal(np.asarray(open_stack(path).data), PIXELS[:, :, 0])


def test_times_of_every_frame(path: Path) -> None:
    meta = czi_metadata(interval=2.0)
    stamps = [10.0, 12.0, 14.0, 30.0, 32.0]
    write_czi(path, czi_tiles(PIXELS[:, 0, 0], "TYX"), meta, time_stamps=stamps)
    stack = open_stack(path)
    assert "T" not in stack.scale and stack.units["T"] == "s"
    assert stack.times == (0.0, 2.0, 4.0, 20.0, 22.0)
    assert "irregular" in stack.notes[0]


def test_planned_interval_that_was_not_kept(path: Path) -> None:
    meta = czi_metadata(interval=1.0)
    stamps = [0.0, 1.5, 3.0, 4.5, 6.0]
    write_czi(path, czi_tiles(PIXELS[:, 0, 0], "TYX"), meta, time_stamps=stamps)
    stack = open_stack(path)
    assert stack.scale["T"] == pytest.approx(1.5)
    assert "states a frame interval of 1 s" in stack.notes[0]


def test_times_of_planes(path: Path) -> None:
    """As written where there is no list of times; to 100 ns, as Zeiss does."""
    tiles = czi_tiles(PIXELS[:3, :, 0], "TCYX")
    for tile in tiles:
        second = 10 + 3 * tile.where["T"] + 0.5 * tile.where["C"]
        tile.acquired = f"2024-05-06T07:08:{second:010.7f}Z"
    write_czi(path, tiles)
    stack = open_stack(path)
    assert stack.scale["T"] == pytest.approx(3.0) and stack.units["T"] == "s"


def test_dates_instead_of_seconds_are_not_taken_for_seconds(path: Path) -> None:
    days = [43000.5 + k / 86400 for k in range(5)]
    meta = czi_metadata(interval=7.0)
    write_czi(path, czi_tiles(PIXELS[:, 0, 0], "TYX"), meta, time_stamps=days)
    assert open_stack(path).scale["T"] == 7.0


class TestScenes:
    @pytest.fixture
    def scenes(self, path: Path) -> Path:
        tiles = []
        for number, n_frames in enumerate((1, 4, 3)):
            for tile in czi_tiles(PIXELS[:n_frames, 0, 0] + 1000 * number, "TYX"):
                tile.where["S"] = number
                tile.top = 500 * number
                tiles.append(tile)
        write_czi(path, tiles, czi_metadata(scenes=["snap", "left", "right"]))
        return path

    def test_are_listed(self, scenes: Path) -> None:
        assert [str(image) for image in list_images(scenes)] == [
            "'snap' YX (8, 9)",
            "'left' TYX (4, 8, 9)",
            "'right' TYX (3, 8, 9)",
        ]

    @pytest.mark.parametrize("choice", ["3", "right"])
    def test_are_chosen(self, scenes: Path, choice: str) -> None:
        stack = open_stack(f"{scenes}#{choice}")
        np.testing.assert_array_equal(np.asarray(stack.data), PIXELS[:3, 0, 0] + 2000)

    def test_are_not_guessed(self, scenes: Path) -> None:
        with pytest.raises(InputError, match=r"3 images.*'left'.*'right'"):
            open_stack(scenes)


class TestMosaic:
    def tiles(self, **more: Any) -> list[Tile]:
        corners = [(0, 0), (0, 7), (6, 0), (6, 7)]
        return [
            Tile(
                np.full((8, 9), 10 * t + m, np.uint16),
                {"T": t},
                top=top + 100,
                left=left - 40,
                mosaic=m,
                **more,
            )
            for t in range(3)
            for m, (top, left) in enumerate(corners)
        ]

    def test_is_put_together(self, path: Path) -> None:
        write_czi(path, self.tiles())
        stack = open_stack(path)
        assert stack.shape == (3, 14, 16)
        frame = stack.read(1)[0]
        assert frame[0, 0] == 10 and frame[0, 7] == 11  # later tiles lie on top
        assert frame[6, 0] == 12 and frame[13, 15] == 13
        assert "mosaic: 4 tiles" in stack.notes[0]

    def test_levels_of_a_pyramid_are_left_aside(self, path: Path) -> None:
        small = [
            Tile(
                np.full((7, 8), 999, np.uint16),
                {"T": t},
                top=100,
                left=-40,
                mosaic=4,
                size=(14, 16),
                pyramid=pyramid,
            )
            for t in range(3)
            for pyramid in (2, 0)  # some programs do not mark them
        ]
        write_czi(path, [*self.tiles(), *small])
        stack = open_stack(path)
        assert stack.shape == (3, 14, 16) and stack.read().max() < 999

    def test_gaps_are_zero(self, path: Path) -> None:
        write_czi(path, [t for t in self.tiles() if t.mosaic != 1])
        stack = open_stack(path)
        assert stack.read(2)[0, 0, 15] == 0
        assert "places without a tile are 0" in stack.notes[0]

    def test_planes_at_different_places(self, path: Path) -> None:
        tiles = czi_tiles(PIXELS[:, 0, 0], "TYX")
        for k, tile in enumerate(tiles):
            tile.left = 3 * k
        write_czi(path, tiles)
        stack = open_stack(path)
        np.testing.assert_array_equal(np.asarray(stack.data), PIXELS[:, 0, 0])
        assert "different places" in stack.notes[0]


class TestRefused:
    @pytest.mark.parametrize("samples", [3, 4])
    def test_colour(self, path: Path, samples: int) -> None:
        colour = np.zeros((8, 9, samples), np.uint8)
        write_czi(path, [Tile(colour, {"T": t}) for t in range(3)])
        with pytest.raises(InputError, match="colour"):
            open_stack(path)

    def test_pixels_of_an_unsure_kind(self, path: Path) -> None:
        write_czi(path, czi_tiles(PIXELS[:, 0, 0].astype("i4"), "TYX"))
        with pytest.raises(InputError, match="no grey values"):
            open_stack(path)

    @pytest.mark.parametrize(
        ("axis", "called"), [("H", "phase"), ("I", "illumination"), ("R", "rotation")]
    )
    def test_other_axes(self, path: Path, axis: str, called: str) -> None:
        write_czi(path, czi_tiles(PIXELS[:, :, 0], f"T{axis}YX"))
        with pytest.raises(InputError, match=f"{called!r}, which is not time"):
            open_stack(path)
        named = open_stack(path, axes="CTYX")
        assert named.shape == (2, 5, 8, 9)

    def test_planes_that_are_missing(self, path: Path) -> None:
        write_czi(path, czi_tiles(PIXELS[:, :, 0], "TCYX")[:-1])
        with pytest.raises(InputError, match=r"promises 10 planes .* holds 9"):
            open_stack(path)

    def test_planes_there_twice(self, path: Path) -> None:
        tiles = czi_tiles(PIXELS[:, 0, 0], "TYX")
        write_czi(path, [*tiles, tiles[0]])
        with pytest.raises(InputError, match="twice"):
            open_stack(path)

    def test_other_resolutions(self, path: Path) -> None:
        write_czi(path, czi_tiles(PIXELS[:, 0, 0], "TYX", size=(16, 18)))
        with pytest.raises(InputError, match="8 x 9 pixels for 16 x 18"):
            open_stack(path)

    def test_several_planes_in_one(self, path: Path) -> None:
        tiles = czi_tiles(PIXELS[:2, 0, 0], "TYX", lengths={"T": 4})
        write_czi(path, tiles)
        with pytest.raises(InputError, match="along T"):
            open_stack(path)

    def test_parts_in_other_files(self, path: Path) -> None:
        write_czi(path, czi_tiles(PIXELS[:, 0, 0], "TYX", part=1))
        with pytest.raises(InputError, match="another file"):
            open_stack(path)

    def test_a_file_that_was_not_finished(self, path: Path) -> None:
        write_czi(path, czi_tiles(PIXELS[:, 0, 0], "TYX"), finished=False)
        with pytest.raises(InputError, match="not finished"):
            open_stack(path)

    @pytest.mark.parametrize("part", [0.02, 0.3, 0.9])
    def test_cut(self, path: Path, part: float) -> None:
        write_czi(path, czi_tiles(PIXELS, "TCZYX"))
        whole = path.read_bytes()
        path.write_bytes(whole[: int(part * len(whole))])
        with pytest.raises(InputError, match=r"a\.czi"):
            open_stack(path).read()
        gc.collect()

    def test_something_else(self, path: Path) -> None:
        path.write_text("not what the suffix says " * 100)
        with pytest.raises(InputError, match=r"a\.czi"):
            open_stack(path)
        gc.collect()


def test_channels_of_different_types(path: Path) -> None:
    narrow = czi_tiles(PIXELS[:, :1, 0].astype("u1"), "TCYX")
    wide = czi_tiles(PIXELS[:, 1:, 0], "TCYX")
    for tile in wide:
        tile.where["C"] = 1
    write_czi(path, [*narrow, *wide])
    stack = open_stack(path)
    assert stack.dtype == np.uint16
    np.testing.assert_array_equal(stack.read(plane=Plane(1)), PIXELS[:, 1, 0])
    np.testing.assert_array_equal(
        stack.read(plane=Plane(0)), PIXELS[:, 0, 0].astype("u1")
    )


def test_the_file_is_closed_with_the_last_array(path: Path) -> None:
    write_czi(path, czi_tiles(PIXELS, "TCZYX"))
    stack = open_stack(path)
    gc.collect()
    assert stack.read(0).size  # still open
    del stack
    gc.collect()  # an unclosed file would warn now


def test_without_the_library(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_czi(path, czi_tiles(PIXELS, "TCZYX"))
    monkeypatch.setitem(sys.modules, "czifile", None)
    with pytest.raises(
        InputError, match=r'package czifile .*pip install "napari-udvd\[formats\]"'
    ):
        open_stack(path)
