"""Find what is no measurement, by looking at a movie once."""

from __future__ import annotations

import weakref
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import ConvexHull

from napari_udvd.validity._notes import notes
from napari_udvd.validity._validity import Mask, PlaneValidity, Validity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_udvd.stack import Plane, Stack

__all__ = ["inspect"]

BLOCK_FRAMES = 16
BLOCK_BYTES = 64 * 2**20
"""Frames that are looked at together, as float32."""
UNLIKELY = 30.0
"""Minus the logarithm of the chance, from which on equal pixels are none."""
COMMON = 0.5
"""Share of equal pixels in the rest of a frame, from which on nothing can be said."""
BESIDE = 0.1
"""Share of the frames in which the pixels beside an area may have a value of it: beside
a cell that is saturated, or a ground without photons, it is common."""
FRAMES_BESIDE = 32
"""Frames that this share is measured on, at most."""
SOLID = 5
"""Side of the squares that areas of a fill value are made of."""
LEAST_LEFT = 0.05
"""Share of a frame that registration leaves at least; where there is less, it is the
rest that stands out: photons on a ground without."""
RAGGED = 0.5
"""Share of an area that may lie between pixels that were measured."""
PIXELS_ASKED = 1000
"""Pixels of an area of which that is known."""
CORNER = 8
"""Side of a corner that makes one look at a frame."""
HOT = 6.0
"""Standard deviations of the noise by which a hot pixel stands out."""
LASTING = 2.0
"""Standard deviations in time of its own that it stands out by: always, that is."""
SQUARE = 5
"""Side of the square that a hot pixel is compared with."""
SPREAD = 0.1
"""Share of its brightness that a point of the specimen gives to a neighbour at least:
its image is never sharper than a pixel."""
UNEQUAL = 0.3
"""Departure of a square of 2 x 2 pixels from the image of a point, from which on it is
none."""
MOST_HOT = 0.01
"""Share of pixels above which they are the specimen."""


_KNOWN: weakref.WeakKeyDictionary[Any, dict[str, Validity | None]]
_KNOWN = weakref.WeakKeyDictionary()
"""What was found, by stack and by file: a movie in memory may be changed in place."""


def inspect(stack: Stack) -> Stack:
    """Find out which pixels of a movie were measured; looks at all of it, once.

    Returns
    -------
    Stack
        The same movie with its :attr:`~napari_udvd.stack.Stack.validity`, or the very
        same object if all of it was measured.
    """
    if stack.validity is not None or stack.n_frames < 2:
        return stack
    keys = [stack, *([stack.data] if hasattr(stack.data, "files") else [])]
    for key in keys:
        if stack.axes in _KNOWN.get(key, {}):
            validity = _KNOWN[key][stack.axes]
            break
    else:
        planes = {plane: _looked_at(stack, plane) for plane in stack.planes()}
        is_plain = all(found.is_plain for found in planes.values())
        sentences = tuple(notes(stack, planes))
        validity = None if is_plain else Validity(planes, sentences)
        for key in keys:
            _KNOWN.setdefault(key, {})[stack.axes] = validity
    return stack if validity is None else replace(stack, validity=validity)


def _looked_at(stack: Stack, plane: Plane) -> PlaneValidity:
    """Look at a plane as it was recorded: zeros minus a pattern are not flat."""
    recorded = stack.recorded
    found = _inspected(recorded, plane)
    if recorded is stack:
        return found
    pattern = recorded.read(0, plane)[0] - stack.read(0, plane)[0]
    shifted = found.background - np.nan_to_num(pattern)
    return replace(found, background=shifted.astype(np.float32))


def _inspected(stack: Stack, plane: Plane) -> PlaneValidity:
    height, width = stack.frame_shape
    is_float = stack.dtype.kind == "f"
    most: Any = np.inf if is_float else np.iinfo(stack.dtype).max
    least: Any = -np.inf if is_float else np.iinfo(stack.dtype).min
    # in the type of the movie, which is many times faster
    low = np.full((height, width), most, stack.dtype)
    high = np.full((height, width), least, stack.dtype)
    whole = 0  # frames without NaN
    total, squares, count = (np.zeros((height, width)) for _ in range(3))
    empty: list[int] = []
    suspects: list[int] = []
    has_nan = False
    for first, raw in _frames(stack, plane):
        flat = raw.reshape(len(raw), -1)
        with np.errstate(invalid="ignore"):
            if is_float:
                least, most = np.fmin.reduce(flat, 1), np.fmax.reduce(flat, 1)
            else:  # many times faster
                least, most = flat.min(1), flat.max(1)
        blank = (least == most) | (np.isnan(least) if is_float else False)
        empty += (first + np.flatnonzero(blank)).tolist()
        suspects += (first + np.flatnonzero(~blank & _has_flat_edge(raw))).tolist()
        # frame by frame, as long as one is in the processor's cache
        for frame in raw[~blank]:
            known = ~np.isnan(frame) if is_float else None
            if known is None or known.all():
                whole += 1
                np.minimum(low, frame, out=low)
                np.maximum(high, frame, out=high)
                values = frame.astype(np.float64)
            else:
                has_nan = True
                count += known
                np.fmin(low, frame, out=low)
                np.fmax(high, frame, out=high)
                values = np.where(known, frame, 0.0).astype(np.float64)
            total += values
            values *= values
            squares += values
    count += whole
    nothing = np.zeros((height, width), bool)
    if len(empty) == stack.n_frames:
        value = float(stack.read(0, plane).flat[0])
        return PlaneValidity(
            ~nothing,
            nothing,
            frozenset(),
            {},
            np.full((height, width), value if np.isfinite(value) else 0.0, np.float32),
            is_empty=True,
            value=value,
        )
    if not (high > low).any():  # a picture: nothing tells its pixels apart
        picture = _spread_out(
            np.divide(total, count, out=np.zeros_like(total), where=count > 0),
            count > 0,
        )
        return PlaneValidity(
            nothing, nothing, frozenset(empty), {}, picture.astype(np.float32), has_nan
        )
    constant, dead = _constant(stack, plane, low, (high == low) & (count > 0), empty)
    constant |= count == 0
    filled: dict[int, npt.NDArray[np.uint8]] = {}
    for t in suspects:
        frame = stack.read(t, plane)[0]
        area = _filled(frame, constant)
        if area is not None:
            filled[t] = np.packbits(area)
            values = np.where(area, frame, 0).astype(np.float64)
            total -= values
            squares -= values**2
            count -= area
    constant |= count == 0  # filled in every frame
    measured = ~constant
    mean = np.divide(total, count, out=np.zeros_like(total), where=measured)
    variance = np.divide(squares, count, out=np.zeros_like(total), where=measured)
    variance = np.maximum(variance - mean**2, 0.0)
    hot = _hot(_spread_out(mean, measured), np.sqrt(variance), measured) | dead
    background = _spread_out(mean, measured & ~hot)
    levels = low[constant & np.isfinite(low)]
    value = float(np.median(levels)) if levels.size else np.nan
    return PlaneValidity(
        constant,
        hot,
        frozenset(empty),
        filled,
        background.astype(np.float32),
        has_nan=has_nan,
        value=value,
    )


def _frames(stack: Stack, plane: Plane) -> Iterator[tuple[int, npt.NDArray[Any]]]:
    height, width = stack.frame_shape
    step = max(1, min(BLOCK_FRAMES, BLOCK_BYTES // (4 * height * width)))
    for start in range(0, stack.n_frames, step):
        yield start, stack.read(slice(start, start + step), plane)


def _constant(
    stack: Stack,
    plane: Plane,
    level: npt.NDArray[np.float64],
    same: Mask,
    empty: list[int],
) -> tuple[Mask, Mask]:
    """Pixels that never change and do not measure.

    A counting camera has pixels that never saw a photon, and a saturated cell some that
    are always at the limit: they are measured, and the pixels beside them have the
    same value now and then.

    Parameters
    ----------
    stack, plane
        The movie.
    level
        ``(Y, X)`` what they are.
    same
        ``(Y, X)`` pixels that never change.
    empty
        Frames in which nothing was measured.

    Returns
    -------
    constant
        ``(Y, X)`` areas: borders, masks, text.
    dead
        ``(Y, X)`` single pixels and up to 2 x 2, not at the edge.
    """
    constant, dead = np.zeros_like(same), np.zeros_like(same)
    if not same.any():
        return constant, dead
    there = sorted(set(range(stack.n_frames)) - set(empty))
    step = -(-len(there) // FRAMES_BESIDE)
    frames = np.stack([stack.read(t, plane)[0] for t in there[::step]])
    labels, _ = ndimage.label(same, np.ones((3, 3)))
    for k, box in enumerate(ndimage.find_objects(labels), start=1):
        wide = tuple(slice(max(part.start - 1, 0), part.stop + 1) for part in box)
        own = labels[wide] == k
        ring = ndimage.binary_dilation(own, np.ones((3, 3))) & ~own
        if not ring.any():
            continue
        values = np.unique(level[wide][own])
        beside = np.isin(frames[:, *wide][:, ring], values)
        share = float(beside.mean())
        chances = int(own.sum()) * (len(there) - 1)
        if share >= BESIDE or -chances * np.log(max(share, 1 / beside.size)) < UNLIKELY:
            continue
        small = all(part.stop - part.start <= 2 for part in box)
        inside = all(
            0 < part.start and part.stop < n
            for part, n in zip(box, same.shape, strict=True)
        )
        (dead if small and inside else constant)[wide] |= own
    return constant, dead


def _edges(shape: tuple[int, ...]) -> list[tuple[slice, slice]]:
    """Return the ends of the edges of a frame, a third each, and its corners.

    Where a frame was shifted or turned, one of them at least has one value.
    """
    lines = slice(None, 1), slice(-1, None)
    thirds = [(slice(None, -(-n // 3)), slice(n - -(-n // 3), None)) for n in shape]
    corner = [(slice(None, CORNER), slice(-CORNER, None)) for _ in shape]
    pairs = (lines, thirds[1]), (thirds[0], lines), (corner[0], corner[1])
    return [place for pair in pairs for place in product(*pair)]


def _has_flat_edge(frames: npt.NDArray[Any]) -> Mask:
    """Frames of which a part of an edge, or a corner, has one value."""
    found = np.zeros(len(frames), bool)
    for rows, columns in _edges(frames.shape[1:]):
        part = frames[:, rows, columns].reshape(len(frames), -1)
        found |= (part == part[:, :1]).all(axis=1)
    return found


def _filled(frame: npt.NDArray[Any], constant: Mask) -> Mask | None:
    """Area of a fill value at the edge of a frame, beyond what is constant anyway.

    Real zeros may lie side by side, too, where photons are counted: an area is one
    only if so many equal pixels are no chance, given how common their value is in
    the rest of the frame, and if it ends where a shifted or turned frame would.
    """
    box = ndimage.find_objects((~constant).astype(np.uint8))[0]
    inside, known = frame[box], constant[box]
    found = np.zeros(inside.shape, bool)
    for value in _values_at_edge(inside, known):
        found |= _no_chance(inside == value, known)
    if not (found & ~known).any() or _is_ragged(found | known, found & ~known):
        return None
    whole = np.zeros(frame.shape, bool)
    whole[box] = found
    return whole


def _values_at_edge(frame: npt.NDArray[Any], known: Mask) -> set[Any]:
    """Values that an edge or a corner has, where it is not constant anyway."""
    found = set()
    for part in _edges(frame.shape):
        values = frame[part][~known[part]]
        if values.size >= CORNER and (values == values[0]).all():
            found.add(values[0].item())
    return found


def _is_ragged(gone: Mask, new: Mask) -> bool:
    """Whether much of an area lies between pixels that were measured.

    What registration leaves of a frame is a rectangle that was shifted or turned, and
    convex. An area without photons has one here and there.
    """
    left = ~gone
    rows = np.flatnonzero(left.any(axis=1))
    if not rows.size:
        return True
    first = left[rows].argmax(axis=1)
    last = left.shape[1] - 1 - left[rows, ::-1].argmax(axis=1)
    corners = [
        np.stack([rows + dy, x + dx], axis=1)
        for dy in (-0.5, 0.5)
        for x, dx in ((first, -0.5), (last, 0.5))
    ]
    planes = ConvexHull(np.concatenate(corners)).equations
    pixels = np.argwhere(new)
    pixels = pixels[:: -(-len(pixels) // PIXELS_ASKED)]
    # by half a pixel at least, the steps of an edge that is not upright
    deep = (pixels @ planes[:, :2].T + planes[:, 2] < -0.5).all(axis=1)
    return float(deep.mean()) > RAGGED


def _no_chance(same: Mask, known: Mask) -> Mask:
    """Areas of equal pixels at the edge that are none by chance.

    Parameters
    ----------
    same
        Pixels that are equal.
    known
        Pixels that are known to be no measurement.
    """
    area = _lines(same) | _solid_at_edge(same)
    rest = ~(area | known)
    nothing = np.zeros_like(same)
    if not area.any() or rest.mean() < LEAST_LEFT:
        return nothing
    share = (same & rest).sum() / rest.sum()
    surprise = (area & ~known).sum() * -np.log(max(share, 1.0 / rest.sum()))
    return area if bool(surprise > UNLIKELY) and share < COMMON else nothing


def _lines(same: Mask) -> Mask:
    """Whole rows and columns of one value, from the edges inward."""
    area = np.zeros(same.shape, bool)
    for view, into in ((same, area), (same.T, area.T)):
        full = np.asarray(view.all(axis=1))
        if full.all():
            continue
        top = int(np.argmin(full))
        bottom = int(np.argmin(full[::-1]))
        into[:top] = True
        into[len(full) - bottom :] = True
    return area


def _solid_at_edge(same: Mask) -> Mask:
    """Areas at the edge that are made of solid squares of one value."""
    # beyond the edge goes on what is at the edge
    wide = np.pad(same, SOLID, mode="edge").astype(np.uint8)
    # two filters of lines are many times faster than ndimage.binary_opening
    opened = ndimage.maximum_filter(ndimage.minimum_filter(wide, SOLID), SOLID)
    labels, n = ndimage.label(opened[SOLID:-SOLID, SOLID:-SOLID])
    if n == 0:
        return np.zeros(same.shape, bool)
    edge = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    touching = np.unique(edge[edge > 0])
    return np.asarray(np.isin(labels, touching))


def _hot(
    mean: npt.NDArray[np.float64], std: npt.NDArray[np.float64], measured: Mask
) -> Mask:
    """Pixels, or pairs and squares of them, that no specimen can make."""
    # a median is slow, and few pixels stand out of an average, in which they count
    average = ndimage.uniform_filter(mean, SQUARE)
    usual = ndimage.uniform_filter(std, SQUARE)
    apart = np.abs(mean - average)
    candidates = (apart > LASTING / 2 * std) & (apart > HOT / 4 * usual)
    near = ndimage.binary_dilation(candidates, np.ones((3, 3)))
    around = _median_around(mean, near)
    noise = _median_around(std, near)
    measured = measured & near
    hot = np.zeros(mean.shape, bool)
    for sign in (1.0, -1.0):
        excess = sign * (mean - around)
        labels, _ = ndimage.label(
            measured & (excess > HOT * noise) & (excess > LASTING * std) & (noise > 0),
            np.ones((3, 3)),
        )
        for k, box in enumerate(ndimage.find_objects(labels), start=1):
            if any(part.stop - part.start > 2 for part in box):
                continue
            wide = tuple(slice(max(part.start - 1, 0), part.stop + 1) for part in box)
            own = labels[wide] == k
            ring = ~own & measured[wide]
            if own.sum() == 4 and _is_point(excess[box]):
                continue
            peak = float(excess[wide][own].min())
            if ring.any() and float(excess[wide][ring].max()) < SPREAD * peak:
                hot[wide] |= own
    return hot if hot.sum() <= MOST_HOT * hot.size else np.zeros_like(hot)


def _median_around(
    image: npt.NDArray[np.float64], where: Mask
) -> npt.NDArray[np.float64]:
    """Median of the square around each of some pixels; the others stay as they are."""
    padded = np.pad(image, SQUARE // 2, mode="symmetric")
    squares = np.lib.stride_tricks.sliding_window_view(padded, (SQUARE, SQUARE))
    result = image.copy()
    result[where] = np.median(squares[where].reshape(-1, SQUARE**2), axis=1)
    return result


def _is_point(square: npt.NDArray[np.float64]) -> bool:
    """Whether 2 x 2 pixels may be the image of a point between them.

    Optics that are as sharp as that blur rows and columns alike, so the square is a
    product of both.
    """
    one, other = square[0, 0] * square[1, 1], square[0, 1] * square[1, 0]
    return bool(abs(one - other) < UNEQUAL * max(one, other))


def _spread_out(image: npt.NDArray[np.float64], known: Mask) -> npt.NDArray[np.float64]:
    """Fill what is not known from around, by normalised convolution."""
    result = np.where(known, image, 0.0)
    missing = ~known
    sigma = 1.5
    while missing.any() and known.any():
        weight = ndimage.gaussian_filter(known.astype(np.float64), sigma)
        value = ndimage.gaussian_filter(np.where(known, image, 0.0), sigma)
        near = missing & (weight > 1e-6)
        result[near] = value[near] / weight[near]
        missing &= ~near
        sigma *= 2.0
    return result
