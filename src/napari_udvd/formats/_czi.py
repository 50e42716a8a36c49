"""Zeiss CZI files, through czifile.

czifile and imagecodecs come with the ``formats`` extra and are imported when first
needed.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt

from napari_udvd.errors import InputError
from napari_udvd.formats._axes import OTHER, Found
from napari_udvd.formats._contents import Contents
from napari_udvd.formats._czi_blocks import LOSSY, Block, blocks_of, decoded, segment
from napari_udvd.formats._facts import facts_of
from napari_udvd.formats._frames import Frames, OpenFile
from napari_udvd.formats._images import Image
from napari_udvd.formats._lazy import readable
from napari_udvd.formats._microscope import import_extra

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["open_czi"]

_OTHERS: Final = {
    "H": "phase",
    "I": "illumination",
    "R": "rotation",
    "V": "view",
    "B": "block",
}

_LONG_AGO: Final = 20000.0
"""Time stamps from here on are days since 1899 and not seconds."""


@dataclass(frozen=True)
class _Scene:
    """The planes of one scene.

    Attributes
    ----------
    name
        What the file calls it.
    axes
        Axes other than Y and X that have more than one position, with the positions.
    tiles
        Of each plane, by its position along `axes`.
    """

    name: str
    axes: Mapping[str, Sequence[int]]
    tiles: Mapping[tuple[int, ...], Sequence[Block]]

    @cached_property
    def box(self) -> tuple[int, int, int, int]:
        """Top, left, bottom, right of all tiles."""
        tiles = [tile for plane in self.tiles.values() for tile in plane]
        return (
            min(tile.top for tile in tiles),
            min(tile.left for tile in tiles),
            max(tile.top + tile.rows for tile in tiles),
            max(tile.left + tile.columns for tile in tiles),
        )

    @cached_property
    def single(self) -> bool:
        """Whether every plane is one tile, all of the same size."""
        planes = self.tiles.values()
        return all(len(plane) == 1 for plane in planes) and (
            len({(plane[0].rows, plane[0].columns) for plane in planes}) == 1
        )

    @cached_property
    def frame_shape(self) -> tuple[int, int]:
        """Rows and columns of a plane."""
        if self.single:
            tile = next(iter(self.tiles.values()))[0]
            return tile.rows, tile.columns
        top, left, bottom, right = self.box
        return bottom - top, right - left

    @property
    def letters(self) -> str:
        """One letter per axis."""
        return "".join(a if a in "TCZ" else OTHER for a in self.axes) + "YX"

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        return (*(len(steps) for steps in self.axes.values()), *self.frame_shape)


def open_czi(path: str) -> Contents:
    """List the scenes in a CZI file.

    Raises
    ------
    InputError
        If czifile is missing, or the file is damaged, unfinished, one of several parts,
        or holds no pictures. Finding a scene raises it if planes are missing, in
        colour, or at different resolutions.
    """
    czifile = import_extra("czifile", path)
    with readable(path):
        opened = OpenFile(czifile.CziFile(path))
        header = opened.file.header
        if header.file_part or not header.directory_position:
            raise InputError(
                f"{path!r} is "
                + ("one part of several files" if header.file_part else "not finished")
                + ": open it in ZEN and save it as one file"
            )
        meta = ElementTree.fromstring(opened.file.metadata() or "<ImageDocument/>")
        scenes = _scenes(blocks_of(opened.file), meta, path)
    images = tuple(Image(s.name, s.letters, s.shape) for s in scenes)
    return Contents(images, lambda n: _found(opened, scenes[n], meta, path))


def _scenes(
    blocks: Sequence[Block], meta: ElementTree.Element, path: str
) -> list[_Scene]:
    by_scene: dict[int, list[Block]] = defaultdict(list)
    for block in blocks:
        if not block.overview:
            by_scene[block.where.get("S", 0)].append(block)
    if not by_scene:
        raise InputError(f"{path!r} holds no pictures")
    names = {
        int(scene.get("Index", -1)): scene.get("Name", "")
        for scene in meta.iterfind(".//Information/Image/Dimensions/S/Scenes/Scene")
    }
    return [
        _scene(by_scene[number], names.get(number, "")) for number in sorted(by_scene)
    ]


def _scene(blocks: Sequence[Block], name: str) -> _Scene:
    """Sort the subblocks of a scene into planes, without coarser copies of them."""
    named = {axis for block in blocks for axis in block.where} - {"S"}
    starts = {a: sorted({block.where.get(a, 0) for block in blocks}) for a in named}
    order = [*sorted(named - set("TCZ")), *(a for a in "TCZ" if a in named)]
    axes = {a: starts[a] for a in order if len(starts[a]) > 1}
    planes: dict[tuple[int, ...], list[Block]] = defaultdict(list)
    for block in blocks:
        planes[tuple(block.where.get(a, 0) for a in axes)].append(block)
    for tiles in planes.values():
        full = [t for t in tiles if t.stored == (t.rows, t.columns)]
        tiles[:] = sorted(full or tiles, key=lambda tile: tile.mosaic)
    return _Scene(name, axes, planes)


def _found(
    opened: OpenFile, scene: _Scene, meta: ElementTree.Element, path: str
) -> Found:
    label = f"{scene.name!r} in {path!r}" if scene.name else repr(path)
    with readable(path):
        dtype = _check(scene, label)
        top, left, _, _ = scene.box
        rows, columns = scene.frame_shape
        positions = list(scene.axes.values())

        def read(position: tuple[int, ...]) -> npt.NDArray[Any]:
            where = tuple(p[i] for p, i in zip(positions, position, strict=True))
            tiles = scene.tiles[where]
            if scene.single:
                return decoded(opened.file, tiles[0], path)
            plane = np.zeros((rows, columns), dtype)
            for tile in tiles:
                y, x = tile.top - top, tile.left - left
                plane[y : y + tile.rows, x : x + tile.columns] = decoded(
                    opened.file, tile, path
                )
            return plane

        facts = facts_of(
            _steps(meta),
            channel_names=_channel_names(meta, len(scene.axes.get("C", [0]))),
            times=_times(opened.file, scene),
            notes=_notes(scene, label, rows, columns),
        )
        return Found(
            data=Frames(scene.shape, dtype, (path,), read, opened),
            axes=scene.letters,
            path=path,
            scale=facts.scale,
            units=facts.units,
            channel_names=facts.channel_names,
            files=(path,),
            notes=facts.notes,
            times=facts.times,
            others=tuple(_OTHERS.get(a, a) for a in scene.axes if a not in "TCZ"),
        )


def _check(scene: _Scene, label: str) -> np.dtype[Any]:
    """Refuse what would be read wrongly; return the type that holds all pixels."""
    tiles = [tile for plane in scene.tiles.values() for tile in plane]
    if any(tile.part for tile in tiles):
        raise InputError(
            f"pixels of {label} are in another file of the same recording: save it as "
            "one file in ZEN"
        )
    dtypes = {tile.dtype for tile in tiles if tile.dtype is not None}
    if any(tile.dtype is None for tile in tiles):
        raise InputError(
            f"{label} holds colour pictures or pixels that are no grey values of 8 or "
            "16 bits or floats: export its channels as grey ones"
        )
    several = next(
        (tile for tile in tiles if max([1, *tile.lengths.values()]) > 1), None
    )
    if several is not None:
        longer = ", ".join(a for a, n in several.lengths.items() if n > 1)
        raise InputError(
            f"{label} stores several planes (along {longer}) as one, as line scans "
            "are: it holds no series of pictures"
        )
    coarse = next((t for t in tiles if t.stored != (t.rows, t.columns)), None)
    if coarse is not None:
        raise InputError(
            f"pictures of {label} are stored with {coarse.stored[0]} x "
            f"{coarse.stored[1]} pixels for {coarse.rows} x {coarse.columns} (Airyscan "
            "or PALM raw data): process it in ZEN first"
        )
    expected = int(np.prod([len(steps) for steps in scene.axes.values()], dtype=int))
    if len(scene.tiles) != expected:
        raise InputError(
            f"{label} promises {expected} planes ({scene.letters} {scene.shape}) but "
            f"holds {len(scene.tiles)}: the recording was stopped, or not every "
            "channel has all planes. Export what there is as a new file"
        )
    for plane in scene.tiles.values():
        places = [(tile.top, tile.left, tile.mosaic) for tile in plane]
        if len(set(places)) < len(places):
            raise InputError(
                f"{label} holds a plane twice: it cannot be told which one is meant"
            )
    return np.result_type(*dtypes)


def _notes(scene: _Scene, label: str, rows: int, columns: int) -> tuple[str, ...]:
    notes = []
    if not scene.single:
        n = max(len(plane) for plane in scene.tiles.values())
        top, left, bottom, right = scene.box
        notes.append(
            f"{label} is a mosaic: {n} tiles are put together to {bottom - top} x "
            f"{right - left} pixels as the file places them, later ones on top; places "
            "without a tile are 0"
        )
    elif len({(p[0].top, p[0].left) for p in scene.tiles.values()}) > 1:
        notes.append(
            f"the planes of {label} lie at different places of the stage; their "
            f"{rows} x {columns} pixels are put on top of each other"
        )
    if any(
        tile.compression == LOSSY for plane in scene.tiles.values() for tile in plane
    ):
        notes.append(
            f"{label} was compressed with loss (JPEG), which changes noise: record "
            "without it to denoise"
        )
    return tuple(notes)


def _steps(meta: ElementTree.Element) -> dict[str, tuple[object, str | None]]:
    """Pixel size in metres and planned interval in seconds, as the file has them."""
    steps: dict[str, tuple[object, str | None]] = {
        str(item.get("Id")): (item.findtext("Value"), "m")
        for item in meta.iterfind(".//Scaling/Items/Distance")
        if item.get("Id") in ("X", "Y", "Z")
    }
    times = ".//Information/Image/Dimensions/T/Positions/Interval/Increment"
    steps["T"] = meta.findtext(times), "s"
    return steps


def _channel_names(meta: ElementTree.Element, n: int) -> tuple[str, ...]:
    names = [
        channel.get("Name", "")
        for channel in meta.iterfind(".//Information/Image/Dimensions/Channels/Channel")
    ]
    return tuple(names) if len(names) == n else ()


def _times(file: Any, scene: _Scene) -> list[float] | None:
    """Seconds since the first frame, as recorded: one list, or with each plane."""
    frames = scene.axes.get("T", ())
    if len(frames) < 2:
        return None
    stamps = _time_stamps(file)
    if len(stamps) == max(frames) + 1 and stamps[0] < _LONG_AGO:
        return [stamps[t] - stamps[frames[0]] for t in frames]
    place = list(scene.axes).index("T")
    first: dict[int, Block] = {}
    for where in sorted(scene.tiles):
        first.setdefault(where[place], scene.tiles[where][0])
    recorded = [_acquired(file, first[t]) for t in frames]
    if None in recorded:
        return None
    return [(time - recorded[0]).total_seconds() for time in recorded]  # type: ignore


def _time_stamps(file: Any) -> Sequence[float]:
    if not file.header.attachment_directory_position:
        return ()
    for attachment in file.attachments():
        if attachment.attachment_entry.name == "TimeStamps":
            raw = attachment.data(raw=True)
            _, n = struct.unpack_from("<ii", raw)
            return struct.unpack_from(f"<{n}d", raw, 8)
    return ()


def _acquired(file: Any, block: Block) -> datetime | None:
    """When a subblock was recorded, from its own XML."""
    part = segment(file, block)
    xml = (
        part.metadata(raw=True)
        if hasattr(block.entry, "data_segment")
        else (part.metadata(asdict=False))
    )
    text = ElementTree.fromstring(xml).findtext(".//AcquisitionTime") if xml else None
    return None if not text else datetime.fromisoformat(text.strip())
