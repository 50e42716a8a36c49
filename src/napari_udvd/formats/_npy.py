"""NumPy arrays in ``.npy`` files, memory-mapped."""

from __future__ import annotations

import numpy as np

from napari_udvd.errors import InputError
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
        if _holds_objects(path):
            raise InputError(
                f"{path!r} holds Python objects, which are never loaded: save the "
                "movie as an array of numbers, for example with astype('float32')"
            )
        data = np.lib.format.open_memmap(path, mode="r")
    # Nothing says which axis of length one would be meant: none is dropped.
    return Found(data=data, axes=UNNAMED * data.ndim, path=path, droppable="")


def _holds_objects(path: str) -> bool:
    form = np.lib.format
    with open(path, "rb") as file:
        is_first = form.read_magic(file) == (1, 0)
        read = form.read_array_header_1_0 if is_first else form.read_array_header_2_0
        return bool(read(file)[2].hasobject)
