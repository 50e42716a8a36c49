"""What of a movie is denoised, what somebody looks at, and what comes next."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_udvd.cutting import blocks
from napari_udvd.inference.stream import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_udvd.planes import Series
    from napari_udvd.stack import Plane, Stack

__all__ = ["Agenda", "Run"]


class Run(NamedTuple):
    """Frames ``start .. stop - 1`` of a series, by its number."""

    series: int
    start: int
    stop: int


class Agenda:
    """Blocks of frames of every series, in the order in which they are wanted.

    One thread may say what it looks at (:meth:`want`) while another one works.

    Parameters
    ----------
    series
        Series of the movie.
    stack
        The movie.

    Attributes
    ----------
    series
        As given.
    """

    def __init__(self, series: Sequence[Series], stack: Stack) -> None:
        self.series = series
        self._stack = stack
        self._blocks = blocks(stack)
        self._finished = np.zeros((len(series), len(self._blocks)), bool)
        self._lock = threading.Lock()
        self._frame: int | None = None
        self._wanted: tuple[int, ...] = ()

    @property
    def progress(self) -> Progress:
        """Frames in finished blocks, of all frames of all planes."""
        channels = len(self.series[0].channels)
        frames = np.array([stop - start for start, stop in self._blocks])
        done = int((self._finished * frames).sum()) * channels
        return Progress(done, len(self.series) * self._stack.n_frames * channels)

    @property
    def complete(self) -> bool:
        """Whether every block is finished."""
        return bool(self._finished.all())

    def want(self, t: int, plane: Plane | None = None) -> None:
        """Put a frame first, and then its block; every plane if None.

        Frames at the same time point add up; another time point takes the place of
        all of them.

        Raises
        ------
        IndexError
            If the movie has no such frame.
        """
        asked = {
            k
            for k, series in enumerate(self.series)
            if plane is None or plane in series.planes()
        }
        if not 0 <= t < self._stack.n_frames or not asked:
            raise IndexError(
                f"frame {t} of {plane} of a movie: {self._stack.describe()}"
            )
        with self._lock:
            if t == self._frame:
                asked.update(self._wanted)
            self._frame, self._wanted = int(t), tuple(sorted(asked))

    def next_frame(self, is_done: Callable[[int, Plane], bool]) -> Run | None:
        """Return a frame that is wanted and not there."""
        with self._lock:
            t, wanted = self._frame, self._wanted
        if t is None:
            return None
        for series in wanted:
            if not is_done(t, self.series[series].planes()[0]):
                return Run(series, t, t + 1)
        return None

    def next_block(self) -> Run | None:
        """Return the block to denoise next; None when all are finished."""
        with self._lock:
            t, wanted = self._frame or 0, self._wanted
        here = next(k for k, (_, stop) in enumerate(self._blocks) if t < stop)

        def rank(missing: tuple[int, int]) -> tuple[bool, bool, int, int]:
            series, block = missing
            # onwards, not to both sides: blocks in a row share the frames they read
            distance = (block - here) % len(self._blocks)
            other = series not in wanted
            return distance > 0 or other, other, series, distance

        missing = [(int(s), int(b)) for s, b in np.argwhere(~self._finished)]
        if not missing:
            return None
        series, block = min(missing, key=rank)
        return Run(series, *self._blocks[block])

    def finish(self, run: Run) -> None:
        """Note that a block is there to stay; a frame by itself does not count yet."""
        block = run.start, run.stop
        if block in self._blocks:
            self._finished[run.series, self._blocks.index(block)] = True
