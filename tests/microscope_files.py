"""Small valid files of microscopes, written byte by byte from what is public of them.

CZI: https://zeiss.github.io/libczi/; LIF: the appendix of the LAS AF manual;
MRC: https://www.ccpem.ac.uk/mrc-format/mrc2014/; OME-Zarr: https://ngff.openmicroscopy.org/.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import quoteattr

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt

_CZI_TYPES = {"u1": 0, "u2": 1, "f4": 2, "i4": 12}


@dataclass
class Tile:
    """A subblock of a CZI file: the pixels of one tile, and where it belongs."""

    pixels: npt.NDArray[Any]
    where: dict[str, int] = field(default_factory=dict)
    top: int = 0
    left: int = 0
    mosaic: int | None = None
    size: tuple[int, int] | None = None
    pyramid: int = 0
    acquired: str = ""
    lengths: dict[str, int] = field(default_factory=dict)
    compression: int = 0
    part: int = 0


def czi_tiles(pixels: npt.NDArray[Any], axes: str, **more: Any) -> list[Tile]:
    """One tile a plane; `axes` are those of `pixels`, Y and X last."""
    return [
        Tile(pixels[place], dict(zip(axes[:-2], place, strict=True)), **more)
        for place in np.ndindex(pixels.shape[:-2])
    ]


def czi_metadata(
    *,
    size: dict[str, float] | None = None,
    interval: float | None = None,
    channels: Sequence[str] = (),
    scenes: Sequence[str] = (),
) -> str:
    """Write the XML that a CZI file has for all its pictures; sizes in metres."""
    distances = "".join(
        f'<Distance Id="{axis}"><Value>{value!r}</Value></Distance>'
        for axis, value in (size or {}).items()
    )
    named = "".join(
        f'<Channel Id="Channel:{i}" Name={quoteattr(name)}/>'
        for i, name in enumerate(channels)
    )
    listed = "".join(
        f'<Scene Index="{i}" Name={quoteattr(name)}/>' for i, name in enumerate(scenes)
    )
    times = (
        ""
        if interval is None
        else f"<T><Positions><Interval><Increment>{interval!r}</Increment></Interval>"
        "</Positions></T>"
    )
    return (
        "<ImageDocument><Metadata><Information><Image><Dimensions>"
        f"<Channels>{named}</Channels><S><Scenes>{listed}</Scenes></S>{times}"
        "</Dimensions></Image></Information><Scaling><Items>"
        f"{distances}</Items></Scaling></Metadata></ImageDocument>"
    )


def write_czi(
    path: Path,
    tiles: Sequence[Tile],
    metadata: str | None = None,
    *,
    time_stamps: Sequence[float] = (),
    finished: bool = True,
) -> None:
    """Write a CZI file of these tiles."""
    body = bytearray(32 + 512)
    entries = []
    for tile in tiles:
        position = len(body)
        entry = _czi_entry(tile, position)
        xml = (
            f"<METADATA><Tags><AcquisitionTime>{tile.acquired}</AcquisitionTime></Tags>"
            "</METADATA>"
            if tile.acquired
            else ""
        ).encode()
        raw = _czi_compressed(tile)
        head = struct.pack("<iiq", len(xml), 0, len(raw)) + entry
        head += bytes(max(256 - len(head), 0))
        body += _czi_segment("ZISRAWSUBBLOCK", head + xml + raw)
        entries.append(entry)
    at_metadata = len(body)
    text = (metadata or czi_metadata()).encode()
    body += _czi_segment(
        "ZISRAWMETADATA", struct.pack("<ii", len(text), 0) + bytes(248) + text
    )
    at_directory = len(body)
    body += _czi_segment(
        "ZISRAWDIRECTORY",
        struct.pack("<i", len(entries)) + bytes(124) + b"".join(entries),
    )
    at_attachments = 0
    if len(time_stamps):
        entry = struct.pack(
            "<2s10sqi16s8s80s",
            b"A1",
            bytes(10),
            len(body),
            0,
            bytes(range(16)),
            b"CZTIMS",
            b"TimeStamps",
        )
        content = struct.pack(
            f"<ii{len(time_stamps)}d",
            8 + 8 * len(time_stamps),
            len(time_stamps),
            *time_stamps,
        )
        head = struct.pack("<i", len(content)) + bytes(12) + entry + bytes(112)
        body += _czi_segment("ZISRAWATTACH", head + content)
        at_attachments = len(body)
        body += _czi_segment("ZISRAWATTDIR", struct.pack("<i", 1) + bytes(252) + entry)
    header = struct.pack(
        "<iiii16s16siqqiq",
        1,
        0,
        0,
        0,
        bytes(range(1, 17)),
        bytes(range(1, 17)),
        0,
        at_directory if finished else 0,
        at_metadata,
        0,
        at_attachments,
    )
    body[:544] = _czi_segment("ZISRAWFILE", header.ljust(512, b"\0"))
    path.write_bytes(bytes(body))


def _czi_segment(name: str, content: bytes) -> bytes:
    padded = content + bytes(-len(content) % 32)
    return struct.pack("<16sqq", name.encode(), len(padded), len(content)) + padded


def _czi_entry(tile: Tile, position: int) -> bytes:
    rows, columns = tile.pixels.shape[:2]
    height, width = tile.size or (rows, columns)
    dimensions = [
        ("X", tile.left, width, columns),
        ("Y", tile.top, height, rows),
        *((a, n, tile.lengths.get(a, 1), 0) for a, n in tile.where.items()),
    ]
    if tile.mosaic is not None:
        dimensions.append(("M", tile.mosaic, 1, 0))
    colour = {3: 3, 4: 9}.get(tile.pixels.shape[-1]) if tile.pixels.ndim == 3 else None
    kind = _CZI_TYPES[tile.pixels.dtype.str[1:]] if colour is None else colour
    head = struct.pack(
        "<2siqiiBB4si",
        b"DV",
        kind,
        position,
        tile.part,
        tile.compression,
        tile.pyramid,
        0,
        bytes(4),
        len(dimensions),
    )
    return head + b"".join(
        struct.pack("<4siifi", name.encode(), start, size, 0.0, stored)
        for name, start, size, stored in dimensions
    )


def _czi_compressed(tile: Tile) -> bytes:
    raw = tile.pixels.tobytes()
    if tile.compression == 0:
        return raw
    import imagecodecs

    if tile.compression == 1:
        return bytes(imagecodecs.jpeg_encode(tile.pixels))
    if tile.compression == 2:
        return bytes(imagecodecs.lzw_encode(raw))
    if tile.compression == 4:
        return bytes(imagecodecs.jpegxr_encode(tile.pixels, level=1.0))
    if tile.compression == 5:
        return bytes(imagecodecs.zstd_encode(raw))
    if tile.compression == 6:
        halves = np.frombuffer(raw, np.uint8).reshape(-1, tile.pixels.itemsize).T
        return b"\x03\x01\x01" + bytes(imagecodecs.zstd_encode(halves.tobytes()))
    return raw[: len(raw) // 2]


@dataclass
class LifImage:
    """An image of a LIF file; X and Y are the last two axes."""

    pixels: npt.NDArray[Any]
    axes: str
    name: str = "Series 1"
    lengths: dict[str, float] = field(default_factory=dict)  # first to last, m and s
    luts: Sequence[str] = ()
    dyes: Sequence[str] = ()
    stamps: Sequence[float] = ()  # seconds
    missing: int = 0  # bytes at the end of the pixels that were not written


_LIF_IDS = {"X": 1, "Y": 2, "Z": 3, "T": 4, "A": 6, "M": 10, "L": 11}


def write_lif(path: Path, images: Sequence[LifImage]) -> None:
    """Write a LIF file of version 2."""
    elements = "".join(_lif_element(image, k) for k, image in enumerate(images))
    xml = (
        '<LMSDataContainerHeader Version="2"><Element Name="file"><Data/>'
        f'<Memory Size="0" MemoryBlockID=""/><Children>{elements}</Children></Element>'
        "</LMSDataContainerHeader>"
    )
    text = xml.encode("utf-16-le")
    body = struct.pack("<IIBI", 0x70, 5 + len(text), 0x2A, len(xml)) + text
    for k, image in enumerate(images):
        raw = image.pixels.tobytes()
        raw = raw[: len(raw) - image.missing]
        name = f"MemBlock_{k}".encode("utf-16-le")
        body += struct.pack(
            "<IIBQBI",
            0x70,
            14 + len(name),
            0x2A,
            len(raw),
            0x2A,
            len(name) // 2,
        )
        body += name + raw
    path.write_bytes(body)


def _lif_element(image: LifImage, number: int) -> str:
    strides = dict(zip(image.axes, image.pixels.strides, strict=True))
    sizes = dict(zip(image.axes, image.pixels.shape, strict=True))
    channels = "".join(
        f'<ChannelDescription DataType="{int(image.pixels.dtype.kind == "f")}" '
        f'ChannelTag="0" Resolution="{8 * image.pixels.itemsize}" '
        'NameOfMeasuredQuantity="" Min="0" Max="1" Unit="" '
        f'LUTName="{image.luts[c] if image.luts else "Gray"}" IsLUTInverted="0" '
        f'BytesInc="{c * strides.get("C", 0)}" BitInc="0">{_lif_dye(image, c)}'
        "</ChannelDescription>"
        for c in range(sizes.get("C", 1))
    )
    dimensions = "".join(
        f'<DimensionDescription DimID="{_LIF_IDS[axis]}" '
        f'NumberOfElements="{sizes[axis]}" Origin="0" '
        f'Length="{image.lengths.get(axis, 0.0)!r}" '
        f'Unit="{"s" if axis == "T" else "m" if axis in "XYZ" else ""}" BitInc="0" '
        f'BytesInc="{strides[axis]}"/>'
        for axis in reversed(image.axes)
        if axis != "C"
    )
    stamps = " ".join(
        f"{116444736000000000 + round((1.5e9 + s) * 1e7):x}" for s in image.stamps
    )
    times = (
        f'<TimeStampList NumberOfTimeStamps="{len(image.stamps)}">{stamps} '
        "</TimeStampList>"
        if stamps
        else ""
    )
    return (
        f'<Element Name={quoteattr(image.name)} UniqueID="{number}"><Data><Image>'
        f"<ImageDescription><Channels>{channels}</Channels><Dimensions>{dimensions}"
        f"</Dimensions></ImageDescription>{times}</Image></Data>"
        f'<Memory Size="{image.pixels.nbytes}" MemoryBlockID="MemBlock_{number}"/>'
        "</Element>"
    )


def _lif_dye(image: LifImage, channel: int) -> str:
    if not image.dyes:
        return ""
    return (
        f"<ChannelProperty><Key>DyeName</Key><Value>{image.dyes[channel]}</Value>"
        "</ChannelProperty>"
    )


def write_mrc(
    path: Path,
    pixels: Any,
    mode: int,
    *,
    order: str = "<",
    cell: tuple[float, float, float] = (18.0, 16.0, 6.0),
    samples: tuple[int, int, int] | None = None,
    space_group: int = 0,
    extended: int = 0,
    imod: int | None = None,
    limits: tuple[float, float] = (0.0, 0.0),
    along: tuple[int, int, int] = (1, 2, 3),
    raw: bytes | None = None,
) -> None:
    """Write an MRC file; bytes after the header are `raw`, or the pixels."""
    n = pixels.shape[::-1]
    header = bytearray(1024)
    struct.pack_into(f"{order}4i", header, 0, *n, mode)
    struct.pack_into(f"{order}3i", header, 28, *(samples or n))
    struct.pack_into(f"{order}3f", header, 40, *cell)
    struct.pack_into(f"{order}3i", header, 64, *along)
    struct.pack_into(f"{order}2f", header, 76, *limits)
    struct.pack_into(f"{order}2i", header, 88, space_group, extended)
    if imod is not None:
        struct.pack_into(f"{order}2i", header, 152, 1146047817, imod)
    header[208:214] = b"MAP " + (b"DD" if order == "<" else b"\x11\x11")
    content = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    path.write_bytes(bytes(header) + bytes(extended) + (raw or content))


def write_ome_zarr(path: Path, pixels: npt.NDArray[Any], version: str) -> None:
    """Write pixels ``(T, C, Z, Y, X)`` as OME-Zarr: 2 s, 0.5 µm, 65 nm, 65 nm."""
    import zarr

    zarr_format: Any = 2 if version == "0.4" else 3
    group = zarr.open_group(path, mode="w", zarr_format=zarr_format)
    group.create_array("0", data=pixels, chunks=(1, 1, 1, *pixels.shape[-2:]))
    units = {"t": "second", "z": "micrometer", "y": "nanometer", "x": "nanometer"}
    kinds = {"t": "time", "c": "channel"}
    axes = [
        {"name": name, "type": kinds.get(name, "space")}
        | ({"unit": units[name]} if name in units else {})
        for name in "tczyx"
    ]
    scale = {"type": "scale", "scale": [2.0, 1.0, 0.5, 65.0, 65.0]}
    level = {"path": "0", "coordinateTransformations": [scale]}
    image = {"multiscales": [{"version": version, "axes": axes, "datasets": [level]}]}
    group.update_attributes(
        image if version == "0.4" else {"ome": {"version": version, **image}}
    )
