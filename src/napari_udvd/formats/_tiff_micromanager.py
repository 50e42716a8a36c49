"""Micro-Manager: image stack files, and NDTiff.

An image stack file has a map of its planes at the end, and planes of one position may
go on in the next file of the set. See https://micro-manager.org/Micro-Manager_File_Formats.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import tifffile

from napari_udvd.formats._axes import UNNAMED
from napari_udvd.formats._facts import Facts, facts_of
from napari_udvd.formats._tiff_directory import entries
from napari_udvd.formats._tiff_image import (
    Pages,
    TiffImage,
    Unfollowed,
    one_per_place,
    series_image,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from napari_udvd.formats._planes import Page

__all__ = ["mmstack_images", "ndtiff_images"]

_METADATA: Final = 51123
"""Tag of what Micro-Manager says of a page, as JSON."""


class _Plane(NamedTuple):
    """Where a plane is: its file, and the offset of its directory in it."""

    file: str
    offset: int


def mmstack_images(tif: tifffile.TiffFile, path: str) -> list[TiffImage]:
    """List the positions in a set of image stack files."""
    metadata = tif.micromanager_metadata or {}
    summary: dict[str, Any] = metadata["Summary"]
    own = _planes(metadata["IndexMap"], path)
    planes = dict(own)
    for name in _siblings(path):
        with tifffile.TiffFile(name) as other:
            found = other.micromanager_metadata or {}
        if found.get("Summary") == summary and "IndexMap" in found:
            planes = {**_planes(found["IndexMap"], name), **planes}
    places = sorted({place for place, *_ in planes})
    here = {place for place, *_ in own}
    height, width = tif.pages.first.shape[-2:]
    return [
        _position(
            {key[1:]: plane for key, plane in planes.items() if key[0] == place},
            _label(summary, place, len(places)),
            summary,
            path,
            (height, width),
            place in here,
        )
        for place in places
    ]


def ndtiff_images(tif: tifffile.TiffFile, path: str) -> list[TiffImage]:
    """List the positions in an NDTiff data set."""
    summary = (tif.micromanager_metadata or {}).get("Summary", {})
    index = os.path.join(os.path.dirname(path), "NDTiff.index")
    entries = list(tifffile.tifffile.read_ndtiff_index(index))
    channels = dict.fromkeys(entry[0].get("channel") for entry in entries)
    names = [channel for channel in channels if isinstance(channel, str)]
    series = tif.series[0]
    has_places = any(axis in series.axes for axis in "RPM")

    def tell() -> Facts:
        times = None if has_places else _ndtiff_times(entries, os.path.dirname(path))
        return _facts(summary, times, names=names)

    return one_per_place([series_image(series, tell)])


def _siblings(path: str) -> list[str]:
    """Name the other files of the set, which begin alike."""
    this = Path(path)
    prefix, found, _ = this.name.partition("_MMStack")
    if not found:
        return []
    return [
        str(other)
        for other in sorted(this.parent.iterdir())
        if other.name.startswith(f"{prefix}_MMStack")
        and other.suffix.lower() in (".tif", ".tiff")
        and other.name != this.name
    ]


def _planes(index: npt.NDArray[Any], path: str) -> dict[tuple[int, ...], _Plane]:
    """Read a map of planes, by position, time, channel and depth."""
    return {
        (place, t, c, z): _Plane(path, offset)
        for c, z, t, place, offset in index.tolist()
        if offset > 0
    }


def _position(
    planes: Mapping[tuple[int, ...], _Plane],
    name: str,
    summary: Mapping[str, Any],
    path: str,
    frame: tuple[int, int],
    here: bool,
) -> TiffImage:
    n_frames, n_channels, n_depths = (max(k[i] for k in planes) + 1 for i in range(3))
    each = [(c, z) for c in range(n_channels) for z in range(n_depths)]
    whole = [all((t, *k) in planes for k in each) for t in range(n_frames)]
    n_whole = whole.index(False) if False in whole else n_frames
    promised = max(int(summary.get("Frames") or 1), n_frames)
    notes: tuple[str, ...] = ()
    if n_whole < promised:
        notes = (
            f"{path!r} promises {promised} frames but holds {n_whole}: the recording "
            "was stopped, and those are read",
        )
    shape = (max(n_whole, 1), n_channels, n_depths, *frame)
    wanted = [planes.get((t, *k)) for t in range(shape[0]) for k in each]

    def find() -> Pages:
        if not n_whole or any(whole[n_whole:]):
            raise Unfollowed(
                f"planes are missing in {path!r}: of {n_frames} frames with "
                f"{n_channels} channels and {n_depths} depths, frame {n_whole} is not "
                "complete. Save the part you want as a movie of its own"
            )
        order = np.arange(len(wanted), dtype=np.int64).reshape(shape[:3])
        return Pages([(page, 1) for page in _pages(wanted)], order)

    def tell() -> Facts:
        said = notes
        try:
            told = _told([planes[t, 0, 0] for t in range(n_whole)])
        except ValueError as error:
            told = []
            said += (f"the times of the frames of {path!r} cannot be read: {error}",)
        times = [m.get("ElapsedTime-ms", m.get("ElapsedTimeMs")) for m in told]
        known = [float(time) for time in times if time is not None]
        times_of_all = known if len(known) == len(times) else None
        return _facts(summary, times_of_all, more=told[0] if told else {}, notes=said)

    return TiffImage(
        name=name,
        axes="TCZYX",
        shape=shape,
        find=find,
        tell=tell,
        droppable="CZ" + UNNAMED,
        here=here,
    )


def _pages(planes: Sequence[_Plane | None]) -> list[Page]:
    """Look up the pages of planes, one of each file in full."""
    result: dict[int, Page] = {}
    for file, numbered in _by_file(planes).items():
        with tifffile.TiffFile(file) as tif:
            first = tif.pages.first
            for number, offset in numbered:
                result[number] = (
                    first
                    if offset == first.offset
                    else tifffile.TiffFrame(
                        tif, index=number, offset=offset, keyframe=first
                    )
                )
    return [result[number] for number in range(len(planes))]


def _told(planes: Sequence[_Plane | None]) -> list[dict[str, Any]]:
    """Read what Micro-Manager says of each plane."""
    result: list[dict[str, Any]] = [{} for _ in planes]
    for name, numbered in _by_file(planes).items():
        with tifffile.TiffFile(name) as tif, open(name, "rb") as file:
            for number, offset in numbered:
                for entry in entries(file, tif, offset, (_METADATA,)):
                    text = entry.text(file).rstrip(b"\0 ")
                    result[number] = json.loads(text or b"{}")
    return result


def _by_file(planes: Sequence[_Plane | None]) -> dict[str, list[tuple[int, int]]]:
    """Sort planes into files, each with its number and the offset in the file."""
    found: dict[str, list[tuple[int, int]]] = {}
    for number, plane in enumerate(planes):
        assert plane is not None
        found.setdefault(plane.file, []).append((number, plane.offset))
    return found


def _label(summary: Mapping[str, Any], place: int, n_places: int) -> str:
    listed = summary.get("StagePositions") or summary.get("InitialPositionList") or ()
    if place < len(listed) and isinstance(listed[place], dict):
        label = listed[place].get("Label") or listed[place].get("label")
        if label:
            return str(label)
    return f"Pos{place}" if n_places > 1 else ""


def _facts(
    summary: Mapping[str, Any],
    times: Sequence[float] | None,
    *,
    names: Sequence[str] = (),
    more: Mapping[str, Any] | None = None,
    notes: tuple[str, ...] = (),
) -> Facts:
    size = summary.get("PixelSize_um") or (more or {}).get("PixelSizeUm")
    named = summary.get("ChNames") or ()
    if isinstance(named, str):
        named = json.loads(named)
    return facts_of(
        {
            "X": (size, "µm"),
            "Y": (size, "µm"),
            "Z": (summary.get("z-step_um"), "µm"),
            "T": (summary.get("Interval_ms"), "ms"),
        },
        channel_names=names or named,
        times=times,
        time_unit="ms",
        notes=notes,
    )


def _ndtiff_times(entries: Sequence[Any], folder: str) -> list[float] | None:
    """Time of each frame from the metadata of its first plane."""
    first: dict[int, tuple[str, int, int]] = {}
    for axes, name, *_, start, length, compressed in entries:
        t = axes.get("time")
        if isinstance(t, int) and not compressed and t not in first:
            first[t] = name, start, length
    times = list(_elapsed(first, folder))
    return None if not times or None in times else [t for t in times if t is not None]


def _elapsed(
    first: Mapping[int, tuple[str, int, int]], folder: str
) -> Iterator[float | None]:
    for t in sorted(first):
        name, start, length = first[t]
        with open(os.path.join(folder, name), "rb") as file:
            file.seek(start)
            told = json.loads(file.read(length))
        elapsed = told.get("ElapsedTime-ms")
        yield None if elapsed is None else float(elapsed)
