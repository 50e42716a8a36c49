"""Files open in the viewer with their calibration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari_builtins
import numpy as np
import pytest
import tifffile
import zarr
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QDialogButtonBox

from napari_udvd._napari.image_list import ImageList
from napari_udvd._napari.reader import get_reader, read_layers, read_series
from napari_udvd.errors import InputError
from napari_udvd.formats import READABLE, create
from napari_udvd.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from npe2._pytest_plugin import TestPluginManager

MANIFEST = Path(__file__).parents[2] / "src" / "napari_udvd" / "napari.yaml"
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
        ["a.nd2", "b.nd2"],
        ["a.tif", "b.nd2"],
    ],
)
def test_other_paths_are_left_to_others(path: Any) -> None:
    assert get_reader(path) is None


@pytest.mark.parametrize("path", [Path("a.tif"), "plate.zarr/A/1/0", ["a.tif"]])
def test_paths_and_images_in_a_zarr(path: Any) -> None:
    assert get_reader(path) is read_layers


@pytest.mark.parametrize("path", [["a.tif", "b.TIFF"], [Path("a.tif"), Path("b.tif")]])
def test_a_list_is_one_stack(path: Any) -> None:
    """The viewer hands over a list only where the user asked for that."""
    assert get_reader(path) is read_series


@pytest.mark.parametrize("suffix", [".ome.tif", ".OME.TIF", ".tif", ".ome.zarr"])
def test_the_layer_is_called_like_the_file(
    tmp_path: Path, movie: Stack, suffix: str
) -> None:
    path = tmp_path / f"cells.v2{suffix}"
    save(path, movie)
    ((_, arguments, _),) = read_layers(str(path))
    assert arguments["name"] == "cells.v2"


class TestPicturesThatAreNoMovies:
    """The viewer reads them itself, and better: colours are colours there."""

    @pytest.mark.parametrize(
        ("pixels", "options"),
        [
            (np.zeros((16, 20), "u2"), {}),
            (np.zeros((16, 20, 3), "u1"), {"photometric": "rgb"}),
            (np.zeros((5, 16, 20, 3), "u1"), {"photometric": "rgb"}),
            (np.zeros((16, 20, 4), "u1"), {"photometric": "rgb", "extrasamples": [2]}),
            (np.zeros((1, 1, 16, 20), "u2"), {"imagej": True}),
        ],
    )
    def test_tiff(self, tmp_path: Path, pixels: Any, options: dict[str, Any]) -> None:
        path = tmp_path / "a.tif"
        tifffile.imwrite(path, pixels, **options)
        assert get_reader(str(path)) is None

    def test_npy(self, tmp_path: Path) -> None:
        np.save(tmp_path / "a.npy", np.zeros((16, 20)))
        assert get_reader(str(tmp_path / "a.npy")) is None
        np.save(tmp_path / "b.npy", np.zeros((5, 16, 20)))
        assert get_reader(str(tmp_path / "b.npy")) is read_layers

    @pytest.mark.parametrize(
        ("pixels", "options"),
        [
            (np.zeros((5, 16, 20), "u2"), {}),
            (np.zeros((3, 16, 20), "u2"), {"photometric": "minisblack"}),
            (np.zeros((5, 2, 16, 20), "u2"), {"imagej": True}),
        ],
    )
    def test_movies_are_ours(
        self, tmp_path: Path, pixels: Any, options: dict[str, Any]
    ) -> None:
        path = tmp_path / "a.tif"
        tifffile.imwrite(path, pixels, **options)
        assert get_reader(str(path)) is read_layers

    @pytest.mark.parametrize("name", ["a.tif", "a.npy"])
    def test_what_is_broken_is_ours_to_explain(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).write_text("no picture")
        assert get_reader(str(tmp_path / name)) is read_layers
        with pytest.raises(InputError):
            read_layers(str(tmp_path / name))


class TestManyFiles:
    @pytest.fixture
    def pictures(self, tmp_path: Path) -> list[str]:
        folder = tmp_path / "experiment"
        folder.mkdir()
        paths = [str(folder / f"t{t}.tif") for t in range(12)]
        for t, path in enumerate(paths):
            tifffile.imwrite(path, np.full((16, 20), t, np.uint16))
        return paths

    def test_as_one_stack(
        self,
        pictures: list[str],
        plugins: TestPluginManager,
        make_napari_viewer_proxy: Any,
    ) -> None:
        viewer = make_napari_viewer_proxy()
        (layer,) = viewer.open(pictures[::-1], stack=True, plugin="napari-udvd")
        assert layer.name == "experiment" and layer.axis_labels == ("t", "y", "x")
        np.testing.assert_array_equal(np.asarray(layer.data)[:, 0, 0], np.arange(12))

    def test_one_by_one(
        self,
        pictures: list[str],
        plugins: TestPluginManager,
        make_napari_viewer_proxy: Any,
    ) -> None:
        viewer = make_napari_viewer_proxy()
        movies = [path.replace(".tif", "_movie.tif") for path in pictures[:3]]
        for path in movies:
            tifffile.imwrite(path, np.zeros((5, 16, 20), np.uint16))
        layers = viewer.open(movies, plugin="napari-udvd")
        assert [layer.name for layer in layers] == ["t0_movie", "t1_movie", "t2_movie"]

    def test_a_folder(self, pictures: list[str]) -> None:
        folder = str(Path(pictures[0]).parent)
        assert get_reader(folder) is read_layers
        ((data, arguments, _),) = read_layers(folder)
        assert data.shape == (12, 16, 20) and arguments["name"] == "experiment"

    def test_pictures_that_are_not_alike(self, pictures: list[str]) -> None:
        tifffile.imwrite(pictures[4], np.zeros((16, 21), np.uint16))
        with pytest.raises(InputError, match=r"not alike: 't4\.tif'"):
            read_series(pictures)


class TestSeveralImages:
    @pytest.fixture
    def path(self, tmp_path: Path) -> str:
        group = zarr.open_group(tmp_path / "a.zarr", mode="w")
        for k, name in enumerate(("first", "second", "third")):
            group.create_array(name, data=np.full((4, 16, 20), k, "u2"))
        return str(tmp_path / "a.zarr")

    def answer(self, rows: list[int] | None) -> Callable[[], None]:
        """Answer the list as a user does, while it waits."""

        def click() -> None:
            (dialog,) = [
                widget
                for widget in QApplication.topLevelWidgets()
                if isinstance(widget, ImageList) and widget.isVisible()
            ]
            if rows is None:
                dialog.buttons.button(QDialogButtonBox.StandardButton.Cancel).click()
                return
            dialog.list.clearSelection()
            for row in rows:
                dialog.list.item(row).setSelected(True)
            dialog.buttons.button(QDialogButtonBox.StandardButton.Open).click()

        return click

    @pytest.mark.parametrize(
        ("rows", "names"),
        [([1], ["a-second"]), ([2, 0], ["a-first", "a-third"]), (None, [])],
    )
    def test_a_list_asks(
        self,
        path: str,
        plugins: TestPluginManager,
        make_napari_viewer_proxy: Any,
        rows: list[int] | None,
        names: list[str],
    ) -> None:
        viewer = make_napari_viewer_proxy()
        QTimer.singleShot(200, self.answer(rows))
        layers = viewer.open(path, plugin="napari-udvd")
        assert [layer.name for layer in layers] == names
        values = [int(np.asarray(layer.data[0])[0, 0]) for layer in layers]
        assert values == sorted(rows or [])

    def test_names_that_are_numbers_of_others(
        self, tmp_path: Path, plugins: TestPluginManager, make_napari_viewer_proxy: Any
    ) -> None:
        group = zarr.open_group(tmp_path / "b.zarr", mode="w")
        for k, name in enumerate(("2", "1", "x")):
            group.create_array(name, data=np.full((4, 16, 20), k, "u2"))
        viewer = make_napari_viewer_proxy()
        QTimer.singleShot(200, self.answer([0, 1, 2]))
        layers = viewer.open(tmp_path / "b.zarr", plugin="napari-udvd")
        values = [int(np.asarray(layer.data[0])[0, 0]) for layer in layers]
        assert values == [2, 1, 0]  # listed as x, 1, 2

    def test_a_choice_in_the_name_asks_nothing(self, path: str) -> None:
        ((data, _, _),) = read_layers(f"{path}#third")
        assert int(np.asarray(data[0])[0, 0]) == 2

    def test_without_a_window_the_list_is_in_the_message(
        self, path: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(QApplication, "instance", lambda: None)
        with pytest.raises(InputError, match=r"3 images: 1: 'first'"):
            read_layers(path)


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
