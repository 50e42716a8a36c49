"""Olympus OIF (a file beside a folder of TIFFs) and OIB (one file), through oiffile.

oiffile comes with the ``formats`` extra and is imported when first needed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from napari_udvd.errors import InputError
from napari_udvd.formats._axes import OTHER, Found
from napari_udvd.formats._facts import facts_of
from napari_udvd.formats._frames import Frames, OpenFile
from napari_udvd.formats._lazy import readable
from napari_udvd.formats._microscope import import_extra

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["find_olympus"]

_PLANE: Final = re.compile(r"s_((?:[A-Z]\d+)+)\.tif$", re.IGNORECASE)
_PART: Final = re.compile(r"([A-Z])(\d+)")
_AXES: Final = "TCZ"
_OTHERS: Final = {"L": "wavelength", "A": "rotation", "P": "position"}


def find_olympus(path: str) -> Found:
    """Find the movie in an OIF or OIB file.

    Raises
    ------
    InputError
        If oiffile is missing, or the file is damaged, misses planes, or holds scans
        other than pictures in X and Y.
    """
    oiffile = import_extra("oiffile", path)
    with readable(path):
        opened = OpenFile(oiffile.OifFile(path))
        settings = opened.file.mainfile
        order = str(settings["Axis Parameter Common"]["AxisOrder"])
        if order[:2] != "XY":
            raise InputError(
                f"{path!r} holds scans along {order[:2]}, no pictures in X and Y: "
                "export it as a series of pictures"
            )
        planes = _planes(opened.file)
        if not planes:
            raise InputError(f"{path!r} holds no pictures (s_C001.tif and so on)")
        axes = _sorted_axes({axis for where in planes for axis, _ in where})
        numbers = {a: sorted({dict(where).get(a, 1) for where in planes}) for a in axes}
        by_place = {
            tuple(dict(where).get(a, 1) for a in axes): name
            for where, name in planes.items()
        }
        lengths = tuple(len(numbers[a]) for a in axes)
        promised = _promised(settings, axes, lengths)
        if len(by_place) != int(np.prod(promised, dtype=int)):
            raise InputError(
                f"{path!r} promises {int(np.prod(promised, dtype=int))} pictures "
                f"({''.join(axes)} {promised}) but holds {len(by_place)}: the "
                "recording was stopped, or files are missing. Export what there is as "
                "a new file"
            )
        first = opened.file.asarray(next(iter(by_place.values())))
        if first.ndim != 2:
            raise InputError(
                f"{path!r} holds pictures of shape {first.shape}: colour pictures are "
                "no movie of intensities"
            )

        def read(position: tuple[int, ...]) -> npt.NDArray[Any]:
            place = tuple(numbers[a][i] for a, i in zip(axes, position, strict=True))
            return np.asarray(opened.file.asarray(by_place[place]))

        facts = facts_of(
            _steps(settings, first.shape),
            channel_names=_channel_names(settings, numbers.get("C", [1])),
            times=_times(opened.file, by_place, axes, numbers),
            time_unit="ms",
        )
        shape = (*lengths, *first.shape)
        return Found(
            data=Frames(shape, first.dtype.newbyteorder("="), (path,), read, opened),
            axes="".join(a if a in _AXES else OTHER for a in axes) + "YX",
            path=path,
            scale=facts.scale,
            units=facts.units,
            channel_names=facts.channel_names,
            droppable="TCZ",
            files=(path,),
            notes=facts.notes,
            times=facts.times,
            others=tuple(_OTHERS.get(a, a) for a in axes if a not in _AXES),
        )


def _planes(file: Any) -> dict[tuple[tuple[str, int], ...], str]:
    """Names of the files of the planes, by what their names count."""
    found = {}
    for name in file.glob("*.tif"):
        match = _PLANE.search(re.split(r"[\\/]", name)[-1])
        if match:
            parts = _PART.findall(match[1].upper())
            found[tuple((axis, int(number)) for axis, number in parts)] = name
    return found


def _sorted_axes(axes: set[str]) -> list[str]:
    return [*sorted(axes - set(_AXES)), *(a for a in _AXES if a in axes)]


def _promised(
    settings: Mapping[str, Any], axes: list[str], lengths: tuple[int, ...]
) -> tuple[int, ...]:
    """Length of each axis by the settings, where they name it."""
    sizes = {axis: _axis(settings, axis).get("MaxSize", 0) for axis in axes}
    return tuple(
        max(int(sizes[axis] or 0), n) if axis != "C" else n
        for axis, n in zip(axes, lengths, strict=True)
    )


def _axis(settings: Mapping[str, Any], code: str) -> Mapping[str, Any]:
    for k in range(8):
        section: Mapping[str, Any] = settings.get(f"Axis {k} Parameters Common", {})
        if section.get("AxisCode") == code:
            return section
    return {}


def _steps(
    settings: Mapping[str, Any], frame_shape: tuple[int, ...]
) -> dict[str, tuple[object, str | None]]:
    """Pixel size as converted by the microscope, depth and time by their axes."""
    reference = settings.get("Reference Image Parameter", {})
    depth, time = _axis(settings, "Z"), _axis(settings, "T")
    frames = int(time.get("MaxSize", 0) or 0)
    span = (_number(time.get("EndPosition")), _number(time.get("StartPosition")))
    interval = None
    if frames > 1 and None not in span:
        interval = (span[0] - span[1]) / (frames - 1)  # type: ignore[operator]
    return {
        "X": (_number(reference.get("WidthConvertValue")), reference.get("WidthUnit")),
        "Y": (
            _number(reference.get("HeightConvertValue")),
            reference.get("HeightUnit"),
        ),
        "Z": (
            _number(depth.get("Interval")),
            depth.get("PixUnit") or depth.get("UnitName"),
        ),
        "T": (interval, time.get("UnitName") or time.get("PixUnit")),
    }


def _number(value: object) -> float | None:
    """Read a number, which may have a comma where others have a point."""
    try:
        return float(str(value).replace(",", "."))
    except ValueError:
        return None


def _channel_names(settings: Mapping[str, Any], numbers: list[int]) -> tuple[str, ...]:
    names = []
    for number in numbers:
        channel = settings.get(f"Channel {number} Parameters", {})
        dye = str(channel.get("DyeName", "") or "")
        names.append(
            dye if dye not in ("", "None") else str(channel.get("CH Name", ""))
        )
    return tuple(names)


def _times(
    file: Any,
    planes: Mapping[tuple[int, ...], str],
    axes: list[str],
    numbers: Mapping[str, list[int]],
) -> list[float] | None:
    """Read the times of the frames, in ms, beside the first plane of each."""
    if len(numbers.get("T", ())) < 2:
        return None
    place = axes.index("T")
    first: dict[int, str] = {}
    for where in sorted(planes):
        first.setdefault(where[place], planes[where])
    there, times = set(file.glob("*.pty")), []
    for t in numbers["T"]:
        name = first[t][: -len(".tif")] + ".pty"
        if name not in there:
            return None
        time = _recorded(file, name)
        if time is None:
            return None
        times.append(time)
    return [time - times[0] for time in times]


def _recorded(file: Any, name: str) -> float | None:
    settings = import_extra("oiffile", name).SettingsFile(file.open_file(name), name)
    for k in range(8):
        section = settings.get(f"Axis {k} Parameters", {})
        if section.get("AxisCode", section.get("AxisName")) == "T":
            return _number(section.get("AbsPositionValue"))
    return _number(settings.get("Axis 4 Parameters", {}).get("AbsPositionValue"))
