"""ScanImage: how pages follow one another in volumes, channels and split files.

Channels change fastest, then repeats of a slice, slices, volumes. A file may hold any
part of an acquisition ("frames per file"), and slices at the end of a volume may be
those of the way back ("flyback"). See https://docs.scanimage.org/.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import tifffile

from napari_udvd.formats._axes import UNNAMED
from napari_udvd.formats._facts import Facts, facts_of
from napari_udvd.formats._tiff_image import Pages, TiffImage, Unfollowed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_udvd.formats._planes import Page

__all__ = ["scanimage_images"]

_N_CHANNELS: Final = "number of channels"

_OLDER: Final = {
    # 4 and 5
    "channelsSave": "SI.hChannels.channelSave",
    "stackNumSlices": "SI.hStackManager.numSlices",
    "acqNumFrames": "SI.hStackManager.framesPerSlice",
    "acqNumAveragedFrames": "SI.hScan2D.logAverageFactor",
    "fastZEnable": "SI.hFastZ.enable",
    "fastZNumVolumes": "SI.hStackManager.numVolumes",
    "fastZNumDiscardFrames": "SI.hFastZ.numDiscardFlybackFrames",
    "stackZStepSize": "SI.hStackManager.stackZStepSize",
    "scanFrameRate": "SI.hRoiManager.scanFrameRate",
    # 3
    "numberOfChannelsSave": _N_CHANNELS,
    "numberOfZSlices": "SI.hStackManager.numSlices",
    "numberOfFrames": "SI.hStackManager.framesPerSlice",
    "numAvgFramesSave": "SI.hScan2D.logAverageFactor",
    "zStepSize": "SI.hStackManager.stackZStepSize",
    "frameRate": "SI.hRoiManager.scanFrameRate",
}
"""What older versions call their settings."""


def scanimage_images(tif: tifffile.TiffFile, path: str) -> list[TiffImage] | None:
    """Find the recording in a ScanImage file; None where its settings are missing."""
    settings = _settings(tif)
    if "SI.hChannels.channelSave" not in settings:
        return None
    pages: list[Page] = tif.pages._getlist(validate=False)
    channels = _listed(settings["SI.hChannels.channelSave"])
    layout = _Layout(settings, pages, len(channels), path)
    height, width = pages[0].shape[-2:]
    order = layout.order
    axes = layout.axes + "YX"
    notes = layout.notes
    return [
        TiffImage(
            name="",
            axes=axes,
            shape=(*order.shape, height, width),
            find=lambda: Pages([(page, 1) for page in pages], order),
            tell=lambda: _facts(settings, channels, layout, (height, width), notes),
            droppable="C" + ("Z" if layout.slices == 1 else "") + UNNAMED,
        )
    ]


def _settings(tif: tifffile.TiffFile) -> dict[str, Any]:
    """Read the settings, wherever a version keeps them, under their newest names."""
    page = tif.pages.first
    if page.software.startswith("SI."):
        return _parsed(page.software)
    settings = {}
    for name, value in _parsed(page.description).items():
        short = name.removeprefix("state.acq.")
        short = re.sub(r"^scanimage\.SI\d*\.", "", short)
        if short in _OLDER:
            settings[_OLDER[short]] = value
    count = settings.pop(_N_CHANNELS, None)
    if isinstance(count, int):
        settings["SI.hChannels.channelSave"] = list(range(1, count + 1))
    return settings


def _parsed(text: str) -> dict[str, Any]:
    lines = [line.partition("=") for line in text.replace("\r", "\n").splitlines()]
    return {
        name.strip(): tifffile.matlabstr2py(value)
        for name, found, value in lines
        if found and value.strip()
    }


class _Layout:
    """Which page is which frame, channel and depth.

    Attributes
    ----------
    order, axes
        Number of the page of each plane, and the names of its axes.
    slices, repeats
        Depths of a volume, and frames of each before the next one.
    flyback
        Frames on the way back after each volume.
    averaged
        Frames of which each page is the mean.
    notes
        What was left out.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        pages: Sequence[Page],
        n_channels: int,
        path: str,
    ) -> None:
        manager = "SI.hStackManager."
        is_stack = _is_true(settings.get(f"{manager}enable", True))
        slices = _count(settings.get(f"{manager}actualNumSlices")) or _count(
            settings.get(f"{manager}numSlices")
        )
        self.slices = (slices or 1) if is_stack else 1
        self.averaged = _count(settings.get("SI.hScan2D.logAverageFactor")) or 1
        self.repeats = 1
        self.notes: tuple[str, ...] = ()
        self._path, self._n_channels = path, n_channels
        self.flyback = 0
        n_pages = len(pages)
        promised = _count(settings.get(f"{manager}framesPerSlice")) or 0
        if self.slices > 1:
            self._measure(settings, n_pages)
        elif 0 < n_pages // n_channels < promised // self.averaged:
            self._say(
                f"holds {n_pages // n_channels} of the {promised} frames of its "
                "acquisition: those are read"
            )
        first = self._first_page(pages[0])
        if first:
            self._say(f"begins within a volume: its first {first} pages are left out")
        self._arrange(n_pages - first, first)

    def _measure(self, settings: Mapping[str, Any], n_pages: int) -> None:
        """Find out which frames a volume has: settings that are off are there, too."""
        manager = "SI.hStackManager."
        repeats = _count(settings.get(f"{manager}framesPerSlice")) or 1
        self.repeats = max(repeats // self.averaged, 1)
        if _is_true(settings.get("SI.hFastZ.enable", False)):
            volumes = _count(settings.get(f"{manager}numVolumes")) or 0
            once = self.slices * self._n_channels
            if n_pages != volumes * once * self.repeats:
                self.repeats = 1
            flown = _count(settings.get(f"{manager}numFramesPerVolumeWithFlyback"))
            if flown is not None:
                flyback = flown - self.slices * self.repeats
            else:
                flyback = _count(settings.get("SI.hFastZ.numDiscardFlybackFrames")) or 0
            if 0 < flyback and n_pages != volumes * once * self.repeats:
                self.flyback = flyback

    def _first_page(self, page: Page) -> int:
        """Count the pages before the first whole volume, in a file of a set."""
        found = re.search(r"frameNumbers\s*=\s*(\d+)", page.aspage().description)
        per_volume = self.slices * self.repeats + self.flyback
        begun = (int(found[1]) - 1) % per_volume if found else 0
        return (per_volume - begun) % per_volume * self._n_channels

    def _arrange(self, n_pages: int, first: int) -> None:
        n_channels = self._n_channels
        per_step = n_channels * self.repeats
        per_volume = per_step * self.slices + n_channels * self.flyback
        if self.slices > 1 and 0 < n_pages < per_volume and n_pages % per_step == 0:
            self._say(
                f"holds {n_pages // per_step} of the {self.slices} slices of its "
                "volume: those are read"
            )
            self.slices, self.flyback, per_volume = n_pages // per_step, 0, n_pages
        volumes, rest = divmod(n_pages, per_volume)
        if not volumes:
            raise Unfollowed(
                f"{self._path!r} holds {n_pages} pages, but one volume takes "
                f"{per_volume} ({self.slices} slices, {n_channels} channels, "
                f"{self.repeats} frames of each slice): it has a part of a volume. "
                'Name the axes to read the pages as they are, for example axes="TYX"'
            )
        if rest:
            self._say(
                f"ends within a frame or volume: its last {rest} of {n_pages} pages "
                "are left out"
            )
        if self.flyback:
            self._say(
                f"has {self.flyback} frames of the way back at the end of each "
                "volume: they are left out"
            )
        numbers = first + np.arange(volumes * per_volume, dtype=np.int64)
        order = numbers.reshape(volumes, -1)[:, : per_step * self.slices]
        order = order.reshape(volumes, self.slices, self.repeats, n_channels)
        # Volumes and the repeats of a slice are both time, in this order.
        order = order.transpose(0, 2, 1, 3).reshape(-1, self.slices, n_channels)
        self.order, self.axes = np.ascontiguousarray(order), "TZC"
        if self.slices > 1 and len(self.order) == 1:
            self.order, self.axes = self.order[0], "ZC"

    def _say(self, what: str) -> None:
        self.notes = (*self.notes, f"{self._path!r} {what}")


def _facts(
    settings: Mapping[str, Any],
    channels: list[Any],
    layout: _Layout,
    frame: tuple[int, int],
    notes: tuple[str, ...],
) -> Facts:
    manager = "SI.hRoiManager."
    rate = settings.get(f"{manager}scanFrameRate")
    averaged: float = layout.averaged
    if layout.slices > 1:
        averaged = (layout.slices + layout.flyback) * layout.repeats
        if (volumes := settings.get(f"{manager}scanVolumeRate")) is not None:
            rate, averaged = volumes, 1
        if layout.repeats > 1:
            rate = None
            notes = (
                *notes,
                f"each slice was recorded {layout.repeats} times before the next one: "
                "the frames have no regular interval",
            )
    steps: dict[str, tuple[object, str | None]] = {}
    if isinstance(rate, int | float) and 0 < rate < math.inf:
        steps["T"] = averaged / rate, "s"
    steps["Z"] = (
        settings.get("SI.hStackManager.actualStackZStepSize")
        or settings.get("SI.hStackManager.stackZStepSize"),
        "µm",
    )
    corners = np.asarray(settings.get(f"{manager}imagingFovUm") or (), object)
    if corners.shape == (4, 2):
        width, height = np.ptp(corners.astype(float), axis=0)
        steps["Y"], steps["X"] = (height / frame[0], "µm"), (width / frame[1], "µm")
    names = _listed(settings.get("SI.hChannels.channelName") or ())
    known = [names[c - 1] for c in channels if isinstance(c, int) and c <= len(names)]
    if len(known) != len(channels):
        known = [f"channel {c}" for c in channels]
    return facts_of(steps, channel_names=known, notes=notes)


def _listed(value: Any) -> list[Any]:
    """Return one value or a row, column or list of them as a list."""
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        return [value]
    return [item for part in value for item in _listed(part)]


def _count(value: Any) -> int | None:
    """Return a number of things; None where there is none, or it is infinite."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 < value < math.inf else None


def _is_true(value: Any) -> bool:
    return str(value).strip().lower() in ("true", "1", "1.0")
