"""The comparison of files with an independent reader finds what it should."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize("kind", ["ome-images", "lsm", "metamorph", "appended"])
def test_a_file_beside_another_reader(
    benchmark_script: Callable[[str], Any], tmp_path: Path, kind: str
) -> None:
    files = benchmark_script("files")
    cells, faults = files.compare(kind, files.KINDS[kind](tmp_path))
    assert faults == []
    assert cells[0] == kind and "tifffile" in cells[-1]


@pytest.mark.parametrize(
    ("kind", "reader", "package"),
    [
        ("mrc", "mrcfile", "mrcfile"),
        ("mrc-signed", "mrcfile", "mrcfile"),
        ("mrc-half", "mrcfile", "mrcfile"),
        ("mrc-big-endian", "mrcfile", "mrcfile"),
        ("oib", "oiffile", "oiffile"),
        ("oif", "oiffile", "oiffile"),
        ("czi-mosaic", "libczi", "pylibCZIrw"),
        ("folder", "pictures", "tifffile"),
        ("npy", "numpy", "numpy"),
    ],
)
def test_a_file_of_a_microscope_beside_another_reader(
    benchmark_script: Callable[[str], Any],
    tmp_path: Path,
    kind: str,
    reader: str,
    package: str,
) -> None:
    pytest.importorskip(package)
    files = benchmark_script("files")
    cells, faults = files.compare(kind, files.KINDS[kind](tmp_path))
    assert faults == []
    assert cells[-1] == f"{reader}: same"


def test_planes_in_another_order_are_a_difference(
    benchmark_script: Callable[[str], Any],
) -> None:
    files = benchmark_script("files")
    movie = files.pixels(5, 6, 7)
    swapped = movie.copy()
    swapped[[1, 2]] = movie[[2, 1]]
    mine = files.seen(movie, "TYX", 0.2, 1.0, None)
    other = files.seen(swapped, "TYX", 0.2, None, None)
    assert list(files.differences(mine, other)) == ["checksum"]
    depth = files.seen(movie, "ZYX", 0.1, 1.0, None)
    assert list(files.differences(mine, depth)) == ["sizes", "pixel"]
    turned = files.seen(movie.transpose(1, 2, 0), "YXT", 0.2, 1.0, None)
    assert list(files.differences(mine, turned)) == []
    assert np.isfinite(mine.checksum)
