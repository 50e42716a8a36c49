"""Small TIFF files of the dialects of microscopes, written byte by byte.

Each function follows what the maker of the format says of it, or what public files of
it hold; none uses a reader of this package.
"""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

ASCII, SHORT, LONG, RATIONAL, BYTE, DOUBLE, LONG8 = 2, 3, 4, 5, 1, 12, 16
_SIZES = {DOUBLE: 8, BYTE: 1, ASCII: 1, SHORT: 2, LONG: 4, RATIONAL: 8, LONG8: 8}
_CODES = {SHORT: "H", LONG: "I", LONG8: "Q"}

Tag = tuple[int, int, Any]
"""Code, type, and value: a number, numbers, or bytes as they are stored."""

OME = "http://www.openmicroscopy.org/Schemas/OME/2016-06"


def basic_tags(frame: npt.NDArray[Any], samples: int = 1) -> list[Tag]:
    """Tags that every page has, without those that say where its pixels are."""
    height, width = frame.shape[-2:]
    bits = frame.dtype.itemsize * 8
    kind = {"u": 1, "i": 2, "f": 3}[frame.dtype.kind]
    return [
        (256, LONG, width),
        (257, LONG, height),
        (258, SHORT, [bits] * samples),
        (259, SHORT, 1),
        (262, SHORT, 1),
        (277, SHORT, samples),
        (278, LONG, height),
        (339, SHORT, [kind] * samples),
    ]


def assemble(
    path: Path,
    pages: Sequence[tuple[Sequence[Tag], Sequence[bytes]]],
    *,
    header: bytes = b"",
    big: bool = False,
    apart: Sequence[int] = (),
) -> list[int]:
    """Write a little-endian TIFF; return the offset of each page's directory.

    Parameters
    ----------
    path
        File to write.
    pages
        Tags of each page and its strips, which follow the directory at once.
    header
        What stands between the header of TIFF and the first page.
    big
        Whether it is a BigTIFF.
    apart
        Codes of tags whose two values stand apart although they fit into the tag.
    """
    pointer, entry, size = ("<Q", 20, 8) if big else ("<I", 12, 4)
    start = (16 if big else 8) + len(header)
    start += -start % 16
    offsets = []
    blocks = []
    for number, (tags, strips) in enumerate(pages):
        offsets.append(start)
        n = len(tags) + 2
        first = start + (8 if big else 2) + entry * n + size
        places = np.cumsum([first, *map(len, strips)]).tolist()
        whole = [
            *tags,
            (273, LONG8 if big else LONG, places[:-1]),
            (279, LONG8 if big else LONG, [len(strip) for strip in strips]),
        ]
        extra = b""
        directory = struct.pack("<Q" if big else "<H", n)
        for code, kind, value in sorted(whole, key=lambda tag: tag[0]):
            raw = _raw(kind, value)
            count = len(raw) // _SIZES[kind]
            if len(raw) > size or (code in apart and count == 2):
                raw, extra = struct.pack(pointer, places[-1] + len(extra)), extra + raw
                extra += bytes(len(extra) % 2)
            directory += struct.pack("<HHQ" if big else "<HHI", code, kind, count)
            directory += raw.ljust(size, b"\0")
        end = places[-1] + len(extra)
        end += -end % 16
        is_last = number == len(pages) - 1
        directory += struct.pack(pointer, 0 if is_last else end)
        block = directory + b"".join(strips) + extra
        blocks.append(block.ljust(end - start, b"\0"))
        start = end
    begin = struct.pack("<2sHHHQ", b"II", 43, 8, 0, offsets[0])
    if not big:
        begin = struct.pack("<2sHI", b"II", 42, offsets[0])
    path.write_bytes((begin + header).ljust(offsets[0], b"\0") + b"".join(blocks))
    return offsets


def _raw(kind: int, value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode() + b"\0"
    if kind == RATIONAL:
        return np.asarray(value, "<u4").tobytes()
    numbers = value if isinstance(value, list | tuple) else [value]
    return struct.pack(f"<{len(numbers)}{_CODES[kind]}", *numbers)


def ome_xml(
    images: Sequence[Mapping[str, Any]], uuid: str | None = None, more: str = ""
) -> str:
    """Write an OME-XML header.

    Parameters
    ----------
    images
        For each image ``sizes`` (a length for each letter), ``order`` (``XYZCT``),
        ``type``, ``name``, ``blocks`` (attributes of TiffData, with ``file`` and
        ``uuid``), ``planes`` (attributes of Plane), and attributes of Pixels.
    uuid
        Identifier of the file.
    more
        Elements to add.
    """
    text = ""
    for k, image in enumerate(images):
        image = dict(image)
        sizes = {"C": 1, "Z": 1, "T": 1, **image.pop("sizes")}
        blocks, planes = image.pop("blocks", [{}]), image.pop("planes", [])
        names = image.pop("channels", [""] * sizes["C"])
        inner = image.pop("inner", "")
        name = image.pop("name", f"image {k}")
        attributes = {
            "ID": f"Pixels:{k}",
            "DimensionOrder": image.pop("order", "XYZCT"),
            "Type": image.pop("type", "uint16"),
            **{f"Size{axis}": n for axis, n in sizes.items()},
            **image,
        }
        text += f'<Image ID="Image:{k}" Name="{name}">{inner}<Pixels'
        text += "".join(f' {key}="{value}"' for key, value in attributes.items()) + ">"
        for c, channel in enumerate(names):
            named = f' Name="{channel}"' if channel else ""
            text += f'<Channel ID="Channel:{k}:{c}" SamplesPerPixel="1"{named}/>'
        for block in blocks:
            block = dict(block)
            file, its = block.pop("file", None), block.pop("uuid", "")
            text += "<TiffData" + "".join(f' {a}="{v}"' for a, v in block.items())
            text += "/>" if file is None else ">"
            if file is not None:
                text += f'<UUID FileName="{file}">{its}</UUID></TiffData>'
        for plane in planes:
            text += "<Plane" + "".join(f' {a}="{v}"' for a, v in plane.items()) + "/>"
        text += "</Pixels></Image>"
    own = f' UUID="{uuid}"' if uuid else ""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><OME xmlns="{OME}"{own}>'
        f"{text}{more}</OME>"
    )


def plain_pages(
    path: Path, frames: npt.NDArray[Any], description: str | None = None
) -> None:
    """Write frames ``(N, Y, X)`` as pages, with a description in the first one."""
    frames = frames.astype(frames.dtype.newbyteorder("<"))
    pages = []
    for i, frame in enumerate(frames):
        tags = basic_tags(frame)
        if i == 0 and description is not None:
            tags.append((270, ASCII, description))
        pages.append((tags, [frame.tobytes()]))
    assemble(path, pages)


def one_page(
    path: Path, movie: npt.NDArray[Any], tags: Sequence[Tag], header: bytes = b""
) -> None:
    """Write frames ``(N, Y, X)`` behind one page, whose tags tell of the first only.

    So do MetaMorph, and ImageJ where a stack has more than 4 GB.
    """
    assemble(path, [(tags, [movie.tobytes()])], header=header)
    content = bytearray(path.read_bytes())
    stated = struct.pack("<HHII", 279, LONG, 1, movie.nbytes)
    at = content.index(stated)
    struct.pack_into("<I", content, at + 8, movie[0].nbytes)
    path.write_bytes(content)


def mmstack(
    path: Path,
    movie: npt.NDArray[Any],
    *,
    position: int = 0,
    summary: Mapping[str, Any] | None = None,
    times: Sequence[float] | None = None,
    present: Sequence[tuple[int, int, int]] | None = None,
    xml: str | None = None,
) -> None:
    """Write an image stack file of Micro-Manager 2.

    Parameters
    ----------
    path
        File; its name holds ``_MMStack``.
    movie
        Pixels ``(T, C, Z, Y, X)`` of one position.
    position
        Number of the position.
    summary
        What is added to the summary, which is the same in all files of a set.
    times
        Of the frames, in ms.
    present
        Time, channel and depth of the planes to write, in this order; all by default.
    xml
        OME-XML for the first page.
    """
    n_frames, n_channels, n_depths = movie.shape[:3]
    told = {
        "MicroManagerVersion": "2.0.1",
        "Prefix": path.name.split("_MMStack")[0],
        "Frames": n_frames,
        "Channels": n_channels,
        "Slices": n_depths,
        "Positions": 1,
        "TimeFirst": True,
        "SlicesFirst": False,
        **(summary or {}),
    }
    text = json.dumps(told).encode()
    text += b" " * (-(len(text) + 40) % 16)
    wanted = (
        list(np.ndindex(n_frames, n_channels, n_depths)) if present is None else present
    )
    pages = []
    for number, (t, c, z) in enumerate(wanted):
        frame = np.ascontiguousarray(movie[t, c, z].astype("<u2"))
        note: dict[str, Any] = {"FrameIndex": t, "ChannelIndex": c, "SliceIndex": z}
        if times is not None:
            note["ElapsedTime-ms"] = times[t]
        # pages of Micro-Manager have 13 entries, the pixels follow them
        tags = [*basic_tags(frame), (51123, ASCII, json.dumps(note))]
        tags += [(296, SHORT, 3), (305, ASCII, "MM2")]
        if number == 0 and xml is not None:
            tags.append((270, ASCII, xml))
        pages.append((tags, [frame.tobytes()]))
    offsets = assemble(path, pages, header=bytes(32) + text)
    content = bytearray(path.read_bytes())
    index = len(content)
    content += struct.pack("<II", 3453623, len(wanted))
    for (t, c, z), offset in zip(wanted, offsets, strict=True):
        content += struct.pack("<5I", c, z, t, position, offset)
    display = len(content)
    content += struct.pack("<II", 347834724, 2) + b"[]"
    comments = len(content)
    content += struct.pack("<II", 84720485, 2) + b"{}"
    content[8:40] = struct.pack(
        "<8I",
        54773648,
        index,
        483765892,
        display,
        99384722,
        comments,
        2355492,
        len(text),
    )
    path.write_bytes(content)


def ndtiff(
    folder: Path,
    movie: npt.NDArray[Any],
    axes: Sequence[str],
    *,
    channels: Sequence[str] = (),
    summary: Mapping[str, Any] | None = None,
    times: Sequence[float] | None = None,
) -> Path:
    """Write an NDTiff data set (version 3) of pixels ``(*axes, Y, X)``.

    Returns
    -------
    pathlib.Path
        Its TIFF file.
    """
    folder.mkdir()
    path = folder / "NDTiffStack.tif"
    text = json.dumps({"PixelSize_um": 0.25, **(summary or {})}).encode()
    text += b" " * (-(len(text) + 28) % 16)
    header = struct.pack("<IIII", 483729, 3, 1, 2355492)
    header += struct.pack("<I", len(text)) + text
    entries = []
    pages = []
    for key in np.ndindex(movie.shape[:-2]):
        frame = np.ascontiguousarray(movie[key].astype("<u2"))
        where: dict[str, int | str] = dict(zip(axes, map(int, key), strict=True))
        note = {"Axes": where}
        if times is not None:
            note["ElapsedTime-ms"] = times[int(where["time"])]
        if channels:
            where["channel"] = channels[int(where["channel"])]
        entries.append((where, json.dumps(note).encode()))
        tags = [*basic_tags(frame), (51123, ASCII, '{"Width": 0}')]
        pages.append((tags, [frame.tobytes()]))
    offsets = assemble(path, pages, header=header)
    content = bytearray(path.read_bytes())
    index = b""
    height, width = movie.shape[-2:]
    for (where, note), offset in zip(entries, offsets, strict=True):
        named, file = json.dumps(where).encode(), path.name.encode()
        data = offset + 2 + 12 * 11 + 4
        index += struct.pack("<I", len(named)) + named
        index += struct.pack("<I", len(file)) + file
        index += struct.pack(
            "<IiiiiIii", data, width, height, 1, 0, len(content), len(note), 0
        )
        content += note
    path.write_bytes(content)
    (folder / "NDTiff.index").write_bytes(index)
    return path


def scanimage(
    path: Path,
    pages: npt.NDArray[Any],
    settings: Mapping[str, Any],
    first_frame: int | None = None,
    channels: int = 1,
) -> None:
    """Write a BigTIFF of ScanImage: settings behind the header, pages ``(N, Y, X)``."""
    base = {
        "SI.LINE_FORMAT_VERSION": 1,
        "SI.VERSION_MAJOR": 2020,
        "SI.hChannels.channelSave": 1,
    }
    text = "\n".join(f"{k} = {v}" for k, v in {**base, **settings}.items())
    block = text.encode() + b"\0"
    written = []
    for i, page in enumerate(pages.astype("<i2")):
        tags = [*basic_tags(page), (305, ASCII, text)]
        if first_frame is not None:
            number = first_frame + i // channels
            tags.append(
                (270, ASCII, f"frameNumbers = {number}\nacquisitionNumbers = 1")
            )
        written.append((tags, [page.tobytes()]))
    header = struct.pack("<4I", 0x07030301, 4, len(block), 0) + block
    assemble(path, written, header=header, big=True)


LSM_INFO = np.dtype(
    [
        ("magic", "<u4"), ("size", "<i4"), ("dimensions", "<i4", 5), ("type", "<i4"),
        ("thumbnail", "<i4", 2), ("voxel", "<f8", 3), ("origin", "<f8", 3),
        ("scan", "<u2"), ("spectral", "<u2"), ("data", "<u4"), ("overlays", "<u4", 3),
        ("colours", "<u4"), ("interval", "<f8"), ("offsets", "<u4", 3),
        ("stamps", "<u4"), ("others", "<u4", 4), ("aspect", "<f8", 4),
        ("more", "<u4", 7), ("sphere", "<f8"), ("unmix", "<u4"),
        ("acquisition", "<u4", 3), ("differences", "<f8", 3), ("internal", "<u4"),
        ("positions", "<i4"), ("tiles", "<i4"), ("reserved", "<i4", 16),
    ]
)  # fmt: skip


def lsm(
    path: Path,
    movie: npt.NDArray[Any],
    *,
    scan: int,
    voxel: Sequence[float],
    interval: float = 0.0,
    stamps: Sequence[float] = (),
    names: Sequence[str] = (),
    positions: int = 0,
) -> None:
    """Write a Zeiss LSM file with a thumbnail behind each page.

    Parameters
    ----------
    path
        File.
    movie
        Pixels ``(T, Z, C, Y, X)``, or ``(P, T, Z, C, Y, X)`` with `positions`.
    scan
        3 for time series of planes, 6 for those of stacks, 0 for a stack.
    voxel
        Size in metres along X, Y and Z.
    interval, stamps
        Of the frames, in seconds.
    names
        Of the channels.
    positions
        Number of positions, where there are several.
    """
    n_frames, n_depths, n_channels, height, width = movie.shape[-5:]
    movie = movie.astype(movie.dtype.newbyteorder("<"))
    info = np.zeros((), LSM_INFO)
    info["magic"], info["size"] = 67127628, LSM_INFO.itemsize
    info["dimensions"] = width, height, n_depths, n_channels, n_frames
    info["voxel"], info["scan"], info["interval"] = voxel, scan, interval
    info["positions"] = positions
    colours = b""
    if names:
        blob = b"".join(
            struct.pack("<I", len(n) + 1) + n.encode() + b"\0" for n in names
        )
        start = 24 + 4 * len(names)
        sizes = start + len(blob), len(names), len(names), 24, start, 0
        colours = struct.pack("<6I", *sizes) + bytes(4 * len(names)) + blob
    timed = b""
    if len(stamps):
        timed = struct.pack("<ii", 8 + 8 * len(stamps), len(stamps))
        timed += np.asarray(stamps, "<f8").tobytes()
    header = colours.ljust(len(colours) + -len(colours) % 16, b"\0") + timed
    if colours:
        info["colours"] = 8
    if timed:
        info["stamps"] = 8 + len(header) - len(timed)
    pages = []
    thumbnail = np.full((4, 5), 255, np.uint8)
    for number, planes in enumerate(movie.reshape(-1, n_channels, height, width)):
        tags = [*basic_tags(planes[0], n_channels), (254, LONG, 0)]
        tags.append((284, SHORT, 2 if n_channels > 1 else 1))
        if number == 0:
            tags.append((34412, BYTE, info.tobytes()))
        pages.append((tags, [plane.tobytes() for plane in planes]))
        tags = [*basic_tags(thumbnail), (254, LONG, 1)]
        pages.append((tags, [thumbnail.tobytes()]))
    assemble(path, pages, header=header, apart=(258,))


def stk(
    path: Path,
    movie: npt.NDArray[Any],
    *,
    pixel: tuple[int, int] | None = None,
    unit: str = "um",
    created: Sequence[int] | None = None,
    distance: float = 0.0,
    waves: Sequence[int] = (),
) -> None:
    """Write a MetaMorph stack: one page, all planes ``(N, Y, X)`` behind it.

    Parameters
    ----------
    path
        File.
    movie
        Pixels.
    pixel
        Size of a pixel, as a fraction.
    unit
        Of the size.
    created
        Of each plane, in ms since midnight.
    distance
        Of the planes in depth.
    waves
        Wavelength of each plane, in nm.
    """
    n = len(movie)
    movie = movie.astype(movie.dtype.newbyteorder("<"))
    step = (round(distance * 1000), 1000)
    times = list(created if created is not None else [0] * n)
    uic2 = [[*step, 2459000, time, 2459000, time] for time in times]
    header = b""
    values = []
    if pixel is not None:
        header = np.asarray(pixel, "<u4").tobytes()
        header += struct.pack("<I", len(unit) + 1) + unit.encode() + b"\0"
        values = [3, 1, 4, 8, 5, 8, 6, 16]
    tags = basic_tags(movie[0])
    tags.append((33629, RATIONAL, np.asarray(uic2, "<u4").tobytes()))
    if waves:
        tags.append((33630, RATIONAL, [[wave, 1] for wave in waves]))
    if values:
        tags.append((33628, LONG, values))
    # The pixels of the first plane are the strip; the others follow it.
    one_page(path, movie, tags, header)
    content = bytearray(path.read_bytes())
    for at in range(len(content) - 12):
        code, kind, count = struct.unpack_from("<HHI", content, at)
        if (code, kind, count) == (33629, RATIONAL, 3 * n):
            struct.pack_into("<I", content, at + 4, n)
        elif (code, kind, count) == (33628, LONG, len(values)) and values:
            struct.pack_into("<I", content, at + 4, len(values) // 2)
    path.write_bytes(content)


FLUOVIEW_DIMENSION = [
    ("name", "S16"), ("size", "<i4"), ("origin", "<f8"), ("step", "<f8"),
    ("unit", "S64"),
]  # fmt: skip
FLUOVIEW_HEADER = np.dtype(
    [
        ("flag", "<i2"), ("type", "u1"), ("name", "S257"), ("data", "<u4"),
        ("palette", "<i4"), ("palettes", "<u4", 2), ("comments", "<i4"),
        ("comment", "<u4"), ("dimensions", FLUOVIEW_DIMENSION, 10), ("position", "<u4"),
        ("map", "<i2"), ("range", "<f8", 4), ("offset", "<u4"), ("gamma", "<f8", 2),
        ("grey", FLUOVIEW_DIMENSION), ("thumbnail", "<u4"), ("voice", "<i4"),
        ("voices", "<u4"),
    ]
)  # fmt: skip


def fluoview(
    path: Path,
    movie: npt.NDArray[Any],
    dimensions: Sequence[tuple[str, int, float, str]],
) -> None:
    """Write an Olympus FluoView file of pages ``(N, Y, X)``.

    `dimensions` has name, length, step and unit of each axis, X first.
    """
    info = np.zeros((), FLUOVIEW_HEADER)
    info["name"] = path.stem.encode()
    info["dimensions"]["size"] = 1
    for k, (name, size, step, unit) in enumerate(dimensions):
        info["dimensions"][k] = name, size, 0.0, step, unit.encode("latin-1")
    pages = []
    for number, frame in enumerate(movie.astype("<u2")):
        tags = basic_tags(frame)
        if number == 0:
            tags.append((34361, BYTE, info.tobytes()))
            tags.append((34362, BYTE, bytes(64)))
            tags.append((270, ASCII, "[Acquisition Parameters]\nVersion=5"))
        pages.append((tags, [frame.tobytes()]))
    assemble(path, pages)
