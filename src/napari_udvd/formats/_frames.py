"""Planes that a library reads one by one from an open file."""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_udvd.formats._lazy import Damaged
from napari_udvd.formats._planes import PlaneArray, in_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["Frames", "OpenFile"]


class OpenFile:
    """A library's open file, closed when nothing reads from it any longer.

    Attributes
    ----------
    file
        What was given.
    """

    def __init__(self, file: Any) -> None:
        self.file = file
        weakref.finalize(self, file.close)


class Frames(PlaneArray):
    """Array of planes that `read` gives by their position, one at a time.

    Parameters
    ----------
    shape, dtype, files
        As for :class:`~napari_udvd.formats._planes.PlaneArray`.
    read
        Takes the position of a plane along every axis but the last two, and returns
        the plane, ``(Y, X)``. Never called by two threads at once.
    opened
        The file that it reads from, which stays open as long as the array is used.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        files: tuple[str, ...],
        read: Callable[[tuple[int, ...]], npt.NDArray[Any]],
        opened: OpenFile,
    ) -> None:
        super().__init__(shape, dtype, files, in_order(shape))
        self._read = read
        self._opened = opened
        self._lock = threading.Lock()

    def _planes(
        self, numbers: Sequence[int], top: int, bottom: int
    ) -> Iterator[npt.NDArray[Any]]:
        for number in numbers:
            position = np.unravel_index(number, self.shape[:-2])
            with self._lock:
                plane = self._read(tuple(int(i) for i in position))
            if plane.shape != self.shape[-2:]:
                raise Damaged(
                    f"a plane has the shape {plane.shape} where the others have "
                    f"{self.shape[-2:]}"
                )
            yield plane[top:bottom]
