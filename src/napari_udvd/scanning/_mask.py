"""A mask: the pixels that a scan visits, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_udvd._version import __version__
from napari_udvd.stack import as_slice, full_index

if TYPE_CHECKING:
    from napari_udvd.scanning._pattern import Pattern, Visited

__all__ = ["ScanMask"]


@dataclass(frozen=True, eq=False)
class ScanMask:
    """Which pixels are visited; build it with :func:`make_mask`.

    It has the shape ``(T, Y, X)``, is indexed with integers and slices as an array of
    bool, and makes a frame when it is asked for; ``np.asarray(mask)`` makes them all.

    Attributes
    ----------
    pattern
        How it is made.
    fixed
        Whether every frame visits the pixels of the first.
    """

    pattern: Pattern
    fixed: bool = False

    @property
    def shape(self) -> tuple[int, int, int]:
        """Frames, rows and columns."""
        return self.pattern.grid.frames, *self.pattern.grid.shape

    @property
    def ndim(self) -> int:
        """Number of axes, 3."""
        return len(self.shape)

    @property
    def dtype(self) -> np.dtype[np.bool_]:
        """Data type."""
        return np.dtype(np.bool_)

    def frame(self, t: int) -> Visited:
        """Pixels ``(Y, X)`` that are visited in frame `t`.

        Raises
        ------
        IndexError
            If there is no such frame.
        """
        return self.pattern.frame(self._moment(t))

    def positions(self, t: int) -> npt.NDArray[np.intp]:
        """Rows and columns ``(n, 2)`` of these pixels, in the order of the visits.

        Raises
        ------
        IndexError
            If there is no such frame.
        """
        return self.pattern.path(self._moment(t))

    @property
    def share(self) -> float:
        """Share of the pixels that are really visited, mean of all frames."""
        return float(self._counted[0].mean() / self.pattern.grid.pixels)

    @property
    def visits(self) -> npt.NDArray[np.intp]:
        """Pixels that are visited in each frame, ``(T,)``."""
        return self._counted[0]

    @property
    def never_visited(self) -> float:
        """Share of the pixels that no frame visits."""
        return 1 - self._counted[1]

    @property
    def record(self) -> dict[str, Any]:
        """How it is made, for files: what JSON can hold."""
        grid = self.pattern.grid
        return {
            "program": "napari-udvd",
            "version": __version__,
            "pattern": self.pattern.name,
            **self.pattern.settings,
            "frames": grid.frames,
            "shape": list(grid.shape),
            "seed": grid.seed,
            "fixed": self.fixed,
        }

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> npt.NDArray[np.bool_]:
        times, rows, columns = (
            part if isinstance(part, int) else as_slice(part)
            for part in full_index(key, self.shape)
        )
        if isinstance(times, int):
            return np.asarray(self.frame(times)[rows, columns])
        moments = range(self.shape[0])[times]
        some = np.empty((len(moments), *self.shape[1:]), bool)[:, rows, columns]
        for i, t in enumerate(moments):
            some[i] = self.frame(t)[rows, columns]
        return some

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        return np.array(self[...], dtype=dtype)

    def _moment(self, t: int) -> int:
        moment = range(self.shape[0])[t]
        return 0 if self.fixed else moment

    @cached_property
    def _counted(self) -> tuple[npt.NDArray[np.intp], float]:
        """Visits of each frame, and share of the pixels that any frame visits."""
        ever = np.zeros(self.shape[1:], bool)
        visits = np.empty(self.shape[0], np.intp)
        for t in range(1 if self.fixed else self.shape[0]):
            visited = self.frame(t)
            visits[t] = visited.sum()
            ever |= visited
        if self.fixed:
            visits[:] = visits[0]
        return visits, float(ever.mean())
