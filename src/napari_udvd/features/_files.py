"""Regions from files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from napari_udvd.errors import InputError
from napari_udvd.features._imagej import is_imagej, regions_of_imagej
from napari_udvd.features._labels import regions_of_labels
from napari_udvd.features._still import check_radius, ellipse, regions_of_polygons
from napari_udvd.features._trackmate import is_trackmate, regions_of_trackmate
from napari_udvd.features._tracks import Track, regions_of_points, tracked
from napari_udvd.formats import open_stack
from napari_udvd.small_files import read_table

if TYPE_CHECKING:
    from napari_udvd.features._footprint import Regions
    from napari_udvd.small_files import Table
    from napari_udvd.stack import LayoutLike

__all__ = ["read_regions"]

TABLES = (".csv", ".tsv", ".txt")

TRACK = ("track", "track_id", "particle", "id")
FRAME = ("frame", "t")
"""Names that programs give to these columns, those that are clear first."""

RADIUS = 10.0
"""Of regions around points whose size is not told, px."""


def read_regions(
    path: str | os.PathLike[str], like: LayoutLike, *, radius: float | None = None
) -> Regions:
    """Read what is to be watched in a movie.

    Parameters
    ----------
    path
        Table (``.csv``, ``.tsv``, ``.txt``), ROI of ImageJ or the set of its manager
        (``.roi``, ``.zip``), or image of labels (any movie file).
        Tables may be those of TrackMate's spots; of tracks, with the columns ``track``
        (or ``track_id``, ``particle``, ``id``), ``frame`` (or ``t``), ``y``, ``x`` in
        pixels and perhaps ``radius``; and those that napari writes of a Shapes or
        Points layer.
    like
        The movie.
    radius
        Of the disc around a point or a place of a track, px. If None, that of the
        table, or else 10.

    Raises
    ------
    InputError
        If the file is missing or of another kind, or does not fit the movie: see
        :func:`regions_of_tracks`, :func:`regions_of_points`,
        :func:`regions_of_polygons` and :func:`regions_of_labels`.
    """
    if radius is not None:
        check_radius(radius)
    name = os.fspath(path)
    if os.path.splitext(name)[1].lower() in TABLES:
        return _of_table(read_table(name), like, radius)
    if is_imagej(name):
        return regions_of_imagej(name, like)
    labels = open_stack(name)
    if labels.axes not in ("YX", "TYX"):
        raise InputError(
            f"{name!r} has axes {labels.axes}; labels are one image, YX, or one for "
            "each frame, TYX"
        )
    return regions_of_labels(labels, like)


def _of_table(table: Table, like: LayoutLike, radius: float | None) -> Regions:
    if is_trackmate(table):
        return regions_of_trackmate(table, like, radius=radius)
    places = [column for column in table.columns if column.startswith("axis_")]
    if places and "vertex_index" in table.columns:
        return _of_shapes(table, places, like)
    if places:
        points = [[row.number(column) for column in places] for row in table.rows]
        return regions_of_points(
            np.array(points, float).reshape(-1, len(places)),
            like,
            radius=radius or RADIUS,
        )
    return _of_tracks(table, like, radius)


def _of_shapes(table: Table, places: list[str], like: LayoutLike) -> Regions:
    """Shapes of napari: a row for each corner, of the shape with this index."""
    corners: dict[str, list[list[float | None]]] = {}
    kinds: dict[str, str] = {}
    for row in table.rows:
        kind = row.cells.get("shape_type", "polygon")
        if kind not in ("polygon", "rectangle", "ellipse"):
            raise InputError(
                f"{row.where} is of a shape of type {kind!r}; draw polygons, "
                "rectangles or ellipses"
            )
        kinds[row.text("index")] = kind
        its = [row.number(column) for column in places]
        corners.setdefault(row.text("index"), []).append(its)
    polygons = []
    for index, rows in corners.items():
        polygon = np.array(rows, float)
        if kinds[index] == "ellipse" and len(polygon) == 4:
            polygon = ellipse(polygon[:, -2:])
        polygons.append(polygon)
    return regions_of_polygons(polygons, like)


def _of_tracks(table: Table, like: LayoutLike, radius: float | None) -> Regions:
    """Tracks of other programs, and of this one, in pixels."""
    track, frame = (
        next((name for name in names if name in table.columns), names[0])
        for names in (TRACK, FRAME)
    )
    table.need(track, frame, "y", "x")
    rows: dict[str, list[tuple[int, float, float, float]]] = {}
    for row in table.rows:
        t, y, x = row.whole(frame), row.number("y"), row.number("x")
        if t is None or y is None or x is None:
            raise InputError(f"{row.where} has no place or no frame")
        size = radius or row.number("radius") or RADIUS
        rows.setdefault(row.text(track), []).append((t, y, x, size))
    found = []
    for name, its in rows.items():
        values = np.array(sorted(its), float)
        size = float(np.median(values[:, 3]))
        found.append(Track(name, values[:, 0].astype(np.intp), values[:, 1:3], size))
    return tracked(found, like)
