"""OME-Zarr (NGFF 0.1-0.6, on zarr 2 and 3), also zipped, and bare zarr arrays.

The metadata is that of https://ngff.openmicroscopy.org/.
"""

from __future__ import annotations

import math
import os
import re
import zipfile
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from napari_udvd.errors import InputError
from napari_udvd.formats._axes import OTHER, UNNAMED, Found
from napari_udvd.formats._contents import Contents, one
from napari_udvd.formats._images import Image
from napari_udvd.formats._lazy import readable
from napari_udvd.formats._units import calibrated, ngff_unit, normalise_unit
from napari_udvd.formats._zarr_axes import described
from napari_udvd.stack import AXES

if TYPE_CHECKING:
    import zarr

    from napari_udvd.stack import LayoutLike

__all__ = [
    "ATTRIBUTE",
    "is_zarr",
    "ngff_attributes",
    "open_zarr",
    "open_zipped_zarr",
    "zarr_attributes",
]

ATTRIBUTE: Final = "napari_udvd"
"""Key of our own attributes: how the file was made, and what NGFF cannot say."""

_COUNTED: Final = 100_000
"""Blocks up to which the missing ones are counted; it takes a look at all of them."""

_AXIS_NAMES: Final = {
    "t": "T",
    "time": "T",
    "c": "C",
    "channel": "C",
    "z": "Z",
    "y": "Y",
    "x": "X",
}


def is_zarr(path: str) -> bool:
    """Whether the folder `path` is a zarr group or array."""
    return any(
        os.path.isfile(os.path.join(path, name))
        for name in ("zarr.json", ".zgroup", ".zarray")
    )


def open_zarr(path: str) -> Contents:
    """List the images in a zarr folder.

    An array is one image. A group holds those of its multiscales, those that
    bioformats2raw wrote into it, or the fields of a plate or well; labels are none.

    Raises
    ------
    InputError
        If it holds no image, or it is not clear which array is meant.
    """
    import zarr

    with readable(path):
        return _open(zarr.open(path, mode="r"), path)


def open_zipped_zarr(path: str) -> Contents:
    """List the images in a zarr that is zipped into one file.

    Raises
    ------
    InputError
        If the file is no such, or as for :func:`open_zarr`.
    """
    import zarr

    with readable(path):
        with zipfile.ZipFile(path) as file:
            tops = {name.split("/")[0] for name in file.namelist()}
        store = zarr.storage.ZipStore(path, mode="r")
        # The folder itself may have been zipped, and not only what is in it.
        inside = "" if tops & {"zarr.json", ".zgroup", ".zarray"} else min(tops)
        if len(tops) != 1 and inside:
            raise InputError(
                f"{path!r} is no zipped zarr: it holds {len(tops)} files and folders "
                "and no zarr.json, .zgroup or .zarray"
            )
        return _open(zarr.open(store, mode="r", path=inside), path)


def _open(node: zarr.Array[Any] | zarr.Group, path: str) -> Contents:
    import zarr

    if isinstance(node, zarr.Array):
        return one(_bare(node, path))
    attributes = dict(node.attrs)
    ome = _ome(attributes)
    if "multiscales" in ome:
        return _multiscales(node, ome, path)
    if "plate" in ome or "well" in ome or "bioformats2raw.layout" in ome:
        return _images(node, _paths(node, ome), path)
    # Arrays of one axis are what xarray keeps beside pictures: their coordinates.
    arrays = sorted((name for name, a in node.arrays() if a.ndim > 1), key=_by)
    if not arrays:
        raise InputError(f"{path!r} is a zarr group without an image or array in it")
    found = [_bare(node[name], path) for name in arrays]  # type: ignore[arg-type]
    images = tuple(
        Image(name, array.axes, tuple(map(int, array.data.shape)))
        for name, array in zip(arrays, found, strict=True)
    )
    return Contents(images, found.__getitem__)


def _paths(group: zarr.Group, ome: Mapping[str, Any]) -> list[str]:
    """Where the images of a collection are, without looking for them."""
    if "plate" in ome:
        wells = [str(well["path"]) for well in ome["plate"].get("wells", ())]
        return [
            f"{well}/{field}"
            for well in wells
            for field in _paths(group[well], _ome(dict(group[well].attrs)))  # type: ignore[arg-type]
        ]
    if "well" in ome:
        return [str(image["path"]) for image in ome["well"].get("images", ())]
    series = dict(group["OME"].attrs) if "OME" in group else {}
    listed = _ome(series).get("series")
    if isinstance(listed, list):
        return [str(name) for name in listed]
    return sorted((name for name, _ in group.groups() if name != "OME"), key=_by)


def _images(group: zarr.Group, names: list[str], path: str) -> Contents:
    """Images of a collection, each a group with multiscales."""
    import zarr

    images: list[Image] = []
    finders: list[tuple[Contents, int]] = []
    for name in names:
        node = group[name]
        if not isinstance(node, zarr.Group):
            raise InputError(f"{name!r} in {path!r} is no image")
        inside = _multiscales(node, _ome(dict(node.attrs)), path)
        for number, image in enumerate(inside.images):
            more = f"/{number + 1}" if len(inside.images) > 1 else ""
            images.append(image._replace(name=name + more))
            finders.append((inside, number))
    if not images:
        raise InputError(f"{path!r} is a collection without images")

    def find(number: int) -> Found:
        contents, inner = finders[number]
        return contents.find(inner)

    return Contents(tuple(images), find)


def _ome(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    nested = attributes.get("ome")
    return nested if isinstance(nested, Mapping) else attributes


def zarr_attributes(path: str) -> dict[str, Any]:
    """Read our own attributes of a zarr; empty where there are none.

    Raises
    ------
    InputError
        If the folder cannot be read as zarr.
    """
    import zarr

    with readable(path):
        return _own(dict(zarr.open(path, mode="r").attrs))


def ngff_attributes(
    like: LayoutLike, record: Any, windows: Sequence[tuple[float, float]] = ()
) -> dict[str, Any]:
    """Attributes of a group with one image at path ``"0"`` (NGFF 0.5).

    Parameters
    ----------
    like
        Gives axes, scale, units and channel names.
    record
        How the file was made; plain JSON types.
    windows
        Lowest and highest value of each channel.
    """
    axes: list[dict[str, str]] = []
    steps: list[float] = []
    unmapped: dict[str, dict[str, Any]] = {"scale": {}, "units": {}}
    for axis in like.canonical_axes:
        entry = {"name": axis.lower(), "type": _axis_type(axis)}
        step, unit = like.scale.get(axis), normalise_unit(like.units.get(axis))
        if step is not None and unit:
            entry["unit"] = ngff_unit(unit)
        elif unit:
            unmapped["units"][axis] = unit
        elif step == 1:  # would read as "not calibrated"
            unmapped["scale"][axis] = step
        axes.append(entry)
        steps.append(1.0 if step is None else float(step))
    ome: dict[str, Any] = {
        "version": "0.5",
        "multiscales": [
            {
                "name": "movie",
                "axes": axes,
                "datasets": [
                    {
                        "path": "0",
                        "coordinateTransformations": [
                            {"type": "scale", "scale": steps}
                        ],
                    }
                ],
            }
        ],
    }
    if like.channel_names:
        ome["omero"] = {
            "channels": [
                {
                    "label": name,
                    "color": "FFFFFF",
                    "active": True,
                    "window": {"min": low, "max": high, "start": low, "end": high},
                }
                for name, (low, high) in zip(like.channel_names, windows, strict=True)
            ]
        }
    own: dict[str, Any] = {"record": record, "axes": like.canonical_axes}
    if any(unmapped.values()):
        own["unmapped"] = unmapped
    if like.times is not None:
        own["times"] = list(like.times)
    return {"ome": ome, ATTRIBUTE: own}


def _axis_type(axis: str) -> str:
    return {"T": "time", "C": "channel"}.get(axis, "space")


def _own(attributes: Mapping[str, Any]) -> dict[str, Any]:
    own = attributes.get(ATTRIBUTE, {})
    return dict(own) if isinstance(own, Mapping) else {}


def _bare(array: zarr.Array[Any], path: str) -> Found:
    """Use an array without NGFF metadata; its dimensions may still be named."""
    names = getattr(array.metadata, "dimension_names", None) or array.attrs.get(
        "_ARRAY_DIMENSIONS"
    )
    axes = UNNAMED * array.ndim
    others: tuple[str, ...] = ()
    if isinstance(names, Sequence) and len(names) == array.ndim:
        letters = [_letter({"name": name}) for name in names]
        known = [letter for letter in letters if letter in AXES]
        if len(set(known)) == len(known):
            axes = "".join(letters)
            others = tuple(
                str(name)
                for name, letter in zip(names, letters, strict=True)
                if letter == OTHER
            )
    return Found(
        data=_checked(array),
        axes=axes,
        path=path,
        droppable="",
        notes=_missing(array, path),
        others=others,
    )


def _multiscales(group: zarr.Group, ome: Mapping[str, Any], path: str) -> Contents:
    """Images at full resolution, one for each multiscale of a group."""
    listed = ome.get("multiscales")
    if not listed:
        raise InputError(
            f"{group.path!r} in {path!r} is no image: it has no multiscales"
        )
    found = [_multiscale(group, image, ome, path) for image in listed]
    images = tuple(
        Image(
            str(image.get("name") or "") if len(listed) > 1 else "",
            each.axes,
            tuple(map(int, each.data.shape)),
        )
        for image, each in zip(listed, found, strict=True)
    )
    return Contents(images, found.__getitem__)


def _multiscale(
    group: zarr.Group, image: Mapping[str, Any], ome: Mapping[str, Any], path: str
) -> Found:
    """Use the full-resolution level."""
    import zarr

    own = _own(dict(group.attrs))
    level = image["datasets"][0]
    array = group[level["path"]]
    if not isinstance(array, zarr.Array):
        raise InputError(f"{level['path']!r} in {path!r} is no array")
    entries, steps, notes = described(image, level, array.ndim, path)
    letters = [_letter(entry) for entry in entries]
    axes = "".join(letters)
    scale: dict[str, float] = {}
    units: dict[str, str] = {}
    for axis, entry, step in zip(axes, entries, steps, strict=True):
        found = calibrated(step, normalise_unit(entry.get("unit")))
        if found is not None and axis in AXES:
            scale[axis] = found[0]
            if found[1]:
                units[axis] = found[1]
    unmapped = own.get("unmapped", {})
    channels = ome.get("omero", {}).get("channels", ())
    names = tuple(str(channel.get("label", "")) for channel in channels)
    times = own.get("times")
    return Found(
        data=_checked(array),
        axes=axes,
        path=path,
        scale={**scale, **unmapped.get("scale", {})},
        units={**units, **unmapped.get("units", {})},
        channel_names=names if all(names) else (),
        droppable="".join(a for a in "CZ" if a not in own.get("axes", "")) + UNNAMED,
        notes=notes if own else (*notes, *_missing(array, path)),
        times=None if times is None else tuple(times),
        others=tuple(
            _described(entry)
            for entry, letter in zip(entries, letters, strict=True)
            if letter == OTHER
        ),
    )


def _letter(entry: Mapping[str, Any]) -> str:
    name, kind = str(entry.get("name") or "").lower(), entry.get("type")
    if kind in ("time", "channel"):
        return "T" if kind == "time" else "C"
    return _AXIS_NAMES.get(name, OTHER if _named(name) else UNNAMED)


def _named(name: str) -> bool:
    """Whether a name says anything; libraries number the axes they know nothing of."""
    return re.fullmatch(r"|(dim|axis|phony_dim)[ _-]*\d+|\d+", name) is None


def _described(entry: Mapping[str, Any]) -> str:
    name, unit = str(entry.get("name") or ""), normalise_unit(entry.get("unit"))
    return f"{name} ({unit})" if unit else name


def _checked(array: zarr.Array[Any]) -> Any:
    if 0 in array.shape:
        raise InputError(f"{array.store_path} with shape {array.shape} is empty")
    return array


def _missing(array: zarr.Array[Any], path: str) -> tuple[str, ...]:
    """Say which share of the pixels is not stored, and so read as the fill value.

    Writers leave out blocks that hold nothing else, but so does a copy that was cut.
    """
    chunks = math.prod(
        -(-n // c) for n, c in zip(array.shape, _stored(array), strict=True)
    )
    missing = chunks - array.nchunks_initialized if chunks <= _COUNTED else 0
    if missing <= 0:
        return ()
    return (
        f"{missing} of the {chunks} blocks of {path!r} are not stored and read as "
        f"{array.fill_value}: they were empty, or the copy is incomplete",
    )


def _stored(array: zarr.Array[Any]) -> tuple[int, ...]:
    return array.shards or array.chunks


def _by(name: str) -> tuple[int, str]:
    """Sort "2" before "10"."""
    return (int(name) if name.isdecimal() else -1, name)
