"""Movies as they look where nothing was measured: NaN."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_udvd.cutting import stretches
from napari_udvd.stack import as_slice, full_index

if TYPE_CHECKING:
    from napari_udvd.stack import Plane, Stack

__all__ = ["share_of_mask", "with_holes"]


def with_holes(stack: Stack) -> Stack:
    """Return a movie that is NaN where its mask says that nothing was measured.

    Whoever knows how to leave out NaN needs to know no more of masks. The movie itself
    where it has no mask.
    """
    if stack.mask is None:
        return stack
    return replace(stack, data=_Holes(stack), mask=None, validity=None)


def share_of_mask(stack: Stack, plane: Plane) -> float:
    """Share of the pixels of a plane that its mask alone says were measured."""
    if stack.mask is None:
        return 1.0
    height, width = stack.frame_shape
    known = 0
    for start, stop in stretches(stack, 1):
        key = {"T": slice(start, stop), "Y": slice(None), "X": slice(None)}
        part = stack.mask.at({**key, "C": plane.c, "Z": plane.z}, "TYX")
        shape = stop - start, height, width
        known += int(np.count_nonzero(np.broadcast_to(part, shape)))
    return known / (stack.n_frames * height * width)


class _Holes:
    """An array that is NaN where a mask is not set, read with integers and slices."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.shape = stack.shape
        kind, size = stack.dtype.kind, stack.dtype.itemsize
        is_single = size <= (4 if kind == "f" else 2)
        self.dtype = np.dtype(np.float32 if is_single else np.float64)

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        axes, mask = self._stack.axes, self._stack.mask
        assert mask is not None
        parts = full_index(key, self.shape)
        where = {
            axis: part if isinstance(part, int) else as_slice(part)
            for axis, part in zip(axes, parts, strict=True)
        }
        block = self._stack.data[tuple(where.values())]
        block = block.compute() if hasattr(block, "compute") else block
        block = block.get() if hasattr(block, "get") else block
        order = "".join(axis for axis in axes if not isinstance(where[axis], int))
        known = mask.at(where, order)
        return np.where(known, np.asarray(block).astype(self.dtype), self._nan)

    @property
    def _nan(self) -> Any:
        return self.dtype.type(np.nan)
