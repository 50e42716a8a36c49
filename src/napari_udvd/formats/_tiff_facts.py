"""Pixel size, interval and channel names, as each dialect of TIFF states them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_udvd.formats._facts import Facts, facts_of
from napari_udvd.formats._tiff_image import microns
from napari_udvd.formats._tiff_vendors import vendor_facts
from napari_udvd.formats._units import normalise_unit

if TYPE_CHECKING:
    from collections.abc import Mapping

    import tifffile

__all__ = [
    "fluoview_facts",
    "imagej_facts",
    "lsm_facts",
    "resolution_facts",
    "shaped_facts",
    "sis_facts",
    "stk_facts",
    "wavelengths",
]

_MICRONS: Final = {2: 25400.0, 3: 10000.0}
"""Length of the unit of the resolution tags, inch and centimetre, in µm."""

_LARGEST_PIXEL: Final = 20.0
"""Coarsest pixel size that is believed, µm; coarser resolutions are those of printers
and screens, such as 72 dpi."""

_TIMESTAMP: Final = re.compile(
    r"^\s*timestamp #?(\d+)\s*=\s*([\d.]+(?:[eE][+-]?\d+)?)\s*$", re.MULTILINE
)
"""A line that the importer of Bio-Formats leaves in ImageJ's image info."""


def resolution_facts(tif: tifffile.TiffFile) -> Facts:
    """Read the resolution tags, where they are those of a microscope.

    The tags of a maker go before.
    """
    page = tif.pages.first
    vendor = vendor_facts(tif, str(tif.filehandle.path))
    if "X" in vendor.scale:
        return vendor
    unit = _MICRONS.get(int(page.tags.valueof("ResolutionUnit", default=2)))
    if unit is None:
        return vendor
    steps: dict[str, tuple[object, str | None]] = {}
    for axis in "YX":
        size = _pixel_size(page.tags.valueof(f"{axis}Resolution"))
        if size is not None and size * unit < _LARGEST_PIXEL:
            steps[axis] = float(f"{size * unit:.12g}"), "µm"
    found = facts_of(steps)
    return replace(
        vendor,
        scale={**found.scale, **vendor.scale},
        units={**found.units, **vendor.units},
    )


def shaped_facts(tif: tifffile.TiffFile) -> Facts:
    """Read what the writer of a tifffile description added, named as OME or ImageJ do.

    The resolution tags count where it does not say how large a pixel is.
    """
    metadata = (tif.shaped_metadata or ({},))[0]
    tags = tif.pages.first.tags
    unit = str(metadata.get("unit", ""))
    steps: dict[str, tuple[object, str | None]] = {
        "Z": (metadata.get("spacing"), unit),
        "T": (metadata.get("finterval"), str(metadata.get("tunit", "s"))),
    }
    if _has_unit(unit):
        steps |= {a: (_pixel_size(tags.valueof(f"{a}Resolution")), unit) for a in "YX"}
    for axis in "ZYX":
        if f"PhysicalSize{axis}" in metadata:
            its_unit = str(metadata.get(f"PhysicalSize{axis}Unit", "µm"))
            steps[axis] = metadata[f"PhysicalSize{axis}"], its_unit
    if "TimeIncrement" in metadata:
        its_unit = str(metadata.get("TimeIncrementUnit", "s"))
        steps["T"] = metadata["TimeIncrement"], its_unit
    names = (metadata.get("Channel") or {}).get("Name") or ()
    told = facts_of(
        {axis: step for axis, step in steps.items() if _has_unit(step[1])},
        channel_names=[names] if isinstance(names, str) else names,
    )
    if "X" in told.scale:
        return told
    tagged = resolution_facts(tif)
    return replace(
        told,
        scale={**tagged.scale, **told.scale},
        units={**tagged.units, **told.units},
    )


def imagej_facts(tif: tifffile.TiffFile) -> Facts:
    """Read what ImageJ writes.

    Its ``fps`` is the speed at which it plays a movie, not that of the recording.
    """
    metadata = tif.imagej_metadata or {}
    tags = tif.pages.first.tags
    unit = str(metadata.get("unit", ""))
    steps: dict[str, tuple[object, str | None]] = {
        "X": (_pixel_size(tags.valueof("XResolution")), unit),
        "Y": (
            _pixel_size(tags.valueof("YResolution")),
            str(metadata.get("yunit", unit)),
        ),
        "Z": (metadata.get("spacing"), str(metadata.get("zunit", unit))),
        "T": (metadata.get("finterval"), str(metadata.get("tunit", "s"))),
    }
    found = facts_of(
        {axis: step for axis, step in steps.items() if _has_unit(step[1])},
        channel_names=_imagej_labels(metadata),
        times=_imagej_times(metadata),
        notes=_imagej_notes(metadata),
    )
    return found


def lsm_facts(tif: tifffile.TiffFile) -> Facts:
    """Read what Zeiss' LSM software writes."""
    metadata = tif.lsm_metadata or {}
    steps: dict[str, tuple[object, str | None]] = {
        axis: microns(metadata.get(f"VoxelSize{axis}")) for axis in "ZYX"
    }
    steps["T"] = metadata.get("TimeIntervall"), "s"
    stamps = metadata.get("TimeStamps")
    n_frames = int(metadata.get("DimensionTime", 1))
    times = None
    if stamps is not None and len(stamps) == n_frames > 1:
        times = (np.asarray(stamps, float) - float(stamps[0])).tolist()
    names = (metadata.get("ChannelColors") or {}).get("ColorNames", ())
    return facts_of(steps, channel_names=names, times=times)


def stk_facts(tif: tifffile.TiffFile) -> Facts:
    """Read what MetaMorph writes into its stacks."""
    metadata = tif.stk_metadata or {}
    steps: dict[str, tuple[object, str | None]] = {}
    unit = metadata.get("CalibrationUnits")
    if metadata.get("SpatialCalibration", True):
        steps = {a: (metadata.get(f"{a}Calibration"), unit) for a in "YX"}
    distances = np.asarray(metadata.get("ZDistance", ()), float)
    if distances.size and not np.ptp(distances[-(len(distances) - 1 or 1) :]):
        steps["Z"] = float(distances[-1]), unit
    created = metadata.get("DatetimeCreated")
    times = None
    if created is not None and len(created) > 1:
        since = (created - created[0]).astype("timedelta64[ns]").astype(float)
        times = np.round(since / 1e9, 6).tolist()
    n, names = wavelengths(metadata)
    if times is not None and n > 1:
        times = times[::n]
    return facts_of(steps, channel_names=names, times=times)


def wavelengths(metadata: Mapping[str, Any]) -> tuple[int, tuple[str, ...]]:
    """Count the wavelengths of a MetaMorph stack that follow one another.

    Returns
    -------
    tuple
        How many planes make up one frame or depth, 0 where that is not clear; and the
        names of the wavelengths, where there is more than a placeholder.
    """
    waves = np.asarray(metadata.get("Wavelengths", ()), float)
    kinds = dict.fromkeys(waves.tolist())
    n = max(len(kinds), 1)
    if len(waves) % n or (waves != np.tile(waves[:n], len(waves) // n)).any():
        return 0, ()
    names = tuple(f"{wave:g} nm" for wave in kinds)
    return n, names if n > 1 or any(wave > 1 for wave in kinds) else ()


def fluoview_facts(tif: tifffile.TiffFile) -> Facts:
    """Read what Olympus' FluoView writes."""
    letters = {"X": "X", "Y": "Y", "Z": "Z", "T": "T", "TIME": "T"}
    steps: dict[str, tuple[object, str | None]] = {}
    for name, _, _, resolution, unit in (tif.fluoview_metadata or {}).get(
        "Dimensions", ()
    ):
        axis = letters.get(str(name).upper())
        if axis is not None:
            steps[axis] = resolution, str(unit)
    return facts_of(steps)


def sis_facts(tif: tifffile.TiffFile) -> Facts:
    """Read what Olympus' Soft Imaging System writes."""
    metadata = tif.sis_metadata or {}
    return facts_of(
        {axis: microns(metadata.get(f"pixelsize{axis.lower()}")) for axis in "YX"}
    )


def _has_unit(unit: str | None) -> bool:
    """Whether a step is more than one pixel for each pixel."""
    return bool(normalise_unit(unit))


def _pixel_size(resolution: Any) -> float | None:
    """Size of a pixel from pixels per unit, a fraction."""
    if not isinstance(resolution, tuple) or 0 in resolution:
        return None
    return float(resolution[1] / resolution[0])


def _imagej_notes(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    rate, interval = metadata.get("fps"), metadata.get("finterval")
    if rate and not interval and int(metadata.get("frames", 1)) > 1:
        return (
            f"fps={rate:g} is the speed at which ImageJ plays the movie, not that of "
            "its recording: the frame interval is not known",
        )
    return ()


def _imagej_times(metadata: Mapping[str, Any]) -> list[float] | None:
    """Find the times of the frames in the image info, one for each frame."""
    found = {
        int(number): float(time)
        for number, time in _TIMESTAMP.findall(str(metadata.get("Info", "")))
    }
    if len(found) != int(metadata.get("frames", 1)) or len(found) < 2:
        return None
    return [found[number] for number in sorted(found)]


def _imagej_labels(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the channels, where every plane is labelled with one of them."""
    labels, n = metadata.get("Labels"), int(metadata.get("channels", 1))
    if n < 2 or not isinstance(labels, list) or len(labels) != metadata.get("images"):
        return ()
    names = tuple(str(label) for label in labels[:n])
    repeats = all(label == names[i % n] for i, label in enumerate(labels))
    return names if repeats and len(set(names)) == n and all(names) else ()
