"""How a movie is cut: blocks of frames, tiles with a halo, frames around a frame."""

from __future__ import annotations

from itertools import pairwise, product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_udvd.stack import Stack

__all__ = ["blocks", "cores", "tiles", "window", "with_halo"]

BLOCK_BYTES = 64 * 2**20
"""Size of the frames of one block in float32."""


BLOCK_FRAMES = 16
"""Largest block: the frames around it are read and half processed once more."""


def blocks(stack: Stack) -> list[tuple[int, int]]:
    """Cut a movie in time: ``(start, stop)`` of the blocks that are denoised as one."""
    height, width = stack.frame_shape
    size = max(1, min(BLOCK_FRAMES, BLOCK_BYTES // (4 * height * width)))
    return [
        (start, min(start + size, stack.n_frames))
        for start in range(0, stack.n_frames, size)
    ]


def tiles(height: int, width: int, edge: int) -> Iterator[tuple[slice, slice]]:
    """Cut a frame into nearly equal rows and columns of at most `edge` pixels."""
    yield from product(cores(height, edge), cores(width, edge))


def with_halo(core: slice, length: int, radius: int, grid: int) -> slice:
    """Widen to what the network sees, with both ends on its pooling grid.

    Half-planes that look down or right count the grid from the far end, so the
    distance to that end must be aligned too.
    """
    before = max(core.start - radius, 0)
    after = max(length - core.stop - radius, 0)
    return slice(before - before % grid, length - (after - after % grid))


def cores(length: int, edge: int) -> list[slice]:
    """Cut an axis into nearly equal parts of at most `edge` pixels."""
    parts = -(-length // edge)
    cuts = [round(length * k / parts) for k in range(parts + 1)]
    return [slice(a, b) for a, b in pairwise(cuts)]


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
