"""Olympus OIF and OIB files."""

from __future__ import annotations

import gc
import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

from napari_udvd.errors import InputError
from napari_udvd.formats import open_stack
from napari_udvd.stack import Plane
from olympus_files import oif_files, write_oib, write_oif

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

oiffile = pytest.importorskip("oiffile")

PIXELS = np.arange(4 * 2 * 3 * 8 * 9, dtype=np.uint16).reshape(4, 2, 3, 8, 9)


@pytest.fixture(params=["oif", "oib"])
def written(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Path]:
    def write(files: dict[str, bytes]) -> Path:
        path = tmp_path / f"a.{request.param}"
        (write_oif if request.param == "oif" else write_oib)(path, files)
        return path

    return write


def test_what_the_file_says(written: Any) -> None:
    path = written(oif_files(PIXELS, "TCZYX", span=(3000, "ms"), dyes=["GFP", "None"]))
    stack = open_stack(path)
    assert (stack.axes, stack.shape) == ("TCZYX", PIXELS.shape)
    np.testing.assert_array_equal(np.asarray(stack.data), PIXELS)
    assert stack.scale == {"X": 0.207, "Y": 0.207, "Z": 500.0, "T": 1000.0}
    assert stack.units == {"X": "µm", "Y": "µm", "Z": "nm", "T": "ms"}
    assert stack.channel_names == ("GFP", "CH2") and stack.notes == ()
    block = stack.read(slice(1, 3), Plane(1, 2), slice(2, 5), slice(3, 7))
    np.testing.assert_array_equal(block, PIXELS[1:3, 1, 2, 2:5, 3:7])


def test_the_library_reads_the_same(written: Any) -> None:
    path = written(oif_files(PIXELS, "TCZYX"))
    with oiffile.OifFile(path) as file:
        series = file.series[0]
        order = [series.axes.index(axis) for axis in "TCZ"]
        theirs = series.asarray().transpose([*order, 3, 4])
    np.testing.assert_array_equal(np.asarray(open_stack(path).data), theirs)


@pytest.mark.parametrize(
    ("axes", "pixels"),
    [("TYX", PIXELS[:, 0, 0]), ("ZYX", PIXELS[0, 0]), ("TCYX", PIXELS[:, :, 0])],
)
def test_fewer_axes(written: Any, axes: str, pixels: Any) -> None:
    stack = open_stack(written(oif_files(pixels, axes)))
    assert stack.axes == axes
    np.testing.assert_array_equal(np.asarray(stack.data), pixels)


def test_numbers_with_a_comma(written: Any) -> None:
    stack = open_stack(written(oif_files(PIXELS, "TCZYX", comma=True)))
    assert stack.scale["X"] == 0.207


def test_times_of_every_frame(written: Any) -> None:
    times = [100.0, 200.0, 300.0, 900.0]
    files = oif_files(PIXELS, "TCZYX", times=times, span=(300.0, "ms"))
    stack = open_stack(written(files))
    assert stack.times == (0.0, 100.0, 200.0, 800.0) and stack.units["T"] == "ms"


def test_regular_times(written: Any) -> None:
    files = oif_files(PIXELS, "TCZYX", times=[5.0, 105.0, 205.0, 305.0])
    stack = open_stack(written(files))
    assert (stack.scale["T"], stack.units["T"]) == (100.0, "ms")


class TestRefused:
    def test_missing_pictures(self, written: Any) -> None:
        files = oif_files(PIXELS, "TCZYX")
        files.pop(next(reversed(files)))
        with pytest.raises(InputError, match=r"promises 24 pictures .* holds 23"):
            open_stack(written(files))

    def test_frames_that_were_planned(self, written: Any) -> None:
        files = oif_files(PIXELS, "TCZYX")
        last = [name for name in files if "T004" in name]
        for name in last:
            files.pop(name)
        with pytest.raises(InputError, match=r"promises 24 pictures .* holds 18"):
            open_stack(written(files))

    def test_other_axes(self, written: Any) -> None:
        path = written(oif_files(PIXELS[:, 0], "TLYX"))
        with pytest.raises(InputError, match="'wavelength', which is not time"):
            open_stack(path)

    def test_line_scans(self, written: Any) -> None:
        path = written(oif_files(PIXELS[:, 0, 0], "CYX", order="XTC"))
        with pytest.raises(InputError, match="scans along XT"):
            open_stack(path)

    def test_colour(self, written: Any) -> None:
        files = oif_files(PIXELS[:, 0, 0], "TYX")
        picture = io.BytesIO()
        tifffile.imwrite(picture, np.zeros((8, 9, 3), np.uint8), photometric="rgb")
        for name in files:
            if name.endswith(".tif"):
                files[name] = picture.getvalue()
        with pytest.raises(InputError, match="colour"):
            open_stack(written(files))

    def test_something_else(self, tmp_path: Path) -> None:
        for suffix in ("oif", "oib"):
            path = tmp_path / f"b.{suffix}"
            path.write_text("not what the suffix says " * 100)
            with pytest.raises(InputError, match=rf"b\.{suffix}"):
                open_stack(path)
        gc.collect()


def test_oib_that_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "a.oib"
    write_oib(path, oif_files(PIXELS, "TCZYX"))
    whole = path.read_bytes()
    for part in (0.01, 0.5, 0.98):
        path.write_bytes(whole[: int(part * len(whole))])
        with pytest.raises(InputError, match=r"a\.oib"):
            open_stack(path).read()
    gc.collect()
