"""The noise of a sparse scan, in which few pixels of a frame were measured.

There are no blocks of measured pixels, and three measurements of one pixel one after
the other are rare. There are two of one pixel at successive visits, whose difference is
noise and what moved, and on a raster three pixels beside one another in a row, whose
second difference is noise and fine detail. Where both tell, the smaller of them is
nearer the noise. They are gathered in places: 64 differences each, neighbours in space.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_udvd.cutting import central, spread
from napari_udvd.errors import InputError
from napari_udvd.noise._blocks import BLOCK, SMOOTH, Places, darkest_level
from napari_udvd.noise._windows import limits
from napari_udvd.planes import Series, read_measured

if TYPE_CHECKING:
    from napari_udvd.stack import Plane, Stack

__all__ = ["Scan", "TooThin", "Visits", "measure_places", "nearest_visits", "read_scan"]

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]

SIDE = 512
"""Longest side of the crop that is read, in pixels."""
PIXELS = 2**24
"""Pixels that are read: in one run of frames, or in four of a longer movie."""
RUNS = 4
ENOUGH = 20_000
"""Pairs that make a noise model; those of later visits, between which more may have
moved, are taken only where there are fewer."""
FARTHEST = 16
"""Frames between two visits, at most."""
PLACE = BLOCK**2
"""Differences in a place."""
LEAST_PLACES = 16
LEAST_AROUND = 4
"""Measurements that make the mean grey level of what is around a difference."""
LEAST_DENSITY = 0.05
"""Smoothed number of visits to a pixel, above which a smoothed level is one."""
SHARES = 4
"""Into how many parts visits are dealt, whose scatter is that of their mean."""


class TooThin(InputError):
    """A scan of which too little was measured to tell its noise."""


class Visits(NamedTuple):
    """Differences of measurements, one entry each.

    Attributes
    ----------
    t, y, x
        Frame of the later visit, or of the three pixels; row and column, of the pixel
        in the middle.
    gap
        Frames between two visits; 0 between pixels of one frame.
    difference
        Scaled so that noise keeps its variance.
    level
        Mean of the measurements, grey levels.
    highest
        The largest of them.
    """

    t: Indices
    y: Indices
    x: Indices
    gap: Indices
    difference: Floats
    level: Floats
    highest: Floats

    def chosen(self, which: Mask | Indices) -> Visits:
        """Return some of them."""
        return Visits._make(column[which] for column in self)


@dataclass(frozen=True)
class Scan:
    """What was measured of a sparse scan.

    Attributes
    ----------
    pairs
        Differences of two successive visits to a pixel.
    triples
        Second differences of three pixels beside one another in a row.
    total, count
        ``(2, Y, X)`` sums over all visits, and how many there were, to pixels of either
        colour of a chessboard: the noise of one is not that of the other.
    shares
        ``(parts, places)`` smoothed levels, of up to four parts of the visits.
    step, saturation
        Smallest difference of grey levels, and where they end.
    """

    pairs: Visits
    triples: Visits
    total: Floats
    count: Floats
    shares: Floats
    step: float
    saturation: float

    @property
    def texture(self) -> Floats:
        """``(Y, X)`` squared gradient of the smoothed mean of all visits."""
        slope_y, slope_x = np.gradient(_smoothed(self.total.sum(0), self.count.sum(0)))
        return np.asarray(slope_y**2 + slope_x**2)


def read_scan(stack: Stack, plane: Plane) -> Scan:
    """Read visits to pixels, in the middle of the frame and spread over time.

    Parameters
    ----------
    stack
        The movie, inspected.
    plane
        Channel and depth index.
    """
    height, width = stack.frame_shape
    rows, columns = central(height, SIDE), central(width, SIDE)
    shape = rows.stop - rows.start, columns.stop - columns.start
    series = Series((plane.c,), plane.z)
    total, count = np.zeros((2, 2, *shape), np.float32)
    share_total, share_count = np.zeros((2, SHARES, *shape), np.float32)
    colour = np.indices(shape).sum(axis=0) % 2
    black = np.stack([colour == 0, colour == 1])
    dealt = np.arange(SHARES)[:, None, None]
    turn = np.zeros(shape, np.intp)
    pairs, triples, values = [], [], []
    for frames in _runs(stack.n_frames, shape):
        last = np.full(shape, -1, np.intp)
        before = np.zeros(shape, np.float32)
        for t in frames:
            clip, measured = read_measured(stack, series, [t], rows, columns)
            frame = clip[0, 0]
            known = np.ones(shape, bool) if measured is None else measured[0, 0]
            pairs.append(_pairs(frame, known, t, before, last))
            triples.append(_triples(frame, known, t))
            values.append(frame[known])
            before, last = np.where(known, frame, before), np.where(known, t, last)
            seen = np.where(known, frame, 0.0)
            total += black * seen
            count += black & known
            share_total += (turn == dealt) * seen
            share_count += (turn == dealt) & known
            turn = (turn + known) % SHARES
    ends = limits([np.concatenate(values)], stack.dtype)
    return Scan(
        pairs=_joined(pairs),
        triples=_joined(triples),
        total=total,
        count=count,
        shares=_levels(share_total, share_count),
        step=ends["step"],
        saturation=ends["saturation"],
    )


def measure_places(scan: Scan) -> Places:
    """Gather differences in places, those of visits that are near in time first.

    Raises
    ------
    TooThin
        If too few pixels were measured twice, or beside one another.
    """
    pairs, triples = nearest_visits(scan.pairs), scan.triples
    around = _around(scan)
    own = _sorted(pairs, around)
    fine: Visits | None = _sorted(triples, around)
    if len(own.t) < LEAST_PLACES * PLACE:
        own, fine = _sorted(triples, around), None
    n = len(own.t) // PLACE
    if n < LEAST_PLACES:
        raise TooThin(
            f"{len(pairs.t)} pixels were measured twice within {FARTHEST} frames, and "
            f"{len(triples.t)} times three beside one another in a row: too few to "
            f"measure the noise, which takes {LEAST_PLACES * PLACE}: tell `noise` "
            "(gain, offset and read noise of the camera), measure more of each frame, "
            "or record more frames"
        )

    def by_place(values: npt.NDArray[np.generic]) -> Floats:
        """``(places,)`` means."""
        grouped = values[: n * PLACE].astype(np.float64).reshape(n, PLACE)
        return np.asarray(grouped.mean(axis=1), np.float32)

    saturated = by_place(own.highest >= scan.saturation) > 0
    variance = by_place(own.difference**2)
    return Places(
        level=by_place(own.level),
        reference=by_place(_at(around, own, other=True)),
        texture=by_place(_block_means(scan.texture)[own.y // BLOCK, own.x // BLOCK]),
        variance=variance,
        fine=variance if fine is None else _fine(own, fine, variance),
        usable=~saturated if not saturated.all() else np.ones(n, bool),
        floored=np.zeros(n, np.float32),
        darkest=darkest_level([scan.shares]),
    )


def nearest_visits(pairs: Visits) -> Visits:
    """Leave out visits that are farther apart than they need be."""
    number = np.bincount(pairs.gap, minlength=FARTHEST + 1).cumsum()
    enough = np.flatnonzero(number >= ENOUGH)
    return pairs.chosen(pairs.gap <= (enough[0] if len(enough) else FARTHEST))


def _runs(n_frames: int, shape: tuple[int, int]) -> list[range]:
    """Cut out runs of successive frames, which are read."""
    length = max(PIXELS // (shape[0] * shape[1]), 2 * RUNS)
    if n_frames <= length:
        return [range(n_frames)]
    part = length // RUNS
    return [range(t, t + part) for t in spread(n_frames - part + 1, RUNS)]


def _pairs(frame: Floats, known: Mask, t: int, before: Floats, last: Indices) -> Visits:
    """Differences of a frame from the visits before."""
    y, x = np.nonzero(known & (last >= 0) & (t - last <= FARTHEST))
    here, there = frame[y, x], before[y, x]
    return Visits(
        t=np.full(len(y), t),
        y=y,
        x=x,
        gap=t - last[y, x],
        difference=(here - there) / np.float32(2**0.5),
        level=(here + there) / np.float32(2),
        highest=np.maximum(here, there),
    )


def _triples(frame: Floats, known: Mask, t: int) -> Visits:
    """Second differences along the rows of a frame."""
    y, x = np.nonzero(known[:, :-2] & known[:, 1:-1] & known[:, 2:])
    left, here, right = (frame[y, x + k] for k in range(3))
    return Visits(
        t=np.full(len(y), t),
        y=y,
        x=x + 1,
        gap=np.zeros(len(y), np.intp),
        difference=(2 * here - left - right) / np.float32(6**0.5),
        level=(left + here + right) / np.float32(3),
        highest=np.maximum(np.maximum(left, here), right),
    )


def _joined(parts: list[Visits]) -> Visits:
    return Visits(*map(np.concatenate, zip(*parts, strict=True)))


def _smoothed(total: Floats, count: Floats) -> Floats:
    """Level around every pixel, by normalised convolution."""
    weight = ndimage.gaussian_filter(count, SMOOTH)
    value = ndimage.gaussian_filter(total, SMOOTH)
    return np.asarray(value / np.maximum(weight, 1e-6))


def _levels(total: Floats, count: Floats) -> Floats:
    """``(parts, places)`` smoothed levels where all parts have some.

    Without the parts that hardly got a visit: they are dealt out in turn, and pixels
    may have been visited once or twice only.
    """
    dealt = count.mean(axis=(1, 2)) >= LEAST_DENSITY
    dealt[0] = True
    total, count = total[dealt], count[dealt]
    levels = [_smoothed(*pair) for pair in zip(total, count, strict=True)]
    density = np.min([ndimage.gaussian_filter(part, SMOOTH) for part in count], axis=0)
    known = density > min(LEAST_DENSITY, float(np.median(density)) / 2)
    return np.stack([level[::2, ::2][known[::2, ::2]] for level in levels])


def _block_means(image: Floats) -> Floats:
    """Mean of every block; the last ones may be smaller."""
    edges = [np.arange(0, n, BLOCK) for n in image.shape]
    sums = np.add.reduceat(np.add.reduceat(image, edges[0], 0), edges[1], 1)
    sizes = [np.diff([*edge, n]) for edge, n in zip(edges, image.shape, strict=True)]
    return np.asarray(sums / np.outer(*sizes), np.float32)


def _around(scan: Scan) -> Floats:
    """Mean grey level of the blocks by colour, ``(2, rows, columns)``.

    NaN where there are hardly any visits.
    """
    found = []
    for total, count in zip(scan.total, scan.count, strict=True):
        visits = _block_means(count) * PLACE
        level = _block_means(total) * PLACE / np.maximum(visits, 1)
        found.append(np.where(visits < LEAST_AROUND, np.nan, level))
    return np.stack(found).astype(np.float32)


def _at(around: Floats, visits: Visits, *, other: bool) -> Floats:
    """Level of the blocks in which visits are, of pixels of the other colour."""
    colour = (visits.y + visits.x + other) % 2
    return np.asarray(around[colour, visits.y // BLOCK, visits.x // BLOCK])


def _sorted(visits: Visits, around: Floats) -> Visits:
    """Sort along blocks that are neighbours, to and fro, and in time."""
    visits = visits.chosen(~np.isnan(_at(around, visits, other=True)))
    return visits.chosen(np.argsort(_key(visits), kind="stable"))


def _key(visits: Visits) -> Indices:
    """Return a number that grows from block to block, and in time within a block."""
    if not len(visits.t):
        return visits.t
    row, column = visits.y // BLOCK, visits.x // BLOCK
    columns = SIDE // BLOCK
    turned = np.where(row % 2 == 1, columns - 1 - column, column)
    frames = 2**32  # more than a movie has
    return np.asarray((row * columns + turned) * frames + visits.t)


def _fine(own: Visits, fine: Visits, variance: Floats) -> Floats:
    """``(places,)`` mean square of the triples of each place; of the pairs without."""
    n = len(variance)
    first = _key(own)[: n * PLACE : PLACE]
    place = np.searchsorted(first, _key(fine), side="right") - 1
    inside = place >= 0
    number = np.bincount(place[inside], minlength=n)
    squares = fine.difference[inside].astype(np.float64) ** 2
    total = np.bincount(place[inside], weights=squares, minlength=n)
    mean = total / np.maximum(number, 1)
    return np.where(number >= LEAST_AROUND, mean, variance).astype(np.float32)
