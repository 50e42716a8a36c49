"""Tables of spots as TrackMate writes them.

Since version 7 three lines follow the one with the keys of the columns: their names, in
full and short, and their units, in parentheses. Before, there were only the keys.
Places are in the unit of the image, frames are counted from 0, and spots that belong
to no track have an empty track, or ``None``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_udvd.errors import InputError
from napari_udvd.features._tracks import Track, TrackedRegions, tracked
from napari_udvd.formats._units import METRES, normalise_unit

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_udvd.small_files import Row, Table
    from napari_udvd.stack import LayoutLike

__all__ = ["is_trackmate", "regions_of_trackmate"]

COLUMNS = ("track_id", "position_x", "position_y", "frame")
HEAD = 3
"""Lines below the keys that are no spots, at most."""
RADIUS = 10.0
"""Of spots whose size is not told, px."""
LONGEST_GAP = 3
"""Frames after which a branch of a track is not taken up again."""


def is_trackmate(table: Table) -> bool:
    """Whether a table is one of TrackMate's spots."""
    return set(COLUMNS) <= set(table.columns)


def regions_of_trackmate(
    table: Table, like: LayoutLike, *, radius: float | None = None
) -> TrackedRegions:
    """Regions that follow the tracks of TrackMate.

    A track that splits, such as that of a cell that divides, has several spots in one
    frame: the nearest one carries its name on, and others begin branches, ``3.1`` and
    so on, which are regions of their own.

    Parameters
    ----------
    table
        Of spots, with TrackMate's keys of the columns.
    like
        The movie, whose pixel size turns places into pixels.
    radius
        Of the discs that are the regions, px; if None that of the spots.

    Raises
    ------
    InputError
        If a place is in a unit that the movie's pixel size is not known in; else as
        :func:`~napari_udvd.features.regions_of_tracks`.
    """
    head, spots = _parted(table)
    unit = _unit(head)
    step = _pixel(unit, like, table.name)
    rows: dict[int, list[tuple[int, float, float, float]]] = {}
    loose = 0
    for spot in spots:
        if spot.cells.get("track_id", "").casefold() in ("", "none"):
            loose += 1
            continue
        y, x = spot.number("position_y"), spot.number("position_x")
        number, frame = spot.whole("track_id"), spot.whole("frame")
        if number is None or frame is None or y is None or x is None:
            raise InputError(f"{spot.where} has no place or no frame")
        own = spot.number("radius")
        size = radius or (own / step[1] if own else RADIUS)
        rows.setdefault(number, []).append((frame, y / step[0], x / step[1], size))
    notes = []
    if unit is None:
        assumed = normalise_unit(like.units.get("X", "")) or "pixels"
        notes.append(
            f"{table.name!r} does not name the unit of places: read as {assumed}"
        )
    if loose:
        notes.append(f"{loose} spots of {table.name!r} belong to no track")
    found: list[Track] = []
    for number in sorted(rows):
        branches = _branches(str(number), np.array(sorted(rows[number]), float))
        found += branches
        if len(branches) > 1:
            names = ", ".join(branch.name for branch in branches)
            notes.append(f"track {number} splits: its branches are {names}")
    return tracked(found, like, notes)


def _parted(table: Table) -> tuple[Sequence[Row], Sequence[Row]]:
    """Lines that say more about the columns, and spots."""
    first = 0
    while first < min(HEAD, len(table.rows)) and not _is_number(
        table.rows[first].cells.get("frame", "")
    ):
        first += 1
    return table.rows[:first], table.rows[first:]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _unit(head: Sequence[Row]) -> str | None:
    """Find the unit of places; empty for pixels, None where it is not told."""
    told = [row.cells.get("position_x", "") for row in head]
    units = [text[1:-1] for text in told if text.startswith("(") and text.endswith(")")]
    return normalise_unit(units[-1]) if units else None


def _pixel(unit: str | None, like: LayoutLike, name: str) -> tuple[float, float]:
    """Height and width of a pixel in the unit of the table."""
    if unit is None:  # that of the image that was tracked
        return like.scale.get("Y", 1.0), like.scale.get("X", 1.0)
    if not unit:
        return 1.0, 1.0
    steps = []
    for axis in "YX":
        own = normalise_unit(like.units.get(axis, ""))
        if axis not in like.scale or (own != unit and not {own, unit} <= METRES.keys()):
            has = f"{like.scale[axis]:g} {own}" if axis in like.scale else "not known"
            raise InputError(
                f"{name!r} has places in {unit}, but the pixel size of the movie is "
                f"{has}; give it, in {unit}, or track the movie in pixels"
            )
        factor = 1.0 if own == unit else METRES[own] / METRES[unit]
        steps.append(like.scale[axis] * factor)
    return steps[0], steps[1]


def _branches(name: str, rows: npt.NDArray[np.float64]) -> list[Track]:
    """Part a track where it has several spots in a frame.

    Parameters
    ----------
    name
        Of the track.
    rows
        Frame, y, x and radius, by frame, ``(n, 4)``.
    """
    frames = rows[:, 0].astype(int)
    if len(np.unique(frames)) == len(frames):
        return [_track(name, rows)]
    branches: list[list[int]] = []
    for t in np.unique(frames):
        spots = np.flatnonzero(frames == t).tolist()
        ends = [
            (float(np.hypot(*(rows[spot, 1:3] - rows[branch[-1], 1:3]))), k, spot)
            for k, branch in enumerate(branches)
            if t - frames[branch[-1]] <= LONGEST_GAP
            for spot in spots
        ]
        taken: set[int] = set()
        for _, k, spot in sorted(ends):
            if spot in spots and k not in taken:
                branches[k].append(spot)
                spots.remove(spot)
                taken.add(k)
        branches += [[spot] for spot in spots]
    return [
        _track(name if k == 0 else f"{name}.{k}", rows[branch])
        for k, branch in enumerate(branches)
    ]


def _track(name: str, rows: npt.NDArray[np.float64]) -> Track:
    radius = float(np.median(rows[:, 3]))
    return Track(name, rows[:, 0].astype(np.intp), rows[:, 1:3], radius)
