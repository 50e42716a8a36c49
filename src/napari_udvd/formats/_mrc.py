"""MRC files of electron microscopes, also as IMOD and Direct Electron write them.

The header is that of MRC2014, https://www.ccpem.ac.uk/mrc-format/mrc2014/; the flags
in its spare words are IMOD's, https://bio3d.colorado.edu/imod/doc/mrc_format.txt.
Read here, because whether bytes are signed is known only to someone who looks at all
of the header: the usual readers take them all as signed, or all as unsigned.
"""

from __future__ import annotations

import math
import os
import struct
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from napari_udvd.errors import InputError
from napari_udvd.formats._axes import UNNAMED, Found
from napari_udvd.formats._lazy import readable
from napari_udvd.formats._planes import PlaneArray, StoredPlanes, in_order

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_udvd.formats._lazy import Index

__all__ = ["find_mrc"]

_HEADER: Final = 1024
_MODES: Final = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2", 101: "u1"}
_COMPLEX: Final = {3: "complex integers", 4: "complex numbers"}
_HALF, _PACKED = 12, 101
_IMOD_STAMP: Final = 1146047817  # "IMOD", read as an integer
_IMOD_SIGNED, _IMOD_PACKED = 1, 16
_VOLUME, _VOLUMES = 1, 401


def find_mrc(path: str) -> Found:
    """Find the images in an MRC file.

    The third axis is depth where the header says that the file is a volume, and
    unnamed in a stack of images.

    Raises
    ------
    InputError
        If the file is no MRC file, is cut off, or holds pixels that are no intensities.
    """
    with readable(path):
        with open(path, "rb") as file:
            header = file.read(_HEADER)
        return _found(header, path)


def _found(header: bytes, path: str) -> Found:
    order = _byte_order(header, path)
    words = struct.unpack(f"{order}256i", header)
    columns, rows, sections, mode = words[:4]
    if mode not in _MODES:
        raise InputError(
            f"{path!r} holds {_COMPLEX.get(mode, 'pixels of an unknown kind')} (mode "
            f"{mode}); a movie needs real intensities, modes "
            f"{', '.join(map(str, _MODES))}: export it as one of them"
        )
    imod = words[39] if words[38] == _IMOD_STAMP else None
    if imod is not None and imod & _IMOD_PACKED:
        raise InputError(
            f"{path!r} holds pixels of 4 bits in the old way of IMOD (flag 16): "
            "convert it, for example with IMOD's newstack -mode 1"
        )
    start = _HEADER + max(words[23], 0)
    row_bytes = (columns + 1) // 2 if mode == _PACKED else columns * _itemsize(mode)
    end = start + sections * rows * row_bytes
    size = os.path.getsize(path)
    if end > size:
        raise InputError(
            f"{path!r} is truncated: its {sections} images of {rows} x {columns} "
            f"should reach byte {end}, but the file ends at byte {size}. Copy it again "
            "from its source"
        )
    notes: list[str] = []
    more = (size - end) // (rows * row_bytes)
    if more:
        notes.append(
            f"{path!r} has {size - end} bytes after its {sections} images, room for "
            f"{more} more: they are not read; if its header is out of date, write the "
            "file anew"
        )
    dtype = np.dtype(order + _MODES[mode])
    if mode == 0:
        signed, note = _signed(header, order, imod, path, start, rows, columns)
        dtype = np.dtype("i1" if signed else "u1")
        notes += note
    axes, shape = _axes(words)
    order_of_planes, in_one_file = in_order(shape), np.zeros(sections, np.int64)
    offsets = start + rows * row_bytes * np.arange(sections, dtype=np.int64)
    data: Any
    if mode == _PACKED:
        data = _Packed(shape, path, offsets, row_bytes)
    else:
        data = StoredPlanes(
            shape, dtype, (path,), order_of_planes, in_one_file, offsets
        )
    if mode == _HALF:
        data = _Widened(data)
    return Found(
        data=data,
        axes=axes,
        path=path,
        scale=(scale := _pixel_sizes(header, order, axes)),
        units=dict.fromkeys(scale, "Å"),
        files=(path,),
        notes=tuple(notes),
    )


def _byte_order(header: bytes, path: str) -> str:
    """Tell the order of bytes by which the header makes sense."""
    if len(header) == _HEADER:
        stamp = header[212:214]
        orders = ("><" if stamp == b"\x11\x11" else "<>") if stamp != b"\0\0" else "<>"
        for order in orders:
            columns, rows, sections, mode = struct.unpack_from(f"{order}4i", header)
            if min(columns, rows, sections) > 0 and mode in {*_MODES, *_COMPLEX}:
                return order
        numbers = struct.unpack_from("<4i", header)
        raise InputError(
            f"{path!r} is no MRC file that can be read: its header names {numbers[0]} "
            f"columns, {numbers[1]} rows, {numbers[2]} sections and mode {numbers[3]}"
        )
    raise InputError(f"{path!r} is no MRC file: it is shorter than a header")


def _itemsize(mode: int) -> int:
    return np.dtype(_MODES[mode]).itemsize


def _axes(words: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
    columns, rows, sections = words[:3]
    kind, depth = words[22], words[9]
    if kind == _VOLUMES and 0 < depth < sections and sections % depth == 0:
        return UNNAMED + "ZYX", (sections // depth, depth, rows, columns)
    volume = kind == _VOLUME and depth == sections
    return ("Z" if volume else UNNAMED) + "YX", (sections, rows, columns)


def _pixel_sizes(header: bytes, order: str, axes: str) -> dict[str, float]:
    """Size of a cell over its samples, in Å, where both are positive."""
    samples = struct.unpack_from(f"{order}3i", header, 28)
    cell = struct.unpack_from(f"{order}3f", header, 40)
    along = struct.unpack_from(f"{order}3i", header, 64)
    if sorted(along) != [1, 2, 3]:
        along = (1, 2, 3)
    sizes = {
        axis: cell[k - 1] / samples[k - 1]
        for axis, k in zip("XYZ", along, strict=True)
        if samples[k - 1] > 0 and math.isfinite(cell[k - 1]) and cell[k - 1] > 0
    }
    return {axis: size for axis, size in sizes.items() if axis in axes}


def _signed(
    header: bytes,
    order: str,
    imod: int | None,
    path: str,
    start: int,
    rows: int,
    columns: int,
) -> tuple[bool, list[str]]:
    """Whether bytes have a sign: by IMOD's flag, by the range, by the pixels."""
    if imod is not None:
        return bool(imod & _IMOD_SIGNED), []
    low, high = struct.unpack_from(f"{order}2f", header, 76)
    if low < high and (low < 0 or high > 127):
        return low < 0, []
    # MRC2014 says signed, but programs older than it wrote unsigned bytes. Pixels tell:
    # in the wrong reading, neighbours on either side of 127 are 255 apart.
    with open(path, "rb") as file:
        file.seek(start)
        frame = np.frombuffer(file.read(rows * columns), np.uint8).reshape(rows, -1)
    unsigned, signed = (_roughness(frame.view(kind)) for kind in ("u1", "i1"))
    if unsigned == signed:
        return True, []
    return signed < unsigned, [
        f"the header of {path!r} does not say whether its bytes have a sign; read as "
        f"{'signed' if signed < unsigned else 'unsigned'}, as neighbouring pixels "
        "differ less that way"
    ]


def _roughness(frame: npt.NDArray[Any]) -> float:
    values = frame.astype(np.int16)
    return float(sum(np.abs(np.diff(values, axis=k)).sum() for k in (0, 1)))


class _Packed(PlaneArray):
    """Pixels of four bits, two in a byte, the low bits first; rows in whole bytes."""

    def __init__(
        self,
        shape: tuple[int, ...],
        path: str,
        offsets: npt.NDArray[np.int64],
        row_bytes: int,
    ) -> None:
        super().__init__(shape, np.dtype("u1"), (path,), in_order(shape))
        stored = (len(offsets), shape[-2], row_bytes)
        self._bytes = StoredPlanes(
            stored,
            self.dtype,
            (path,),
            in_order(stored),
            np.zeros_like(offsets),
            offsets,
        )

    def _planes(
        self, numbers: Sequence[int], top: int, bottom: int
    ) -> Iterator[npt.NDArray[Any]]:
        for number in numbers:
            pairs = self._bytes[number, top:bottom, :]
            pixels = np.stack([pairs & 15, pairs >> 4], axis=-1)
            yield pixels.reshape(bottom - top, -1)[:, : self.shape[-1]]


class _Widened:
    """Floats of 16 bits as floats of 32, which networks and files know."""

    def __init__(self, data: StoredPlanes) -> None:
        self._data = data
        self.shape = data.shape
        self.dtype = np.dtype("f4")

    def __getitem__(self, key: tuple[Index, ...]) -> npt.NDArray[Any]:
        return self._data[key].astype(self.dtype)
