"""Masks are read from files of every kind, and fit the movie or are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
import zarr

import napari_udvd as nu
from napari_udvd.errors import InputError, OutputError
from napari_udvd.formats import check_output
from napari_udvd.stack import Plane

if TYPE_CHECKING:
    from pathlib import Path

T, Y, X = 7, 18, 20
RNG = np.random.default_rng(2)
FRAMES = RNG.integers(1, 99, (T, Y, X)).astype(np.uint16)
EACH = RNG.random((T, Y, X)) < 0.5


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, FRAMES)
    return path


def save(path: Path, mask: np.ndarray) -> Path:
    if path.suffix == ".npy":
        np.save(path, mask)
    elif path.suffix == ".zarr":
        zarr.save_array(path, mask)
    else:
        tifffile.imwrite(path, mask, compression="zlib")
    return path


@pytest.mark.parametrize("suffix", [".tif", ".npy", ".zarr"])
@pytest.mark.parametrize("dtype", ["bool", "u1", "i4", "f4"])
@pytest.mark.parametrize("which", ["one for all", "one for each"])
def test_a_mask_of_any_kind(
    tmp_path: Path, movie: Path, suffix: str, dtype: str, which: str
) -> None:
    mask = EACH[0] if which == "one for all" else EACH
    path = save(tmp_path / f"mask{suffix}", (mask * 3).astype(dtype))
    stack = nu.open(movie, mask=path)
    truth = np.broadcast_to(mask, EACH.shape)
    np.testing.assert_array_equal(stack.read_mask(), truth)
    np.testing.assert_array_equal(stack.read(), FRAMES)
    assert stack.mask_record == {"mask": str(path)}


@pytest.mark.parametrize("axes", ["TYX", "ZYX", "TCYX", "TZCYX"])
def test_pictures_that_imagej_calls_something_else(
    tmp_path: Path, movie: Path, axes: str
) -> None:
    path = tmp_path / "mask.tif"
    shape = [{"T": T, "Z": T, "Y": Y, "X": X}[a] if a != "C" else 1 for a in axes]
    if axes == "TZCYX":
        shape[1] = 1
    frames = EACH.astype(np.uint8).reshape(shape)
    tifffile.imwrite(path, frames, imagej=True, metadata={"axes": axes})
    np.testing.assert_array_equal(nu.open(movie, mask=path).read_mask(), EACH)


def test_axes_of_a_file_count_where_they_fit(tmp_path: Path) -> None:
    both = np.stack([FRAMES] * T, axis=1)  # as many channels as frames
    movie, path = tmp_path / "movie.ome.tif", tmp_path / "mask.ome.tif"
    tifffile.imwrite(movie, both, metadata={"axes": "TCYX"})
    tifffile.imwrite(path, EACH.astype(np.uint8), metadata={"axes": "CYX"})
    stack = nu.open(movie, mask=path)
    for c in range(T):
        known = stack.read_mask(plane=Plane(c))
        np.testing.assert_array_equal(known, np.broadcast_to(EACH[c], (T, Y, X)))


def test_an_array_and_a_value_with_a_file(tmp_path: Path) -> None:
    path = tmp_path / "movie.npy"
    np.save(path, np.where(EACH, FRAMES, 0))
    stack = nu.open(path, mask=EACH[0], unmeasured=0)
    np.testing.assert_array_equal(stack.read_mask(), EACH & EACH[0])


def test_a_dark_frame_and_a_value(tmp_path: Path) -> None:
    path, dark = tmp_path / "movie.npy", tmp_path / "dark.npy"
    np.save(path, np.where(EACH, FRAMES, 0))
    np.save(dark, RNG.normal(5, 1, (3, Y, X)))
    stack = nu.open(path, dark=dark, unmeasured=0)
    np.testing.assert_array_equal(stack.read_mask(), EACH)


@pytest.mark.parametrize("shape", [(Y, X + 1), (T - 1, Y, X), (Y, X, 3)])
def test_a_mask_that_does_not_fit(
    tmp_path: Path, movie: Path, shape: tuple[int, ...]
) -> None:
    path = save(tmp_path / "mask.npy", np.ones(shape))
    with pytest.raises(InputError, match="does not fit the movie") as caught:
        nu.open(movie, mask=path)
    assert str(path) in str(caught.value)
    assert str(movie) in str(caught.value)


BAD: dict[str, Any] = {
    "nothing.tif": None,
    "broken.tif": b"II*\0 no more",
    "words.csv": b"1,2,3",
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_is_no_mask(tmp_path: Path, movie: Path, name: str) -> None:
    if BAD[name] is not None:
        (tmp_path / name).write_bytes(BAD[name])
    with pytest.raises(InputError, match=name):
        nu.open(movie, mask=tmp_path / name)


@pytest.mark.parametrize("name", ["movie.tif", "mask.tif"])
def test_no_result_replaces_the_mask(tmp_path: Path, movie: Path, name: str) -> None:
    stack = nu.open(movie, mask=save(tmp_path / "mask.tif", EACH[0]))
    with pytest.raises(OutputError, match="is the input"):
        check_output(tmp_path / name, like=stack, dtype="uint16", overwrite=True)
