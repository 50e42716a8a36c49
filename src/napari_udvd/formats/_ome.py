"""OME-XML: what the header of an OME-TIFF says, read and written.

The model is "OME 2016-06", https://docs.openmicroscopy.org/ome-model/.
What it has no place for (a frame interval in frames, a channel step) is kept in an
annotation of our own beside the record of how the file was made.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree

from napari_udvd.formats._units import LENGTHS, TIMES, calibrated, normalise_unit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_udvd.stack import Stack

__all__ = ["NAMESPACE", "OmeImage", "ome_metadata", "parse_ome"]

NAMESPACE: Final = "napari-udvd"
"""Namespace of our annotation."""


@dataclass(frozen=True)
class OmeImage:
    """The first image of an OME-XML header.

    Attributes
    ----------
    scale, units, channel_names
        As for :class:`~napari_udvd.stack.Stack`.
    sizes
        Length of each of the axes TCZYX.
    siblings
        Names of other files that hold planes of the image.
    master
        Name of the file that describes the whole set, where this one does not.
    annotation
        Our own annotation; empty in files of others.
    """

    scale: Mapping[str, float] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    channel_names: tuple[str, ...] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)
    siblings: tuple[str, ...] = ()
    master: str | None = None
    annotation: Mapping[str, str] = field(default_factory=dict)


def parse_ome(xml: str, filename: str) -> OmeImage:
    """Read the header of the file called `filename` (without folder).

    Raises
    ------
    ElementTree.ParseError, KeyError, ValueError
        If the header is damaged.
    """
    root = ElementTree.fromstring(xml)
    only = _first(root, "BinaryOnly")
    if only is not None:
        return OmeImage(master=only.get("MetadataFile"))
    image = _first(root, "Image")
    pixels = None if image is None else _first(image, "Pixels")
    if pixels is None:
        raise ValueError("OME-XML without an image")
    annotation = _own_annotation(root)
    scale, units = _calibration(pixels)
    unmapped = json.loads(annotation.get("unmapped", "{}"))
    return OmeImage(
        scale={**scale, **unmapped.get("scale", {})},
        units={**units, **unmapped.get("units", {})},
        channel_names=_channel_names(pixels),
        sizes={axis: int(pixels.attrib[f"Size{axis}"]) for axis in "TCZYX"},
        siblings=_siblings(root, pixels, filename),
        annotation=annotation,
    )


def ome_metadata(like: Stack, record: str) -> dict[str, Any]:
    """Return the metadata that tifffile writes as OME-XML.

    Parameters
    ----------
    like
        Gives axes, scale, units and channel names.
    record
        How the file was made, as JSON.
    """
    metadata: dict[str, Any] = {"axes": like.canonical_axes}
    unmapped: dict[str, Any] = {"scale": {}, "units": {}}
    if like.times is not None:
        metadata |= _planes(like, like.times)
        unmapped["times"] = list(like.times)
    for axis in like.axes:
        step, unit = like.scale.get(axis), normalise_unit(like.units.get(axis))
        if step is not None and unit in (TIMES if axis == "T" else LENGTHS):
            if axis == "T":
                metadata |= {"TimeIncrement": float(step), "TimeIncrementUnit": unit}
                continue
            if axis in "XYZ":
                metadata[f"PhysicalSize{axis}"] = float(step)
                metadata[f"PhysicalSize{axis}Unit"] = unit
                continue
        if step is not None:
            unmapped["scale"][axis] = float(step)
        if unit:
            unmapped["units"][axis] = unit
    if like.channel_names:
        metadata["Channel"] = {"Name": [_printable(n) for n in like.channel_names]}
    annotation = {"record": record, "axes": like.canonical_axes}
    if any(unmapped.values()):
        annotation["unmapped"] = json.dumps(unmapped)
    metadata["MapAnnotation"] = {"Namespace": NAMESPACE, "Value": annotation}
    return metadata


def _planes(like: Stack, times: tuple[float, ...]) -> dict[str, Any]:
    """Time of each plane, in the order in which they are written."""
    unit = normalise_unit(like.units.get("T"))
    if unit not in TIMES:
        return {}
    each = like.n_channels * like.n_planes
    planes = [time for time in times for _ in range(each)]
    return {"Plane": {"DeltaT": planes, "DeltaTUnit": [unit] * len(planes)}}


def _printable(text: str) -> str:
    """Replace what XML cannot hold in an attribute."""
    return "".join(c if c.isprintable() else " " for c in text)


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _first(parent: ElementTree.Element, tag: str) -> ElementTree.Element | None:
    return next((child for child in parent if _tag(child) == tag), None)


def _calibration(
    pixels: ElementTree.Element,
) -> tuple[dict[str, float], dict[str, str]]:
    scale: dict[str, float] = {}
    units: dict[str, str] = {}
    found = {
        axis: calibrated(
            pixels.get(f"PhysicalSize{axis}"),
            pixels.get(f"PhysicalSize{axis}Unit", "µm"),
        )
        for axis in "ZYX"
    }
    found["T"] = calibrated(
        pixels.get("TimeIncrement"), pixels.get("TimeIncrementUnit", "s")
    ) or _mean_interval(pixels)
    for axis, step in found.items():
        if step is not None:
            scale[axis] = step[0]
            if step[1]:
                units[axis] = step[1]
    return scale, units


def _mean_interval(pixels: ElementTree.Element) -> tuple[float, str] | None:
    """Mean frame interval from the times of the planes, if every frame has one."""
    times: dict[int, float] = {}
    unit = "s"
    for plane in pixels:
        if _tag(plane) != "Plane" or plane.get("DeltaT") is None:
            continue
        if plane.get("TheC", "0") == "0" and plane.get("TheZ", "0") == "0":
            times[int(plane.attrib["TheT"])] = float(plane.attrib["DeltaT"])
            unit = plane.get("DeltaTUnit", "s")
    n = len(times)
    if n < 2 or set(times) != set(range(int(pixels.attrib["SizeT"]))):
        return None
    return calibrated((times[n - 1] - times[0]) / (n - 1), unit)


def _channel_names(pixels: ElementTree.Element) -> tuple[str, ...]:
    names = [child.get("Name", "") for child in pixels if _tag(child) == "Channel"]
    if not any(names):
        return ()
    return tuple(name or f"channel {i}" for i, name in enumerate(names))


def _siblings(
    root: ElementTree.Element, pixels: ElementTree.Element, filename: str
) -> tuple[str, ...]:
    """Name the other files of the set, each once, in the order of the header."""
    own = root.get("UUID")
    names: dict[str, None] = {}
    for data in pixels:
        for uuid in data:
            name = uuid.get("FileName")
            if _tag(data) != "TiffData" or _tag(uuid) != "UUID" or not name:
                continue
            # A file that was renamed still knows its own identifier.
            if name.lower() != filename.lower() and (own is None or uuid.text != own):
                names[name] = None
    return tuple(names)


def _own_annotation(root: ElementTree.Element) -> dict[str, str]:
    for element in root.iter():
        if _tag(element) == "MapAnnotation" and element.get("Namespace") == NAMESPACE:
            return {
                pair.get("K", ""): pair.text or ""
                for pair in element.iter()
                if _tag(pair) == "M"
            }
    return {}
