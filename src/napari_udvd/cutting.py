"""How a movie is cut: blocks of frames, tiles with a halo, frames around a frame."""

from __future__ import annotations

from itertools import pairwise, product
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from napari_udvd.stack import LayoutLike

__all__ = [
    "blocks",
    "central",
    "cores",
    "place_in",
    "runs",
    "spread",
    "stretches",
    "tiles",
    "window",
    "with_halo",
]

BLOCK_BYTES = 64 * 2**20
"""Most that the frames of one block take."""

BLOCK_FRAMES = 16
"""Largest block: the frames around it are read and half processed once more."""


# --- in time --------------------------------------------------------------------------


def blocks(like: LayoutLike) -> list[tuple[int, int]]:
    """Cut a movie in time: ``(start, stop)`` of what is computed as one, in float32."""
    return _cut(like, 4, BLOCK_FRAMES)


def stretches(
    like: LayoutLike, bytes_per_pixel: int | None = None
) -> list[tuple[int, int]]:
    """Cut a movie in time: ``(start, stop)`` of what is read as one, and let go.

    Parameters
    ----------
    like
        The movie.
    bytes_per_pixel
        What a pixel takes in memory; that of the movie's data type if None.
    """
    return _cut(like, bytes_per_pixel or like.dtype.itemsize, like.n_frames)


def _cut(like: LayoutLike, bytes_per_pixel: int, most: int) -> list[tuple[int, int]]:
    height, width = like.frame_shape
    size = max(1, min(most, BLOCK_BYTES // (bytes_per_pixel * height * width)))
    return [
        (start, min(start + size, like.n_frames))
        for start in range(0, like.n_frames, size)
    ]


def runs(numbers: Iterable[int]) -> list[list[int]]:
    """Cut rising numbers where one is missing."""
    found: list[list[int]] = []
    for number in numbers:
        if found and found[-1][-1] == number - 1:
            found[-1].append(number)
        else:
            found.append([number])
    return found


def spread(length: int, count: int, *, nearest: bool = False) -> list[int]:
    """Up to `count` different ones of `length` indices, evenly, with both ends.

    Parameters
    ----------
    length, count
        How many there are, and how many are wanted.
    nearest
        Round to the nearest index; otherwise down.
    """
    places = np.linspace(0, length - 1, min(count, length))
    whole = (np.rint(places) if nearest else places).astype(int)
    return [int(k) for k in np.unique(whole)]


def window(
    frame: int, context: int, n_frames: int, missing: frozenset[int] = frozenset()
) -> list[int]:
    """Frames around one frame, oldest first, itself in the middle.

    Frames that are missing are passed over: no other may stand in for them, since it
    would be there twice, or be its own neighbour.

    Beyond the ends of the movie stand the frames that are equally far away on the
    other side, or the farther end where there are none. The frame is never its own
    neighbour (unless it is the only one): a network that sees neighbours in full
    would find its noise there.
    """
    if missing:
        there = [t for t in range(n_frames) if t not in missing or t == frame]
        order = window(there.index(frame), context, len(there))
        return [there[k] for k in order]
    frames = []
    for step in range(-context, context + 1):
        t = frame + step
        if not 0 <= t < n_frames:
            t = frame - step
        if not 0 <= t < n_frames:
            t = 0 if 2 * frame >= n_frames else n_frames - 1
        frames.append(t)
    return frames


# --- in space -------------------------------------------------------------------------


def tiles(height: int, width: int, edge: int) -> Iterator[tuple[slice, slice]]:
    """Cut a frame into nearly equal rows and columns of at most `edge` pixels."""
    yield from product(cores(height, edge), cores(width, edge))


def magnified(part: slice, zoom: int) -> slice:
    """Return where a part of an axis is that has `zoom` pixels for each of before."""
    return slice(part.start * zoom, part.stop * zoom)


def cores(length: int, edge: int) -> list[slice]:
    """Cut an axis into nearly equal parts of at most `edge` pixels."""
    parts = -(-length // edge)
    cuts = [round(length * k / parts) for k in range(parts + 1)]
    return [slice(a, b) for a, b in pairwise(cuts)]


def central(length: int, edge: int) -> slice:
    """Return the `edge` pixels in the middle of an axis; all where there are fewer."""
    edge = min(edge, length)
    start = (length - edge) // 2
    return slice(start, start + edge)


def with_halo(core: slice, length: int, halo: int, grid: int) -> slice:
    """Widen to what a network sees, with both ends on its pooling grid.

    Half-planes that look down or right count the grid from the far end, so the
    distance to that end must be aligned too.

    Parameters
    ----------
    core
        Part of an axis that is wanted.
    length
        Of the axis.
    halo
        Pixels to add on each side: the radius of what the network sees, or fewer where
        it need not be exact.
    grid
        What the distances to both ends of the axis are multiples of.
    """
    before = max(core.start - halo, 0)
    after = max(length - core.stop - halo, 0)
    return slice(before - before % grid, length - (after - after % grid))


def place_in(outer: slice, core: slice) -> slice:
    """Tell where a part of an axis is inside a wider part, see :func:`with_halo`."""
    return slice(core.start - outer.start, core.stop - outer.start)
