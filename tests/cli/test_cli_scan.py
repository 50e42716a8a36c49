"""Masks for sparse scans, and the scan of a full movie."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args, get_type_hints

import numpy as np
import pytest
import tifffile
from cli_tools import calibrated, names, write

from napari_udvd.cli.scan import scan_mask
from napari_udvd.formats import open_stack, read_record
from napari_udvd.scanning import PATTERNS, make_mask
from tiny import tiny_movie

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cli_tools import Run

SMALL = ("--frames", "6", "--size", "40x50")


def test_the_patterns_are_those_that_there_are() -> None:
    choices, _ = get_args(get_type_hints(scan_mask)["pattern"])
    assert get_args(choices) == tuple(PATTERNS)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_mask_is_written(run: Run, tmp_path: Path, pattern: str) -> None:
    path = tmp_path / "mask.tif"
    outcome = run("scan-mask", "-o", path, "--pattern", pattern, *SMALL)
    assert outcome[:2] == (0, f"{path}\n")
    found = tifffile.imread(path)
    np.testing.assert_array_equal(found, make_mask(pattern, 6, (40, 50)))
    assert f"{pattern}" in outcome.err.splitlines()[0]
    assert "dose: " in outcome.err and "time of a frame" in outcome.err
    assert names(tmp_path) == ["mask.tif"]


def test_without_a_file_it_only_tells(run: Run, tmp_path: Path) -> None:
    how = ("--pattern", "rows", "--every", "4", "--dwell", "2", "--flyback", "100")
    code, out, err = run("scan-mask", *how, *SMALL)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == (
        "rows (every 4, shift 1): 25 % of the pixels of 6 frames of 40 x 50, 500 a "
        "frame"
    )
    assert "time of a frame, full scan: 8 ms" in lines
    assert names(tmp_path) == []


def test_mask_and_positions_in_one_go(run: Run, tmp_path: Path) -> None:
    tif, npy, csv = (tmp_path / f"mask.{suffix}" for suffix in ("tif", "npy", "csv"))
    how = ("--pattern", "foveated", "--centre", "10,10", "--centre", "30,40")
    more = ("--inner", "0.9", "--outer", "0.1", "--inner-radius", "5")
    outcome = run(
        *("scan-mask", "-o", tif, "--save", npy, "--save", csv, *how, *more, *SMALL),
        *("--outer-radius", "8.5", "--seed", "3", "--quiet"),
    )
    assert outcome == (0, f"{tif}\n{npy}\n{csv}\n", "")
    mask = make_mask(
        "foveated",
        6,
        (40, 50),
        centre=[(10, 10), (30, 40)],
        inner=0.9,
        outer=0.1,
        inner_radius=5,
        outer_radius=8.5,
        seed=3,
    )
    np.testing.assert_array_equal(np.load(npy), mask)
    np.testing.assert_array_equal(tifffile.imread(tif), mask)
    assert len(csv.read_text().splitlines()) == mask.visits.sum() + 1


def test_the_size_of_a_movie(run: Run, movie: Path, tmp_path: Path) -> None:
    path = tmp_path / "mask.npy"
    outcome = run("scan-mask", "--like", movie, "-o", path, "--fixed")
    assert outcome.code == 0
    assert np.load(path).shape == (24, 28)
    assert "8 frames of 24 x 28" in outcome.err
    assert "80.4 % of the pixels are visited in no frame" in outcome.err


# --- the scan of a movie ------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr"])
def test_the_scan_of_a_movie(
    run: Run, movie: Path, tmp_path: Path, suffix: str
) -> None:
    result, kept = tmp_path / f"sparse{suffix}", tmp_path / "mask.tif"
    before = movie.read_bytes()
    outcome = run(
        *("scan-mask", "--simulate", movie, "-o", result, "--save", kept),
        *("--pattern", "rows"),
    )
    assert outcome[:2] == (0, f"{kept}\n{result}\n")
    full, sparse = open_stack(movie), open_stack(result)
    mask = make_mask("rows", 8, (24, 28))
    expected = np.where(mask, full.read().astype("f4"), np.nan)
    np.testing.assert_array_equal(sparse.read(), expected)
    np.testing.assert_array_equal(tifffile.imread(kept), mask)
    assert (sparse.axes, sparse.dtype) == (full.axes, np.float32)
    assert (sparse.scale, sparse.units) == (full.scale, full.units)
    record = read_record(result)
    assert record is not None
    assert record["scan"]["pattern"] == "rows"
    assert record["source"] == str(movie)
    assert movie.read_bytes() == before


def test_channels_and_planes_are_scanned(run: Run, tmp_path: Path) -> None:
    frames = np.asarray(tiny_movie(5).data)
    pixels = np.stack([frames, frames + 5, frames + 9, frames + 20], 1)
    stack = calibrated(pixels.reshape(5, 2, 2, *frames.shape[1:]), "TCZYX")
    movie = write(tmp_path / "movie.ome.tif", stack)
    result = tmp_path / "sparse.ome.tif"
    assert run("scan-mask", "--simulate", movie, "-o", result).code == 0
    sparse = open_stack(result)
    mask = np.asarray(make_mask("blue-noise", 5, stack.frame_shape))
    for plane in stack.planes():
        block = sparse.read(slice(None), plane)
        np.testing.assert_array_equal(np.isfinite(block), mask)
        expected = stack.read(slice(None), plane)[mask]
        np.testing.assert_array_equal(block[mask], expected)


# --- the comparison -----------------------------------------------------------------


def test_the_table_of_patterns(run: Run) -> None:
    code, out, err = run("scan-mask", "--compare", *SMALL)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len({len(line) for line in table}) == 1
    patterns = [line.split("|")[1].strip() for line in table[2:]]
    assert set(patterns) == set(PATTERNS)
    assert patterns[0] == "blue-noise"
    rows = next(line for line in table if "rows " in line)
    cells = [cell.strip() for cell in rows.split("|")]
    assert cells[2] == "20.0%" and cells[6:8] == ["20%", "20%"]
    assert lines[-1].startswith("most even: blue-noise")


def test_the_table_says_what_cannot_have_the_share(run: Run) -> None:
    out = run("scan-mask", "--compare", "--share", "0.3", *SMALL).out
    assert "\nrows: --share is 0.3; whole rows are one in so many" in out


# --- bad input ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--share", "1.5"), "--share is 1.5; choose a number above 0"),
        (("--pattern", "rows", "--share", "0.3"), "choose 0.3333 or 0.25"),
        (("--every", "3"), "--every is no parameter of the pattern blue-noise"),
        (("--pattern", "spiral", "--centre", "10,60"), "lies outside of the frame"),
        (("--pattern", "spiral", "--centre", "10"), "write ROW,COLUMN"),
        (("--size", "40,50"), "write ROWSxCOLUMNS, such as 512x512"),
        (("--dwell", "0"), "--dwell is 0; give microseconds"),
        (("--pattern", "foveated", "--inner-radius", "-1"), "--inner-radius is -1"),
        (("--compare", "--pattern", "rows"), "--pattern has no part in --compare"),
        (("--compare", "--fixed"), "--fixed has no part in --compare"),
        (("--compare", "-o", "mask.tif"), "--output has no part in --compare"),
        (("--simulate", "MOVIE"), "--simulate needs a file"),
        (("--like", "MOVIE", "--simulate", "MOVIE", "-o", "a.tif"), "one of the two"),
        (("--like", "MOVIE", "--frames", "5"), "--frames is 5"),
        (("--like", "missing.tif"), "does not exist"),
        (("-o", "mask.png"), "no suffix of a format that can be written"),
        (("--simulate", "MOVIE", "-o", "a.npy"), "no suffix of a format"),
        (("-o", "a.tif", "--save", "a.tif"), "another file of this command"),
    ],
)
def test_bad_input(
    run: Run,
    movie: Path,
    monkeypatch: pytest.MonkeyPatch,
    listing: Callable[[], dict[str, bytes | None]],
    arguments: tuple[str, ...],
    words: str,
) -> None:
    monkeypatch.chdir(movie.parent)
    before = listing()
    given = [movie.name if word == "MOVIE" else word for word in arguments]
    small = () if "MOVIE" in arguments or "missing.tif" in arguments else SMALL
    if "--size" in arguments:
        small = ()
    code, out, err = run("scan-mask", *given, *small)
    assert (code, out) == (2, "")
    assert words in err
    assert listing() == before


def test_the_movie_is_never_replaced(run: Run, movie: Path, tmp_path: Path) -> None:
    before = movie.read_bytes()
    sparse = tmp_path / "sparse.ome.tif"
    for outputs in (("-o", movie), ("-o", sparse, "--save", movie)):
        outcome = run("scan-mask", "--simulate", movie, *outputs, "--overwrite")
        assert outcome.code == 2
        assert movie.read_bytes() == before
    outcome = run("scan-mask", "--like", movie, "-o", movie, "--overwrite")
    assert outcome.code == 2
    assert movie.read_bytes() == before
    assert not sparse.exists()


def test_files_that_exist(run: Run, movie: Path, tmp_path: Path) -> None:
    mask, sparse = tmp_path / "mask.csv", tmp_path / "sparse.ome.tif"
    mask.write_text("earlier")
    command = ("scan-mask", "--simulate", movie, "-o", sparse, "--save", mask)
    assert run(*command).code == 2
    assert mask.read_text() == "earlier" and not sparse.exists()
    assert run(*command, "--overwrite").code == 0
    assert mask.read_text().startswith("x,y,t")
    assert sparse.exists()
