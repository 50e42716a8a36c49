"""Refusing an output before any work is done."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr

from napari_udvd.errors import OutputError
from napari_udvd.formats import check_output, create, open_stack
from napari_udvd.stack import Stack


@pytest.fixture
def stack(movie: Any) -> Stack:
    return Stack.from_array(movie, "TYX")


@pytest.mark.parametrize(
    "name",
    ["a.tif", "a.TIFF", "a.ome.tif", "a.Ome.Tiff", "a.zarr", "a.ome.zarr", "a.b.tif"],
)
def test_what_can_be_written(tmp_path: Path, stack: Stack, name: str) -> None:
    assert check_output(tmp_path / name, like=stack) == tmp_path / name
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a", "a.png", "a.npy", "a.tif.gz", ".tif", ".zarr"])
def test_unknown_suffix(tmp_path: Path, stack: Stack, name: str) -> None:
    with pytest.raises(OutputError, match=r"\.ome\.tif, .*\.ome\.zarr"):
        check_output(tmp_path / name, like=stack)


def test_missing_folder(tmp_path: Path, stack: Stack) -> None:
    with pytest.raises(OutputError, match=r"nowhere.*does not exist"):
        check_output(tmp_path / "nowhere" / "a.tif", like=stack)


def test_folder_that_is_a_file(tmp_path: Path, stack: Stack) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="is not a folder"):
        check_output(tmp_path / "file" / "a.tif", like=stack)


def test_folder_that_is_not_writable(
    tmp_path: Path, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(OutputError, match="not writable"):
        check_output(tmp_path / "a.tif", like=stack)


def test_not_enough_space(
    tmp_path: Path, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = SimpleNamespace(total=10_000, used=5_000, free=5_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert check_output(tmp_path / "a.tif", like=stack, dtype="u1")
    with pytest.raises(OutputError, match=r"needs 6\.72 kB \(6720 bytes\) .*5000 byte"):
        check_output(tmp_path / "a.tif", like=stack, dtype="f4")


@pytest.mark.parametrize("dtype", ["i8", "u8", "f2"])
def test_dtypes_that_only_zarr_knows(tmp_path: Path, stack: Stack, dtype: str) -> None:
    with pytest.raises(OutputError, match=rf"hold {np.dtype(dtype)}: .* float32"):
        check_output(tmp_path / "a.tif", like=stack, dtype=dtype)
    assert check_output(tmp_path / "a.zarr", like=stack, dtype=dtype)


@pytest.mark.parametrize("dtype", ["c8", "?", "O"])
@pytest.mark.parametrize("name", ["a.tif", "a.zarr"])
def test_dtypes_that_are_no_intensities(
    tmp_path: Path, stack: Stack, name: str, dtype: str
) -> None:
    with pytest.raises(OutputError, match="cannot hold"):
        check_output(tmp_path / name, like=stack, dtype=dtype)


class TestExists:
    @pytest.mark.parametrize("name", ["a.tif", "a.zarr"])
    def test_needs_permission(
        self, tmp_path: Path, stack: Stack, save: Any, name: str
    ) -> None:
        save(tmp_path / name, stack)
        with pytest.raises(OutputError, match=r"exists: choose another.*overwrite"):
            create(tmp_path / name, like=stack, dtype="u2", record={})
        assert check_output(tmp_path / name, like=stack, overwrite=True)

    def test_dangling_link(self, tmp_path: Path, stack: Stack) -> None:
        (tmp_path / "a.tif").symlink_to(tmp_path / "gone")
        with pytest.raises(OutputError, match="exists"):
            check_output(tmp_path / "a.tif", like=stack)

    def test_a_folder_of_something_else_is_never_replaced(
        self, tmp_path: Path, stack: Stack
    ) -> None:
        (tmp_path / "a.zarr").mkdir()
        (tmp_path / "a.zarr" / "thesis.txt").write_text("")
        with pytest.raises(OutputError, match=r"a folder, not a zarr"):
            check_output(tmp_path / "a.zarr", like=stack, overwrite=True)

    def test_a_folder_called_tif(self, tmp_path: Path, stack: Stack) -> None:
        (tmp_path / "a.tif").mkdir()
        with pytest.raises(OutputError, match=r"a folder, not a tiff"):
            check_output(tmp_path / "a.tif", like=stack, overwrite=True)

    def test_a_file_called_zarr(self, tmp_path: Path, stack: Stack) -> None:
        (tmp_path / "a.zarr").write_text("")
        with pytest.raises(OutputError, match=r"a file, not a zarr"):
            check_output(tmp_path / "a.zarr", like=stack, overwrite=True)


class TestInput:
    """The recorded data are never touched."""

    def refused(self, target: Path, stack: Stack) -> None:
        with pytest.raises(OutputError, match="is the input"):
            check_output(target, like=stack, overwrite=True)

    def test_itself(
        self, tmp_path: Path, movie: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tifffile.imwrite(tmp_path / "a.tif", movie)
        stack = open_stack(tmp_path / "a.tif", axes="TYX")
        self.refused(tmp_path / "a.tif", stack)
        monkeypatch.chdir(tmp_path)
        self.refused(Path("a.tif"), stack)
        (tmp_path / "x").mkdir()
        self.refused(tmp_path / "x" / ".." / "a.tif", stack)

    @pytest.mark.parametrize("link", [os.symlink, os.link])
    def test_through_a_link(self, tmp_path: Path, movie: Any, link: Any) -> None:
        tifffile.imwrite(tmp_path / "a.tif", movie)
        link(tmp_path / "a.tif", tmp_path / "b.tif")
        for source, target in (("a.tif", "b.tif"), ("b.tif", "a.tif")):
            stack = open_stack(tmp_path / source, axes="TYX")
            self.refused(tmp_path / target, stack)

    def test_through_a_linked_folder(self, tmp_path: Path, movie: Any) -> None:
        (tmp_path / "real").mkdir()
        tifffile.imwrite(tmp_path / "real" / "a.tif", movie)
        (tmp_path / "linked").symlink_to(tmp_path / "real")
        stack = open_stack(tmp_path / "real" / "a.tif", axes="TYX")
        self.refused(tmp_path / "linked" / "a.tif", stack)

    def test_inside_and_around_a_zarr(self, tmp_path: Path, movie: Any) -> None:
        group = zarr.open_group(tmp_path / "a.zarr", mode="w")
        group.create_array("raw", data=movie)
        stack = open_stack(tmp_path / "a.zarr")
        self.refused(tmp_path / "a.zarr", stack)
        self.refused(tmp_path / "a.zarr" / "result.zarr", stack)
        inner = open_stack(tmp_path / "a.zarr" / "raw")
        self.refused(tmp_path / "a.zarr", inner)

    def test_another_file_of_the_same_set(self, tmp_path: Path, movie: Any) -> None:
        names = ("a.ome.tif", "b.ome.tif")
        blocks = "".join(
            f'<TiffData FirstT="{i}" IFD="0" PlaneCount="1">'
            f'<UUID FileName="{name}">urn:uuid:{i}</UUID></TiffData>'
            for i, name in enumerate(names)
        )
        for i, name in enumerate(names):
            xml = (
                '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
                f'UUID="urn:uuid:{i}"><Image ID="Image:0"><Pixels ID="Pixels:0" '
                'DimensionOrder="XYZCT" Type="uint16" SizeX="14" SizeY="10" '
                'SizeZ="1" SizeC="1" SizeT="2">'
                f'<Channel ID="Channel:0:0" SamplesPerPixel="1"/>{blocks}'
                "</Pixels></Image></OME>"
            )
            tifffile.imwrite(tmp_path / name, movie[i], description=xml, metadata=None)
        stack = open_stack(tmp_path / "a.ome.tif")
        assert stack.n_frames == 2
        self.refused(tmp_path / "b.ome.tif", stack)

    def test_a_neighbour_is_fine(self, tmp_path: Path, movie: Any) -> None:
        tifffile.imwrite(tmp_path / "a.tif", movie)
        stack = open_stack(tmp_path / "a.tif", axes="TYX")
        assert check_output(tmp_path / "b.tif", like=stack)

    def test_an_array_with_a_label_that_is_no_file(
        self, tmp_path: Path, movie: Any
    ) -> None:
        stack = Stack.from_array(movie, "TYX", source="a layer of the viewer")
        assert check_output(tmp_path / "b.tif", like=stack)
