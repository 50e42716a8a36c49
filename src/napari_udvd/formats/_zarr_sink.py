"""Write OME-Zarr block by block."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_udvd.formats._sinks import FileSink, block_key
from napari_udvd.formats._zarr import ngff_attributes

if TYPE_CHECKING:
    from pathlib import Path

    from napari_udvd.stack import Plane

__all__ = ["ZarrSink"]


class ZarrSink(FileSink):
    """OME-Zarr (NGFF 0.5, zarr 3) with one chunk per frame.

    The metadata that make it an image are written last.
    """

    _group: Any = None
    _array: Any = None
    _writer: Any = None

    def _create(self, path: Path) -> None:
        import zarr

        axes = self.like.canonical_axes
        sizes = tuple(self.like.size(axis) for axis in axes)
        self._group = zarr.create_group(str(path), zarr_format=3)
        self._array = self._group.create_array(
            "0",
            shape=sizes,
            chunks=tuple(
                n if a in "YX" else 1 for a, n in zip(axes, sizes, strict=True)
            ),
            dtype=self.dtype,
            dimension_names=[axis.lower() for axis in axes],
        )
        self._prepare()

    def _prepare(self) -> None:
        """Be ready to write into an array that is there."""
        self._writer = ThreadPoolExecutor(1, "zarr-writer")
        self._ranges = np.tile([np.inf, -np.inf], (self.like.n_channels, 1))

    def _store(self, frames: npt.NDArray[Any], start: int, plane: Plane) -> None:
        # zarr writes in threads of its own, which an error in one of them or Ctrl-C
        # here does not stop: nothing may be on its way when the folder is removed.
        # So chunk by chunk, and in a thread that Ctrl-C does not reach.
        writing = self._writer.submit(self._write_chunks, frames, start, plane)
        try:
            writing.result()
        finally:
            wait([writing])
        finite = frames[np.isfinite(frames)]
        if finite.size:
            low, high = self._ranges[plane.c]
            self._ranges[plane.c] = min(low, finite.min()), max(high, finite.max())

    def _write_chunks(self, frames: npt.NDArray[Any], start: int, plane: Plane) -> None:
        axes = self.like.canonical_axes
        for t, frame in enumerate(frames, start):
            key = block_key(axes, slice(t, t + 1), plane)
            self._array[key] = frame[np.newaxis] if "T" in axes else frame

    def _finish(self, path: Path) -> None:
        known = np.where(np.isfinite(self._ranges), self._ranges, 0.0)
        windows = [(float(low), float(high)) for low, high in known]
        self._group.update_attributes(ngff_attributes(self.like, self._record, windows))
        self._close()
        for folder, _, names in os.walk(path):
            for name in names:
                with open(os.path.join(folder, name), "r+b") as file:
                    os.fsync(file.fileno())

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.shutdown()
        self._array = self._group = self._writer = None
