"""Nikon ND2 files, through nd2.

nd2 comes with the ``formats`` extra and is imported when first needed.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_udvd.errors import InputError
from napari_udvd.formats._axes import OTHER, Found
from napari_udvd.formats._contents import Contents
from napari_udvd.formats._facts import REGULAR, facts_of
from napari_udvd.formats._frames import Frames, OpenFile
from napari_udvd.formats._images import Image
from napari_udvd.formats._lazy import readable
from napari_udvd.formats._microscope import import_extra
from napari_udvd.formats._units import calibrated
from napari_udvd.stack import AXES

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["open_nd2"]


def open_nd2(path: str) -> Contents:
    """List the positions in a Nikon ND2 file.

    Raises
    ------
    InputError
        If nd2 is missing or the file is damaged. Finding a position raises it if it
        holds colour pictures or its recording was stopped early.
    """
    nd2 = import_extra("nd2", path)
    with readable(path):
        opened = OpenFile(nd2.ND2File(path))
        sizes = {str(a): int(n) for a, n in opened.file.sizes.items()}
        kept = {axis: n for axis, n in sizes.items() if axis != "P"}
        names = _position_names(opened.file, sizes.get("P", 1))
    letters = "".join(a if a in AXES else OTHER for a in kept)
    images = tuple(Image(name, letters, tuple(kept.values())) for name in names)
    return Contents(images, lambda number: _found(opened, sizes, number, path))


def _position_names(file: Any, n: int) -> list[str]:
    for loop in file.experiment:
        if loop.type == "XYPosLoop" and len(loop.parameters.points) == n:
            return [str(point.name or "") for point in loop.parameters.points]
    return [""] * n


def _found(opened: OpenFile, sizes: Mapping[str, int], number: int, path: str) -> Found:
    file = opened.file
    if file.is_rgb:
        raise InputError(
            f"{path!r} holds colour pictures, not a movie of intensities: convert it "
            "to grey or split its channels"
        )
    with readable(path):
        per_frame = sizes.get("C", 1) if file.attributes.channelCount else 1
        loops = [axis for axis in sizes if axis not in "CYX"]
        n_frames = math.prod(sizes[axis] for axis in loops)
        if file.attributes.sequenceCount < n_frames:
            raise InputError(
                f"{path!r} promises {n_frames} frames but holds "
                f"{file.attributes.sequenceCount}: the recording was stopped early. "
                "Export what there is as a new file"
            )
        kept = [axis for axis in sizes if axis != "P"]
        leading = kept[:-2]

        def frame_at(where: Mapping[str, int]) -> int:
            place = [number if a == "P" else where.get(a, 0) for a in loops]
            lengths = [sizes[a] for a in loops]
            return int(np.ravel_multi_index(place, lengths)) if loops else 0

        def read(position: tuple[int, ...]) -> npt.NDArray[Any]:
            where = dict(zip(leading, position, strict=True))
            pixels = np.asarray(file.read_frame(frame_at(where)))
            planes = pixels.reshape(per_frame, sizes["Y"], sizes["X"])
            return np.asarray(planes[where.get("C", 0)])

        frames = [frame_at({"T": t}) for t in range(sizes.get("T", 1))]
        facts = facts_of(
            _steps(file),
            channel_names=[c.channel.name for c in file.metadata.channels or ()],
            times=_regular(file, len(frames)) or _times(file, frames),
            time_unit="ms",
        )
        shape = tuple(sizes[axis] for axis in kept)
        return Found(
            data=Frames(shape, np.dtype(file.dtype), (path,), read, opened),
            axes="".join(a if a in AXES else OTHER for a in kept),
            path=path,
            scale={a: step for a, step in facts.scale.items() if a in kept},
            units={a: unit for a, unit in facts.units.items() if a in kept},
            channel_names=facts.channel_names,
            files=(path,),
            notes=facts.notes,
            times=facts.times,
            others=tuple("custom loop" for axis in kept if axis not in AXES),
        )


def _steps(file: Any) -> dict[str, tuple[object, str | None]]:
    """Pixel sizes in µm where calibrated, and the planned interval in ms."""
    channels = file.metadata.channels or ()
    known = channels[0].volume.axesCalibrated if channels else (False,) * 3
    steps: dict[str, tuple[object, str | None]] = {
        axis: (size, "µm")
        for axis, size, calibrated_axis in zip(
            "XYZ", file.voxel_size(), known, strict=True
        )
        if calibrated_axis
    }
    for loop in file.experiment:
        if loop.type == "TimeLoop":
            # A period of zero means "as fast as possible"; then it was measured.
            period = calibrated(loop.parameters.periodMs, "ms") or calibrated(
                getattr(loop.parameters.periodDiff, "avg", None), "ms"
            )
            steps["T"] = period or (None, None)
    return steps


def _regular(file: Any, n: int) -> list[float] | None:
    """Return the times of regular frames, as the file sums them up."""
    for loop in file.experiment:
        spread = getattr(loop.parameters, "periodDiff", None)
        if loop.type == "TimeLoop" and spread is not None and spread.avg > 0:
            off = max(spread.max - spread.avg, spread.avg - spread.min)
            if off <= REGULAR * spread.avg:
                return [k * spread.avg for k in range(n)]
    return None


def _times(file: Any, frames: list[int]) -> list[float] | None:
    """When the frames were recorded, in ms since the first."""
    if len(frames) < 2:
        return None
    times = []
    for frame in frames:
        channels = getattr(file.frame_metadata(frame), "channels", None)
        if not channels:
            return None
        times.append(float(channels[0].time.relativeTimeMs))
    return [time - times[0] for time in times]
