"""Arrays that live in files and are read block by block."""

from __future__ import annotations

import operator
import os
import socket
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from napari_udvd.errors import InputError, system_reason

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import EllipsisType

    from napari_udvd.stack import ArrayLike

__all__ = ["Damaged", "FileArray", "Index", "Recipe", "readable"]

Index: TypeAlias = int | slice


class Damaged(ValueError):
    """What this program found wrong with a file, in words for a user."""


@dataclass(frozen=True)
class Recipe:
    """How a process finds an array in files: everything that it needs to know.

    Attributes
    ----------
    names
        The file, or the files of a series, by paths that do not depend on where the
        process was started.
    choice
        Which image of the file, as for ``open_stack``.
    trust_axes
        Whether axes were taken as the file names them.
    is_series
        Whether `names` are those of a series.
    """

    names: tuple[str, ...]
    choice: str | None = None
    trust_axes: bool = True
    is_series: bool = False

    @property
    def label(self) -> str:
        """What to call it in messages."""
        return self.names[0]


def _opened_again(
    recipe: Recipe,
    kept: tuple[int, ...],
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
) -> FileArray:
    """Open what a recipe tells of, in whatever process this is.

    Raises
    ------
    InputError
        If it cannot be read here, or is another array than it was there.
    """
    from napari_udvd.formats._finding import find_again  # which knows all formats

    array = find_again(recipe).array(kept)
    if (array.shape, array.dtype) != (shape, dtype):
        raise InputError(
            f"{recipe.label!r} has the shape {array.shape} and the type {array.dtype} "
            f"on {socket.gethostname()}, but {shape} and {dtype} where the work was "
            "given out: let all machines see the same file, and leave it alone while "
            "they read"
        )
    return array


@contextmanager
def readable(path: str) -> Iterator[None]:
    """Turn whatever a file library raises on a bad file into an InputError.

    Raises
    ------
    InputError
        Quotes `path`, and what was found wrong by this program or by the operating
        system. What the library said of its own insides stays as the cause.
    """
    try:
        yield
    except (InputError, MemoryError):
        raise
    except ImportError as error:
        raise InputError(
            f"{path!r} cannot be read without the package {error.name}: pip install "
            '"napari-udvd[formats]", or export it without compression'
        ) from error
    except Exception as error:
        own = str(error) if isinstance(error, Damaged) else system_reason(error)
        kind = _kind(path)
        raise InputError(
            f"{path!r} cannot be read{f': {own}' if own else ''}. It may be damaged, "
            f"stored in a way that is not known here, or {kind}; copy it again from "
            "its source or export it anew"
        ) from error


def _kind(path: str) -> str:
    """Say that a file may be of another kind than its suffix says."""
    suffix = os.path.splitext(path.rstrip("/\\"))[1][1:].upper()
    if suffix in ("", "ZIP"):
        return "not be what its name says"
    return f"not a {'TIFF' if suffix == 'TIF' else suffix} file, as its name says"


class FileArray:
    """Pixels of a file, read when indexed.

    Whatever the file library returns, a block comes back as a NumPy array in the
    byte order of this machine, and a failure to read as an InputError.

    Parameters
    ----------
    data
        Array that takes integers and slices, one for each of its axes.
    path
        File it is read from, for messages.
    kept
        Which axes of `data` this array has; the others have length one.
    files
        All files the movie is stored in, which no output may replace.
    recipe
        How another process finds the array again: none of its pixels, and nothing that
        is open, goes there. Without one it cannot go.

    Attributes
    ----------
    shape, dtype, ndim
        As in NumPy; `dtype` is in native byte order.
    files
        All files the movie is stored in.
    """

    def __init__(
        self,
        data: ArrayLike,
        path: str,
        *,
        kept: tuple[int, ...] | None = None,
        files: tuple[str, ...] = (),
        recipe: Recipe | None = None,
    ) -> None:
        self._data = data
        self._path = path
        self._n_stored = len(data.shape)
        self._kept = tuple(range(self._n_stored)) if kept is None else kept
        self.shape: tuple[int, ...] = tuple(int(data.shape[i]) for i in self._kept)
        self.dtype: np.dtype[Any] = np.dtype(data.dtype).newbyteorder("=")
        self.ndim = len(self.shape)
        self.files = files or (path,)
        self._recipe = recipe

    def __reduce__(self) -> tuple[Any, ...]:
        """Tell another process how to open the file, see :class:`Recipe`."""
        if self._recipe is None:
            raise InputError(
                f"{self._path!r} was not opened by name and cannot be opened by other "
                "processes: open it with napari_udvd.open"
            )
        return _opened_again, (self._recipe, self._kept, self.shape, self.dtype)

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        """Read a block: integers and slices only, as in NumPy.

        Raises
        ------
        IndexError
            If the key does not fit the shape.
        InputError
            If the file cannot be read or decoded.
        """
        stored: list[Index] = [0] * self._n_stored
        for axis, index in zip(self._kept, self._full_key(key), strict=True):
            stored[axis] = index
        with readable(self._path):
            block = self._data[tuple(stored)]
            if hasattr(block, "compute"):  # dask
                block = block.compute(scheduler="synchronous")
            return np.asarray(block, dtype=self.dtype)

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        """Read everything (``np.asarray``)."""
        if copy is False:
            raise ValueError(f"{self._path!r} is on disk: reading it makes a copy")
        return np.asarray(self[...], dtype=dtype)

    def __repr__(self) -> str:
        return f"<FileArray {self._path!r} {self.shape} {self.dtype}>"

    def _full_key(self, key: Any) -> list[Index]:
        parts: list[int | slice | EllipsisType] = (
            list(key) if isinstance(key, tuple) else [key]
        )
        if not any(part is Ellipsis for part in parts):
            parts.append(Ellipsis)
        gap = next(i for i, part in enumerate(parts) if part is Ellipsis)
        missing = self.ndim - (len(parts) - 1)
        if missing < 0:
            raise IndexError(f"{len(parts) - 1} indices for {self.ndim} axes")
        parts[gap : gap + 1] = [slice(None)] * missing
        return [
            part if isinstance(part, slice) else _position(part, length)
            for part, length in zip(parts, self.shape, strict=True)
        ]


def _position(index: Any, length: int) -> int:
    position = operator.index(index)
    if not -length <= position < length:
        raise IndexError(f"index {position} is out of range for an axis of {length}")
    return position % length
