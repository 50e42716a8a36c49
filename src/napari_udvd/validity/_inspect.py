"""Find what is no measurement, by looking at a movie once."""

from __future__ import annotations

import weakref
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_udvd.validity._notes import notes
from napari_udvd.validity._validity import Mask, PlaneValidity, Validity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_udvd.stack import Plane, Stack

__all__ = ["inspect"]

BLOCK_BYTES = 64 * 2**20
"""Frames that are looked at together, as float32."""
UNLIKELY = 30.0
"""Minus the logarithm of the chance, from which on equal pixels are none."""
COMMON = 0.5
"""Share of equal pixels in the rest of a frame, from which on nothing can be said."""
SOLID = 5
"""Side of the squares that areas of a fill value are made of."""
CORNER = 8
"""Side of a corner that makes one look at a frame."""
HOT = 6.0
"""Standard deviations of the noise by which a hot pixel stands out."""
LASTING = 2.0
"""Standard deviations in time of its own that it stands out by: always, that is."""
SPREAD = 0.1
"""Share of its brightness that a point of the specimen gives to a neighbour at least:
its image is never sharper than a pixel."""
MOST_HOT = 0.01
"""Share of pixels above which they are the specimen."""


_KNOWN: weakref.WeakKeyDictionary[Stack, Validity | None] = weakref.WeakKeyDictionary()


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
    if stack not in _KNOWN:
        planes = {plane: _inspected(stack, plane) for plane in stack.planes()}
        is_plain = all(found.is_plain for found in planes.values())
        sentences = tuple(notes(stack, planes))
        _KNOWN[stack] = None if is_plain else Validity(planes, sentences)
    validity = _KNOWN[stack]
    return stack if validity is None else replace(stack, validity=validity)


def _inspected(stack: Stack, plane: Plane) -> PlaneValidity:
    height, width = stack.frame_shape
    low = np.full((height, width), np.inf)
    high = np.full((height, width), -np.inf)
    total, squares, count = (np.zeros((height, width)) for _ in range(3))
    empty: list[int] = []
    suspects: list[int] = []
    has_nan = False
    is_float = stack.dtype.kind == "f"
    for first, raw in _frames(stack, plane):
        flat = raw.reshape(len(raw), -1)
        with np.errstate(invalid="ignore"):
            least, most = np.fmin.reduce(flat, 1), np.fmax.reduce(flat, 1)
        blank = (least == most) | (np.isnan(least) if is_float else False)
        empty += (first + np.flatnonzero(blank)).tolist()
        real = raw[~blank]
        if not len(real):
            continue
        suspects += (first + np.flatnonzero(~blank & _has_flat_edge(raw))).tolist()
        if is_float and np.isnan(real).any():
            has_nan = True
            known = ~np.isnan(real)
            count += known.sum(axis=0)
            real = np.where(known, real, 0).astype(np.float64)
            low = np.fmin(low, np.where(known, real, np.inf).min(axis=0))
            high = np.fmax(high, np.where(known, real, -np.inf).max(axis=0))
        else:
            count += len(real)
            low = np.minimum(low, real.min(axis=0))
            high = np.maximum(high, real.max(axis=0))
        total += real.sum(axis=0, dtype=np.float64)
        squares += np.square(real, dtype=np.float64).sum(axis=0)
    nothing = np.zeros((height, width), bool)
    if len(empty) == stack.n_frames or not (high > low).any():
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
    # A counting camera has pixels that never saw a photon, and a saturated cell some
    # that are always at the limit: they are measured, and no area at the edge.
    constant = _no_chance(~(high > low), nothing) & ~(high > low)
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
    measured = (count > 0) & ~constant
    mean = np.divide(total, count, out=np.zeros_like(total), where=measured)
    variance = np.divide(squares, count, out=np.zeros_like(total), where=measured)
    variance = np.maximum(variance - mean**2, 0.0)
    hot = _hot(_spread_out(mean, measured), np.sqrt(variance), measured)
    background = _spread_out(mean, measured & ~hot)
    value = float(np.median(low[constant])) if constant.any() else 0.0
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
    step = max(1, BLOCK_BYTES // (4 * height * width))
    for start in range(0, stack.n_frames, step):
        yield start, stack.read(slice(start, start + step), plane)


def _has_flat_edge(frames: npt.NDArray[Any]) -> Mask:
    """Frames of which a whole edge, or a corner, has one value."""
    corner = min(CORNER, *frames.shape[1:])
    lines = [frames[:, 0], frames[:, -1], frames[:, :, 0], frames[:, :, -1]]
    ends = (slice(None, corner), slice(-corner, None))
    corners = [
        frames[:, rows, columns].reshape(len(frames), -1)
        for rows in ends
        for columns in ends
    ]
    flat = [(part == part[:, :1]).all(axis=1) for part in (*lines, *corners)]
    return np.asarray(np.any(flat, axis=0))


def _filled(frame: npt.NDArray[Any], constant: Mask) -> Mask | None:
    """Area of a fill value at the edge of a frame, beyond what is constant anyway.

    Real zeros may lie side by side, too, where photons are counted: an area is one
    only if so many equal pixels are no chance, given how common their value is in
    the rest of the frame.
    """
    found = np.zeros(frame.shape, bool)
    height, width = frame.shape
    for value in {frame[y, x].item() for y in (0, -1) for x in (0, width // 2, -1)} | {
        frame[height // 2, x].item() for x in (0, -1)
    }:
        found |= _no_chance(frame == value, constant)
    return found if (found & ~constant).any() else None


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
    if not area.any() or not rest.any():
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
    wide = np.pad(same, SOLID, mode="edge")
    opened = ndimage.binary_opening(wide, np.ones((SOLID, SOLID), bool))
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
    around = ndimage.median_filter(mean, 5, mode="reflect")
    noise = ndimage.median_filter(std, 5, mode="reflect")
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
            peak = float(excess[wide][own].min())
            if ring.any() and float(excess[wide][ring].max()) < SPREAD * peak:
                hot[wide] |= own
    return hot if hot.sum() <= MOST_HOT * hot.size else np.zeros_like(hot)


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
