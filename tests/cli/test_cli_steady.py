"""``denoise --network`` goes on from the denoised movie."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cli_tools import names, write

import napari_udvd as nu
from napari_udvd.formats import read_record
from tiny import tiny_movie

if TYPE_CHECKING:
    from pathlib import Path

    from cli_tools import Run


def test_it_says_why_it_is_not_used(run: Run, tmp_path: Path) -> None:
    movie = write(tmp_path / "movie.ome.tif", tiny_movie(frames=5))
    result = tmp_path / "steady.ome.tif"
    how = ("--network", "s2svr", "--minutes", "0.001", "--no-events", "--no-refine")
    code, out, err = run("denoise", movie, "-o", result, *how)
    assert code == 0, err
    assert out.strip() == str(result)
    assert "s2svr is not used: too few frames" in err
    assert nu.open(result).shape == nu.open(movie).shape
    record = read_record(result)
    assert record is not None
    assert not record["students"][0]["used"]


@pytest.mark.parametrize(
    ("how", "part"),
    [
        (["--network", "unet"], "'unet'"),
        (["--network", "s2svr", "--save", "model.safetensors"], "--save"),
        (["--network", "s2svr", "--std", "std.tif"], "--std"),
    ],
)
def test_what_cannot_be_done_leaves_nothing_behind(
    run: Run, tmp_path: Path, how: list[str], part: str
) -> None:
    movie = write(tmp_path / "movie.ome.tif", tiny_movie(frames=5))
    code, _, err = run("denoise", movie, "-o", tmp_path / "steady.tif", *how)
    assert code == 2 and part in err
    assert names(tmp_path) == ["movie.ome.tif"]
