"""Subblocks of Zeiss CZI files, through czifile in its old and its new interface.

czifile was written anew in 2026, for Python 3.12 and later; on Python 3.11 there is
the older one. What they have in common is where things are in the file. The pixels are
decoded here by imagecodecs, since the older one cannot decode Zstandard, which is what
microscopes write today.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from napari_udvd.errors import InputError
from napari_udvd.formats._lazy import Damaged
from napari_udvd.formats._microscope import import_extra

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LOSSY", "Block", "blocks_of", "decoded", "segment"]

_GREY: Final = {"u1": "8-bit", "u2": "16-bit", "f4": "32-bit float"}

_RAW, _JPEG, _LZW, _JPEG_XR, _ZSTD, _ZSTD_HEADER = 0, 1, 2, 4, 5, 6

LOSSY: Final = _JPEG
"""The compression that always changes pixels; JPEG XR need not."""


@dataclass(frozen=True)
class Block:
    """A subblock: one tile of one plane.

    Attributes
    ----------
    where
        Position along the axes other than X and Y.
    lengths
        How many planes it holds along them.
    top, left, rows, columns
        Place and size in the picture, in pixels.
    stored
        Rows and columns of its own pixels; fewer in an overview.
    mosaic
        Number of the tile; later ones lie on top. -1 where there are no tiles.
    overview
        Whether it is marked as a level of a pyramid.
    dtype
        Of the pixels; None where they are no grey ones.
    compression
        As the file numbers it.
    part
        Number of the file that holds it; 0 is this one.
    entry
        As the library has it.
    """

    where: Mapping[str, int]
    lengths: Mapping[str, int]
    top: int
    left: int
    rows: int
    columns: int
    stored: tuple[int, int]
    mosaic: int
    overview: bool
    dtype: np.dtype[Any] | None
    compression: int
    part: int
    entry: Any


def blocks_of(file: Any) -> list[Block]:
    """List all subblocks of a ``czifile.CziFile``."""
    return [_block(entry) for entry in file.subblock_directory]


def _block(entry: Any) -> Block:
    """Read an entry of the directory, as either interface shows it."""
    starts: dict[str, int]
    if hasattr(entry, "dimension_entries"):
        parts = entry.dimension_entries
        starts = {part.dimension: int(part.start) for part in parts}
        lengths = {part.dimension: int(part.size) for part in parts}
        stored = {part.dimension: int(part.stored_size) for part in parts}
        dtype = np.dtype(entry.dtype)
        samples = int(np.prod(dtype.shape, dtype=int))
        dtype = dtype.base
    else:
        names = entry.dims[:-1]  # the last one are the samples of a pixel
        starts = dict(zip(names, map(int, entry.start), strict=False))
        lengths = dict(zip(names, map(int, entry.shape), strict=False))
        stored = dict(zip(names, map(int, entry.stored_shape), strict=False))
        for name, number in (("S", entry.scene_index), ("M", entry.mosaic_index)):
            if number >= 0:
                starts[name], lengths[name] = int(number), 1
        dtype, samples = entry.dtype, int(entry.pixel_type.samples)
    grey = samples == 1 and dtype.str[1:] in _GREY
    where = {axis: n for axis, n in starts.items() if axis not in "XYM"}
    return Block(
        where=where,
        lengths={axis: lengths[axis] for axis in where},
        top=starts.get("Y", 0),
        left=starts.get("X", 0),
        rows=lengths.get("Y", 1),
        columns=lengths.get("X", 1),
        stored=(
            stored.get("Y", 0) or lengths.get("Y", 1),
            stored.get("X", 0) or lengths.get("X", 1),
        ),
        mosaic=starts.get("M", -1),
        overview=int(entry.pyramid_type) != 0,
        dtype=dtype if grey else None,
        compression=int(getattr(entry.compression, "value", entry.compression)),
        part=int(entry.file_part),
        entry=entry,
    )


def segment(file: Any, block: Block) -> Any:
    """Return the part of the file with the pixels and the XML of a subblock."""
    if hasattr(block.entry, "data_segment"):
        return block.entry.data_segment()
    return block.entry.read_segment_data(file)


def decoded(file: Any, block: Block, path: str) -> npt.NDArray[Any]:
    """Read the pixels of a grey subblock, ``(Y, X)``.

    Raises
    ------
    InputError
        If they are compressed in a way that is not known here.
    """
    assert block.dtype is not None
    raw = segment(file, block).data(raw=True)
    n_bytes = block.stored[0] * block.stored[1] * block.dtype.itemsize
    if block.compression == _RAW or len(raw) == n_bytes:
        pixels = np.frombuffer(raw, block.dtype)
    else:
        pixels = _decompress(raw, block, n_bytes, path)
    return pixels.reshape(block.stored)


def _decompress(raw: bytes, block: Block, n_bytes: int, path: str) -> npt.NDArray[Any]:
    codecs, dtype = import_extra("imagecodecs", path), np.dtype(block.dtype)
    if block.compression == _JPEG:
        return np.asarray(codecs.jpeg_decode(raw))
    if block.compression == _JPEG_XR:
        return np.asarray(codecs.jpegxr_decode(raw))
    if block.compression == _LZW:
        return np.frombuffer(
            codecs.lzw_decode(raw), dtype, count=n_bytes // dtype.itemsize
        )
    if block.compression == _ZSTD:
        return np.frombuffer(codecs.zstd_decode(raw), dtype)
    if block.compression == _ZSTD_HEADER:
        return _zstandard(codecs, raw, dtype)
    raise InputError(
        f"{path!r} is compressed in a way that is not known here (number "
        f"{block.compression} of CZI): export it from ZEN uncompressed"
    )


def _zstandard(codecs: Any, raw: bytes, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Decode Zstandard with a header, which may say that bytes were sorted.

    The header is its own length, and in three bytes a chunk of type 1 whose lowest bit
    says that all low bytes come before all high ones
    (https://zeiss.github.io/libczi/, "Zstd compression").
    """
    length = raw[0]
    if length not in (1, 3) or (length == 3 and raw[1] != 1):
        raise Damaged(f"the header {raw[:4].hex()} of compressed pixels is not known")
    content = codecs.zstd_decode(raw[length:])
    if length == 3 and raw[2] & 1:
        halves = np.frombuffer(content, np.uint8).reshape(dtype.itemsize, -1)
        content = halves.T.tobytes()
    return np.frombuffer(content, dtype)
