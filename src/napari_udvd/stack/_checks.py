"""What axes, shapes, types, scales and times of a movie can be."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_udvd.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_udvd.stack._layout import LayoutLike

__all__ = [
    "AXES",
    "check_axes",
    "check_dtype",
    "check_times",
    "example_axes",
    "known_axes",
    "known_shape",
    "label_of",
    "numpy_dtype",
]

AXES = "TCZYX"
"""Axis names a stack may have: time, channel, depth, row, column."""


def label_of(source: str | None) -> str:
    """Return what messages call a movie."""
    return "the array" if source is None else f"{source!r}"


def example_axes(ndim: int) -> str:
    """Return axes that an array of so many dimensions may have."""
    return {2: "YX", 4: "TCYX", 5: "TCZYX"}.get(ndim, AXES)


def known_axes(values: Mapping[str, Any], axes: str, what: str) -> Mapping[str, Any]:
    """Return values by axis, for reading only; refuse axes that there are not."""
    unknown = sorted(set(values) - set(axes))
    if unknown:
        raise InputError(
            f"{what} names the axes {', '.join(unknown)}, which the movie with axes "
            f"{axes!r} does not have"
        )
    return MappingProxyType(dict(values))


def check_times(times: tuple[float, ...], stack: LayoutLike) -> None:
    """Check that there is an increasing time for each frame, and no interval."""
    label = label_of(stack.source)
    if "T" not in stack.axes or len(times) != stack.n_frames:
        raise InputError(
            f"{len(times)} times were given for the {stack.n_frames} frame(s) of "
            f"{label} with axes {stack.axes!r}; give one for each frame"
        )
    if "T" in stack.scale:
        raise InputError(
            f"{label} has both a frame interval, {stack.scale['T']:g}, and a time for "
            "each frame; the times are for movies without a regular interval: give "
            "one of the two"
        )
    if not np.isfinite(times).all():
        raise InputError(
            f"the times of {label} hold values that are not finite; leave them out "
            "where they are not known"
        )
    later = np.diff(times) > 0
    if not later.all():
        first = int(np.argmin(later))
        raise InputError(
            f"the times of {label} do not increase: frame {first + 1} is at "
            f"{times[first + 1]:g}, the one before it at {times[first]:g}"
        )


def known_shape(shape: Sequence[Any], label: str) -> tuple[int, ...]:
    """Return a shape of whole numbers; dask has NaN where a length is not computed."""
    unknown = [i for i, n in enumerate(shape) if n != n]
    if unknown:
        raise InputError(
            f"{label} has the shape {tuple(shape)}: its length along axis "
            f"{unknown[0]} is not known before it is computed. Call "
            "compute_chunk_sizes() on the dask array first"
        )
    return tuple(int(n) for n in shape)


def check_axes(axes: str, shape: tuple[int, ...], label: str) -> None:
    """Check that axes have letters of their own, and fit the shape."""
    unknown = sorted(set(axes) - set(AXES))
    if unknown or len(set(axes)) != len(axes):
        raise InputError(
            f"axes {axes!r} of {label} must be different letters of {AXES} "
            "(time, channel, depth, row, column)"
        )
    if len(axes) != len(shape):
        raise InputError(
            f"axes {axes!r} name {len(axes)} dimensions but {label} has "
            f"{len(shape)}: shape {shape}"
        )
    if not {"Y", "X"} <= set(axes):
        raise InputError(f"axes {axes!r} of {label} must contain Y and X")
    if 0 in shape:
        raise InputError(f"{label} with shape {shape} is empty")


def numpy_dtype(dtype: Any, label: str) -> np.dtype[Any]:
    """Return a data type as NumPy has it."""
    try:
        known: np.dtype[Any] = np.dtype(dtype)
    except TypeError as error:
        raise InputError(
            f"{label} has the data type {dtype}, which NumPy does not know; hand over "
            "a NumPy array (a torch tensor gives one with .numpy())"
        ) from error
    return known


def check_dtype(dtype: np.dtype[Any], label: str) -> None:
    """Check that pixels are integers or real numbers."""
    if dtype.kind not in "uif":
        raise InputError(
            f"pixels of {label} have dtype {dtype}; a movie needs integers or real "
            "floating-point numbers (convert it, for example with astype('float32'))"
        )
