"""Regions that move: discs around the points of tracks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_udvd.cutting import runs
from napari_udvd.errors import InputError
from napari_udvd.features._still import (
    check_place,
    check_radius,
    disc,
    regions_of_places,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_udvd.features._footprint import Footprint, Regions
    from napari_udvd.stack import LayoutLike

__all__ = [
    "Track",
    "TrackedRegions",
    "regions_of_points",
    "regions_of_tracks",
    "tracked",
]

NAMED = 5
"""Tracks whose gaps are told of one by one."""


@dataclass(frozen=True, eq=False)
class Track:
    """Where a region is.

    Attributes
    ----------
    name
        Of the region.
    frames
        Those in which it was seen, rising.
    places
        Row and column in each, ``(n, 2)``, px.
    radius
        Of the disc around it that is the region, px.
    """

    name: str
    frames: npt.NDArray[np.intp]
    places: npt.NDArray[np.float64]
    radius: float

    @property
    def gaps(self) -> list[list[int]]:
        """Frames in between in which it was not seen, run by run."""
        between = np.arange(self.frames[0], self.frames[-1] + 1)
        return runs(np.setdiff1d(between, self.frames).tolist())

    def place(self, t: int) -> tuple[float, float] | None:
        """Where it is, on a straight line in a gap; None before its start and after."""
        if not self.frames[0] <= t <= self.frames[-1]:
            return None
        y, x = (float(np.interp(t, self.frames, way)) for way in self.places.T)
        return y, x


@dataclass(frozen=True, eq=False)
class TrackedRegions:
    """Discs that follow tracks; not there before a track begins and after it ends."""

    tracks: tuple[Track, ...]
    frame_shape: tuple[int, int]
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Of all tracks."""
        return tuple(track.name for track in self.tracks)

    @property
    def crop(self) -> tuple[int, int]:
        """Square that shows most discs and a little around them."""
        radius = float(np.percentile([track.radius for track in self.tracks], 90))
        side = max(8, round(2.5 * radius))
        return side, side

    def at(self, t: int) -> Mapping[str, Footprint]:
        """Footprints of the tracks that run through frame `t`."""
        places = ((track, track.place(t)) for track in self.tracks)
        return {
            track.name: disc(place, track.radius, self.frame_shape)
            for track, place in places
            if place is not None
        }


def regions_of_tracks(
    tracks: npt.NDArray[np.float64], like: LayoutLike, *, radius: float = 10.0
) -> TrackedRegions:
    """Regions that follow tracks.

    Parameters
    ----------
    tracks
        As a Tracks layer of napari has them: rows of number, frame, y and x, in pixels,
        ``(N, 4)``, in any order. The name of a region is the number. Frames between two
        points of a track are bridged by a straight line, and `notes` says so.
    like
        The movie.
    radius
        Of the disc around the point that is the region, px.

    Raises
    ------
    InputError
        If there is no track, the array has other columns, a track is twice in a frame,
        a point is outside of the frame or the movie, a number or frame is no whole
        number, or the radius is not positive.
    """
    rows = np.asarray(tracks, float)
    if rows.ndim != 2 or rows.shape[1] != 4:
        raise InputError(
            f"the tracks have the shape {rows.shape}; expected rows of four numbers: "
            "track, frame, y, x"
        )
    if not (np.isfinite(rows).all() and (rows[:, :2] % 1 == 0).all()):
        raise InputError(
            "a track has a number or a frame that is no whole number, or a place that "
            "is no number"
        )
    check_radius(radius)
    found = []
    for number in np.unique(rows[:, 0]):
        its = rows[rows[:, 0] == number]
        its = its[np.argsort(its[:, 1], kind="stable")]
        name = str(int(number))
        found.append(Track(name, its[:, 1].astype(np.intp), its[:, 2:], radius))
    return tracked(found, like)


def regions_of_points(
    points: npt.NDArray[np.float64], like: LayoutLike, *, radius: float = 10.0
) -> Regions:
    """Regions around points, as a Points layer of napari has them.

    Parameters
    ----------
    points
        Row and column in pixels, ``(N, 2)``: each is a region that stays. Or frame, row
        and column, ``(N, 3)``: if all are in the same frame, as before; if each is in
        another frame, they are one region that moves, whose name is 1.
    like, radius
        See :func:`regions_of_tracks`.

    Raises
    ------
    InputError
        As :func:`regions_of_tracks`; or if several points are in one frame and others
        in another one, so that it is not clear which belong together.
    """
    rows = np.asarray(points, float)
    if rows.ndim != 2 or rows.shape[1] not in (2, 3):
        raise InputError(
            f"the points have the shape {rows.shape}; expected rows of y, x or of "
            "frame, y, x"
        )
    frames = np.unique(rows[:, 0]) if rows.shape[1] == 3 else np.empty(0)
    if len(frames) <= 1:
        return regions_of_places(rows[:, -2:], like, radius=radius)
    if len(frames) < len(rows):
        raise InputError(
            f"{len(rows)} points lie in {len(frames)} frames, and which of them belong "
            "together is not known; give tracks, or points in one frame"
        )
    return regions_of_tracks(
        np.column_stack([np.ones(len(rows)), rows]), like, radius=radius
    )


def tracked(
    tracks: Sequence[Track], like: LayoutLike, notes: Sequence[str] = ()
) -> TrackedRegions:
    """Check tracks against a movie, and tell of their gaps.

    Raises
    ------
    InputError
        See :func:`regions_of_tracks`.
    """
    if not tracks:
        raise InputError("there is no track; track what shall be watched")
    for track in tracks:
        twice = track.frames[1:][np.diff(track.frames) == 0]
        if len(twice):
            raise InputError(
                f"track {track.name} is twice in frame {twice[0]}; a region is at one "
                "place at a time"
            )
        first, last = int(track.frames[0]), int(track.frames[-1])
        if first < 0 or last >= like.n_frames:
            raise InputError(
                f"track {track.name} is in frame {first if first < 0 else last}, but "
                f"the movie has {like.n_frames} frames, counted from 0: the tracks "
                "may be those of another movie"
            )
        for t, (y, x) in zip(track.frames, track.places, strict=True):
            check_place(
                (float(y), float(x)),
                like.frame_shape,
                f"track {track.name} in frame {t}",
                ": the tracks may be those of another movie, or not in pixels",
            )
    return TrackedRegions(
        tuple(tracks), like.frame_shape, (*notes, *_notes_on_gaps(tracks))
    )


def _notes_on_gaps(tracks: Sequence[Track]) -> list[str]:
    with_gaps = [(track, gaps) for track in tracks if (gaps := track.gaps)]
    notes = []
    for track, gaps in with_gaps[:NAMED]:
        told = ", ".join(
            str(gap[0]) if len(gap) == 1 else f"{gap[0]} to {gap[-1]}" for gap in gaps
        )
        notes.append(
            f"track {track.name} has no point in frame {told}: it is taken to go "
            "straight there"
        )
    if len(with_gaps) > NAMED:
        frames = sum(len(gap) for _, gaps in with_gaps[NAMED:] for gap in gaps)
        notes.append(
            f"so are {len(with_gaps) - NAMED} more tracks with gaps, {frames} frames "
            "in all"
        )
    return notes
