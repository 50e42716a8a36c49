"""From layers of the viewer to regions that are watched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from napari.layers import Labels, Points, Shapes, Tracks

from napari_udvd._widgets.shared.layers import pixels_of, polygons_of
from napari_udvd.errors import InputError

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping

    from napari.layers import Image, Layer

    from napari_udvd.features import Regions
    from napari_udvd.stack import Stack

__all__ = ["KINDS", "RegionsAsked", "Watched", "asked_of", "watched"]

KINDS = (Shapes, Labels, Points, Tracks)
"""Layers that regions can be taken from."""

NAMES = "region"
"""Column of a layer's features that names its shapes or points."""


@dataclass(frozen=True, eq=False)
class RegionsAsked:
    """What a layer says of regions, in pixels of the movie.

    Attributes
    ----------
    stack
        The movie.
    kind
        ``frame``, ``polygons``, ``places``, ``points`` (in several frames), ``tracks``
        or ``labels``.
    values
        Polygons, places, points, rows of tracks, or the labels.
    names
        Of polygons or places.
    radius
        Of discs around places, px.
    """

    stack: Stack
    kind: str
    values: Any = None
    names: tuple[str, ...] = ()
    radius: float = 10.0


@dataclass(frozen=True, eq=False)
class Watched:
    """Regions, and when they are there.

    Attributes
    ----------
    asked
        What they were made of.
    regions
        The regions.
    there
        First frame of each, and the one after its last.
    radius
        Of the circle that shows where a region is, px.
    """

    asked: RegionsAsked
    regions: Regions
    there: Mapping[str, tuple[int, int]]
    radius: float

    @property
    def is_whole(self) -> bool:
        """True where the one region is the whole frame."""
        return self.asked.kind == "frame"

    def centre(self, name: str, t: int) -> tuple[float, float] | None:
        """Row and column of a region in a frame; None where it is not there."""
        found = self.regions.at(t).get(name)
        return None if found is None else found.centre


def asked_of(
    layer: Layer | None, movie: Image, stack: Stack, radius: float
) -> RegionsAsked:
    """Read a layer; its shapes and points get names that stay when others go.

    Raises
    ------
    InputError
        If the layer is of another kind, or has other axes than the movie.
    """
    if layer is None:
        return RegionsAsked(stack, "frame")
    if isinstance(layer, Shapes):
        values: Any = polygons_of(layer, movie, stack)
        return RegionsAsked(stack, "polygons", values, _named(layer, len(values)))
    if isinstance(layer, Tracks):
        rows = np.asarray(layer.data, float)
        at = pixels_of(layer, rows[:, 1:], movie)
        axes = [stack.axes.index(axis) for axis in "TYX"]
        values = np.column_stack([rows[:, 0], at[:, axes]])
        values[:, 1] = np.rint(values[:, 1])
        return RegionsAsked(stack, "tracks", values, radius=radius)
    if isinstance(layer, Points):
        at = pixels_of(layer, np.asarray(layer.data, float), movie)
        values = at[:, [stack.axes.index(axis) for axis in "TYX"]]
        if len(np.unique(values[:, 0])) > 1:
            return RegionsAsked(stack, "points", values, radius=radius)
        names = _named(layer, len(values))
        return RegionsAsked(stack, "places", values[:, 1:], names, radius)
    if isinstance(layer, Labels):
        return RegionsAsked(stack, "labels", _without_single(layer.data))
    raise InputError(
        f"{layer.name!r} has no regions; choose a layer of shapes, labels, points or "
        "tracks"
    )


def watched(asked: RegionsAsked, cancel: threading.Event) -> Watched:
    """Make the regions; reads all frames where labels change in time.

    Raises
    ------
    InputError
        If there is none, or one is outside of the movie.
    """
    from napari_udvd import features

    like = asked.stack.layout
    there = {}
    regions: Regions
    if asked.kind == "frame":
        regions = features.whole_frame(like)
    elif asked.kind == "polygons":
        regions = features.regions_of_polygons(asked.values, like, asked.names)
    elif asked.kind == "places":
        regions = features.regions_of_places(
            asked.values, like, radius=asked.radius, names=asked.names
        )
    elif asked.kind == "points":
        regions = features.regions_of_points(asked.values, like, radius=asked.radius)
    elif asked.kind == "tracks":
        regions = features.regions_of_tracks(asked.values, like, radius=asked.radius)
        there = _extents(asked.values)
    else:
        regions = features.regions_of_labels(asked.values, like)
    whole = (0, like.n_frames)
    return Watched(
        asked,
        regions,
        {name: there.get(name, whole) for name in regions.names},
        max(regions.crop) / 2.5,
    )


def _extents(tracks: npt.NDArray[np.float64]) -> dict[str, tuple[int, int]]:
    """First frame of each track, and the one after its last."""
    found = {}
    for number in np.unique(tracks[:, 0]):
        frames = tracks[tracks[:, 0] == number, 1]
        found[str(int(number))] = int(frames.min()), int(frames.max()) + 1
    return found


def _named(layer: Shapes | Points, number: int) -> tuple[str, ...]:
    """Names of what is in a layer; what has none gets the next number.

    The viewer keeps features with what they belong to: a name stays when another shape
    is removed.
    """
    table = layer.features
    before = [str(name) for name in table[NAMES]] if NAMES in table else []
    names: list[str] = []
    following = max([0, *(int(name) for name in before if name.isdecimal())]) + 1
    for k in range(number):
        name = before[k] if k < len(before) else ""
        if name in ("", "nan", "None") or name in names:
            name, following = str(following), following + 1
        names.append(name)
    if names != before:
        table = table.copy()
        table[NAMES] = names
        layer.features = table
    return tuple(names)


def _without_single(labels: Any) -> Any:
    """Labels without axes of length one, which a layer may have more of."""
    while labels.ndim > 2 and labels.shape[0] == 1:
        labels = labels[0]
    return labels
