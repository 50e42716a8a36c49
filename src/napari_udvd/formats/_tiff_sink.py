"""Write OME-TIFF block by block."""

from __future__ import annotations

import json
import math
import os
import uuid
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import tifffile

from napari_udvd.formats._ome import ome_metadata
from napari_udvd.formats._sinks import FileSink

if TYPE_CHECKING:
    from pathlib import Path

    from napari_udvd.stack import Plane

__all__ = ["TiffSink"]

_CLASSIC_LIMIT: Final = 2**32 - 2**25
_BYTES_PER_PAGE: Final = 512  # more than a page directory takes


class TiffSink(FileSink):
    """Uncompressed OME-TIFF, BigTIFF where needed.

    tifffile writes the header and all page directories around a hole as large as
    the movie; blocks are then written into it at any position. They are plain file
    writes, so that a full disk is an error and not the end of the process (as it
    would be through a memory map).
    """

    _file: Any = None

    def _create(self, path: Path) -> None:
        axes = self.like.canonical_axes
        shape = tuple(self.like.size(axis) for axis in axes)
        metadata = ome_metadata(self.like, json.dumps(self._record))
        # by what it is, not by the clock: who makes it again gets the very same file
        told = f"{self.target.name} {self.dtype} {metadata}"
        metadata["UUID"] = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, told)}"
        overhead = self._written.size * _BYTES_PER_PAGE + len(str(metadata))
        big = self._bytes_total + overhead > _CLASSIC_LIMIT
        with tifffile.TiffWriter(path, bigtiff=big, ome=True) as writer:
            # The return value is None only where `returnoffset` is not set.
            self._offset, _ = writer.write(  # type: ignore[misc]
                None,
                shape=shape,
                dtype=self.dtype,
                photometric="minisblack",
                metadata=metadata,
                software="napari-udvd",
                contiguous=True,
                returnoffset=True,
            )
        self._file = open(path, "r+b", buffering=0)

    def _store(self, frames: npt.NDArray[Any], start: int, plane: Plane) -> None:
        _, n_channels, n_planes = self._written.shape
        frame_bytes = math.prod(self.like.frame_shape) * self.dtype.itemsize
        step = n_channels * n_planes
        first = start * step + plane.c * n_planes + plane.z
        blocks = [frames] if step == 1 else list(frames)
        for i, block in enumerate(blocks):
            self._file.seek(self._offset + (first + i * step) * frame_bytes)
            _write_fully(self._file, np.ascontiguousarray(block))

    def _finish(self, path: Path) -> None:
        os.fsync(self._file.fileno())
        self._close()

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _write_fully(file: Any, block: npt.NDArray[Any]) -> None:
    rest = block.reshape(-1).view(np.uint8).data
    while rest:
        rest = rest[file.write(rest) :]
