"""Files of a mask: whole, or as they were before."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from napari_udvd.errors import OutputError
from napari_udvd.formats import open_stack, read_record
from napari_udvd.scanning import PATTERNS, make_mask, write_mask

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", ["mask.tif", "mask.TIFF", "mask.ome.tif"])
@pytest.mark.parametrize("fixed", [False, True])
def test_tiff(tmp_path: Path, name: str, fixed: bool) -> None:
    mask = make_mask("blue-noise", 4, (30, 40), fixed=fixed)
    write_mask(tmp_path / name, mask)
    whole = np.asarray(mask)
    expected = whole[0] if fixed else whole
    found = tifffile.imread(tmp_path / name)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, expected)
    stack = open_stack(tmp_path / name)
    assert stack.axes == ("YX" if fixed else "TYX")
    record = read_record(tmp_path / name)
    assert record is not None
    assert record["scan"]["pattern"] == "blue-noise"
    assert record["scan"]["fixed"] is fixed


@pytest.mark.parametrize("fixed", [False, True])
def test_npy(tmp_path: Path, fixed: bool) -> None:
    mask = make_mask("random", 4, (30, 40), fixed=fixed)
    write_mask(tmp_path / "mask.npy", mask)
    found = np.load(tmp_path / "mask.npy")
    assert found.dtype == bool
    np.testing.assert_array_equal(found, mask.frame(0) if fixed else mask)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_positions_in_visiting_order(tmp_path: Path, pattern: str) -> None:
    mask = make_mask(pattern, 3, (30, 40))
    write_mask(tmp_path / "mask.csv", mask)
    with (tmp_path / "mask.csv").open(newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["x", "y", "t"]
    x, y, t = np.array(rows, int).T
    assert (np.diff(t) >= 0).all()
    for k in range(3):
        visits = np.stack([y[t == k], x[t == k]], axis=1)
        np.testing.assert_array_equal(visits, mask.positions(k))


def test_positions_of_a_fixed_mask_are_those_of_one_frame(tmp_path: Path) -> None:
    mask = make_mask("rows", 3, (30, 40), fixed=True)
    write_mask(tmp_path / "mask.csv", mask)
    lines = (tmp_path / "mask.csv").read_text().splitlines()
    assert len(lines) == 1 + 6 * 40
    assert lines[-1] == "39,25,0"


@pytest.mark.parametrize("suffix", [".tif", ".npy", ".csv"])
def test_nothing_is_replaced_unless_asked(tmp_path: Path, suffix: str) -> None:
    mask = make_mask("rows", 3, (30, 40))
    path = tmp_path / f"mask{suffix}"
    path.write_text("earlier")
    with pytest.raises(OutputError, match="exists"):
        write_mask(path, mask)
    assert path.read_text() == "earlier"
    write_mask(path, mask, overwrite=True)
    assert path.stat().st_size > 100
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("name", ["mask.png", "mask", "no/mask.tif", "no/mask.csv"])
def test_places_where_nothing_can_be_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError, match=r"suffix|folder"):
        write_mask(tmp_path / name, make_mask("rows", 3, (30, 40)))
    assert not list(tmp_path.iterdir())
