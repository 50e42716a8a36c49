"""Indices of arrays that are read part by part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_udvd.stack._stack import ArrayLike

__all__ = ["Fetched", "Part", "as_slice", "full_index", "is_dask", "to_numpy"]


def full_index(key: Any, shape: tuple[int, ...]) -> list[int | range]:
    """Resolve an index of integers, slices and ``...`` into one entry per axis.

    Parameters
    ----------
    key
        What stands in the brackets of ``array[...]``.
    shape
        Length of each axis.

    Returns
    -------
    list
        A position that is not negative (the axis goes), or a range of positions.

    Raises
    ------
    IndexError
        If the key does not fit the shape.
    TypeError
        If it holds anything else.
    """
    parts = list(key) if isinstance(key, tuple) else [key]
    gaps = [k for k, part in enumerate(parts) if part is Ellipsis]
    if len(gaps) > 1 or len(parts) - len(gaps) > len(shape):
        raise IndexError(f"{key!r} is no index of an array of {len(shape)} axes")
    gap = gaps[0] if gaps else len(parts)
    missing = len(shape) - (len(parts) - len(gaps))
    parts[gap : gap + 1] = [slice(None)] * missing
    return [range(n)[part] for part, n in zip(parts, shape, strict=True)]


def as_slice(span: range) -> slice:
    """Return the slice that picks the positions of a range."""
    return slice(span.start, span.stop if span.stop >= 0 else None, span.step)


class Part:
    """Part of an array, read when indexed with integers and slices."""

    def __init__(self, data: ArrayLike, spans: Sequence[range]) -> None:
        self._data, self._spans = data, tuple(spans)
        self.shape = tuple(len(span) for span in spans)
        self.ndim = len(self.shape)
        self.whole = getattr(data, "whole", data)
        """The array that it is a part of."""
        self.files: tuple[str, ...] = getattr(data, "files", ())
        """Files that the array is stored in, which no output may replace."""
        recorded = getattr(data, "recorded", None)
        self.recorded = None if recorded is None else Part(recorded, spans)
        """The same part before something was subtracted."""

    @property
    def dtype(self) -> Any:
        """Data type, as NumPy names it."""
        return self._data.dtype

    def __getitem__(self, key: Any) -> Any:
        spans = zip(self._spans, full_index(key, self.shape), strict=True)
        whole = [
            span[part] if isinstance(part, int) else span[as_slice(part)]
            for span, part in spans
        ]
        return self._data[
            tuple(p if isinstance(p, int) else as_slice(p) for p in whole)
        ]

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        block = to_numpy(self[...])
        return np.array(block, dtype=dtype, copy=copy)


class Fetched:
    """An array whose parts come as NumPy, wherever it lies."""

    def __init__(self, data: ArrayLike) -> None:
        self._data = data
        self.shape, self.dtype = tuple(data.shape), data.dtype
        self.ndim = len(self.shape)

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        return to_numpy(self._data[key])


def is_dask(data: Any) -> bool:
    """Whether an array is one of dask, which is not asked for by importing it."""
    return hasattr(data, "__dask_graph__")


def to_numpy(block: Any) -> npt.NDArray[Any]:
    """Compute a part of a dask array, fetch one of CuPy from its card."""
    if hasattr(block, "compute"):  # dask
        block = block.compute()
    if hasattr(block, "get") and not isinstance(block, np.ndarray):  # CuPy
        block = block.get()
    return np.asarray(block)
