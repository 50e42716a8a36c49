"""NumPy arrays in ``.npy`` files, memory-mapped."""

from __future__ import annotations

import numpy as np

from napari_udvd.formats._axes import UNNAMED, Found
from napari_udvd.formats._lazy import readable

__all__ = ["find_npy"]


def find_npy(path: str) -> Found:
    """Map the array of an ``.npy`` file; pickled objects are never loaded.

    Raises
    ------
    InputError
        If the file is not a complete array of plain numbers.
    """
    with readable(path):
        data = np.lib.format.open_memmap(path, mode="r")
    # Nothing says which axis of length one would be meant: none is dropped.
    return Found(data=data, axes=UNNAMED * data.ndim, path=path, droppable="")
