"""Reading NumPy files, and what is common to all formats."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_udvd.errors import InputError
from napari_udvd.formats import READABLE, open_stack, read_record

if TYPE_CHECKING:
    from pathlib import Path


def test_three_dimensions_are_a_movie(tmp_path: Path, movie: Any) -> None:
    np.save(tmp_path / "a.npy", movie)
    stack = open_stack(tmp_path / "a.npy")
    assert stack.axes == "TYX" and len(stack.notes) == 1
    assert stack.source == str(tmp_path / "a.npy")
    np.testing.assert_array_equal(np.asarray(stack.data), movie)


def test_fortran_order_and_byte_order(tmp_path: Path, movie: Any) -> None:
    np.save(tmp_path / "a.npy", np.asfortranarray(movie.astype(">i4")))
    stack = open_stack(tmp_path / "a.npy")
    assert stack.dtype == np.dtype("=i4") and stack.dtype.isnative
    np.testing.assert_array_equal(stack.read(slice(2, 5)), movie[2:5])


def test_one_frame_stays_a_movie_of_one_frame(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((1, 8, 9)))
    assert open_stack(tmp_path / "a.npy").shape == (1, 8, 9)


def test_a_picture_has_no_time(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((8, 9)))
    assert open_stack(tmp_path / "a.npy").axes == "YX"


def test_four_dimensions_are_ambiguous_unless_named(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((2, 3, 8, 9)))
    with pytest.raises(InputError, match=r"\(2, 3, 8, 9\) are ambiguous"):
        open_stack(tmp_path / "a.npy")
    assert open_stack(tmp_path / "a.npy", axes="CTYX").size("C") == 2


def test_a_colour_picture_is_not_taken_for_a_movie(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((64, 64, 3), np.uint8))
    with pytest.raises(InputError, match="one colour picture"):
        open_stack(tmp_path / "a.npy")
    assert open_stack(tmp_path / "a.npy", axes="TYX").n_frames == 64


@pytest.mark.parametrize("axes", ["TYY", "TQX", "TY", "TCZYX", ""])
def test_axes_that_do_not_fit(tmp_path: Path, axes: str) -> None:
    np.save(tmp_path / "a.npy", np.zeros((4, 8, 9)))
    with pytest.raises(InputError, match=repr(axes)):
        open_stack(tmp_path / "a.npy", axes=axes)


@pytest.mark.parametrize("dtype", ["complex64", "bool"])
def test_dtypes_that_are_no_intensities(tmp_path: Path, dtype: str) -> None:
    np.save(tmp_path / "a.npy", np.zeros((4, 8, 9), dtype))
    with pytest.raises(InputError, match=f"dtype {dtype}"):
        open_stack(tmp_path / "a.npy")


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "trapped"),)

    array = np.empty((4, 8, 9), object)
    array[0, 0, 0] = Trap()
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    with pytest.raises(InputError, match=r"a\.npy.*object"):
        open_stack(tmp_path / "a.npy")
    assert not (tmp_path / "trapped").exists()


def test_empty_array(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((0, 8, 9)))
    with pytest.raises(InputError, match=r"a\.npy.*empty"):
        open_stack(tmp_path / "a.npy")


@pytest.mark.parametrize("kept", [0, 5, 60, 127, 200, -1])
def test_cut_file(tmp_path: Path, movie: Any, kept: int) -> None:
    np.save(tmp_path / "a.npy", movie)
    content = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(content[:kept])
    with pytest.raises(InputError, match=r"a\.npy"):
        open_stack(tmp_path / "a.npy")


@pytest.mark.parametrize("content", [b"no array here", b"PK\x03\x04 a zip archive"])
def test_something_else_called_npy(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.npy"):
        open_stack(tmp_path / "a.npy")


@pytest.mark.parametrize("name", ["a.avi", "a", "a.png", ".tif"])
def test_unknown_suffix_lists_what_is_known(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"?")
    with pytest.raises(InputError, match=r"suffix .* is unknown") as caught:
        open_stack(tmp_path / name)
    assert all(suffix in str(caught.value) for suffix in READABLE)


def test_files_of_others_have_no_record(tmp_path: Path, movie: Any) -> None:
    np.save(tmp_path / "a.npy", movie)
    assert read_record(tmp_path / "a.npy") is None
    with pytest.raises(InputError, match="does not exist"):
        read_record(tmp_path / "b.npy")


def test_array_behaves_as_numpy_says(tmp_path: Path, movie: Any) -> None:
    np.save(tmp_path / "a.npy", movie)
    data = open_stack(tmp_path / "a.npy").data
    np.testing.assert_array_equal(data[..., 3], movie[..., 3])
    np.testing.assert_array_equal(data[-1], movie[-1])
    np.testing.assert_array_equal(data[np.int64(2), 1:3], movie[2, 1:3])
    for key in (12, -13, (0, 0, 0, 0)):
        with pytest.raises(IndexError):
            data[key]
    with pytest.raises(TypeError):
        data[[0, 1]]
    assert np.asarray(data, dtype=np.float32).dtype == np.float32
    assert "a.npy" in repr(data)


def test_importing_is_light() -> None:
    code = (
        "import sys; before = set(sys.modules); import napari_udvd.formats; "
        "print(*sorted(set(sys.modules) & {'torch', 'napari', 'qtpy', 'zarr', "
        "'tifffile', 'dask', 'rsciio', 'nd2'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
