"""Areas that ImageJ saved: a ROI, or the set of a ROI manager.

A ROI is big-endian: ``Iout``, version, type, box, number of corners, and from byte 64
on the corners, x before y, as whole numbers from the corner of the box and, if so
flagged, again as fractions from that of the image. ImageJ counts from the corner of the
first pixel; here its middle is zero.
"""

from __future__ import annotations

import os
import struct
import zipfile
from typing import TYPE_CHECKING

import numpy as np

from napari_udvd.errors import InputError
from napari_udvd.features._still import StillRegions, ellipse, regions_of_polygons

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_udvd.stack import LayoutLike

__all__ = ["is_imagej", "regions_of_imagej"]

MAGIC = b"Iout"
HEADER = 64
RECTANGLE, OVAL = 1, 2
OUTLINES = (0, 7, 8)
"""Polygon, freehand and traced: all are corners."""
FRACTIONS = 128
"""Flag of corners that are fractions of pixels."""


def is_imagej(name: str) -> bool:
    """Whether a file is a ROI of ImageJ, or a set of them."""
    suffix = os.path.splitext(name)[1].lower()
    if suffix == ".roi":
        return True
    if suffix != ".zip" or not zipfile.is_zipfile(name):
        return False
    with zipfile.ZipFile(name) as archive:
        return any(entry.endswith(".roi") for entry in archive.namelist())


def regions_of_imagej(name: str, like: LayoutLike) -> StillRegions:
    """Regions inside of ROIs, by the names that they have in ImageJ's manager.

    Raises
    ------
    InputError
        If the file cannot be read, is none of ImageJ's, holds lines, points or ROIs
        that are made of several, or one lies outside of the frame.
    """
    found = {}
    for entry, content in _contents(name).items():
        title = os.path.splitext(os.path.basename(entry))[0]
        found[title] = _outline(content, f"ROI {title!r} of {name!r}")
    return regions_of_polygons(list(found.values()), like, list(found))


def _contents(name: str) -> dict[str, bytes]:
    try:
        if name.lower().endswith(".roi"):
            with open(name, "rb") as file:
                return {name: file.read()}
        with zipfile.ZipFile(name) as archive:
            entries = [each for each in archive.namelist() if each.endswith(".roi")]
            return {entry: archive.read(entry) for entry in entries}
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{name!r} cannot be read; save it again in ImageJ's ROI manager"
        ) from error


def _outline(content: bytes, what: str) -> npt.NDArray[np.float64]:
    """Corners ``(n, 2)``, row and column in pixels."""
    if len(content) < HEADER or not content.startswith(MAGIC):
        raise InputError(f"{what} is none of ImageJ's; save it again there")
    (kind,) = struct.unpack_from(">B", content, 6)
    top, left, bottom, right, number = struct.unpack_from(">4hH", content, 8)
    (parts,) = struct.unpack_from(">i", content, 36)
    (flags,) = struct.unpack_from(">h", content, 50)
    box = np.array([[top, left], [top, right], [bottom, right], [bottom, left]], float)
    if parts or kind not in (RECTANGLE, OVAL, *OUTLINES):
        raise InputError(
            f"{what} is no single area; draw rectangles, ovals, polygons or freehand "
            "areas"
        )
    if kind == RECTANGLE:
        corners = box
    elif kind == OVAL:
        corners = ellipse(box)
    else:
        start, form, origin = HEADER, ">i2", (left, top)
        if flags & FRACTIONS:
            start, form, origin = HEADER + 4 * number, ">f4", (0, 0)
        size = 2 * number * np.dtype(form).itemsize
        if len(content) < start + size:
            raise InputError(f"{what} is cut off; save it again in ImageJ")
        values = np.frombuffer(content[start : start + size], form).astype(float)
        corners = (values.reshape(2, number).T + origin)[:, ::-1]
    return np.asarray(corners - 0.5, float)
