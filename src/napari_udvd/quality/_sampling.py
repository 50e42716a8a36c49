"""Which pixels of a movie a report looks at: always the same ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from napari_udvd.cutting import central, spread

if TYPE_CHECKING:
    from napari_udvd.stack import LayoutLike

__all__ = ["Part", "parts_for_model", "parts_to_look_at", "planes_to_judge"]

LOOKED_AT = 2**23
"""Pixels of a movie that are compared with the result."""

RUN = 5
"""Frames in a row, from which neighbours in time are compared."""

EDGE = 1024
"""Rows and columns of a frame that are looked at, in its middle."""

THROUGH_MODEL = 2**19
"""Pixels that go through the model, each time."""

MODEL_EDGE = 168
"""Rows and columns of a part that goes through the model."""

MODEL_RUN = 4
"""Frames of such a part: errors that last are told from those that do not."""

QUARTERS = (0, 0), (1, 1), (0, 1), (1, 0)
"""Where parts are, in turn: along the diagonals."""

DEPTHS = 3
"""Planes of a volume that are judged in each channel."""


class Part(NamedTuple):
    """Frames in a row, and rows and columns of them."""

    start: int
    stop: int
    rows: slice
    columns: slice

    @property
    def pixels(self) -> int:
        """How many there are."""
        height: int = self.rows.stop - self.rows.start
        width: int = self.columns.stop - self.columns.start
        return (self.stop - self.start) * height * width


def planes_to_judge(depths: list[int]) -> list[int]:
    """Choose a few of the depths that were measured, evenly."""
    if len(depths) <= DEPTHS:
        return depths
    middle = len(depths) // 2
    return [depths[k] for k in sorted({len(depths) // 6, middle, len(depths) * 5 // 6})]


def parts_to_look_at(like: LayoutLike, share: float = 1.0) -> list[Part]:
    """Whole movies where they are small, else runs of frames spread over them.

    Parameters
    ----------
    like
        The movie.
    share
        Of the pixels that there is time for.
    """
    height, width = like.frame_shape
    rows, columns = central(height, EDGE), central(width, EDGE)
    frame = (rows.stop - rows.start) * (columns.stop - columns.start)
    count = max(int(LOOKED_AT * share) // frame, RUN)
    return [Part(a, b, rows, columns) for a, b in _runs(like.n_frames, count, RUN)]


def parts_for_model(like: LayoutLike, share: float = 1.0) -> list[Part]:
    """Crops at several places and times, together as many pixels as may be computed.

    Parameters
    ----------
    like
        The movie.
    share
        Of the pixels that there is time for.
    """
    height, width = like.frame_shape
    edges = min(height, MODEL_EDGE), min(width, MODEL_EDGE)
    count = int(THROUGH_MODEL * share) // (edges[0] * edges[1])
    found = []
    for k, (start, stop) in enumerate(_middles(like.n_frames, count)):
        down, right = QUARTERS[k % len(QUARTERS)]
        rows = _at(height, edges[0], down)
        columns = _at(width, edges[1], right)
        found.append(Part(start, stop, rows, columns))
    return found


def _middles(n_frames: int, count: int) -> list[tuple[int, int]]:
    """Up to `count` frames: all, or runs in the middles of as many equal parts.

    So first and last frames, of which less is known, count no more than they should.
    """
    if count >= n_frames:
        return _runs(n_frames, count, MODEL_RUN)
    run, parts = min(MODEL_RUN, n_frames), max(count // MODEL_RUN, 1)
    middles = [(2 * k + 1) * n_frames / (2 * parts) for k in range(parts)]
    starts = [min(max(int(m - run / 2), 0), n_frames - run) for m in middles]
    return [(start, start + run) for start in starts]


def _at(length: int, edge: int, side: int) -> slice:
    """Part of an axis in the middle of its first or second half."""
    start = int(min(max(length * (1 + 2 * side) / 4 - edge / 2, 0), length - edge))
    return slice(start, start + edge)


def _runs(n_frames: int, count: int, run: int) -> list[tuple[int, int]]:
    """Up to `count` frames, all of them or in runs that are spread evenly."""
    if count >= n_frames:
        return [(a, min(a + 16, n_frames)) for a in range(0, n_frames, 16)]
    run = min(run, n_frames)
    starts = spread(n_frames - run + 1, max(count // run, 1))
    if len(starts) == 1:
        starts = [(n_frames - run) // 2]
    return [(start, start + run) for start in starts]
