"""Files of a mask: for this program, and for the microscope."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from napari_udvd.formats import (
    check_output,
    check_small_output,
    create,
    suffix_of,
    table,
    write_small,
)
from napari_udvd.stack import Layout

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator
    from pathlib import Path

    from napari_udvd.scanning._mask import ScanMask

__all__ = ["MASKS", "check_mask_output", "write_mask"]

TIFF = (".tif", ".tiff")
ARRAY, POSITIONS = ".npy", ".csv"

MASKS = (*TIFF, ARRAY, POSITIONS)
"""Suffixes of the files that a mask can be written to."""


def check_mask_output(
    path: str | os.PathLike[str], mask: ScanMask, *, overwrite: bool = False
) -> Path:
    """Check that a mask can be written.

    Returns
    -------
    pathlib.Path
        `path`, as it was given.

    Raises
    ------
    OutputError
        If the suffix is another one, the folder is missing or not writable, the file
        exists, or there is no space for it.
    """
    target = check_small_output(path, MASKS, overwrite=overwrite)
    if suffix_of(str(target)) in TIFF:
        check_output(target, like=_layout(mask), overwrite=overwrite)
    return target


def write_mask(
    path: str | os.PathLike[str], mask: ScanMask, *, overwrite: bool = False
) -> None:
    """Write a mask; the file is there whole or not at all.

    Parameters
    ----------
    path
        The suffix chooses: ``.tif`` or ``.tiff`` (OME-TIFF, uint8, 1 where visited,
        written frame by frame), ``.npy`` (bool), or ``.csv``: a row for each visit with
        column ``x``, row ``y`` and frame ``t``, all from 0 on, in visiting order. One
        frame where all are the same, then ``(Y, X)``.
    mask
        The mask.
    overwrite
        Whether an earlier file may be replaced.

    Raises
    ------
    OutputError
        As :func:`check_mask_output`, or if it cannot be written; nothing is left
        behind.
    """
    target = check_mask_output(path, mask, overwrite=overwrite)
    if suffix_of(str(target)) in TIFF:
        layout = _layout(mask)
        with create(
            target,
            like=layout,
            dtype=layout.dtype,
            record={"scan": mask.record},
            overwrite=overwrite,
        ) as sink:
            for t in range(layout.n_frames):
                sink.write(mask[t : t + 1].astype(np.uint8), t)
    elif suffix_of(str(target)) == ARRAY:
        content = io.BytesIO()
        np.save(content, mask.frame(0) if mask.fixed else np.asarray(mask))
        write_small(target, content.getvalue(), overwrite=overwrite)
    else:
        rows = table(("x", "y", "t"), _visits(mask))
        write_small(target, rows, overwrite=overwrite)


def _visits(mask: ScanMask) -> Iterator[tuple[int, int, int]]:
    for t in range(1 if mask.fixed else len(mask)):
        for y, x in mask.positions(t).tolist():
            yield x, y, t


def _layout(mask: ScanMask) -> Layout:
    """Layout of the file."""
    if mask.fixed:
        return Layout("YX", mask.shape[1:], np.dtype(np.uint8))
    return Layout("TYX", mask.shape, np.dtype(np.uint8))
