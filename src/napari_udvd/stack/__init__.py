"""Stack: a lazy movie with named axes, physical scale and units.

A stack wraps any array that has ``shape``, ``dtype`` and NumPy indexing (NumPy,
dask, zarr, memory-mapped TIFF, CuPy) without copying it. Everything above reads
movies through :meth:`Stack.read`, which touches only the frames it is asked for.
Which pixels were measured, a mask may say, which is as lazy.
Where pixels do not matter, such as for the file that a result is to go to, a
:class:`Layout` says the same of axes, size, scale and units without them.
"""

from __future__ import annotations

from napari_udvd.stack._index import as_slice, full_index
from napari_udvd.stack._instrument import Instrument, Light
from napari_udvd.stack._layout import AXES, Layout, LayoutLike, Plane
from napari_udvd.stack._mask import Mask
from napari_udvd.stack._stack import ArrayLike, Stack

__all__ = [
    "AXES",
    "ArrayLike",
    "Instrument",
    "Layout",
    "LayoutLike",
    "Light",
    "Mask",
    "Plane",
    "Stack",
    "as_slice",
    "full_index",
]
