"""Frames in a temporary file, which a movie fills as it is denoised."""

from __future__ import annotations

import shutil
import tempfile
import threading
import weakref
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_udvd.errors import OutputError
from napari_udvd.stack import LayoutLike, Plane, as_slice, full_index

if TYPE_CHECKING:
    from pathlib import Path
    from typing import IO

__all__ = ["FrameArray", "check_space"]

Block = npt.NDArray[np.float32]


class FrameArray:
    """Float32 frames in a temporary file, with the shape and axes of a movie.

    One thread may write while others read; a frame is read with one access to the
    file, and whoever reads waits for the writing of one frame at most.

    Parameters
    ----------
    like
        Movie or layout with the shape and axes.
    folder
        Where the file goes. It has no name there, or loses it with the process.

    Attributes
    ----------
    shape, ndim, size, dtype
        As in NumPy.

    Raises
    ------
    OutputError
        If the file cannot be made.
    """

    dtype = np.dtype(np.float32)

    def __init__(self, like: LayoutLike, folder: Path) -> None:
        self.shape = like.shape
        self.ndim = len(self.shape)
        self.size = int(np.prod(self.shape))
        self._axes = like.axes
        self._frame_shape = like.frame_shape
        self._there = np.zeros((like.n_channels, like.n_planes, like.n_frames), bool)
        self._lock = threading.Lock()
        try:
            # A plain file, not a memory map: a full disk would end the process.
            self._file: IO[bytes] = tempfile.TemporaryFile(dir=folder, buffering=0)
        except OSError as error:
            raise OutputError(
                f"cannot make a temporary file in {str(folder)!r} ({error.strerror}); "
                "choose another folder"
            ) from error
        self._folder = folder
        weakref.finalize(self, self._file.close)

    @property
    def closed(self) -> bool:
        """Whether the file is gone."""
        return self._file.closed

    def has(self, t: int, plane: Plane = Plane()) -> bool:
        """Whether a frame is there.

        Raises
        ------
        IndexError
            If the movie has no such frame.
        """
        self._number(t, plane)
        return bool(self._there[plane.c, plane.z, t])

    def frame(self, t: int, plane: Plane = Plane()) -> Block:
        """Read a frame ``(Y, X)``.

        Raises
        ------
        IndexError
            If the movie has no such frame.
        ValueError
            If it is not there.
        """
        frame = self._read(t, plane, 0, self._frame_shape[0])
        if frame is None:
            raise ValueError(f"frame {t} of {plane} is not there (any more)")
        return frame

    def put(self, t: int, plane: Plane, frame: Block) -> None:
        """Write a frame ``(Y, X)``; do nothing if the file is closed.

        Raises
        ------
        OutputError
            If the disk is full or fails; the frame is then not there.
        """
        offset = self._number(t, plane) * frame.nbytes
        rest = np.ascontiguousarray(frame, self.dtype).data.cast("B")
        with self._lock:
            if self.closed:
                return
            self._there[plane.c, plane.z, t] = False
            try:
                self._file.seek(offset)
                while rest:
                    rest = rest[self._file.write(rest) :]
            except OSError as error:
                raise OutputError(
                    f"cannot write denoised frames to a temporary file in "
                    f"{str(self._folder)!r} ({error.strerror}); make room, or choose a "
                    "folder on another disk"
                ) from error
            self._there[plane.c, plane.z, t] = True

    def close(self) -> None:
        """Remove the file."""
        with self._lock:
            self._there[:] = False
            self._file.close()

    def __getitem__(self, key: Any) -> Block:
        """Read with integers and slices, as in NumPy; NaN stands for what is missing.

        Raises
        ------
        IndexError, TypeError
            If the key does not fit, see :func:`~napari_udvd.stack.full_index`.
        """
        index = dict(zip(self._axes, full_index(key, self.shape), strict=True))
        kept = [axis for axis in "CZTYX" if isinstance(index.get(axis), range)]
        c, z, t, y, x = (_span(index.get(axis, 0)) for axis in "CZTYX")
        block = np.full([len(span) for span in (c, z, t, y, x)], np.nan, self.dtype)
        if block.size:
            top, bottom = min(y), max(y) + 1
            rows = as_slice(range(y.start - top, y.stop - top, y.step))
            places = product(enumerate(c), enumerate(z), enumerate(t))
            for (i, channel), (j, depth), (k, time) in places:
                part = self._read(time, Plane(channel, depth), top, bottom)
                if part is not None:
                    block[i, j, k] = part[rows, as_slice(x)]
        lengths = dict(zip("CZTYX", block.shape, strict=True))
        order = [kept.index(axis) for axis in self._axes if axis in kept]
        result = block.reshape([lengths[axis] for axis in kept]).transpose(order)
        return result[()]  # a number where every axis is fixed

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        """Read everything (``np.asarray``)."""
        if copy is False:
            raise ValueError("the frames are on disk: reading them makes a copy")
        return np.asarray(self[...], dtype=dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"<FrameArray {self._axes} {self.shape}, {self._there.sum()} frames>"

    def _number(self, t: int, plane: Plane) -> int:
        """Place of a frame in the file."""
        n_channels, n_planes, n_frames = self._there.shape
        if not (
            0 <= plane.c < n_channels and 0 <= plane.z < n_planes and 0 <= t < n_frames
        ):
            raise IndexError(f"frame {t} of {plane} of {self!r}")
        return (plane.c * n_planes + plane.z) * n_frames + t

    def _read(self, t: int, plane: Plane, top: int, bottom: int) -> Block | None:
        """Rows ``top .. bottom - 1`` of a frame; None if it is not there."""
        height, width = self._frame_shape
        rows = np.empty((bottom - top, width), self.dtype)
        offset = (self._number(t, plane) * height + top) * width * rows.itemsize
        rest = rows.data.cast("B")
        with self._lock:
            if not self._there[plane.c, plane.z, t]:
                return None
            self._file.seek(offset)
            while rest:
                count = self._file.readinto(rest)  # type: ignore[attr-defined]
                if not count:
                    raise OSError(f"the file ends {len(rest)} bytes too early")
                rest = rest[count:]
        return rows


def _span(index: int | range) -> range:
    return index if isinstance(index, range) else range(index, index + 1)


def check_space(folder: Path, like: LayoutLike, quantities: int) -> None:
    """Check that a folder has room for so many results for a movie.

    Raises
    ------
    OutputError
        If it has not, or does not exist.
    """
    needed = 4 * quantities * int(np.prod(like.shape))
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise OutputError(
            f"cannot keep denoised frames in {str(folder)!r} ({error.strerror}); "
            "choose a folder that exists"
        ) from error
    if needed > free:
        raise OutputError(
            f"the denoised movie needs {needed / 1e9:.3g} GB ({needed} bytes) but only "
            f"{free / 1e9:.3g} GB ({free} bytes) are free in {str(folder)!r}: make "
            "room, or choose a folder on another disk"
        )
