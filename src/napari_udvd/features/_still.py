"""Regions that stay where they are: polygons, labels, places, the whole frame."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage
from skimage.draw import polygon2mask

from napari_udvd.errors import InputError
from napari_udvd.features._footprint import Footprint, side_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from napari_udvd.stack import LayoutLike

__all__ = [
    "StillRegions",
    "footprints",
    "regions_of_label_image",
    "regions_of_places",
    "regions_of_polygons",
    "whole_frame",
]

WHOLE = "frame"
"""Name of the region that is the whole frame."""


@dataclass(frozen=True, eq=False)
class StillRegions:
    """Regions that are the same pixels in every frame."""

    by_name: Mapping[str, Footprint]
    crop: tuple[int, int]
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Of all regions."""
        return tuple(self.by_name)

    def at(self, t: int) -> Mapping[str, Footprint]:
        """Footprints, the same in every frame."""
        return self.by_name


def _still(by_name: dict[str, Footprint]) -> StillRegions:
    side = side_of([each.inside.shape for each in by_name.values()])
    return StillRegions(by_name, (side, side))


def whole_frame(like: LayoutLike) -> StillRegions:
    """One region that is the whole frame; its name is ``frame``."""
    height, width = like.frame_shape
    inside = np.ones((height, width), bool)
    middle = ((height - 1) / 2, (width - 1) / 2)
    found = Footprint(slice(0, height), slice(0, width), inside, middle)
    return StillRegions({WHOLE: found}, (height, width))


def regions_of_polygons(
    polygons: Sequence[npt.NDArray[np.float64]],
    like: LayoutLike,
    names: Sequence[str] | None = None,
) -> StillRegions:
    """Regions inside of polygons.

    Parameters
    ----------
    polygons
        Corners ``(n, 2)``, row and column in pixels; in front of them there may be
        others, such as the frame in which a shape was drawn, which do not count.
    like
        The movie.
    names
        One for each; numbers from 1 on if None.

    Raises
    ------
    InputError
        If there is none, one has fewer than three corners or lies outside of the frame,
        or two have the same name.
    """
    if not len(polygons):
        raise InputError("there is no shape; draw around what shall be watched")
    named = _names(names, len(polygons), "shape")
    found: dict[str, Footprint] = {}
    for name, polygon in zip(named, polygons, strict=True):
        corners = np.asarray(polygon, float)
        if corners.ndim != 2 or len(corners) < 3 or corners.shape[1] < 2:
            raise InputError(
                f"shape {name} has corners of the shape {corners.shape}; a region "
                "needs three or more, with row and column each"
            )
        found[name] = _of_corners(corners[:, -2:], like.frame_shape, f"shape {name}")
    return _still(found)


def regions_of_places(
    places: npt.NDArray[np.float64],
    like: LayoutLike,
    *,
    radius: float = 10.0,
    names: Sequence[str] | None = None,
) -> StillRegions:
    """Regions that are discs around places.

    Parameters
    ----------
    places
        ``(n, 2)`` row and column in pixels.
    like
        The movie.
    radius
        Of the discs, px.
    names
        One for each; numbers from 1 on if None.

    Raises
    ------
    InputError
        If there is none, one lies outside of the frame, the radius is not positive, or
        two have the same name.
    """
    if not len(places):
        raise InputError("there is no point; set one on what shall be watched")
    check_radius(radius)
    named = _names(names, len(places), "point")
    found = {}
    for name, (y, x) in zip(named, np.asarray(places, float), strict=True):
        check_place((y, x), like.frame_shape, f"point {name}")
        found[name] = disc((y, x), radius, like.frame_shape)
    return _still(found)


def regions_of_label_image(
    labels: npt.NDArray[np.integer[Any]], like: LayoutLike
) -> StillRegions:
    """Regions of pixels with the same label, but 0, in an image ``(Y, X)``.

    Raises
    ------
    InputError
        If all are 0.
    """
    found = footprints(labels)
    if not found:
        raise InputError(
            "there is no label, all pixels are 0; paint what shall be watched"
        )
    return _still(found)


def footprints(labels: npt.NDArray[np.integer[Any]]) -> dict[str, Footprint]:
    """Footprint of every label but 0 of an image, by the label."""
    values, places = np.unique(labels, return_inverse=True)
    # its numbers may be large and few
    numbers = places.reshape(labels.shape) + 1
    found = {}
    for number, (value, box) in enumerate(
        zip(values.tolist(), ndimage.find_objects(numbers), strict=True), start=1
    ):
        if value:
            inside = numbers[box] == number
            y, x = (float(at.mean()) for at in np.nonzero(inside))
            centre = box[0].start + y, box[1].start + x
            found[str(value)] = Footprint(box[0], box[1], inside, centre)
    return found


def ellipse(box: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Outline of an ellipse ``(n, 2)`` from the four corners of the box around it."""
    middle, one, two = box.mean(axis=0), box[1] - box[0], box[3] - box[0]
    angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)[:, None]
    return np.asarray(middle + np.cos(angle) * one / 2 + np.sin(angle) * two / 2)


def disc(
    centre: tuple[float, float], radius: float, shape: tuple[int, int]
) -> Footprint:
    """Footprint of a disc whose centre is in the frame; its pixel always belongs."""
    spans, away, owns = [], [], []
    for middle, length in zip(centre, shape, strict=True):
        own = round(min(max(middle, 0), length - 1))
        first = max(0, min(own, math.ceil(middle - radius)))
        last = min(length - 1, max(own, math.floor(middle + radius)))
        spans.append(slice(first, last + 1))
        away.append((np.arange(first, last + 1) - middle) ** 2)
        owns.append(own - first)
    inside = away[0][:, None] + away[1] <= radius**2
    inside[*owns] = True
    return Footprint(spans[0], spans[1], inside, centre)


def check_place(
    place: tuple[float, float], shape: tuple[int, int], what: str, advice: str = ""
) -> None:
    """Refuse a place that is not in the frame.

    Raises
    ------
    InputError
        If it is not, or no number.
    """
    if not all(-0.5 <= c <= n - 0.5 for c, n in zip(place, shape, strict=True)):
        raise InputError(
            f"{what} is at row {place[0]:.6g}, column {place[1]:.6g}, outside of the "
            f"frame of {shape[0]} x {shape[1]} pixels{advice}"
        )


def check_radius(radius: float) -> None:
    """Refuse a radius that is not positive.

    Raises
    ------
    InputError
        If it is not.
    """
    if not (np.isfinite(radius) and radius > 0):
        raise InputError(f"radius is {radius:g}; expected a positive number of pixels")


def _of_corners(
    corners: npt.NDArray[np.float64], shape: tuple[int, int], what: str
) -> Footprint:
    """Footprint of a polygon; only the part of the frame around it is looked at."""
    if not np.isfinite(corners).all():
        raise InputError(f"{what} has a corner that is no number; draw it again")
    start = np.clip(np.floor(corners.min(axis=0)).astype(int), 0, shape)
    stop = np.clip(np.ceil(corners.max(axis=0)).astype(int) + 1, 0, shape)
    inside = polygon2mask(tuple(np.maximum(stop - start, 0)), corners - start)
    if not inside.any():
        raise InputError(
            f"{what} holds no pixel of the frame of {shape[0]} x {shape[1]} pixels; "
            "draw it on the movie"
        )
    tight = ndimage.find_objects(inside.astype(np.uint8))[0]
    inside = inside[tight]
    rows, columns = (
        slice(int(first) + part.start, int(first) + part.stop)
        for first, part in zip(start, tight, strict=True)
    )
    y, x = (float(at.mean()) for at in np.nonzero(inside))
    return Footprint(rows, columns, inside, (rows.start + y, columns.start + x))


def _names(names: Sequence[str] | None, number: int, what: str) -> list[str]:
    found = [str(k) for k in range(1, number + 1)] if names is None else list(names)
    if len(found) != number or len(set(found)) != number:
        raise InputError(
            f"there are {number} {what}s and {len(set(found))} different names; each "
            "needs one of its own"
        )
    return found
