"""OME-XML: what the header of an OME-TIFF says, read and written.

The model is "OME 2016-06", https://docs.openmicroscopy.org/ome-model/.
What it has no place for (a frame interval in frames, a channel step) is kept in an
annotation of our own beside the record of how the file was made.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from xml.etree import ElementTree

from napari_udvd.formats._facts import Facts, facts_of
from napari_udvd.formats._ome_elements import first_child, tag_of
from napari_udvd.formats._ome_instrument import instrument_of
from napari_udvd.formats._units import LENGTHS, TIMES, normalise_unit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from napari_udvd.stack import Instrument, LayoutLike

__all__ = [
    "NAMESPACE",
    "Block",
    "OmeHeader",
    "OmeImage",
    "ome_metadata",
    "parse_ome",
]

NAMESPACE: Final = "napari-udvd"
"""Namespace of our annotation."""

_DTYPES: Final = {"float": "float32", "double": "float64", "bit": "bool"}

_MODULO: Final = {
    "lambda": "E",
    "lifetime": "H",
    "phase": "P",
    "angle": "A",
    "rotation": "A",
    "tile": "R",
}
"""Letters of axes that an image may have beside TCZYX; no movie has them."""


class Block(NamedTuple):
    """Planes of an image that follow one another in one file.

    Attributes
    ----------
    first
        Channel, depth and time of the first of them, by axis.
    page
        Its number in the file.
    length
        How many; None where the header leaves it to the file.
    file
        Name of the file; None for the one that the header was read from.
    """

    first: Mapping[str, int]
    page: int
    length: int | None
    file: str | None


@dataclass(frozen=True)
class OmeImage:
    """One image of an OME-XML header.

    Attributes
    ----------
    name
        Of the image; may be empty.
    axes
        Order in which its planes are counted, the slowest first, then Y and X.
    sizes
        Length of each of the axes TCZYX.
    samples
        Channels that each page holds.
    dtype
        Data type of its pixels, as NumPy spells it.
    blocks
        Where its planes are.
    modulo
        Axis that stands for two, and the letter of the second, with its length.
    facts
        Scale, units, names and times.
    """

    name: str
    axes: str
    sizes: Mapping[str, int]
    samples: int
    dtype: str
    blocks: tuple[Block, ...]
    modulo: Mapping[str, tuple[str, int]]
    facts: Facts


@dataclass(frozen=True)
class OmeHeader:
    """An OME-XML header.

    Attributes
    ----------
    images
        All images that it describes, also those in other files.
    uuid
        Identifier of the file it was read from.
    identifiers
        Identifier of each file that it names.
    master
        Name of the file that describes the whole set, where this one does not.
    annotation
        Our own annotation; empty in files of others.
    """

    images: tuple[OmeImage, ...] = ()
    uuid: str | None = None
    identifiers: Mapping[str, str] = field(default_factory=dict)
    master: str | None = None
    annotation: Mapping[str, str] = field(default_factory=dict)


def parse_ome(xml: str, filename: str, uuid: str | None = None) -> OmeHeader:
    """Read the header of the file called `filename` (without folder).

    Parameters
    ----------
    xml
        The header.
    filename
        Name of the file whose pages are meant where the header names none.
    uuid
        Identifier of that file, where the header is from another one.

    Raises
    ------
    ElementTree.ParseError, KeyError, ValueError
        If the header is damaged.
    """
    root = ElementTree.fromstring(xml)
    uuid = uuid or root.get("UUID")
    only = first_child(root, "BinaryOnly")
    if only is not None:
        return OmeHeader(uuid=uuid, master=only.get("MetadataFile"))
    annotation = _own_annotation(root)
    modulo = _modulo(root)
    elements = [element for element in root if tag_of(element) == "Image"]
    files = _Files(root, filename, uuid)
    images = [_image(root, element, modulo, files) for element in elements]
    if not images:
        raise ValueError("OME-XML without an image")
    if len(images) == 1:
        images = [_with_ours(images[0], annotation)]
    return OmeHeader(
        images=tuple(images),
        uuid=uuid,
        identifiers=files.identifiers,
        annotation=annotation,
    )


def ome_metadata(like: LayoutLike, record: str) -> dict[str, Any]:
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


def _planes(like: LayoutLike, times: tuple[float, ...]) -> dict[str, Any]:
    """Time of each plane, in the order in which they are written."""
    unit = normalise_unit(like.units.get("T"))
    if unit not in TIMES:
        return {}  # the annotation has them
    each = like.n_channels * like.n_planes
    planes = [time for time in times for _ in range(each)]
    return {"Plane": {"DeltaT": planes, "DeltaTUnit": [unit] * len(planes)}}


def _printable(text: str) -> str:
    """Replace what XML cannot hold in an attribute."""
    return "".join(c if c.isprintable() else " " for c in text)


def _image(
    root: ElementTree.Element,
    element: ElementTree.Element,
    modulo: Mapping[str, Mapping[str, tuple[str, int]]],
    files: _Files,
) -> OmeImage:
    pixels = first_child(element, "Pixels")
    if pixels is None:
        raise ValueError("OME-XML with an image without pixels")
    order = pixels.attrib["DimensionOrder"]
    if sorted(order) != sorted("XYZCT") or order[:2] != "XY":
        raise ValueError(f"OME-XML with the dimension order {order!r}")
    channels = [child for child in pixels if tag_of(child) == "Channel"]
    references = [
        child.get("ID", "") for child in element if tag_of(child) == "AnnotationRef"
    ]
    return OmeImage(
        name=element.get("Name", ""),
        axes=order[::-1],
        sizes={axis: int(pixels.attrib[f"Size{axis}"]) for axis in "TCZYX"},
        samples=max(
            (int(child.get("SamplesPerPixel", 1)) for child in channels), default=1
        ),
        dtype=_DTYPES.get(pixels.get("Type", ""), pixels.get("Type", "")),
        blocks=tuple(_blocks(pixels, files)),
        modulo=next((modulo[name] for name in references if name in modulo), {}),
        facts=_facts(pixels, channels, instrument_of(root, element, channels)),
    )


class _Files:
    """Which of the files that a header names is the one it was read from.

    Its identifier decides, which a file that was renamed still knows; where there is
    none, its name; and a header that names one file means that one.
    """

    def __init__(self, root: ElementTree.Element, filename: str, uuid: str | None):
        self.identifiers: dict[str, str] = {}
        for element in root.iter():
            if tag_of(element) == "UUID" and element.get("FileName"):
                text = (element.text or "").strip()
                self.identifiers.setdefault(element.attrib["FileName"], text)
        self._uuid = uuid if uuid in self.identifiers.values() else None
        self._filename = filename.lower()

    def other(self, data: ElementTree.Element) -> str | None:
        """Name the file that a TiffData element means; None if it is the own one."""
        uuid = first_child(data, "UUID")
        name = None if uuid is None else uuid.get("FileName")
        if uuid is None or name is None or len(self.identifiers) == 1:
            return None
        text = (uuid.text or "").strip()
        if self._uuid is not None and text:
            return None if text == self._uuid else name
        return None if name.lower() == self._filename else name


def _blocks(pixels: ElementTree.Element, files: _Files) -> Iterator[Block]:
    for data in pixels:
        if tag_of(data) != "TiffData":
            continue
        count = data.get("PlaneCount", data.get("NumPlanes"))
        yield Block(
            first={axis: int(data.get(f"First{axis}", 0)) for axis in "CZT"},
            page=int(data.get("IFD", 0)),
            length=int(count) if count else (1 if "IFD" in data.attrib else None),
            file=files.other(data),
        )


def _modulo(root: ElementTree.Element) -> dict[str, dict[str, tuple[str, int]]]:
    """Find axes that stand for two, such as lifetimes along T, by annotation."""
    found: dict[str, dict[str, tuple[str, int]]] = {}
    for annotation in root.iter():
        if not annotation.get("Namespace", "").lower().endswith("modulo"):
            continue
        for along in annotation.iter():
            if not tag_of(along).startswith("ModuloAlong"):
                continue
            labels = sum(tag_of(child) == "Label" for child in along)
            if along.get("Start") is not None:
                start, end = float(along.attrib["Start"]), float(along.attrib["End"])
                labels = round((end - start) / float(along.get("Step", 1))) + 1
            letter = _MODULO.get(along.get("Type", "").lower(), "Q")
            found.setdefault(annotation.get("ID", ""), {})[tag_of(along)[-1]] = (
                letter,
                labels,
            )
    return found


def _facts(
    pixels: ElementTree.Element,
    channels: Sequence[ElementTree.Element],
    instrument: Instrument | None,
) -> Facts:
    steps: dict[str, tuple[object, str | None]] = {
        axis: (
            pixels.get(f"PhysicalSize{axis}"),
            pixels.get(f"PhysicalSize{axis}Unit", "µm"),
        )
        for axis in "ZYX"
    }
    steps["T"] = pixels.get("TimeIncrement"), pixels.get("TimeIncrementUnit", "s")
    times, unit = _times(pixels)
    names = [child.get("Name", "") for child in channels]
    if any(names):
        names = [name or f"channel {i}" for i, name in enumerate(names)]
    return facts_of(
        steps,
        channel_names=names,
        times=times,
        time_unit=unit,
        instrument=instrument,
    )


def _times(pixels: ElementTree.Element) -> tuple[list[float] | None, str]:
    """Time of each frame, if every one has one, in its first channel and depth."""
    times: dict[int, float] = {}
    units: set[str] = set()
    for plane in pixels:
        if tag_of(plane) != "Plane" or plane.get("DeltaT") is None:
            continue
        if plane.get("TheC", "0") == "0" and plane.get("TheZ", "0") == "0":
            times[int(plane.attrib["TheT"])] = float(plane.attrib["DeltaT"])
            units.add(plane.get("DeltaTUnit", "s"))
    n = len(times)
    if len(units) != 1 or set(times) != set(range(int(pixels.attrib["SizeT"]))):
        return None, "s"
    return [times[t] for t in range(n)], units.pop()


def _with_ours(image: OmeImage, annotation: Mapping[str, str]) -> OmeImage:
    """Add what the model has no place for, from our annotation."""
    unmapped = json.loads(annotation.get("unmapped", "{}"))
    times = unmapped.get("times")
    facts = image.facts
    scale, units = dict(facts.scale), dict(facts.units)
    if times is not None:
        scale.pop("T", None)
        units.pop("T", None)
    facts = replace(
        facts,
        scale={**scale, **unmapped.get("scale", {})},
        units={**units, **unmapped.get("units", {})},
        times=facts.times if times is None else tuple(times),
    )
    return replace(image, facts=facts)


def _own_annotation(root: ElementTree.Element) -> dict[str, str]:
    for element in root.iter():
        if tag_of(element) == "MapAnnotation" and element.get("Namespace") == NAMESPACE:
            return {
                pair.get("K", ""): pair.text or ""
                for pair in element.iter()
                if tag_of(pair) == "M"
            }
    return {}
