"""Areas of a fill value at the edge of a frame, as registration leaves them."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

if TYPE_CHECKING:
    from napari_udvd.validity._validity import Mask

__all__ = ["UNLIKELY", "filled_area", "has_flat_edge"]

UNLIKELY = 30.0
"""Minus the logarithm of the chance, from which on equal pixels are none."""
COMMON = 0.5
"""Share of equal pixels in the rest of a frame, from which on nothing can be said."""
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


def filled_area(frame: npt.NDArray[Any], constant: Mask) -> Mask | None:
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


def has_flat_edge(frames: npt.NDArray[Any]) -> Mask:
    """Frames of which a part of an edge, or a corner, has one value."""
    found = np.zeros(len(frames), bool)
    for rows, columns in _edges(frames.shape[1:]):
        part = frames[:, rows, columns].reshape(len(frames), -1)
        found |= (part == part[:, :1]).all(axis=1)
    return found


def _edges(shape: tuple[int, ...]) -> list[tuple[slice, slice]]:
    """Return the ends of the edges of a frame, a third each, and its corners.

    Where a frame was shifted or turned, one of them at least has one value.
    """
    lines = slice(None, 1), slice(-1, None)
    thirds = [(slice(None, -(-n // 3)), slice(n - -(-n // 3), None)) for n in shape]
    corner = [(slice(None, CORNER), slice(-CORNER, None)) for _ in shape]
    pairs = (lines, thirds[1]), (thirds[0], lines), (corner[0], corner[1])
    return [place for pair in pairs for place in product(*pair)]


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
    from scipy.spatial import ConvexHull  # takes its time to import

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
