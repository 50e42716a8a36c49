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
from napari_udvd.formats._tiff_axes import all_series
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


class _Map(NamedTuple):
    """Planes of a file: channel, depth, time, position and offset of each."""

    file: str
    planes: npt.NDArray[np.int64]

    @property
    def places(self) -> set[int]:
        """Numbers of the positions that have planes in the file."""
        return set(np.unique(self.planes[:, 3]).tolist())


def mmstack_images(tif: tifffile.TiffFile, path: str) -> list[TiffImage]:
    """List the positions in a set of image stack files."""
    metadata = tif.micromanager_metadata or {}
    summary: dict[str, Any] = metadata["Summary"]
    own = _map(metadata["IndexMap"], path)
    maps = [own]
    for name in _siblings(path):
        with tifffile.TiffFile(name) as other:
            found = other.micromanager_metadata or {}
        if found.get("Summary") == summary and "IndexMap" in found:
            maps.append(_map(found["IndexMap"], name))
    places = sorted(set().union(*(each.places for each in maps)))
    frame = tif.pages.first.shape[-2:]
    return [
        _Position(maps, place, summary, path).image(
            _label(summary, place, len(places)), frame, place in own.places
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
    series = all_series(tif)[0]
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


def _map(index: npt.NDArray[Any], path: str) -> _Map:
    planes = index.astype(np.int64)
    return _Map(path, planes[planes[:, 4] > 0])


class _Position:
    """Planes of one position, in whichever files of the set they are."""

    def __init__(
        self, maps: Sequence[_Map], place: int, summary: Mapping[str, Any], path: str
    ) -> None:
        self._summary, self._path = summary, path
        self._files = [each.file for each in maps]
        parts = [each.planes[each.planes[:, 3] == place] for each in maps]
        channels, depths, frames = (
            int(max(part[:, i].max(initial=0) for part in parts)) + 1 for i in range(3)
        )
        n_planes = sum(map(len, parts))
        if channels * depths * frames > 100 * n_planes:
            raise Unfollowed(
                f"the map of planes in {path!r} is damaged: it names {n_planes} planes "
                f"of {frames} frames, {channels} channels and {depths} depths"
            )
        # Where the directory of each plane is, and in which file: those of the file
        # that was named come last and stay.
        self._offsets = np.zeros((frames, channels, depths), np.int64)
        self._numbers = np.zeros((frames, channels, depths), np.int64)
        for number, part in reversed(list(enumerate(parts))):
            key = part[:, 2], part[:, 0], part[:, 1]
            self._offsets[key], self._numbers[key] = part[:, 4], number
        whole = np.all(self._offsets.reshape(frames, -1) > 0, axis=1)
        self._n_whole = frames if whole.all() else int(whole.argmin())
        self._has_gap = not self._n_whole or bool(whole[self._n_whole :].any())

    def image(self, name: str, frame: tuple[int, ...], here: bool) -> TiffImage:
        """Describe the position, whose planes have the shape `frame`."""
        return TiffImage(
            name=name,
            axes="TCZYX",
            shape=(max(self._n_whole, 1), *self._offsets.shape[1:], *frame),
            find=self._find,
            tell=self._tell,
            droppable="CZ" + UNNAMED,
            here=here,
        )

    def _find(self) -> Pages:
        frames, channels, depths = self._offsets.shape
        if self._has_gap:
            raise Unfollowed(
                f"planes are missing in {self._path!r}: of {frames} frames with "
                f"{channels} channels and {depths} depths, frame {self._n_whole} is "
                "not complete. Save the part you want as a movie of its own"
            )
        wanted = slice(self._n_whole)
        pages: list[Page | None] = [None] * self._offsets[wanted].size
        for name, numbers, offsets in self._by_file(wanted):
            with tifffile.TiffFile(name) as tif:
                first = tif.pages.first
                for number, offset in zip(numbers, offsets, strict=True):
                    pages[number] = (
                        first
                        if offset == first.offset
                        else tifffile.TiffFrame(
                            tif, index=number, offset=offset, keyframe=first
                        )
                    )
        order = np.arange(len(pages), dtype=np.int64)
        return Pages([(page, 1) for page in pages], order.reshape(-1, channels, depths))

    def _tell(self) -> Facts:
        frames = max(int(self._summary.get("Frames") or 1), len(self._offsets))
        notes: tuple[str, ...] = ()
        if self._n_whole < frames:
            notes = (
                f"{self._path!r} promises {frames} frames but holds {self._n_whole}: "
                "the recording was stopped, and those are read",
            )
        told: list[dict[str, Any]] = []
        try:
            told = self._told()
        except ValueError:
            lost = (
                f"the times of the frames of {self._path!r} cannot be read: what it "
                "says of them is damaged"
            )
            notes = (*notes, lost)
        times = [each.get("ElapsedTime-ms", each.get("ElapsedTimeMs")) for each in told]
        known = [float(time) for time in times if time is not None]
        return _facts(
            self._summary,
            known if len(known) == len(times) else None,
            more=told[0] if told else {},
            notes=notes,
        )

    def _told(self) -> list[dict[str, Any]]:
        """Read what Micro-Manager says of the first plane of each frame."""
        first = slice(self._n_whole), slice(1), slice(1)
        result: list[dict[str, Any]] = [{}] * self._n_whole
        for name, numbers, offsets in self._by_file(first):
            with tifffile.TiffFile(name) as tif, open(name, "rb") as file:
                for number, offset in zip(numbers, offsets, strict=True):
                    for entry in entries(file, tif, offset, (_METADATA,)):
                        text = entry.text(file).rstrip(b"\0 ")
                        result[number] = json.loads(text or b"{}")
        return result

    def _by_file(self, wanted: Any) -> Iterator[tuple[str, list[int], list[int]]]:
        """Yield each file with the numbers of the planes in it, and their offsets."""
        files, offsets = self._numbers[wanted].ravel(), self._offsets[wanted].ravel()
        for number in np.unique(files).tolist():
            mine = np.flatnonzero(files == number)
            yield self._files[number], mine.tolist(), offsets[mine].tolist()


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
