"""The scan of a movie that was recorded in full: to try before it is built."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_udvd.errors import InputError
from napari_udvd.stack import ArrayLike, Stack, as_slice, full_index

if TYPE_CHECKING:
    from napari_udvd.scanning._mask import ScanMask

__all__ = ["scan"]


def scan(
    movie: Stack | ArrayLike,
    mask: ScanMask | npt.ArrayLike,
    axes: str | None = None,
) -> Stack:
    """Take from a movie what a sparse scan would have recorded.

    Nothing is read before it is asked for. The noise stays that of the full scan: a
    scan of equal dose dwells longer on each pixel, which a recorded movie cannot show.

    Parameters
    ----------
    movie
        Stack or array.
    mask
        What is visited: ``(T, Y, X)``, or ``(Y, X)`` for all frames; the same in all
        channels and depth planes. A :class:`ScanMask` makes its frames anew at each
        read; ``np.asarray(mask)`` is quicker where a movie is read often.
    axes
        Of an array, as for :meth:`Stack.from_array`.

    Returns
    -------
    Stack
        Float32, with NaN where nothing was visited.

    Raises
    ------
    InputError
        If the mask has not the frames, rows and columns of the movie, or holds
        something else than 0 and 1.
    """
    stack = movie if isinstance(movie, Stack) else Stack.from_array(movie, axes)
    visited = _as_mask(mask)
    wanted = (stack.n_frames, *stack.frame_shape)
    if visited.shape not in (wanted, wanted[1:]):
        raise InputError(
            f"the mask has the shape {visited.shape}, and the movie {wanted[0]} "
            f"frame(s) of {wanted[1]} x {wanted[2]} pixels: a mask has the shape "
            f"{wanted}, or {wanted[1:]} for all frames"
        )
    note = "pixels that the scan does not visit were taken out of a full movie"
    data = _Scanned(stack, visited)
    return replace(stack, data=data, notes=(*stack.notes, note), validity=None)


def _as_mask(mask: Any) -> Any:
    if getattr(mask, "dtype", None) == np.bool_:
        return mask
    numbers = np.asarray(mask)
    if not np.isin(numbers, (0, 1)).all():
        raise InputError(
            "the mask holds other values than 0 (not visited) and 1 (visited)"
        )
    return numbers.astype(bool)


class _Scanned:
    """An array with NaN where nothing was visited, made when it is indexed."""

    dtype = np.dtype(np.float32)

    def __init__(self, stack: Stack, visited: Any) -> None:
        self._data, self._axes, self._visited = stack.data, stack.axes, visited
        self.shape = stack.shape
        self.ndim = len(self.shape)
        own = (stack.source,) if stack.source else ()
        self.files: tuple[str, ...] = stack.files or own
        """Files that the movie is stored in, which no output may replace."""

    def __getitem__(self, key: Any) -> npt.NDArray[np.float32]:
        key = tuple(
            part if isinstance(part, int) else as_slice(part)
            for part in full_index(key, self.shape)
        )
        block = self._data[key]
        block = block.compute() if hasattr(block, "compute") else block  # dask
        block = block.get() if hasattr(block, "get") else block  # CuPy
        pixels = np.array(block, np.float32)
        index = dict(zip(self._axes, key, strict=True))
        of_mask = "TYX"[3 - self._visited.ndim :]
        visited = self._visited[tuple(index.get(axis, 0) for axis in of_mask)]
        kept = [axis for axis in of_mask if isinstance(index.get(axis, 0), slice)]
        own = [axis for axis in self._axes if isinstance(index[axis], slice)]
        # in the order of the movie's axes, of length one where the mask has none
        turned = np.transpose(
            visited, [kept.index(axis) for axis in own if axis in kept]
        )
        sizes = iter(turned.shape)
        shape = [next(sizes) if axis in kept else 1 for axis in own]
        return np.where(turned.reshape(shape), pixels, np.float32(np.nan))

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        return np.array(self[...], dtype=dtype)
