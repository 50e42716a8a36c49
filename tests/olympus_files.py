"""Small OIF and OIB files of Olympus, which are TIFFs and settings.

An OIB is a compound file ([MS-CFB]) with the files of an OIF in it.
"""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt


def oif_files(
    pixels: npt.NDArray[Any],
    axes: str,
    *,
    pixel: tuple[float, str] = (0.207, "um"),
    depth: tuple[float, str] = (500.0, "nm"),
    times: Sequence[float] = (),
    span: tuple[float, str] = (0.0, "ms"),
    dyes: Sequence[str] = (),
    order: str = "XYCZT",
    comma: bool = False,
) -> dict[str, bytes]:
    """Make the files of an OIF by their names; the first are the settings."""
    sizes = dict(zip(axes, pixels.shape, strict=True))
    step = repr(pixel[0]).replace(".", "," if comma else ".")
    sections = {
        "ProfileSaveInfo": {"Name": '"name"', "Version": '"2.1.0.3"'},
        "Axis Parameter Common": {"AxisCount": 5, "AxisOrder": f'"{order}"'},
        "Reference Image Parameter": {
            "WidthConvertValue": step,
            "WidthUnit": f'"{pixel[1]}"',
            "HeightConvertValue": step,
            "HeightUnit": f'"{pixel[1]}"',
            "ValidBitCounts": 12,
        },
    }
    for k in range(8):
        code = "XYCZTLAP"[k]
        section: dict[str, Any] = {
            "AxisCode": f'"{code}"',
            "MaxSize": sizes.get(code, 0),
        }
        if code == "Z":
            section |= {"Interval": depth[0], "PixUnit": f'"{depth[1]}"'}
        if code == "T":
            section |= {
                "StartPosition": 0.0,
                "EndPosition": span[0],
                "UnitName": f'"{span[1]}"',
            }
        sections[f"Axis {k} Parameters Common"] = section
    for c in range(sizes.get("C", 1)):
        dye = dyes[c] if dyes else "None"
        sections[f"Channel {c + 1} Parameters"] = {
            "CH Name": f'"CH{c + 1}"',
            "DyeName": f'"{dye}"',
        }
    files = {"name.oif": _settings(sections)}
    for place in np.ndindex(pixels.shape[:-2]):
        counted = dict(zip(axes[:-2], place, strict=True))
        name = "s_" + "".join(
            f"{axis}{counted[axis] + 1:03d}" for axis in "CZTLAP" if axis in counted
        )
        picture = io.BytesIO()
        tifffile.imwrite(picture, pixels[place])
        files[f"name.oif.files/{name}.tif"] = picture.getvalue()
        if times:
            time = times[counted.get("T", 0)]
            files[f"name.oif.files/{name}.pty"] = _settings(
                {"Axis 4 Parameters": {"AbsPositionValue": time}}
            )
    return files


def _settings(sections: dict[str, dict[str, Any]]) -> bytes:
    lines = []
    for name, entries in sections.items():
        lines += [f"[{name}]", *(f"{key}={value}" for key, value in entries.items())]
    return b"\xff\xfe" + ("\r\n".join(lines) + "\r\n").encode("utf-16-le")


def write_oif(path: Path, files: dict[str, bytes]) -> None:
    """Write an OIF file and the folder beside it."""
    for name, content in files.items():
        target = path.parent / name.replace("name.oif", path.name)
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(content)


def write_oib(path: Path, files: dict[str, bytes]) -> None:
    """Write the files of an OIF into one compound file."""
    info = {"Version": '"2.0.0.0"', "MainFileName": '"Stream00000"'}
    streams = {}
    for k, (name, content) in enumerate(files.items()):
        info[f"Stream{k:05d}"] = f'"{name.replace("name.oif.files", "Storage00001")}"'
        # Streams of 4096 bytes or more need no sectors of the small kind.
        padding = b"\r\0\n\0" * 1100 if name.endswith((".oif", ".pty")) else bytes(4400)
        streams[f"Stream{k:05d}"] = content + padding
    info["Storage00001"] = '"name.oif.files"'
    text = _settings({"OibSaveInfo": info}) + b"\r\0\n\0" * 1100
    path.write_bytes(_compound({"OibInfo.txt": text, **streams}))


def _compound(streams: dict[str, bytes]) -> bytes:
    """Make a compound file of version 3, with sectors of 512 bytes only."""
    end, free, table_sector = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD
    entries = [_directory_entry("Root Entry", 5, child=1)]
    table: list[int] = []
    data = b""
    names = list(streams)
    for k, name in enumerate(names, 1):
        content = streams[name]
        count = -(-len(content) // 512)
        start = len(table)
        table += [*range(start + 1, start + count), end]
        data += content + bytes(-len(content) % 512)
        right = k + 1 if k < len(names) else free
        entries.append(_directory_entry(name, 2, start, len(content), right=right))
    directory = b"".join(entries)
    directory += bytes(-len(directory) % 512)
    at_directory, count = len(table), len(directory) // 512
    table += [*range(at_directory + 1, at_directory + count), end]
    n_tables = 1
    while (len(table) + n_tables) * 4 > n_tables * 512:
        n_tables += 1
    at_table = len(table)
    table += [table_sector] * n_tables
    table += [free] * (-len(table) % 128)
    heads = [at_table + k for k in range(n_tables)]
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
    header += struct.pack("<HHHHH6x", 0x3E, 3, 0xFFFE, 9, 6)
    header += struct.pack(
        "<IIIIIIIII", 0, n_tables, at_directory, 0, 4096, end, 0, end, 0
    )
    header += struct.pack("<109I", *(heads + [free] * (109 - n_tables)))
    return header + data + directory + struct.pack(f"<{len(table)}I", *table)


def _directory_entry(
    name: str,
    kind: int,
    start: int = 0,
    size: int = 0,
    *,
    child: int = 0xFFFFFFFF,
    right: int = 0xFFFFFFFF,
) -> bytes:
    text = name.encode("utf-16-le") + b"\0\0"
    return struct.pack(
        "<64sHBBIII16sIQQIQ",
        text,
        len(text),
        kind,
        1,
        0xFFFFFFFF,
        right,
        child,
        bytes(16),
        0,
        0,
        0,
        0xFFFFFFFE if kind == 5 else start,
        size,
    )
