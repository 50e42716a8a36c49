"""Layers are saved with everything that the viewer knows of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import dask.array as da
import napari_builtins
import numpy as np
import pytest
from napari.layers import Image
from napari.utils.notifications import notification_manager

from napari_udvd import cutting
from napari_udvd._napari.layer_data import layer_data
from napari_udvd._napari.writer import write_image, write_ome_tiff, write_ome_zarr
from napari_udvd.errors import OutputError
from napari_udvd.formats import create, open_stack, read_record
from napari_udvd.formats._lazy import FileArray
from napari_udvd.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from npe2._pytest_plugin import TestPluginManager

MANIFEST = Path(__file__).parents[2] / "src" / "napari_udvd" / "napari.yaml"
BUILTINS = Path(napari_builtins.__file__).parent / "builtins.yaml"


@pytest.fixture
def plugins(npe2pm: TestPluginManager) -> Iterator[TestPluginManager]:
    """Register the viewer's own plugin, first as always, and ours."""
    with (
        npe2pm.tmp_plugin(manifest=str(BUILTINS)),
        npe2pm.tmp_plugin(manifest=str(MANIFEST)),
    ):
        yield npe2pm


def save(path: Path, stack: Stack) -> None:
    with create(path, like=stack, dtype=stack.dtype, record={}) as sink:
        for plane in stack.planes():
            sink.write(stack.read(plane=plane), 0, plane)


def pixels(shape: tuple[int, ...], dtype: Any = "u2") -> Any:
    rng = np.random.default_rng(0)
    return (rng.random(shape) * 200).astype(dtype)


def saved(path: Path, layer: Image) -> Stack:
    data, attributes, _ = layer.as_layer_data_tuple()
    assert write_image(str(path), data, attributes) == [str(path)]
    return open_stack(path)


MOVIES = {
    "TYX": Stack.from_array(
        pixels((7, 16, 20)),
        "TYX",
        scale={"T": 0.1, "Y": 0.05, "X": 0.04},
        units={"T": "s", "Y": "nm", "X": "nm"},
    ),
    "TCYX": Stack.from_array(
        pixels((5, 2, 16, 20), "f4"),
        "TCYX",
        scale={"T": 3.0, "Y": 0.2, "X": 0.2},
        units={"T": "min", "Y": "µm", "X": "µm"},
        channel_names=("GFP", "DNA"),
    ),
    "TCZYX": Stack.from_array(
        pixels((3, 2, 4, 16, 20), "u1"),
        "TCZYX",
        scale={"T": 2.0, "Z": 1.0, "Y": 1.0},
        units={"T": "frames", "Z": "µm"},
        channel_names=("a", "b"),
    ),
}


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr"])
def test_from_file_to_viewer_to_file(
    tmp_path: Path,
    suffix: str,
    plugins: TestPluginManager,
    make_napari_viewer_proxy: Any,
) -> None:
    """Nothing is lost; the viewer's own writer, which loses it, is not taken."""
    viewer = make_napari_viewer_proxy()
    for axes, movie in MOVIES.items():
        source, copy = tmp_path / f"{axes}{suffix}", tmp_path / f"copy {axes}{suffix}"
        save(source, movie)
        (layer,) = viewer.open(source, plugin="napari-udvd")
        assert layer.save(str(copy)) == [str(copy)]
        found = open_stack(copy)
        assert found.axes == axes and found.dtype == movie.dtype
        np.testing.assert_array_equal(np.asarray(found.data), movie.data)
        assert found.scale == movie.scale and found.units == movie.units
        assert found.channel_names == movie.channel_names
        record = read_record(copy)
        assert record is not None and record["source"] == str(source)


@pytest.mark.parametrize("name", ["a.ome.tif", "a.OME.TIFF", "a.ome.zarr", "a.zarr"])
def test_our_writer_has_these_suffixes(plugins: TestPluginManager, name: str) -> None:
    writer, path = plugins.get_writer(name, ["image"])
    assert writer is not None and writer.plugin_name == "napari-udvd" and path == name


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_pictures_stay_with_the_viewer(plugins: TestPluginManager, name: str) -> None:
    writer, _ = plugins.get_writer(name, ["image"])
    assert writer is not None and writer.plugin_name == "napari"


@pytest.mark.parametrize("layers", [["labels"], ["image", "image"], ["points"]])
def test_only_single_images(plugins: TestPluginManager, layers: list[str]) -> None:
    ours = [w.command for w in plugins.iter_compatible_writers(layers)]
    assert not [command for command in ours if command.startswith("napari-udvd")]


@pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "i1", "i2", "i4", "f4", "f8"])
def test_the_data_type_stays(tmp_path: Path, dtype: str) -> None:
    data = pixels((4, 8, 9), dtype)
    for name in ("a.ome.tif", "a.ome.zarr"):
        found = saved(tmp_path / name, Image(data))
        assert found.dtype == np.dtype(dtype) and found.axes == "TYX"
        np.testing.assert_array_equal(np.asarray(found.data), data)


def test_axes_in_another_order(tmp_path: Path) -> None:
    data = pixels((8, 9, 4))
    layer = Image(
        data,
        axis_labels=("y", "x", "t"),
        scale=(1.0, 2.0, 3.0),
        units=("um", "um", "s"),
    )
    found = saved(tmp_path / "a.ome.tif", layer)
    assert found.axes == "TYX" and found.scale == {"T": 3.0, "Y": 1.0, "X": 2.0}
    np.testing.assert_array_equal(np.asarray(found.data), data.transpose(2, 0, 1))


def test_of_many_levels_the_finest(tmp_path: Path) -> None:
    data = pixels((4, 32, 32))
    layer = Image([data, data[:, ::2, ::2]], multiscale=True, scale=(1, 0.5, 0.5))
    found = saved(tmp_path / "a.ome.tif", layer)
    np.testing.assert_array_equal(np.asarray(found.data), data)
    assert found.scale == {"Y": 0.5, "X": 0.5}


def test_a_movie_larger_than_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every frame is computed once, and no more than a block of them at a time."""
    computed: list[int] = []

    def frame(block_info: Any = None) -> Any:
        t = block_info[None]["chunk-location"][0]
        computed.append(t)
        return np.full((1, 16, 16), t, "u2")

    frames = da.map_blocks(
        frame, chunks=((1,) * 40, 16, 16), dtype="u2", meta=np.empty((0, 0, 0), "u2")
    )
    layer = Image(frames, contrast_limits=(0, 40))
    monkeypatch.setattr(cutting, "BLOCK_BYTES", 3 * 16 * 16 * 2)
    lengths: list[int] = []
    read = Stack.read

    def counted(self: Stack, *args: Any) -> Any:
        block = read(self, *args)
        lengths.append(len(block))
        return block

    monkeypatch.setattr(Stack, "read", counted)
    computed.clear()
    data, attributes, _ = layer.as_layer_data_tuple()
    write_image(str(tmp_path / "a.ome.tif"), data, attributes)
    assert lengths == [3] * 13 + [1] and sorted(computed) == list(range(40))
    monkeypatch.undo()
    found = open_stack(tmp_path / "a.ome.tif")
    np.testing.assert_array_equal(np.asarray(found.data)[:, 0, 0], range(40))


def test_a_name_without_suffix(tmp_path: Path) -> None:
    """The viewer's dialog adds none."""
    data, attributes, _ = Image(pixels((4, 8, 9))).as_layer_data_tuple()
    for write, suffix in ((write_ome_tiff, ".ome.tif"), (write_ome_zarr, ".ome.zarr")):
        path = f"{tmp_path / 'cells.v2'}{suffix}"
        assert write(str(tmp_path / "cells.v2"), data, attributes) == [path]
        assert open_stack(path).shape == (4, 8, 9)
    assert write_ome_tiff(str(tmp_path / "b.tif"), data, attributes) == [
        str(tmp_path / "b.tif")
    ]


def test_an_earlier_file_is_replaced(tmp_path: Path) -> None:
    """The viewer has asked whether it may be."""
    for name in ("a.ome.tif", "a.ome.zarr"):
        saved(tmp_path / name, Image(np.ones((4, 8, 9), "u1")))
        found = saved(tmp_path / name, Image(np.full((5, 8, 9), 2, "u1")))
        assert found.n_frames == 5 and (found.read(4) == 2).all()


def test_the_recorded_files_are_not_replaced(tmp_path: Path) -> None:
    """Neither the one that was opened nor the others of the same set."""
    files = (str(tmp_path / "part0.ome.tif"), str(tmp_path / "part1.ome.tif"))
    for file in files:
        Path(file).write_bytes(b"recorded")
    disk = FileArray(pixels((4, 8, 9)), files[0], files=files)
    data, attributes, _ = layer_data(
        Stack.from_array(disk, "TYX", source=files[0]), "movie"
    )
    for file in files:
        with pytest.raises(OutputError, match="is the input"):
            write_image(file, data, attributes)
        assert Path(file).read_bytes() == b"recorded"


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (Image(np.zeros((4, 8, 9, 3), "u1"), rgb=True), r"colour picture \(RGB\)"),
        (Image(np.zeros((4, 8, 9), bool)), "have dtype bool"),
        (Image(np.zeros((4, 5, 8, 9), "u1")), "do not say what the axes"),
        (Image(np.zeros((4, 8, 9), "u1"), scale=(1, -2, 1)), "axis Y is -2"),
        (Image(np.zeros((4, 8, 9), "i8")), "cannot hold int64"),
    ],
    ids=["rgb", "bool", "axes", "scale", "int64"],
)
def test_what_cannot_be_saved(
    tmp_path: Path, layer: Image, message: str, plugins: TestPluginManager
) -> None:
    """The reason reaches the user, and nothing is written."""
    with pytest.raises(OutputError, match=message):
        layer.save(str(tmp_path / "a.ome.tif"))
    assert not list(tmp_path.iterdir())


def test_complex_pixels(tmp_path: Path) -> None:
    """The viewer itself shows no such layer, but other programs call writers too."""
    with pytest.raises(OutputError, match="have dtype complex64"):
        write_image(str(tmp_path / "a.ome.tif"), np.zeros((4, 8, 9), "c8"), {})


def test_a_lost_place_is_told(tmp_path: Path) -> None:
    layer = Image(
        pixels((4, 8, 9)), name="crop", translate=(0, 5, 5), rotate=(0, 0, 90)
    )
    saved(tmp_path / "a.ome.tif", layer)
    told = notification_manager.records[-1]
    assert told.severity.value == "warning"
    assert "'crop' is saved without its place" in told.message
    assert "(translate, rotate)" in told.message


def test_nothing_is_told_of_a_layer_in_its_place(tmp_path: Path) -> None:
    before = len(notification_manager.records)
    saved(tmp_path / "a.ome.tif", Image(pixels((4, 8, 9)), scale=(2, 0.1, 0.1)))
    assert len(notification_manager.records) == before
