"""``sharpen`` undoes the blur of the optics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from cli_tools import calibrated, names, write

import napari_udvd as nu
from blurred_scenes import blurred
from napari_udvd.formats import read_record

if TYPE_CHECKING:
    from pathlib import Path

    from cli_tools import Run

QUICK = "--minutes", "0.001"


@pytest.fixture
def blurry(tmp_path: Path) -> Path:
    noisy = blurred("filaments", 0.7, 30, edge=40, frames=5).noisy
    return write(tmp_path / "movie.ome.tif", calibrated(noisy, "TYX"))


def test_on_a_finer_grid_over_the_same_field_of_view(
    run: Run, tmp_path: Path, blurry: Path
) -> None:
    result = tmp_path / "sharp.ome.tif"
    how = ("--na", "0.9", "--wavelength", "520", "--pixel-size", "0.3", "--zoom", "2")
    code, out, err = run("sharpen", blurry, "-o", result, *how, *QUICK)
    assert code == 0, err
    assert out.strip() == str(result)
    for part in ("NA 0.9 in air", "a grid 2 times as fine", "sharpened by", "copies"):
        assert part in err
    sharp, movie = nu.open(result), nu.open(blurry)
    assert sharp.shape == (5, 80, 80) and sharp.dtype == np.float32
    assert sharp.scale["X"] == pytest.approx(movie.scale["X"] / 2)
    assert sharp.scale["T"] == movie.scale["T"]
    record = read_record(result)
    assert record is not None and record["sharpening"]["zoom"] == 2


@pytest.mark.parametrize(
    ("how", "parts"),
    [
        ([], ["--na", "--sigma", "--psf"]),
        (["--na", "1.6", "--wavelength", "520"], ["1.6", "1.515"]),
        (["--na", "0.8", "--wavelength", "0.52"], ["0.52 nm", "520 nm"]),
        (["--sigma", "1.2", "--zoom", "2"], ["zoom 2", "1.20 px"]),
        (["--psf", "nowhere.tif"], ["nowhere.tif"]),
        (["--sigma", "1.2", "--iterations", "0"], ["--iterations", "0"]),
    ],
)
def test_what_cannot_be_meant_leaves_nothing_behind(
    run: Run, tmp_path: Path, blurry: Path, how: list[str], parts: list[str]
) -> None:
    code, _, err = run("sharpen", blurry, "-o", tmp_path / "sharp.ome.tif", *how)
    assert code == 2
    for part in parts:
        assert part in err
    assert names(tmp_path) == ["movie.ome.tif"]


def test_one_frame_is_no_movie(run: Run, tmp_path: Path) -> None:
    noisy = blurred("nuclei", 1.2, 30, edge=40, frames=1).noisy
    movie = write(tmp_path / "one.ome.tif", calibrated(noisy, "TYX"))
    code, _, err = run(
        "sharpen", movie, "-o", tmp_path / "sharp.ome.tif", "--sigma", "1.2"
    )
    assert code == 2
    assert "1 frame" in err and "at least 2" in err
    assert names(tmp_path) == ["one.ome.tif"]


def test_help_names_what_describes_the_blur(run: Run) -> None:
    code, out, _ = run("sharpen", "--help")
    assert code == 0
    for option in ("--na", "--wavelength", "--pinhole", "--psf", "--zoom"):
        assert option in out
