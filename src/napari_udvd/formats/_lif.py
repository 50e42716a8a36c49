"""Leica LIF files, through liffile.

liffile comes with the ``formats`` extra and is imported when first needed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from napari_udvd.errors import InputError
from napari_udvd.formats._axes import OTHER, Found
from napari_udvd.formats._contents import Contents
from napari_udvd.formats._facts import facts_of
from napari_udvd.formats._frames import Frames, OpenFile
from napari_udvd.formats._images import Image
from napari_udvd.formats._lazy import readable
from napari_udvd.formats._microscope import import_extra
from napari_udvd.stack import AXES

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["open_lif"]

_MOSAIC: Final = "M"
_OTHERS: Final = {
    "λ": "emission wavelength",
    "Λ": "excitation wavelength",
    "A": "rotation",
    "N": "x-t sections",
    "Q": "t sections",
    "L": "loop",
    "H": "photon arrival times",
}


@dataclass(frozen=True)
class _Part:
    """An image of the file, or one position of it."""

    image: Any
    name: str
    position: int | None
    problem: InputError | None = None

    @property
    def sizes(self) -> dict[str, int]:
        return {} if self.problem else _sizes(self.image)


def open_lif(path: str) -> Contents:
    """List the images in a LIF file; every position of an image counts as one.

    Raises
    ------
    InputError
        If liffile is missing or the file is damaged. Finding an image raises it if
        that image is cut off, in colour, or no series of pictures.
    """
    liffile = import_extra("liffile", path)
    with readable(path):
        opened = OpenFile(liffile.LifFile(path, squeeze=False))
        parts = [part for image in opened.file.images for part in _parts(image, path)]
    if not parts:
        raise InputError(f"{path!r} holds no images")
    return Contents(
        tuple(_listed(part) for part in parts),
        lambda number: _found(opened, parts[number], path),
    )


def _parts(image: Any, path: str) -> list[_Part]:
    name = str(image.path)
    if image.is_flim:
        problem = InputError(
            f"{name!r} in {path!r} holds photon arrival times (FLIM), no intensities: "
            "export an intensity movie from LAS X"
        )
        return [_Part(image, name, None, problem)]
    try:
        with readable(path):
            n = _sizes(image).get(_MOSAIC, 1)
    except InputError as error:
        # One image that liffile does not understand leaves the others readable.
        return [_Part(image, name, None, error)]
    if n == 1:
        return [_Part(image, name, None)]
    return [_Part(image, f"{name} (position {k + 1})", k) for k in range(n)]


def _sizes(image: Any) -> dict[str, int]:
    return {str(axis): int(n) for axis, n in image.sizes.items()}


def _letters(axes: Sequence[str]) -> str:
    return "".join(axis if axis in AXES else OTHER for axis in axes)


def _listed(part: _Part) -> Image:
    sizes = {axis: n for axis, n in part.sizes.items() if axis != _MOSAIC}
    return Image(part.name, _letters(list(sizes)), tuple(sizes.values()))


def _found(opened: OpenFile, part: _Part, path: str) -> Found:
    if part.problem is not None:
        raise part.problem
    with readable(path):
        image, sizes = part.image, part.sizes
        label = f"{part.name!r} in {path!r}"
        if "S" in sizes:
            raise InputError(
                f"{label} holds colour pictures, not a movie of intensities: export "
                "its channels as grey ones"
            )
        leading = [axis for axis in sizes if axis not in image.frames.frame_dims]
        rows, columns = image.frames.frame_dims
        if (rows, columns) not in (("Y", "X"), ("Z", "X")):
            raise InputError(
                f"{label} holds scans along {rows} and {columns}, no pictures in Y and "
                "X: export it as a series of pictures"
            )
        _check_complete(image, sizes, path, label)
        kept = [axis for axis in leading if axis != _MOSAIC]
        shape = (*(sizes[axis] for axis in kept), sizes[rows], sizes[columns])

        def read(position: tuple[int, ...]) -> npt.NDArray[Any]:
            where = dict(zip(kept, position, strict=True))
            if part.position is not None:
                where[_MOSAIC] = part.position
            return np.asarray(image.frame(**where))

        steps = _steps(image)
        notes: tuple[str, ...] = ()
        if rows == "Z":
            steps["Y"] = steps.pop("Z", (None, None))
            notes = (f"pictures of {label} are x-z sections: depth is read as rows",)
        facts = facts_of(
            steps,
            channel_names=_channel_names(image, sizes.get("C", 1)),
            times=_times(image, sizes, leading),
            notes=notes,
        )
        data = Frames(shape, np.dtype(image.dtype), (path,), read, opened)
        return Found(
            data=data,
            axes=_letters(kept) + "YX",
            path=path,
            scale=facts.scale,
            units=facts.units,
            channel_names=facts.channel_names,
            files=(path,),
            notes=facts.notes,
            times=facts.times,
            others=tuple(_OTHERS.get(axis, axis) for axis in kept if axis not in AXES),
        )


def _check_complete(image: Any, sizes: dict[str, int], path: str, label: str) -> None:
    """Refuse an image whose pixels are not all in the file."""
    try:
        block = image.memory_block
    except LookupError as error:
        raise InputError(
            f"the pixels of {label} are missing: the file is truncated; copy it again "
            "from its source"
        ) from error
    there = min(block.size, os.path.getsize(path) - block.offset)
    needed = int(np.prod(list(sizes.values()))) * image.dtype.itemsize
    if there < needed:
        raise InputError(
            f"{label} promises {needed} bytes of pixels but holds {there}: the "
            "recording was stopped, or the file is truncated. Copy it again, or export "
            "what there is as a new file"
        )


def _steps(image: Any) -> dict[str, tuple[object, str | None]]:
    """Return the step of each axis; the file has the length from first to last."""
    steps: dict[str, tuple[object, str | None]] = {}
    for entry in image.xml_element.iter("DimensionDescription"):
        axis = {"1": "X", "2": "Y", "3": "Z", "4": "T"}.get(entry.get("DimID", ""))
        n = int(entry.get("NumberOfElements", 1))
        if axis and n > 1:
            steps[axis] = float(entry.get("Length", 0)) / (n - 1), entry.get("Unit")
    return steps


def _times(
    image: Any, sizes: dict[str, int], leading: list[str]
) -> tuple[float, ...] | None:
    """Seconds since the first frame: the time stamps of the first plane of each."""
    stamps, frames = image.timestamps, sizes.get("T", 1)
    others = [axis for axis in leading if axis != "T"]
    if stamps is None or frames < 2 or leading[:1] != ["T"]:
        return None
    planes = int(np.prod([sizes[axis] for axis in others], dtype=int))
    for per_frame in {planes, planes // max(sizes.get("C", 1), 1), 1}:
        if len(stamps) == frames * per_frame:
            since = (stamps[::per_frame] - stamps[0]) / np.timedelta64(1, "ms")
            return tuple(float(ms) / 1000 for ms in since)
    return None


def _channel_names(image: Any, n: int) -> tuple[str, ...]:
    names = []
    for channel in image.xml_element.iter("ChannelDescription"):
        dyes = [
            pair.findtext("Value", "")
            for pair in channel.iter("ChannelProperty")
            if pair.findtext("Key") in ("DyeName", "ChannelName")
        ]
        names.append(next(filter(None, dyes), channel.get("LUTName", "")))
    return tuple(names) if len(names) == n else ()
