"""Units as microscopes spell them, brought to one spelling.

Values are never converted: a pixel size in nanometres stays in nanometres.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from napari_udvd.stack import LayoutLike

__all__ = [
    "LENGTHS",
    "METRES",
    "SECONDS",
    "TIMES",
    "calibrated",
    "ngff_unit",
    "normalise_unit",
    "seconds_between_frames",
]

_NGFF_NAMES: Final = {
    "m": "meter",
    "cm": "centimeter",
    "mm": "millimeter",
    "µm": "micrometer",
    "nm": "nanometer",
    "pm": "picometer",
    "Å": "angstrom",
    "in": "inch",
    "d": "day",
    "h": "hour",
    "min": "minute",
    "s": "second",
    "ms": "millisecond",
    "µs": "microsecond",
    "ns": "nanosecond",
}

METRES: Final = {
    "m": 1.0,
    "cm": 1e-2,
    "mm": 1e-3,
    "µm": 1e-6,
    "nm": 1e-9,
    "pm": 1e-12,
    "Å": 1e-10,
    "in": 0.0254,
}
"""How many metres a unit of length is."""

LENGTHS: Final = frozenset(METRES)
"""Units of length in this package's spelling, which is that of OME-XML."""

SECONDS: Final = {
    "d": 86400.0,
    "h": 3600.0,
    "min": 60.0,
    "s": 1.0,
    "ms": 1e-3,
    "µs": 1e-6,
    "ns": 1e-9,
}
"""How many seconds a unit of time is."""

TIMES: Final = frozenset(SECONDS)
"""Units of time in this package's spelling, which is that of OME-XML."""

_SPELLINGS: Final = {
    **{unit.lower(): unit for unit in _NGFF_NAMES},
    **{name: unit for unit, name in _NGFF_NAMES.items()},
    **{f"{name}s": unit for unit, name in _NGFF_NAMES.items()},
    **{
        f"{name[:-5]}metre{plural}": unit
        for unit, name in _NGFF_NAMES.items()
        if name.endswith("meter")
        for plural in ("", "s")
    },
    "micron": "µm",
    "microns": "µm",
    "um": "µm",
    "us": "µs",
    "usec": "µs",
    "msec": "ms",
    "sec": "s",
    "secs": "s",
    "mins": "min",
    "hr": "h",
    "hrs": "h",
    # Spellings of "not calibrated".
    "pixel": "",
    "pixels": "",
    "px": "",
    "none": "",
    "unknown": "",
    "<undefined>": "",
    "t.undefined": "",
    "reference frame": "",
}


def normalise_unit(unit: str | None) -> str:
    r"""Spell `unit` as this package does; empty where there is none.

    ``"micron"``, ``"um"``, ``"\\u00B5m"`` (ImageJ) and ``"micrometer"`` all become
    ``"µm"``. A unit that is not known is returned as it is.
    """
    text = (unit or "").strip()
    # ImageJ escapes non-ASCII; Greek mu and the Angstrom sign have twins.
    text = text.replace("\\u00B5", "µ").replace("\\u00b5", "µ")
    text = text.replace("\u03bc", "µ").replace("\u212b", "Å")
    return _SPELLINGS.get(text.lower(), text)


def ngff_unit(unit: str) -> str:
    """Name of `unit` in OME-Zarr, which spells units out (``"micrometer"``)."""
    return _NGFF_NAMES.get(unit, unit)


def calibrated(step: object, unit: str | None) -> tuple[float, str] | None:
    """Return step and unit of an axis as a file states them.

    Returns None where the file only has a placeholder: no number, zero, or one
    without a unit (one pixel per pixel). The sign, which some microscopes use for
    the direction of the axis, is dropped.
    """
    try:
        value = abs(float(step))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    spelled = normalise_unit(unit)
    if not math.isfinite(value) or value == 0 or (value == 1 and not spelled):
        return None
    return value, spelled


def seconds_between_frames(movie: LayoutLike) -> float | None:
    """Return the interval of a movie in seconds; None where it is not known."""
    step = movie.scale.get("T")
    seconds = SECONDS.get(normalise_unit(movie.units.get("T")))
    return None if step is None or seconds is None else step * seconds
