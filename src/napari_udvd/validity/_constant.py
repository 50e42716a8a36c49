"""Pixels that never change: borders, masks, text; and dead ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_udvd.validity._edges import UNLIKELY

if TYPE_CHECKING:
    from napari_udvd.stack import Plane, Stack
    from napari_udvd.validity._validity import Mask

__all__ = ["constant_pixels"]

BESIDE = 0.1
"""Share of the frames in which the pixels beside an area may have a value of it: beside
a cell that is saturated, or a ground without photons, it is common."""
FRAMES_BESIDE = 32
"""Frames that this share is measured on, at most."""


def constant_pixels(
    stack: Stack,
    plane: Plane,
    level: npt.NDArray[np.float64],
    same: Mask,
    count: npt.NDArray[np.float64],
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
    count
        ``(Y, X)`` in how many frames a pixel was measured.
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
    same = same & (count > 1)  # what was seen once had no chance to change
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
        around = frames[:, *wide][:, ring]
        around = around[~np.isnan(around)] if around.dtype.kind == "f" else around
        if not around.size:
            continue
        beside = np.isin(around, values)
        share = float(beside.mean())
        chances = int((count[wide][own] - 1).sum())
        if share >= BESIDE or -chances * np.log(max(share, 1 / beside.size)) < UNLIKELY:
            continue
        small = all(part.stop - part.start <= 2 for part in box)
        inside = all(
            0 < part.start and part.stop < n
            for part, n in zip(box, same.shape, strict=True)
        )
        (dead if small and inside else constant)[wide] |= own
    return constant, dead
