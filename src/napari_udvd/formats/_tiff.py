"""TIFF, ImageJ hyperstacks and OME-TIFF, also in several files.

tifffile says where the planes are; uncompressed ones are then read straight from
the file, compressed ones are decoded by tifffile, one page at a time.
"""

from __future__ import annotations

import math
import os
from typing import Any, Final
from xml.etree import ElementTree

import numpy as np
import tifffile

from napari_udvd.errors import InputError
from napari_udvd.formats._axes import UNNAMED, Found
from napari_udvd.formats._lazy import readable
from napari_udvd.formats._ome import OmeImage, parse_ome
from napari_udvd.formats._planes import (
    DecodedPlanes,
    Page,
    PlaneArray,
    StoredPlanes,
    tifffile_messages,
)
from napari_udvd.formats._tiff_checks import (
    check_codec,
    check_colour,
    check_directories,
    check_extent,
    check_followed,
    check_segments,
)
from napari_udvd.formats._units import calibrated

__all__ = ["find_tiff", "ome_annotation"]

_LISTED: Final = 10


def find_tiff(path: str, *, trust_axes: bool = True) -> Found:
    """Find the movie in a TIFF file.

    Parameters
    ----------
    path
        Any file of the set, if there are several.
    trust_axes
        False where the user names the axes: then unusable metadata is no error.

    Raises
    ------
    InputError
        If the file is no TIFF, truncated, a colour picture, compressed in a way
        that cannot be decoded here, or if files or planes of it are missing.
    """
    with (
        readable(path),
        tifffile_messages() as messages,
        tifffile.TiffFile(path) as tif,
    ):
        check_directories(tif, path)
        ome = _ome_header(tif, path)
        series = tif.series[0]
        if trust_axes:
            check_followed(tif, series, path, messages)
        check_colour(series, path)
        axes, shape = _named_axes(series)
        data = _plane_array(tif, series, shape, path)
        notes = [f"tifffile says of {path!r}: {text}" for text in messages]
        if len(tif.series) > 1:
            notes.append(
                f"{path!r} holds {len(tif.series)} images; the first, {axes} "
                f"{shape}, is read"
            )
        found = _imagej_calibration(tif) if series.kind == "imagej" else OmeImage()
        droppable = "CZ" + UNNAMED
        if series.kind == "imagej":
            droppable += "T"
        if series.kind == "ome" and ome is not None:
            lengths = dict(zip(axes, shape, strict=True))
            if all(ome.sizes.get(axis) == n for axis, n in lengths.items()):
                found = ome
            named = found.annotation.get("axes", "")
            droppable = "".join(a for a in "TCZ" if a not in named) + UNNAMED
        return Found(
            data=data,
            axes=axes,
            path=path,
            scale={a: step for a, step in found.scale.items() if a in axes},
            units={a: unit for a, unit in found.units.items() if a in axes},
            channel_names=found.channel_names,
            droppable=droppable,
            files=data.files,
            notes=tuple(notes),
        )


def ome_annotation(path: str) -> dict[str, str]:
    """Read our annotation from an OME-TIFF; empty where there is none.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    with readable(path), tifffile_messages(), tifffile.TiffFile(path) as tif:
        if tif.ome_metadata is None:
            return {}
        return dict(parse_ome(tif.ome_metadata, os.path.basename(path)).annotation)


def _plane_array(
    tif: tifffile.TiffFile,
    series: tifffile.TiffPageSeries,
    shape: tuple[int, ...],
    path: str,
) -> PlaneArray:
    """Find the planes of a series and check that all of them are in the files."""
    plane_bytes = shape[-2] * shape[-1] * series.dtype.itemsize
    n_planes = math.prod(shape[:-2])
    if not n_planes * plane_bytes:
        raise InputError(f"{path!r} with shape {shape} is empty")
    stored = series.dtype.newbyteorder(tif.byteorder)
    if series.dataoffset is not None and not series.is_multifile:
        check_extent(path, series.dataoffset + n_planes * plane_bytes)
        offsets = series.dataoffset + plane_bytes * np.arange(n_planes, dtype=np.int64)
        zeros = np.zeros(n_planes, np.int64)
        return StoredPlanes(shape, stored, (path,), zeros, offsets)

    pages = _present_pages(series, n_planes, shape, path)
    names = [str(page.parent.filehandle.path) for page in pages]
    ends: dict[str, int] = {}
    for page, name in zip(pages, names, strict=True):
        ends[name] = max(_end(page), ends.get(name, 0))
    for name, end in ends.items():
        check_extent(name, end)
    files = tuple(ends)
    per_page = n_planes // len(pages)
    plain = all(page.is_final for page in pages)
    if plain and len({page.parent.byteorder for page in pages}) == 1:
        starts = np.array([page.dataoffsets[0] for page in pages], np.int64)
        offsets = starts[:, np.newaxis] + plane_bytes * np.arange(per_page)
        number_of = {name: number for number, name in enumerate(files)}
        numbers = np.array([number_of[name] for name in names], np.int64)
        return StoredPlanes(
            shape,
            series.dtype.newbyteorder(pages[0].parent.byteorder),
            files,
            np.repeat(numbers, per_page),
            offsets.ravel(),
        )
    check_codec(series.keyframe, path)
    check_segments(pages, series.keyframe, path)
    return DecodedPlanes(shape, series.dtype.newbyteorder("="), files, pages)


def _present_pages(
    series: tifffile.TiffPageSeries, n_planes: int, shape: tuple[int, ...], path: str
) -> list[Page]:
    pages = [page for page in series if page is not None]
    per_page = math.prod(series.keyframe.shape) // (shape[-2] * shape[-1])
    if len(pages) * per_page != n_planes:
        raise InputError(
            f"{path!r} promises {n_planes} planes but holds "
            f"{len(pages) * per_page}: the recording was stopped, or the file is "
            "incomplete. Export what there is as a new file"
        )
    return pages


def _end(page: Page) -> int:
    """Offset of the first byte after the data of a page."""
    if page.is_final:
        return int(page.dataoffsets[0] + page.nbytes)
    return max(
        (
            offset + count
            for offset, count in zip(
                page.dataoffsets, page.databytecounts, strict=False
            )
        ),
        default=0,
    )


def _ome_header(tif: tifffile.TiffFile, path: str) -> OmeImage | None:
    """Parse the OME-XML and check that the files it names are there."""
    if tif.ome_metadata is None:
        return None
    try:
        ome = parse_ome(tif.ome_metadata, os.path.basename(path))
    except (ElementTree.ParseError, KeyError, ValueError):
        return None  # tifffile says so too, and check_followed reports it
    folder = os.path.dirname(path)
    if ome.master is not None:
        raise InputError(
            f"{path!r} is one part of a set of files that {ome.master!r} describes: "
            "open that one if it is a TIFF, or convert the set to one OME-TIFF "
            "(for example with bfconvert)"
        )
    missing = [
        name for name in ome.siblings if not os.path.isfile(os.path.join(folder, name))
    ]
    if missing:
        listed = ", ".join(missing[:_LISTED])
        if len(missing) > _LISTED:
            listed += f" and {len(missing) - _LISTED} more"
        raise InputError(
            f"{path!r} is one of {len(ome.siblings) + 1} files that make up one movie, "
            f"and {len(missing)} of them are not in the folder "
            f"{folder or os.curdir!r}: {listed}. Put all of them into one folder, or "
            "save the part you want as a movie of its own"
        )
    return ome


def _named_axes(
    series: tifffile.TiffPageSeries,
) -> tuple[str, tuple[int, ...]]:
    """Letters and lengths of all axes, also of length one, without samples."""
    pairs = [
        (UNNAMED if axis in "QI" else axis, int(n))
        for axis, n in zip(
            series.get_axes(squeeze=False), series.get_shape(squeeze=False), strict=True
        )
        if axis != "S"
    ]
    return "".join(axis for axis, _ in pairs), tuple(n for _, n in pairs)


def _imagej_calibration(tif: tifffile.TiffFile) -> OmeImage:
    """Pixel size and frame interval as ImageJ writes them."""
    metadata = tif.imagej_metadata or {}
    tags = tif.pages.first.tags
    unit = str(metadata.get("unit", ""))
    steps = {
        "X": (_pixel_size(tags.valueof("XResolution")), unit),
        "Y": (
            _pixel_size(tags.valueof("YResolution")),
            str(metadata.get("yunit", unit)),
        ),
        "Z": (metadata.get("spacing"), str(metadata.get("zunit", unit))),
        "T": _frame_interval(metadata),
    }
    found = {
        axis: step
        for axis, (value, its_unit) in steps.items()
        if (step := calibrated(value, its_unit)) is not None and step[1]
    }
    return OmeImage(
        scale={axis: step for axis, (step, _) in found.items()},
        units={axis: unit for axis, (_, unit) in found.items()},
        channel_names=_imagej_labels(metadata),
    )


def _pixel_size(resolution: Any) -> float | None:
    """Size of a pixel from pixels per unit, a fraction."""
    if not isinstance(resolution, tuple) or 0 in resolution:
        return None
    return float(resolution[1] / resolution[0])


def _frame_interval(metadata: dict[str, Any]) -> tuple[float | None, str]:
    interval, rate = metadata.get("finterval"), metadata.get("fps")
    if isinstance(interval, int | float) and interval > 0:
        return float(interval), str(metadata.get("tunit", "s"))
    if isinstance(rate, int | float) and rate > 0:
        return 1 / rate, "s"
    return None, ""


def _imagej_labels(metadata: dict[str, Any]) -> tuple[str, ...]:
    """Names of the channels, where every plane is labelled with one of them."""
    labels, n = metadata.get("Labels"), int(metadata.get("channels", 1))
    if n < 2 or not isinstance(labels, list) or len(labels) != metadata.get("images"):
        return ()
    names = tuple(str(label) for label in labels[:n])
    repeats = all(label == names[i % n] for i, label in enumerate(labels))
    return names if repeats and len(set(names)) == n and all(names) else ()
