"""Sinks: where denoised frames are put, block by block.

A sink is a context manager. Leaving it normally commits the result; leaving it by
an exception, Ctrl-C included, discards it. Files are written under a hidden name
beside the target and renamed when they are complete and on the disk.
"""

from __future__ import annotations

import errno
from abc import ABC, abstractmethod
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from napari_udvd.errors import OutputError, system_reason
from napari_udvd.formats._output import readable_size
from napari_udvd.small_files import (
    put_in_place,
    remove,
    remove_stale_partials,
    temporary_name,
)
from napari_udvd.stack import LayoutLike, Plane

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType
    from typing import Self

__all__ = ["FULL", "ArraySink", "FileSink", "Sink", "block_key", "to_dtype"]

FULL: Final = frozenset({errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", -1)})
"""Numbers of errors that say that a disk is full."""


class Sink(Protocol):
    """Takes the frames of a movie in any order of blocks and planes."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Data type the pixels are stored in."""

    def __enter__(self) -> Self:
        """Start writing."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Commit, or discard if an exception is on its way."""

    def write(
        self,
        frames: npt.NDArray[Any],
        start: int,
        plane: Plane = Plane(),
    ) -> None:
        """Write frames ``(T, Y, X)`` of one plane from time point `start` on."""

    def discard(self) -> None:
        """Drop what was written; leaving the context then commits nothing."""


def to_dtype(frames: npt.NDArray[Any], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Convert predictions to the data type they are stored in.

    Integers are rounded to the nearest and clipped to what `dtype` can hold, never
    wrapped; so is a float in a narrower float type.

    Parameters
    ----------
    frames
        Pixels, any shape.
    dtype
        Integer or real floating-point type.

    Raises
    ------
    ValueError
        If NaN would have to become an integer.
    """
    wanted = np.dtype(dtype)
    if frames.dtype == wanted:
        return frames
    if wanted.kind == "f":
        if frames.dtype.kind == "f" and frames.dtype.itemsize > wanted.itemsize:
            limits = np.finfo(wanted)
            frames = np.clip(frames, limits.min, limits.max)
        return frames.astype(wanted)
    bounds = np.iinfo(wanted)
    if frames.dtype.kind != "f":
        own = np.iinfo(frames.dtype)
        low, high = max(bounds.min, own.min), min(bounds.max, own.max)
        clipped: npt.NDArray[Any] = np.clip(frames, low, high)
        return clipped.astype(wanted)
    if np.isnan(frames).any():
        raise ValueError(f"NaN cannot be stored as {wanted}: write float32")
    # float32 has no 2**31 - 1 and float64 no 2**63 - 1: stay on the safe side.
    wide = frames.astype(np.float64) if wanted.itemsize >= 4 else frames
    top = wide.dtype.type(bounds.max)
    if int(top) > bounds.max:
        top = np.nextafter(top, wide.dtype.type(0))
    rounded: npt.NDArray[Any] = np.clip(np.rint(wide), bounds.min, top)
    return rounded.astype(wanted)


def block_key(axes: str, span: slice, plane: Plane) -> tuple[int | slice, ...]:
    """Index of a block of whole frames in an array with these axes."""
    index: dict[str, int | slice] = {"T": span, "C": plane.c, "Z": plane.z}
    return tuple(index.get(axis, slice(None)) for axis in axes)


class _BlockSink(ABC):
    """What all sinks share: checking and counting blocks.

    Parameters
    ----------
    like
        Axes and size of the result: a movie, where it has them, or a layout.
    dtype
        Data type the pixels are stored in.
    """

    def __init__(self, like: LayoutLike, dtype: npt.DTypeLike) -> None:
        self.like = like.layout
        self.dtype: np.dtype[Any] = np.dtype(dtype).newbyteorder("=")
        self._written = np.zeros((like.n_frames, like.n_channels, like.n_planes), bool)
        self._open = False

    def __enter__(self) -> Self:
        """Start writing."""
        self._begin()
        self._written[:] = False
        self._open = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Commit, or discard if an exception is on its way.

        Raises
        ------
        OutputError
            If frames were never written, or the file cannot be completed; then
            nothing is left behind.
        """
        if not self._open:
            return
        if kind is not None:
            self.discard()
            return
        missing = int(self._written.size - self._written.sum())
        if missing:
            self.discard()
            raise OutputError(
                f"{missing} of {self._written.size} frames were never written to "
                f"{self._name}: the incomplete result was removed"
            )
        self._commit()
        self._open = False

    def write(
        self,
        frames: npt.NDArray[Any],
        start: int,
        plane: Plane = Plane(),
    ) -> None:
        """Write a block of frames.

        Parameters
        ----------
        frames
            Pixels ``(T, Y, X)``, in intensities of the movie; converted by
            :func:`to_dtype`.
        start
            Time point of the first of them.
        plane
            Channel and depth index.

        Raises
        ------
        ValueError
            If the block does not fit the movie, or the sink is not open.
        OutputError
            If the disk is full or fails; then nothing is left behind.
        """
        if not self._open:
            raise ValueError(f"{self._name} is not open: use it in a with statement")
        stop = start + len(frames)
        n_frames, n_channels, n_planes = self._written.shape
        if (
            frames.shape[1:] != self.like.frame_shape
            or not 0 <= start <= stop <= n_frames
            or not (0 <= plane.c < n_channels and 0 <= plane.z < n_planes)
        ):
            raise ValueError(
                f"frames {start} to {stop} of shape {frames.shape} and {plane} do not "
                f"fit the movie: {n_frames} frames of {self.like.frame_shape}, "
                f"{n_channels} channel(s), {n_planes} plane(s)"
            )
        if len(frames):
            self._put(to_dtype(frames, self.dtype), start, plane)
        self._written[start:stop, plane.c, plane.z] = True

    def discard(self) -> None:
        """Drop what was written; leaving the context then commits nothing."""
        if self._open:
            self._open = False
            self._drop()

    @property
    def _name(self) -> str:
        return type(self).__name__

    @abstractmethod
    def _begin(self) -> None:
        """Prepare to take blocks."""

    @abstractmethod
    def _put(self, frames: npt.NDArray[Any], start: int, plane: Plane) -> None:
        """Store a block of the right shape and dtype."""

    @abstractmethod
    def _commit(self) -> None:
        """Make the complete result available."""

    @abstractmethod
    def _drop(self) -> None:
        """Remove the incomplete result."""


class ArraySink(_BlockSink):
    """Keep the result in memory.

    Parameters
    ----------
    like
        Axes, in the order of the result, and size: a movie or a layout.
    dtype
        Data type of the result.

    Attributes
    ----------
    array
        The result, complete once the context was left.
    """

    def __init__(self, like: LayoutLike, dtype: npt.DTypeLike = np.float32) -> None:
        super().__init__(like, dtype)
        self.array: npt.NDArray[Any] = np.zeros(like.shape, self.dtype)

    def _put(self, frames: npt.NDArray[Any], start: int, plane: Plane) -> None:
        kept = [axis for axis in self.like.axes if axis in "TYX"]
        block = frames if "T" in kept else frames[0]
        order = [axis for axis in "TYX" if axis in kept]
        span = slice(start, start + len(frames))
        key = block_key(self.like.axes, span, plane)
        self.array[key] = block.transpose([order.index(axis) for axis in kept])

    def _begin(self) -> None:
        self.array[:] = 0

    def _commit(self) -> None:
        pass

    def _drop(self) -> None:
        self.array[:] = 0


class FileSink(_BlockSink):
    """A result on disk, under a hidden name until it is complete.

    Parameters
    ----------
    target
        Name of the finished result.
    like, dtype
        As for all sinks.
    record
        How the result was made, as plain JSON types.
    overwrite
        Whether an earlier result is replaced.
    """

    def __init__(
        self,
        target: Path,
        like: LayoutLike,
        dtype: npt.DTypeLike,
        record: Any,
        overwrite: bool,
    ) -> None:
        super().__init__(like, dtype)
        self.target = target
        self._record = record
        self._overwrite = overwrite
        self._partial = temporary_name(target, "partial")
        self._bytes_written = 0
        self._bytes_total = int(np.prod(like.shape)) * self.dtype.itemsize

    @property
    def _name(self) -> str:
        return repr(str(self.target))

    def _begin(self) -> None:
        self._bytes_written = 0
        with self._failing_cleanly():
            remove_stale_partials(self.target)
            self._create(self._partial)

    def _put(self, frames: npt.NDArray[Any], start: int, plane: Plane) -> None:
        with self._failing_cleanly():
            self._store(frames, start, plane)
        self._bytes_written += frames.nbytes

    def _commit(self) -> None:
        with self._failing_cleanly():
            self._finish(self._partial)
            put_in_place(self._partial, self.target, overwrite=self._overwrite)

    def _drop(self) -> None:
        self._close()
        remove(self._partial)

    @contextmanager
    def _failing_cleanly(self) -> Iterator[None]:
        """Leave nothing behind on failure, and say what went wrong."""
        try:
            yield
        except BaseException as error:
            self._open = False
            self._drop()
            if not isinstance(error, OSError) or isinstance(error, OutputError):
                raise
            raise OutputError(self._explain(error)) from error

    def _explain(self, error: OSError) -> str:
        done = (
            f"{readable_size(self._bytes_written)} of "
            f"{readable_size(self._bytes_total)} ({self._bytes_written} of "
            f"{self._bytes_total} bytes) were written to {self._name}"
        )
        reason = system_reason(error) or "writing failed"
        remedy = (
            f"make room for {readable_size(self._bytes_total)} or write to another "
            "disk, and run it again"
            if error.errno in FULL
            else f"check the disk and the permissions of {str(self.target.parent)!r}"
        )
        return (
            f"{reason}: {done}. The unfinished file was removed, nothing is left "
            f"behind; {remedy}"
        )

    @abstractmethod
    def _create(self, path: Path) -> None:
        """Create the file, ready to take blocks."""

    @abstractmethod
    def _store(self, frames: npt.NDArray[Any], start: int, plane: Plane) -> None:
        """Write a block of the right shape and dtype."""

    @abstractmethod
    def _finish(self, path: Path) -> None:
        """Complete the file and see it onto the disk."""

    @abstractmethod
    def _close(self) -> None:
        """Release the file; may be called more than once."""
