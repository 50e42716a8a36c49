"""Reading OME-Zarr of all versions, and bare zarr arrays."""

from __future__ import annotations

import gc
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr

from napari_udvd.errors import InputError
from napari_udvd.formats import list_images, open_stack

if TYPE_CHECKING:
    from pathlib import Path

PIXELS = np.arange(4 * 2 * 3 * 8 * 9, dtype=np.uint16).reshape(4, 2, 3, 8, 9)


def axis(name: str, unit: str | None = None, kind: str | None = None) -> dict[str, str]:
    entry = {
        "name": name,
        "type": kind or {"t": "time", "c": "channel"}.get(name, "space"),
    }
    return entry if unit is None else {**entry, "unit": unit}


AXES = [
    axis("t", "second"),
    axis("c"),
    axis("z", "micrometer"),
    axis("y", "nanometer"),
    axis("x", "nanometer"),
]


def write_image(
    path: Path, version: str, pixels: Any, axes: Any, steps: Any, **more: Any
) -> None:
    group = zarr.open_group(path, mode="w", zarr_format=3 if version == "0.5" else 2)
    group.create_array("full", data=pixels, chunks=(1,) * (pixels.ndim - 2) + (8, 9))
    group.create_array("half", data=pixels[..., ::2, ::2])
    image: dict[str, Any] = {"datasets": [{"path": "full"}, {"path": "half"}]}
    if axes is not None:
        image["axes"] = axes
    if steps is not None:
        image["datasets"][0]["coordinateTransformations"] = [
            {"type": "scale", "scale": steps},
            {"type": "translation", "translation": [5.0] * len(steps)},
        ]
    image |= more.pop("image", {})
    attributes = {"multiscales": [image], **more}
    if version == "0.5":
        attributes = {"ome": {"version": "0.5", **attributes}}
    group.update_attributes(attributes)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_image(tmp_path: Path, version: str) -> None:
    path = tmp_path / "a.ome.zarr"
    names = {"channels": [{"label": "GFP"}, {"label": "RFP"}]}
    write_image(path, version, PIXELS, AXES, [2.0, 1.0, 0.5, 65.0, 65.0], omero=names)
    stack = open_stack(path)
    assert stack.axes == "TCZYX"
    np.testing.assert_array_equal(np.asarray(stack.data), PIXELS)
    assert stack.scale == {"T": 2.0, "Z": 0.5, "Y": 65.0, "X": 65.0}
    assert stack.units == {"T": "s", "Z": "µm", "Y": "nm", "X": "nm"}
    assert stack.channel_names == ("GFP", "RFP")
    assert stack.notes == ()


def test_transformation_of_the_whole_image_applies_too(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    whole = {
        "coordinateTransformations": [{"type": "scale", "scale": [3.0, 1, 1, 1, 2]}]
    }
    write_image(path, "0.4", PIXELS, AXES, [2.0, 1.0, 0.5, 65.0, 65.0], image=whole)
    assert open_stack(path).scale == {"T": 6.0, "Z": 0.5, "Y": 65.0, "X": 130.0}


def test_single_channel_and_plane_are_dropped_but_time_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    pixels = PIXELS[:1, :1, :1]
    names = {"channels": [{"label": "GFP"}]}
    write_image(path, "0.5", pixels, AXES, [2.0, 1, 1, 1, 1], omero=names)
    stack = open_stack(path)
    assert (stack.axes, stack.shape) == ("TYX", (1, 8, 9))
    assert stack.channel_names == ("GFP",)
    np.testing.assert_array_equal(stack.read(), pixels[:, 0, 0])


def test_images_before_axes_had_names(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    write_image(path, "0.4", PIXELS, None, None)
    stack = open_stack(path)
    assert stack.axes == "TCZYX" and stack.scale == {}


def test_axes_as_plain_names(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    write_image(path, "0.4", PIXELS[:, 0], ["t", "z", "y", "x"], None)
    assert open_stack(path).axes == "TZYX"


def test_time_under_another_name(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    axes = [axis("frame", "millisecond", "time"), *AXES[-2:]]
    write_image(path, "0.5", PIXELS[:, 0, 0], axes, [40.0, 1, 1])
    stack = open_stack(path)
    assert stack.axes == "TYX"
    assert (stack.scale["T"], stack.units["T"]) == (40.0, "ms")


def test_an_unknown_axis_must_be_named(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    axes = [axis("t"), axis("angle"), *AXES[-2:]]
    write_image(path, "0.5", PIXELS[:, :, 0], axes, [1.0] * 4)
    with pytest.raises(
        InputError, match=r"\(4, 2, 8, 9\) are ambiguous.*T, Y, X.*'angle'"
    ):
        open_stack(path)
    assert open_stack(path, axes="TCYX").shape == (4, 2, 8, 9)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_bare_array(tmp_path: Path, zarr_format: Any) -> None:
    path = tmp_path / "a.zarr"
    zarr.create_array(path, data=PIXELS[:, 0, 0], zarr_format=zarr_format)
    stack = open_stack(path)
    assert stack.axes == "TYX" and "not named" in stack.notes[0]
    np.testing.assert_array_equal(np.asarray(stack.data), PIXELS[:, 0, 0])


def test_bare_array_with_dimension_names(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    zarr.create_array(
        path, data=PIXELS[:, :, 0], dimension_names=["time", "channel", "y", "x"]
    )
    stack = open_stack(path)
    assert stack.axes == "TCYX" and stack.notes == ()


def test_bare_array_with_too_many_unnamed_axes(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    zarr.create_array(path, data=PIXELS)
    with pytest.raises(InputError, match="ambiguous"):
        open_stack(path)
    assert open_stack(path, axes="TCZYX").shape == PIXELS.shape


def test_big_endian_pixels_come_back_native(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    zarr.create_array(path, data=PIXELS[:, 0, 0].astype(">u2"), zarr_format=2)
    stack = open_stack(path)
    assert stack.dtype.isnative and stack.read().dtype.isnative
    np.testing.assert_array_equal(stack.read(), PIXELS[:, 0, 0])


def test_group_with_one_array(tmp_path: Path) -> None:
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    group.create_array("raw", data=PIXELS[:, 0, 0])
    assert open_stack(tmp_path / "a.zarr").axes == "TYX"


def test_group_with_many_arrays_is_a_question(tmp_path: Path) -> None:
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    for name in ("10", "2"):
        group.create_array(name, data=PIXELS[:, 0, 0])
    with pytest.raises(InputError, match=r"2 images: 1: '2'.*2: '10'.*a\.zarr#1"):
        open_stack(tmp_path / "a.zarr")
    assert open_stack(f"{tmp_path / 'a.zarr'}#10").axes == "TYX"
    assert open_stack(tmp_path / "a.zarr" / "10").axes == "TYX"


def test_series_of_bioformats2raw(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    group = zarr.open_group(path, mode="w", zarr_format=2)
    group.update_attributes({"bioformats2raw.layout": 3})
    write_image(path / "0", "0.4", PIXELS, AXES, [1.0] * 5)
    assert open_stack(path).axes == "TCZYX"
    write_image(path / "1", "0.4", PIXELS[:2] + 5, AXES, [1.0] * 5)
    group.create_group("OME")
    with pytest.raises(InputError, match=r"2 images: 1: '0'.*2: '1'"):
        open_stack(path)
    np.testing.assert_array_equal(open_stack(f"{path}#2").data[...], PIXELS[:2] + 5)
    group["OME"].attrs["series"] = ["1", "0"]  # the order is written there
    assert [image.name for image in list_images(path)] == ["1", "0"]


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_plate(tmp_path: Path, version: str) -> None:
    path = tmp_path / "a.zarr"
    zarr_format: Any = 3 if version == "0.5" else 2
    group = zarr.open_group(path, mode="w", zarr_format=zarr_format)
    wells = {"wells": [{"path": "A/1"}, {"path": "B/2"}]}
    plate = {"plate": wells}
    group.update_attributes({"ome": plate} if version == "0.5" else plate)
    for k, well in enumerate(("A/1", "B/2")):
        node = group.create_group(well)
        fields = {"well": {"images": [{"path": "0"}, {"path": "1"}]}}
        node.update_attributes({"ome": fields} if version == "0.5" else fields)
        for field in range(2):
            pixels = PIXELS[:, 0, 0] + 100 * k + 10 * field
            axes = [AXES[0], *AXES[-2:]]
            write_image(path / well / str(field), version, pixels, axes, [1.0] * 3)
    with pytest.raises(InputError, match=r"4 images: 1: 'A/1/0'.*4: 'B/2/1'"):
        open_stack(path)
    stack = open_stack(f"{path}#B/2/1")
    np.testing.assert_array_equal(stack.read(), PIXELS[:, 0, 0] + 110)
    inside = open_stack(path / "A/1/1")
    np.testing.assert_array_equal(inside.read(), PIXELS[:, 0, 0] + 10)
    with pytest.raises(InputError, match=r"2 images: 1: '0'"):
        open_stack(path / "A" / "1")


def test_several_multiscales(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    axes = [AXES[0], *AXES[-2:]]
    write_image(path, "0.4", PIXELS[:, 0, 0], axes, [2.0, 1, 1])
    group = zarr.open_group(path)
    group.create_array("other", data=PIXELS[:3, 1, 1])
    first = dict(group.attrs)["multiscales"][0]
    second = {"name": "sum", "axes": axes, "datasets": [{"path": "other"}]}
    group.update_attributes({"multiscales": [{**first, "name": "raw"}, second]})
    with pytest.raises(InputError, match=r"2 images: 1: 'raw'.*2: 'sum'"):
        open_stack(path)
    np.testing.assert_array_equal(open_stack(f"{path}#sum").read(), PIXELS[:3, 1, 1])


def test_coordinates_of_xarray_are_no_pictures(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    group = zarr.open_group(path, mode="w")
    for name, n in (("time", 4), ("y", 8), ("x", 9)):
        group.create_array(name, data=np.arange(float(n)), dimension_names=[name])
    names = ["time", "y", "x"]
    group.create_array("movie", data=PIXELS[:, 0, 0], dimension_names=names)
    stack = open_stack(path)
    assert stack.axes == "TYX" and stack.notes == ()


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("where", ["image", "array"])
def test_blocks_that_are_missing_are_said(
    tmp_path: Path, zarr_format: Any, where: str
) -> None:
    path = tmp_path / "a.zarr"
    axes = [AXES[0], *AXES[-2:]]
    version = "0.4" if zarr_format == 2 else "0.5"
    if where == "image":
        write_image(path, version, PIXELS[:, 0, 0] + 1, axes, [1.0] * 3)
    else:
        zarr.create_array(
            path,
            data=PIXELS[:, 0, 0] + 1,
            chunks=(1, 8, 9),
            zarr_format=zarr_format,
            dimension_names=None if zarr_format == 2 else ["time", "y", "x"],
        )
    array = path / "full" if where == "image" else path
    assert not any("not stored" in note for note in open_stack(path).notes)
    (array / ("2.0.0" if zarr_format == 2 else "c/2/0/0")).unlink()
    notes = open_stack(path).notes
    assert any("1 of the 4 blocks" in note and "read as 0" in note for note in notes)


def test_labels_are_left_aside(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    write_image(path, "0.5", PIXELS, AXES, [1.0] * 5)
    labels = zarr.open_group(path).create_group("labels")
    labels.update_attributes({"ome": {"labels": ["cells"]}})
    write_image(path / "labels" / "cells", "0.5", PIXELS, AXES, [1.0] * 5)
    assert len(list_images(path)) == 1
    assert open_stack(path).shape == PIXELS.shape


class TestCoordinateSystems:
    """NGFF 0.6: the axes belong to a coordinate system that the levels lead to."""

    def write(self, path: Path, transformations: Any, **more: Any) -> None:
        group = zarr.open_group(path, mode="w")
        group.create_array("0", data=PIXELS[:, 0, 0])
        axes = [AXES[0], *AXES[-2:]]
        systems = [
            {"name": "world", "axes": AXES[:3]},
            {"name": "intrinsic", "axes": axes},
        ]
        level = {"path": "0", "coordinateTransformations": transformations}
        image = {"coordinateSystems": systems, "datasets": [level], **more}
        group.update_attributes({"ome": {"version": "0.6", "multiscales": [image]}})

    @pytest.mark.parametrize("output", ["intrinsic", {"name": "intrinsic"}])
    def test_scale(self, tmp_path: Path, output: Any) -> None:
        path = tmp_path / "a.zarr"
        scale = {"type": "scale", "scale": [3.0, 65.0, 66.0], "output": output}
        self.write(path, [scale])
        stack = open_stack(path)
        assert stack.axes == "TYX" and stack.notes == ()
        assert stack.scale == {"T": 3.0, "Y": 65.0, "X": 66.0}
        assert stack.units == {"T": "s", "Y": "nm", "X": "nm"}

    def test_sequence(self, tmp_path: Path) -> None:
        inner = [
            {"type": "scale", "scale": [3.0, 65.0, 66.0]},
            {"type": "translation", "translation": [0.0, 7.0, 8.0]},
            {"type": "sequence", "transformations": [{"type": "identity"}]},
            {"type": "scale", "scale": [1.0, 2.0, 2.0]},
        ]
        whole = {"type": "sequence", "transformations": inner, "output": "intrinsic"}
        self.write(tmp_path / "a.zarr", [whole])
        stack = open_stack(tmp_path / "a.zarr")
        assert stack.scale == {"T": 3.0, "Y": 130.0, "X": 132.0}

    def test_transformation_to_another_system_is_not_ours(self, tmp_path: Path) -> None:
        scale = {"type": "scale", "scale": [3.0, 65.0, 66.0], "output": "intrinsic"}
        to_world = {"type": "scale", "scale": [9.0] * 3, "input": "intrinsic"}
        self.write(tmp_path / "a.zarr", [scale], coordinateTransformations=[to_world])
        assert open_stack(tmp_path / "a.zarr").scale["T"] == 3.0

    @pytest.mark.parametrize("kind", ["affine", "rotation", "mapAxis"])
    def test_what_is_not_understood_is_said(self, tmp_path: Path, kind: str) -> None:
        self.write(tmp_path / "a.zarr", [{"type": kind, "output": "intrinsic"}])
        stack = open_stack(tmp_path / "a.zarr")
        assert stack.axes == "TYX" and stack.scale == {}
        assert f"{kind!r}, which is not understood" in stack.notes[0]


class TestZipped:
    @pytest.mark.parametrize("name", ["a.zarr.zip", "a.ome.zarr.zip", "a.ozx"])
    @pytest.mark.parametrize("inside", ["", "a.ome.zarr/"])
    def test_image(self, tmp_path: Path, name: str, inside: str) -> None:
        folder = tmp_path / "a.ome.zarr"
        write_image(folder, "0.5", PIXELS, AXES, [2.0, 1.0, 0.5, 65.0, 65.0])
        path = tmp_path / name
        with zipfile.ZipFile(path, "w") as file:
            for entry in sorted(folder.rglob("*")):
                file.write(entry, inside + str(entry.relative_to(folder)))
        stack = open_stack(path)
        assert (stack.axes, stack.scale["T"]) == ("TCZYX", 2.0)
        np.testing.assert_array_equal(np.asarray(stack.data), PIXELS)
        del stack
        gc.collect()  # an unclosed file would warn now

    def test_other_archives(self, tmp_path: Path) -> None:
        path = tmp_path / "a.zarr.zip"
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("a.txt", "text")
            file.writestr("b.txt", "text")
        with pytest.raises(InputError, match="no zipped zarr"):
            open_stack(path)
        path.write_text("no archive")
        with pytest.raises(InputError, match=r"a\.zarr\.zip"):
            open_stack(path)


@pytest.mark.parametrize("name", ["angle", "dim_name", "wavelength"])
def test_a_named_axis_of_an_array_is_not_time(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.zarr"
    zarr.create_array(path, data=PIXELS[:, 0, 0], dimension_names=[name, "y", "x"])
    with pytest.raises(InputError, match=f"'{name}', which is not time"):
        open_stack(path)


def test_numbered_axes_have_no_name(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    names = ["dim_0", "dim_1", "dim_2"]
    zarr.create_array(path, data=PIXELS[:, 0, 0], dimension_names=names)
    stack = open_stack(path)
    assert stack.axes == "TYX" and "not named" in stack.notes[0]


def test_empty_group(tmp_path: Path) -> None:
    zarr.open_group(tmp_path / "a.zarr", mode="w")
    with pytest.raises(InputError, match="without an image"):
        open_stack(tmp_path / "a.zarr")


@pytest.mark.parametrize("name", ["a.zarr", "a"])
def test_folder_that_is_no_zarr(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(InputError, match="folder but no zarr"):
        open_stack(tmp_path / name)


def test_file_called_zarr(tmp_path: Path) -> None:
    (tmp_path / "a.zarr").write_text("no")
    with pytest.raises(InputError, match="a zarr is a folder"):
        open_stack(tmp_path / "a.zarr")


def test_damaged_metadata(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    path.mkdir()
    (path / "zarr.json").write_text("{ not json")
    with pytest.raises(InputError, match=r"a\.zarr.*cannot be read"):
        open_stack(path)


def test_missing_level(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    write_image(
        path, "0.5", PIXELS, AXES, [1.0] * 5, image={"datasets": [{"path": "n"}]}
    )
    with pytest.raises(InputError, match=r"a\.zarr"):
        open_stack(path)


def test_damaged_chunk(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    zarr.create_array(path, data=PIXELS[:, 0, 0], chunks=(1, 8, 9))
    chunk = path / "c" / "2" / "0" / "0"
    chunk.write_bytes(chunk.read_bytes()[:7])
    stack = open_stack(path)
    stack.read(slice(0, 2))
    with pytest.raises(InputError, match=r"a\.zarr.*damaged"):
        stack.read(2)


@pytest.mark.parametrize("dtype", ["complex64", "bool"])
def test_dtypes_that_are_no_intensities(tmp_path: Path, dtype: str) -> None:
    zarr.create_array(tmp_path / "a.zarr", data=np.zeros((3, 8, 9), dtype))
    with pytest.raises(InputError, match=f"dtype {dtype}"):
        open_stack(tmp_path / "a.zarr")


def test_two_thousand_frames_read_only_the_chunks_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.zarr"
    array = zarr.create_array(
        path, shape=(2000, 8, 9), chunks=(1, 8, 9), dtype="u2", fill_value=0
    )
    array[1000:1010] = 7
    asked: list[str] = []
    get = zarr.storage.LocalStore.get

    async def counting(self: Any, key: str, *args: Any, **options: Any) -> Any:
        asked.append(key)
        return await get(self, key, *args, **options)

    monkeypatch.setattr(zarr.storage.LocalStore, "get", counting)
    stack = open_stack(path)
    assert not [key for key in asked if "/c/" in key or key.startswith("c/")]
    asked.clear()
    assert (stack.read(slice(1003, 1006)) == 7).all()
    assert sorted(asked) == [f"c/{t}/0/0" for t in (1003, 1004, 1005)]
