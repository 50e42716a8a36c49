"""What makes a TIFF file unusable, and how to say so."""

from __future__ import annotations

import math
import os
import re
import struct
from typing import TYPE_CHECKING, Final

import tifffile

from napari_udvd.errors import InputError
from napari_udvd.formats._planes import keyframe_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_udvd.formats._planes import Page

__all__ = [
    "check_codec",
    "check_colour",
    "check_directories",
    "check_extent",
    "check_followed",
    "check_readable_tags",
    "check_segments",
]

_COPY_AGAIN: Final = "Copy it again from where it was recorded"

_LOST_TAG: Final = re.compile(r"TiffTag (\d+)\b.*invalid (?:value offset|data type)")

_TELLING: Final = frozenset(
    {270, 305, *range(33628, 33632), 34361, 34362, 34412, 50838, 50839, 51123}
)
"""Tags of descriptions and of the dialects of microscopes."""

_MOST_COMPRESSED: Final = 100_000
"""No codec shrinks pixels by more than this, not even constant ones."""


_MIXED: Final = frozenset(
    {
        tifffile.PHOTOMETRIC.SEPARATED,
        tifffile.PHOTOMETRIC.YCBCR,
        tifffile.PHOTOMETRIC.CIELAB,
    }
)
"""Colours of which no value is an intensity of its own."""

_COLOUR: Final = _MIXED | {tifffile.PHOTOMETRIC.RGB}


def check_extent(path: str, end: int) -> None:
    size = os.path.getsize(path)
    if end > size:
        raise InputError(
            f"{path!r} is truncated: its pixels should reach byte {end}, but the file "
            f"ends at byte {size}. {_COPY_AGAIN}"
        )


def check_directories(tif: tifffile.TiffFile, path: str) -> None:
    """Refuse a file whose chain of page directories is cut.

    tifffile stops at the cut, which would silently shorten the movie.
    """
    layout, size = tif.tiff, tif.filehandle.size
    handle = tif.filehandle
    handle.seek(8 if layout.is_bigtiff else 4)
    offset = _unpack(layout.offsetformat, handle.read(layout.offsetsize))
    seen: set[int] = set()
    while offset and offset not in seen:
        seen.add(offset)
        handle.seek(min(offset, size))
        n_tags = _unpack(layout.tagnoformat, handle.read(layout.tagnosize))
        if n_tags is not None:
            skip = n_tags * layout.tagsize + (n_tags * 4 + 8 if layout.is_ndpi else 0)
            handle.seek(min(offset + layout.tagnosize + skip, size))
            offset = _unpack(layout.offsetformat, handle.read(layout.offsetsize))
        if n_tags is None or offset is None:
            raise InputError(
                f"{path!r} is truncated: the directory of page {len(seen)} should be "
                f"at byte {max(seen)} but the file ends at byte {size}. {_COPY_AGAIN}"
            )


def _unpack(layout: str, data: bytes) -> int | None:
    if len(data) < struct.calcsize(layout):
        return None
    return int(struct.unpack(layout, data)[0])


def check_readable_tags(messages: Sequence[str], path: str) -> None:
    """Refuse a file of which a tag that says how its pages belong together is lost.

    tifffile goes on without it, and takes the file for one of another dialect.
    """
    for message in messages:
        found = _LOST_TAG.search(message)
        if found is not None and int(found[1]) in _TELLING:
            raise InputError(
                f"{path!r} is damaged or truncated: tag {found[1]}, which says how its "
                f"pages belong together, cannot be read. {_COPY_AGAIN}, or "
                'name the axes to read the pages as they are, for example axes="TYX"'
            )


def check_followed(
    tif: tifffile.TiffFile,
    series: tifffile.TiffPageSeries,
    path: str,
    messages: Sequence[str],
) -> None:
    """Refuse a file whose description of its axes could not be followed."""
    described = None
    if any("does not match page shape" in message for message in messages):
        described = "description"
    elif series.kind in {"uniform", "generic"}:
        if tif.is_ome:
            described = "OME-XML"
        elif tif.is_imagej:
            described = "ImageJ description"
    elif series.kind == "shaped" and tif.shaped_metadata:
        promised = tif.shaped_metadata[0].get("shape", ())
        if math.prod(promised) != math.prod(series.shape):
            described = f"description (shape {tuple(promised)})"
    if described is not None:
        raise InputError(
            f"the {described} in {path!r} does not fit what the file holds: the file "
            f"is incomplete or was changed. {_COPY_AGAIN}, or name "
            'the axes to read the pages as they are, for example axes="TYX"'
        )


def check_colour(page: tifffile.TiffPage, axes: str, path: str, *, named: bool) -> None:
    """Refuse colour pictures.

    tifffile stores three or four grey channels or frames like the planes of a colour
    picture: those are no colours where the file or the user (`named`) says so.
    """
    samples = page.samplesperpixel
    is_planar = page.planarconfig == tifffile.PLANARCONFIG.SEPARATE
    if samples == 1 and page.photometric not in _COLOUR:
        return
    if is_planar and page.photometric not in _MIXED and ("S" not in axes or named):
        return
    kind = getattr(page.photometric, "name", str(page.photometric))
    remedy = ""
    if is_planar and page.photometric not in _MIXED:
        example = axes.replace("S", "C").replace("?", "T")
        remedy = f'. If its planes are channels, say so, for example axes="{example}"'
    raise InputError(
        f"{path!r} is a colour picture ({samples} values per pixel, {kind}), not a "
        "movie of intensities: convert it to grey or split its channels (in Fiji: "
        f"Image > Color > Split Channels){remedy}"
    )


def check_codec(page: tifffile.TiffPage, path: str) -> None:
    """Fail now, not at the first read, where a decoder is not installed."""
    try:
        if page.compression != tifffile.COMPRESSION.NONE:
            tifffile.TIFF.DECOMPRESSORS[page.compression]
        if page.predictor != tifffile.PREDICTOR.NONE:
            tifffile.TIFF.UNPREDICTORS[page.predictor]
    except KeyError as error:
        kind = getattr(page.compression, "name", str(page.compression))
        raise InputError(
            f"{path!r} is compressed with {kind}, which needs another package: "
            "pip install imagecodecs, or save it uncompressed"
        ) from error


def check_segments(pages: Sequence[Page], path: str) -> None:
    """Refuse a damaged header before memory for what it promises is asked for."""
    for number, page in enumerate(pages):
        keyframe = keyframe_of(page)
        promised = math.prod(keyframe.chunked)
        stored = sum(page.databytecounts)
        if len(page.dataoffsets) != promised or (
            stored and keyframe.nbytes > _MOST_COMPRESSED * stored
        ):
            raise InputError(
                f"{path!r} is damaged: page {number} with shape {keyframe.shape} "
                f"should have {promised} compressed parts but has "
                f"{len(page.dataoffsets)}, {stored} bytes in all. {_COPY_AGAIN}"
            )
