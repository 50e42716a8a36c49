"""OME-Zarr (NGFF 0.1-0.5, on zarr 2 and 3) and bare zarr arrays.

The metadata is that of https://ngff.openmicroscopy.org/.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_udvd.errors import InputError
from napari_udvd.formats._axes import UNNAMED, Found
from napari_udvd.formats._lazy import readable
from napari_udvd.formats._units import calibrated, ngff_unit, normalise_unit

if TYPE_CHECKING:
    import zarr

    from napari_udvd.stack import Stack

__all__ = ["ATTRIBUTE", "find_zarr", "is_zarr", "ngff_attributes", "zarr_attributes"]

ATTRIBUTE: Final = "napari_udvd"
"""Key of our own attributes: how the file was made, and what NGFF cannot say."""

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


def find_zarr(path: str) -> Found:
    """Find the movie in a zarr folder: an array, or the first image of a group.

    Raises
    ------
    InputError
        If the folder is no zarr, or it is not clear which array is meant.
    """
    if not is_zarr(path):
        raise InputError(
            f"{path!r} is a folder but no zarr (it holds no zarr.json, .zgroup or "
            ".zarray). Name the file of the movie itself, or save a series of single "
            "pictures as one TIFF (in Fiji: File > Import > Image Sequence)"
        )
    import zarr

    with readable(path):
        node = zarr.open(path, mode="r")
        if isinstance(node, zarr.Array):
            return _bare(node, path)
        return _image(node, path)


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
    like: Stack, record: Any, windows: Sequence[tuple[float, float]] = ()
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


def _bare(array: zarr.Array[Any], path: str, notes: tuple[str, ...] = ()) -> Found:
    """Use an array without NGFF metadata; its dimensions may still be named."""
    names = getattr(array.metadata, "dimension_names", None) or array.attrs.get(
        "_ARRAY_DIMENSIONS"
    )
    axes = UNNAMED * array.ndim
    if isinstance(names, Sequence) and len(names) == array.ndim:
        letters = [_AXIS_NAMES.get(str(name).lower(), UNNAMED) for name in names]
        if len(set(letters) - {UNNAMED}) + letters.count(UNNAMED) == len(letters):
            axes = "".join(letters)
    return Found(data=_checked(array), axes=axes, path=path, droppable="", notes=notes)


def _image(group: zarr.Group, path: str) -> Found:
    attributes = dict(group.attrs)
    nested = attributes.get("ome")
    ome: Mapping[str, Any] = nested if isinstance(nested, Mapping) else attributes
    if "multiscales" in ome:
        return _multiscale(group, ome, _own(attributes), path)
    if "plate" in ome or "well" in ome:
        raise InputError(
            f"{path!r} is a plate or well with many images: name the folder of one "
            f"image inside it, for example {os.path.join(path, _first_child(group))!r}"
        )
    if "bioformats2raw.layout" in ome:
        images = sorted((name for name, _ in group.groups() if name != "OME"), key=_by)
        if len(images) == 1:
            return find_zarr(os.path.join(path, images[0]))
        raise InputError(_several(path, images))
    arrays = sorted((name for name, _ in group.arrays()), key=_by)
    if len(arrays) == 1:
        import zarr

        array = group[arrays[0]]
        assert isinstance(array, zarr.Array)
        return _bare(array, path)
    raise InputError(
        _several(path, arrays)
        if arrays
        else f"{path!r} is a zarr group without an image or array in it"
    )


def _multiscale(
    group: zarr.Group, ome: Mapping[str, Any], own: Mapping[str, Any], path: str
) -> Found:
    """Use the full-resolution level of the first image."""
    import zarr

    first = ome["multiscales"][0]
    level = first["datasets"][0]
    array = group[level["path"]]
    if not isinstance(array, zarr.Array):
        raise InputError(f"{level['path']!r} in {path!r} is no array")
    described = first.get("axes") or list("tczyx")[-array.ndim :]
    entries = [{"name": e} if isinstance(e, str) else dict(e) for e in described]
    if len(entries) != array.ndim:
        raise InputError(
            f"{path!r} names {len(entries)} axes but its array has {array.ndim}: "
            f"shape {array.shape}"
        )
    axes = "".join(_letter(entry) for entry in entries)
    steps = np.ones(array.ndim)
    for holder in (first, level):
        for transformation in holder.get("coordinateTransformations", ()):
            if transformation.get("type") == "scale":
                steps = steps * np.asarray(transformation["scale"], float)
    scale: dict[str, float] = {}
    units: dict[str, str] = {}
    for axis, entry, step in zip(axes, entries, steps, strict=True):
        found = calibrated(step, normalise_unit(entry.get("unit")))
        if found is not None:
            scale[axis] = found[0]
            if found[1]:
                units[axis] = found[1]
    unmapped = own.get("unmapped", {})
    channels = ome.get("omero", {}).get("channels", ())
    names = tuple(str(channel.get("label", "")) for channel in channels)
    notes = (
        (f"{path!r} holds {len(ome['multiscales'])} images; the first is read",)
        if len(ome["multiscales"]) > 1
        else ()
    )
    times = own.get("times")
    return Found(
        data=_checked(array),
        axes=axes,
        path=path,
        scale={**scale, **unmapped.get("scale", {})},
        units={**units, **unmapped.get("units", {})},
        channel_names=names if all(names) else (),
        droppable="".join(a for a in "CZ" if a not in own.get("axes", "")) + UNNAMED,
        notes=notes,
        times=None if times is None else tuple(times),
    )


def _letter(entry: Mapping[str, Any]) -> str:
    name = str(entry.get("name", ""))
    if entry.get("type") in ("time", "channel"):
        return "T" if entry["type"] == "time" else "C"
    return _AXIS_NAMES.get(name.lower(), UNNAMED)


def _checked(array: zarr.Array[Any]) -> Any:
    if 0 in array.shape:
        raise InputError(f"{array.store_path} with shape {array.shape} is empty")
    return array


def _several(path: str, names: Sequence[str]) -> str:
    listed = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    return (
        f"{path!r} holds {len(names)} images ({listed}): name the one you mean, for "
        f"example {os.path.join(path, names[0]) if names else path!r}"
    )


def _by(name: str) -> tuple[int, str]:
    """Sort "2" before "10"."""
    return (int(name) if name.isdecimal() else -1, name)


def _first_child(group: zarr.Group) -> str:
    return next(iter(sorted(name for name, _ in group.groups())), "A/1/0")
