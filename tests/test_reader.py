"""Files open in the viewer with their calibration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari_builtins
import numpy as np
import pytest

from napari_udvd._reader import get_reader, read_layers
from napari_udvd.errors import InputError
from napari_udvd.formats import READABLE, create
from napari_udvd.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from npe2._pytest_plugin import TestPluginManager

MANIFEST = Path(__file__).parents[1] / "src" / "napari_udvd" / "napari.yaml"
BUILTINS = Path(napari_builtins.__file__).parent / "builtins.yaml"


@pytest.fixture
def plugins(npe2pm: TestPluginManager) -> Iterator[TestPluginManager]:
    """Register the viewer's own plugin and ours, which may not be installed."""
    with (
        npe2pm.tmp_plugin(manifest=str(BUILTINS)),
        npe2pm.tmp_plugin(manifest=str(MANIFEST)),
    ):
        yield npe2pm


def save(path: Path, stack: Stack) -> None:
    with create(path, like=stack, dtype=stack.dtype, record={}) as sink:
        for plane in stack.planes():
            sink.write(stack.read(plane=plane), 0, plane)


@pytest.fixture
def movie() -> Stack:
    return Stack.from_array(
        np.arange(6 * 2 * 16 * 20, dtype="u2").reshape(6, 2, 16, 20),
        "TCYX",
        scale={"T": 2.5, "Y": 0.2, "X": 0.3},
        units={"T": "s", "Y": "µm", "X": "µm"},
        channel_names=("actin", "DNA"),
    )


@pytest.mark.parametrize("suffix", READABLE)
def test_the_suffix_decides(suffix: str) -> None:
    assert get_reader(f"/nowhere/movie{suffix}") is read_layers
    assert get_reader(f"/nowhere/movie{suffix.upper()}") is read_layers


@pytest.mark.parametrize(
    "path",
    [
        "movie",
        "movie.png",
        "movie.tif.txt",
        "folder.tif/movie.csv",
        "https://example.org/movie.tif",
        "plate.zarr/zarr.json",
        [],
        ["a.tif", "b.png"],
    ],
)
def test_other_paths_are_left_to_others(path: Any) -> None:
    assert get_reader(path) is None


@pytest.mark.parametrize(
    "path", [Path("a.tif"), "plate.zarr/A/1/0", ["a.tif", "b.nd2"]]
)
def test_paths_lists_and_images_in_a_zarr(path: Any) -> None:
    assert get_reader(path) is read_layers


@pytest.mark.parametrize("suffix", [".ome.tif", ".OME.TIF", ".tif", ".ome.zarr"])
def test_the_layer_is_called_like_the_file(
    tmp_path: Path, movie: Stack, suffix: str
) -> None:
    path = tmp_path / f"cells.v2{suffix}"
    save(path, movie)
    ((_, arguments, _),) = read_layers(str(path))
    assert arguments["name"] == "cells.v2"


def test_each_file_becomes_a_layer(tmp_path: Path, movie: Stack) -> None:
    paths = [tmp_path / "a.ome.tif", tmp_path / "b.ome.zarr"]
    for path in paths:
        save(path, movie)
    layers = read_layers([str(path) for path in paths])
    assert [arguments["name"] for _, arguments, _ in layers] == ["a", "b"]
    for data, _, _ in layers:
        np.testing.assert_array_equal(np.asarray(data), movie.data)


@pytest.mark.parametrize("name", ["movie.ome.tif", "movie.ome.zarr"])
def test_the_viewer_shows_the_calibration(
    tmp_path: Path,
    movie: Stack,
    name: str,
    plugins: TestPluginManager,
    make_napari_viewer_proxy: Any,
) -> None:
    path = tmp_path / name
    save(path, movie)
    viewer = make_napari_viewer_proxy()
    (layer,) = viewer.open(path, plugin="napari-udvd")
    assert layer.name == "movie" and layer.dtype == np.uint16
    assert layer.axis_labels == ("t", "c", "y", "x")
    np.testing.assert_allclose(layer.scale, (2.5, 1.0, 0.2, 0.3))
    assert tuple(map(str, layer.units)) == (
        "second",
        "pixel",
        "micrometer",
        "micrometer",
    )
    kept = layer.metadata["napari_udvd"]
    assert kept["channel_names"] == ("actin", "DNA") and kept["source"] == str(path)
    low, high = layer.contrast_limits
    assert 0 <= low < 100 and movie.data.max() - 100 < high <= movie.data.max()
    assert viewer.dims.nsteps[:2] == (6, 2)  # a slider for time, one for channels
    viewer.dims.current_step = (4, 1, 0, 0)
    np.testing.assert_array_equal(
        layer.get_value((10.0, 1.0, 0.0, 0.0)), movie.data[4, 1, 0, 0]
    )


def test_the_viewer_tells_what_is_wrong(
    tmp_path: Path,
    plugins: TestPluginManager,
    make_napari_viewer_proxy: Any,
) -> None:
    """Both when our reader was asked for, and when it is the preferred one."""
    path = tmp_path / "broken.nd2"  # the viewer itself reads no such file
    path.write_bytes(b"not a movie")
    viewer = make_napari_viewer_proxy()
    with pytest.raises(InputError, match=r"broken\.nd2' cannot be read"):
        viewer.open(path, plugin="napari-udvd")
    with pytest.raises(ValueError, match=r"InputError: .*broken\.nd2' cannot be read"):
        viewer.open(path, plugin=None)
    assert len(viewer.layers) == 0


def test_folders_of_other_kinds_are_refused(
    tmp_path: Path, plugins: TestPluginManager
) -> None:
    """A reader of folders is asked for every folder."""
    ours = [
        r for r in plugins.iter_compatible_readers(str(tmp_path)) if "udvd" in r.command
    ]
    assert len(ours) == 1 and get_reader(str(tmp_path)) is None
