"""Planes of TIFF files as one array, read or decoded when indexed."""

from __future__ import annotations

import logging
import math
import threading
from abc import ABC, abstractmethod
from contextlib import contextmanager
from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import tifffile

from napari_udvd.formats._lazy import Damaged

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_udvd.formats._lazy import Index

__all__ = [
    "DecodedPlanes",
    "Page",
    "PlaneArray",
    "SignedPlanes",
    "StoredPlanes",
    "in_order",
    "keyframe_of",
    "tifffile_messages",
]

Page: TypeAlias = tifffile.TiffPage | tifffile.TiffFrame


def keyframe_of(page: Page) -> tifffile.TiffPage:
    """Return the page that says how this one is stored."""
    keyframe = page.keyframe
    if keyframe is None:
        raise Damaged(f"page {page.index} does not say how it is stored")
    return keyframe


def in_order(shape: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """Return the numbers of the planes of an array that are stored in its order."""
    return np.arange(math.prod(shape[:-2]), dtype=np.int64).reshape(shape[:-2])


class PlaneArray(ABC):
    """Array whose last two axes are planes stored one by one.

    Parameters
    ----------
    shape
        Of the whole array.
    dtype
        As stored.
    files
        The files it is stored in.
    order
        Number of each plane as it is stored, in the shape of the leading axes.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        files: tuple[str, ...],
        order: npt.NDArray[np.int64],
    ) -> None:
        self.shape = shape
        self.dtype = dtype
        self.files = files
        self._order = order

    @abstractmethod
    def _planes(
        self, numbers: Sequence[int], top: int, bottom: int
    ) -> Iterator[npt.NDArray[Any]]:
        """Rows ``top:bottom`` of the planes with these numbers."""

    def __getitem__(self, key: tuple[Index, ...]) -> npt.NDArray[Any]:
        ranges = [
            range(*index.indices(n))
            if isinstance(index, slice)
            else range(index, index + 1)
            for index, n in zip(key, self.shape, strict=True)
        ]
        *leading, rows, columns = ranges
        block = np.empty(
            (math.prod(map(len, leading)), len(rows), len(columns)),
            self.dtype.newbyteorder("="),
        )
        if block.size:
            wanted = self._order[np.ix_(*leading)].ravel().tolist()
            top, bottom = min(rows), max(rows) + 1
            rows_read = np.array(rows) - top if rows.step != 1 else slice(None)
            for out, plane in zip(
                block, self._planes(wanted, top, bottom), strict=True
            ):
                out[:] = plane[rows_read][:, key[-1]].reshape(out.shape)
        return block.reshape(
            [
                len(span)
                for index, span in zip(key, ranges, strict=True)
                if isinstance(index, slice)
            ]
        )


class StoredPlanes(PlaneArray):
    """Uncompressed planes, read with plain file reads.

    Not memory-mapped: a mapping counts as this process's memory as it is read, and
    kills the process if the file shrinks.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        files: tuple[str, ...],
        order: npt.NDArray[np.int64],
        file_numbers: npt.NDArray[np.int64],
        offsets: npt.NDArray[np.int64],
    ) -> None:
        super().__init__(shape, dtype, files, order)
        self._file_numbers = file_numbers
        self._offsets = offsets

    def _planes(
        self, numbers: Sequence[int], top: int, bottom: int
    ) -> Iterator[npt.NDArray[Any]]:
        width = self.shape[-1]
        row_bytes = width * self.dtype.itemsize
        for file_number, group in groupby(
            numbers, key=lambda number: int(self._file_numbers[number])
        ):
            # Opened anew for each block: safe in threads, and no handle stays open.
            with open(self.files[file_number], "rb", buffering=0) as file:
                for number in group:
                    file.seek(int(self._offsets[number]) + top * row_bytes)
                    rows = _read_fully(file, (bottom - top) * row_bytes)
                    yield rows.view(self.dtype).reshape(-1, width)


class DecodedPlanes(PlaneArray):
    """Compressed, tiled or packed planes, decoded page by page by tifffile."""

    def __init__(
        self,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        files: tuple[str, ...],
        order: npt.NDArray[np.int64],
        runs: Sequence[tuple[Page, int]],
    ) -> None:
        super().__init__(shape, dtype, files, order)
        self._runs = runs
        self._ends = np.cumsum([n for _, n in runs])
        self._lock = threading.Lock()

    def _planes(
        self, numbers: Sequence[int], top: int, bottom: int
    ) -> Iterator[npt.NDArray[Any]]:
        for run, group in groupby(numbers, key=self._run_of):
            page, n_planes = self._runs[run]
            first = int(self._ends[run]) - n_planes
            handle = page.parent.filehandle
            with self._lock, tifffile_messages() as messages:
                handle.open()
                try:
                    planes = page.asarray().reshape(n_planes, *self.shape[-2:])
                finally:
                    handle.close()
            if messages:  # tifffile goes on with zeros
                raise Damaged(f"the pixels of page {page.index} cannot be decoded")
            if planes.dtype.newbyteorder("=") != self.dtype.newbyteorder("="):
                raise Damaged(
                    f"page {page.index} has pixels of type {planes.dtype} and not "
                    f"{self.dtype}, as the first one"
                )
            for number in group:
                yield planes[number - first, top:bottom]

    def _run_of(self, number: int) -> int:
        return int(np.searchsorted(self._ends, number, side="right"))


class SignedPlanes:
    """Planes of signed numbers that ImageJ stores as unsigned ones, 32768 higher."""

    def __init__(self, stored: PlaneArray) -> None:
        self.shape, self.files = stored.shape, stored.files
        self.dtype = np.dtype(np.int16)
        self._stored = stored

    def __getitem__(self, key: tuple[Index, ...]) -> npt.NDArray[Any]:
        # Flipping the highest bit takes 32768 off.
        return (self._stored[key] ^ np.uint16(0x8000)).view(np.int16)


def _read_fully(file: Any, n_bytes: int) -> npt.NDArray[np.uint8]:
    data = np.empty(n_bytes, np.uint8)
    rest = data.data
    while rest:
        n = file.readinto(rest)
        if not n:
            raise Damaged(f"the file ends {len(rest)} bytes too early")
        rest = rest[n:]
    return data


@contextmanager
def tifffile_messages() -> Iterator[list[str]]:
    """Collect what tifffile logs in this thread, instead of printing it."""
    logger = logging.getLogger("tifffile")
    collected: list[str] = []
    thread = threading.get_ident()

    def collect(record: logging.LogRecord) -> bool:
        if record.thread != thread or record.levelno < logging.WARNING:
            return True
        collected.append(record.getMessage())
        return False

    logger.addFilter(collect)
    try:
        yield collected
    finally:
        logger.removeFilter(collect)
