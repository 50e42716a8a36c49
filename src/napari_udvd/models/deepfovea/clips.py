"""How a movie is cut into clips, whose frames are reconstructed at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["SHARED", "clips_of"]

SHARED = 2
"""Frames that a clip has in common with the next one, as published."""


def clips_of(length: int, frames: int) -> Iterator[tuple[int, list[int]]]:
    """Cut a movie into clips that overlap.

    Yields
    ------
    int
        First frame of a clip.
    list of int
        Frames that are taken from it: those that are nearer to its middle than to that
        of another clip.
    """
    last = max(length - frames, 0)
    starts = [*range(0, last, frames - SHARED), last]
    taken = 0
    for k, start in enumerate(starts):
        stop = length
        if k + 1 < len(starts):
            shared = start + frames - starts[k + 1]
            stop = start + frames - shared // 2
        yield start, list(range(taken, stop))
        taken = stop
