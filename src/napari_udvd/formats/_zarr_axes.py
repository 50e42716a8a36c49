"""Axes and steps of an OME-Zarr image: coordinate systems and transformations.

Up to version 0.5 the axes are listed with the image, and the scale of the image
multiplies that of its level. From 0.6 on there are coordinate systems, and the
transformation of a level names the one that it leads to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_udvd.errors import InputError

__all__ = ["described"]

_Steps = npt.NDArray[np.float64]


def described(
    image: Mapping[str, Any], level: Mapping[str, Any], ndim: int, path: str
) -> tuple[list[dict[str, Any]], _Steps, tuple[str, ...]]:
    """Return name, type and unit of each axis of a level, its steps, and notes.

    Parameters
    ----------
    image
        An entry of ``multiscales``.
    level
        One of its ``datasets``.
    ndim
        Dimensions of the array.
    path
        The file, for messages.

    Raises
    ------
    InputError
        If it does not name as many axes as the array has.
    """
    own = _listed(level)
    systems = _listed(image, "coordinateSystems")
    if systems:
        axes = _system(systems, own).get("axes")
        steps = own
    else:
        axes = image.get("axes") or list("tczyx")[-ndim:]
        steps = [*_listed(image), *own]
    entries = [{"name": e} if isinstance(e, str) else dict(e) for e in axes or ()]
    if len(entries) != ndim:
        raise InputError(
            f"{path!r} names {len(entries)} axes but its array has {ndim} dimensions"
        )
    scale, unknown = np.ones(ndim), []
    for transformation in steps:
        kind = _multiply(scale, transformation)
        if kind is not None:
            unknown.append(kind)
    if not unknown:
        return entries, scale, ()
    note = (
        f"{path!r} describes its axes by the transformation {unknown[0]!r}, which is "
        "not understood: pixel size and frame interval are left out"
    )
    return entries, np.full(ndim, np.nan), (note,)


def _listed(
    holder: Mapping[str, Any], key: str = "coordinateTransformations"
) -> Sequence[Mapping[str, Any]]:
    return holder.get(key) or ()


def _system(
    systems: Sequence[Mapping[str, Any]], own: Sequence[Mapping[str, Any]]
) -> Mapping[str, Any]:
    """Find the coordinate system that the transformation of a level leads to."""
    output = own[-1].get("output") if own else None
    name = output.get("name") if isinstance(output, Mapping) else output
    return next((s for s in systems if s.get("name") == name), systems[0])


def _multiply(scale: _Steps, transformation: Mapping[str, Any]) -> str | None:
    """Apply a transformation to the steps; return its kind if that is not possible."""
    kind = str(transformation.get("type"))
    if kind == "sequence":
        inner = [
            _multiply(scale, each)
            for each in _listed(transformation, "transformations")
        ]
        return next((each for each in inner if each is not None), None)
    if kind == "scale" and len(transformation.get("scale", ())) == len(scale):
        scale *= np.asarray(transformation["scale"], float)
        return None
    return None if kind in ("identity", "translation") else kind
