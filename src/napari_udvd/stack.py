"""Stack: a lazy movie with named axes, physical scale and units.

A stack wraps any array that has ``shape``, ``dtype`` and NumPy indexing (NumPy,
dask, zarr, memory-mapped TIFF, CuPy) without copying it. Everything above reads
movies through :meth:`Stack.read`, which touches only the frames it is asked for.
"""

from __future__ import annotations

import operator
import zlib
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from napari_udvd.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from napari_udvd.validity import Validity

__all__ = ["AXES", "ArrayLike", "Plane", "Stack", "as_slice", "full_index"]

AXES = "TCZYX"
"""Axis names a stack may have: time, channel, depth, row, column."""

FrameBlock = npt.NDArray[Any]


class ArrayLike(Protocol):
    """What a stack needs of the array it wraps."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each dimension."""

    @property
    def dtype(self) -> Any:
        """Data type, as NumPy names it."""

    def __getitem__(self, key: Any) -> Any: ...


class Plane(NamedTuple):
    """Which 2-D movie inside a stack: channel and depth index."""

    c: int = 0
    z: int = 0


@dataclass(frozen=True, eq=False)
class Stack:
    """A movie with named axes; build it with :meth:`from_array` or ``open``.

    Attributes
    ----------
    data
        The wrapped array, in the order of `axes`. Never written to.
    axes
        One letter of ``TCZYX`` for each dimension of `data`, in its order.
    scale
        Step along an axis in `units` (pixel size, frame interval); an axis that
        is not in the mapping has no known step.
    units
        Unit of a step, such as ``"µm"`` or ``"s"``.
    channel_names
        One name per channel, or empty.
    source
        Where the movie came from (a path), for the record and for messages.
    notes
        What was assumed while opening, in plain sentences.
    times
        When each frame was recorded, increasing, in the unit of T, where the frames
        do not follow one another at a regular interval; T then has no scale. None
        where they do, or where nothing is known.
    validity
        Which pixels were measured, where not all were or it is not known yet: see
        :func:`napari_udvd.validity.inspect`.
    """

    data: ArrayLike
    axes: str
    scale: Mapping[str, float] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    channel_names: tuple[str, ...] = ()
    source: str | None = None
    notes: tuple[str, ...] = ()
    times: tuple[float, ...] | None = None
    validity: Validity | None = None

    def __post_init__(self) -> None:
        shape = _known_shape(self.data.shape, self._label)
        _check_axes(self.axes, shape, self._label)
        _check_dtype(self.dtype, self._label)
        object.__setattr__(self, "scale", _known_axes(self.scale, self.axes, "scale"))
        object.__setattr__(self, "units", _known_axes(self.units, self.axes, "units"))
        for axis, step in self.scale.items():
            if not (np.isfinite(step) and step > 0):
                raise InputError(
                    f"scale of axis {axis} of {self._label} is {step!r}; it must be "
                    "a positive number (leave it out where it is not known)"
                )
        names = tuple(str(name) for name in self.channel_names)
        if names and len(names) != self.n_channels:
            raise InputError(
                f"{len(names)} channel names {names} were given for the "
                f"{self.n_channels} channel(s) of {self._label}"
            )
        object.__setattr__(self, "channel_names", names)
        object.__setattr__(self, "notes", tuple(self.notes))
        if self.times is not None:
            times = tuple(float(time) for time in self.times)
            _check_times(times, self)
            object.__setattr__(self, "times", times)

    @classmethod
    def from_array(
        cls,
        data: ArrayLike,
        axes: str | None = None,
        *,
        scale: Mapping[str, float] | None = None,
        units: Mapping[str, str] | None = None,
        channel_names: tuple[str, ...] = (),
        source: str | None = None,
        times: Sequence[float] | None = None,
    ) -> Stack:
        """Wrap an array.

        Parameters
        ----------
        data
            Array with NumPy indexing; read lazily, never copied or written.
        axes
            A permutation of a subset of ``TCZYX`` that holds ``Y`` and ``X``, one
            letter per dimension. Without it a three-dimensional array is taken as
            ``TYX`` (and `notes` says so); any other number of dimensions is an
            error, because time and depth would have to be guessed.
        scale, units
            Step and unit per axis letter.
        channel_names
            One name per channel.
        source
            Shown in messages and kept in the record.
        times
            When each frame was recorded, in the unit of T, where the interval is not
            regular.

        Raises
        ------
        InputError
            If axes are ambiguous, do not fit the shape, or the array is empty or
            not real-valued numbers.
        """
        label = _label(source)
        if not hasattr(data, "shape") or not hasattr(data, "dtype"):
            data = np.asarray(data)
        shape = _known_shape(data.shape, label)
        notes: tuple[str, ...] = ()
        if axes is None:
            if len(shape) != 3:
                raise InputError(
                    f"the axes of {label} with shape {shape} are ambiguous: name "
                    f"them, one letter of {AXES} per dimension, for example "
                    f'axes="{_example_axes(len(shape))}"'
                )
            axes = "TYX"
            notes = (f"axes of {label} are not named; three dimensions read as TYX",)
        return cls(
            data=data,
            axes=axes.upper(),
            scale=scale or {},
            units=units or {},
            channel_names=channel_names,
            source=source,
            notes=notes,
            times=None if times is None else tuple(times),
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis, in the order of `axes`."""
        return tuple(int(n) for n in self.data.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Data type of the pixels."""
        return _numpy_dtype(self.data.dtype, self._label)

    @property
    def recorded(self) -> Stack:
        """The movie before a dark frame was subtracted from it; else the movie itself.

        Grey levels that mean something, such as zeros of frames that were dropped, can
        be recognised there only.
        """
        data = getattr(self.data, "recorded", None)
        return self if data is None else replace(self, data=data).recorded

    def size(self, axis: str) -> int:
        """Length of `axis`; 1 where the stack does not have it."""
        return self.shape[self.axes.index(axis)] if axis in self.axes else 1

    @property
    def n_frames(self) -> int:
        """Number of time points."""
        return self.size("T")

    @property
    def n_channels(self) -> int:
        """Number of channels."""
        return self.size("C")

    @property
    def n_planes(self) -> int:
        """Number of depth planes."""
        return self.size("Z")

    @property
    def frame_shape(self) -> tuple[int, int]:
        """Rows and columns of a frame."""
        return self.size("Y"), self.size("X")

    def planes(self) -> Iterator[Plane]:
        """Every (channel, depth) pair: the 2-D movies that make up the stack."""
        for c in range(self.n_channels):
            for z in range(self.n_planes):
                yield Plane(c, z)

    def read(
        self,
        frames: slice | int = slice(None),
        plane: Plane = Plane(),
        rows: slice = slice(None),
        columns: slice = slice(None),
    ) -> FrameBlock:
        """Read frames of one plane into memory, as ``(T, Y, X)`` in their own dtype.

        Parameters
        ----------
        frames
            Range of time points, or one (which still gives a leading axis of 1).
        plane
            Channel and depth index.
        rows, columns
            Crop of the frame.
        """
        block: FrameBlock = self._ordered(
            _to_numpy(self._part(frames, plane, rows, columns))
        )
        return block

    @property
    def on_card(self) -> bool:
        """Whether the pixels lie in the memory of a CUDA device (CuPy)."""
        whole = getattr(self.data, "whole", self.data)
        return hasattr(whole, "__cuda_array_interface__")

    def read_there(
        self,
        frames: slice | int = slice(None),
        plane: Plane = Plane(),
        rows: slice = slice(None),
        columns: slice = slice(None),
    ) -> Any:
        """Read as :meth:`read`, but leave the pixels where they are.

        Returns
        -------
        array
            Of the library that the wrapped array is of.
        """
        return self._ordered(self._part(frames, plane, rows, columns))

    def _part(
        self, frames: slice | int, plane: Plane, rows: slice, columns: slice
    ) -> Any:
        """Part of the array, its axes as they are."""
        if isinstance(frames, int | np.integer):
            first = int(frames)
            if not 0 <= first < self.n_frames:
                raise IndexError(f"frame {first} of {self.n_frames}")
            frames = slice(first, first + 1)
        key = {"T": frames, "C": plane.c, "Z": plane.z, "Y": rows, "X": columns}
        return self.data[tuple(key[axis] for axis in self.axes)]

    def _ordered(self, block: Any) -> Any:
        """Frames ``(T, Y, X)`` from a part of the array."""
        kept = [axis for axis in self.axes if axis in "TYX"]
        order = [kept.index(axis) for axis in "TYX" if axis in kept]
        block = block.transpose(order)
        return block if "T" in kept else block[np.newaxis]

    def fingerprint(self) -> str:
        """Tell movies apart, wherever their files are moved to.

        Returns
        -------
        str
            Axes, shape, type, and a checksum of the frame in the middle.
        """
        middle = self.read(self.n_frames // 2).tobytes()
        return f"{self.axes} {self.shape} {self.dtype} {zlib.crc32(middle):08x}"

    def crop(
        self,
        frames: slice = slice(None),
        rows: slice = slice(None),
        columns: slice = slice(None),
    ) -> Stack:
        """Return a part of the movie; no pixel is read or copied.

        Parameters
        ----------
        frames, rows, columns
            Ranges of step 1 that lie in the movie; negative numbers count from the
            end, as in Python.

        Returns
        -------
        Stack
            With the same axes, scale, units, channel names, source and times.

        Raises
        ------
        InputError
            If a range is empty, reaches beyond the movie, or has another step.
        """
        ranges = {"T": frames, "Y": rows, "X": columns}
        inside = {axis: self._range_inside(axis, part) for axis, part in ranges.items()}
        spans = [inside.get(axis, range(self.size(axis))) for axis in self.axes]
        validity = self.validity
        if validity is not None:
            rows, columns = as_slice(inside["Y"]), as_slice(inside["X"])
            validity = validity.crop(inside["T"].start, rows, columns)
        times = self.times and tuple(self.times[t] for t in inside["T"])
        data = _Part(self.data, spans)
        return replace(self, data=data, validity=validity, times=times)

    def _range_inside(self, axis: str, part: slice) -> range:
        size = self.size(axis)
        # not with slice.indices, which silently cuts off what is outside
        first, last = (
            end if bound is None else operator.index(bound) + size * (bound < 0)
            for bound, end in ((part.start, 0), (part.stop, size))
        )
        if part.step not in (None, 1):
            raise InputError(
                f"{part} of axis {axis} of {self._label} has the step {part.step}; a "
                "part of a movie has the step 1"
            )
        if not 0 <= first < last <= size:
            raise InputError(
                f"{part} of axis {axis} of {self._label} is empty or reaches beyond "
                f"its size, {size}; choose a range inside 0 to {size}"
            )
        return range(first, last)

    def with_axes(self, axes: str) -> Stack:
        """Return the same array under other axis names (the user knows better).

        Times stay where the axis of time does.
        """
        renamed = axes.upper()
        same = self.times is not None and renamed.find("T") == self.axes.find("T")
        return replace(
            self,
            axes=renamed,
            scale={},
            units={"T": self.units["T"]} if same and "T" in self.units else {},
            notes=(),
            times=self.times if same else None,
            validity=None,
        )

    @property
    def canonical_axes(self) -> str:
        """The stack's axes in the order ``TCZYX``, as files are written."""
        return "".join(axis for axis in AXES if axis in self.axes)

    def describe(self) -> str:
        """Say the size of the movie in words.

        For example ``"60 frames, 2 channels, 512 x 512, 0.2 µm, 2 s"``.
        """
        parts = [_count(self.n_frames, "frame")]
        if "C" in self.axes:
            parts.append(_count(self.n_channels, "channel"))
        if "Z" in self.axes:
            parts.append(_count(self.n_planes, "plane"))
        height, width = self.frame_shape
        parts.append(f"{height} x {width}")
        for axis in "XT":
            if axis in self.scale:
                step, unit = _legible(self.scale[axis], self.units.get(axis, ""))
                parts.append(f"{step:.4g} {unit}".rstrip())
        if self.times is not None:
            parts.append("irregular interval")
        return ", ".join(parts)

    @property
    def _label(self) -> str:
        return _label(self.source)


def full_index(key: Any, shape: tuple[int, ...]) -> list[int | range]:
    """Resolve an index of integers, slices and ``...`` into one entry per axis.

    Parameters
    ----------
    key
        What stands in the brackets of ``array[...]``.
    shape
        Of the array.

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


class _Part:
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
        self.recorded = None if recorded is None else _Part(recorded, spans)
        """The same part before something was subtracted."""

    @property
    def dtype(self) -> Any:
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
    ) -> FrameBlock:
        block = _to_numpy(self[...])
        return np.array(block, dtype=dtype, copy=copy)


def _label(source: str | None) -> str:
    return "the array" if source is None else f"{source!r}"


def _legible(step: float, unit: str) -> tuple[float, str]:
    """Say metres, in which some microscopes write pixel sizes, as one reads them."""
    if unit != "m" or step >= 1e-3:
        return step, unit
    return (step * 1e9, "nm") if step < 1e-8 else (step * 1e6, "µm")


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _example_axes(ndim: int) -> str:
    return {2: "YX", 4: "TCYX", 5: "TCZYX"}.get(ndim, AXES)


def _known_axes(values: Mapping[str, Any], axes: str, what: str) -> Mapping[str, Any]:
    unknown = sorted(set(values) - set(axes))
    if unknown:
        raise InputError(
            f"{what} names the axes {', '.join(unknown)}, which the movie with axes "
            f"{axes!r} does not have"
        )
    return MappingProxyType(dict(values))


def _check_times(times: tuple[float, ...], stack: Stack) -> None:
    label = _label(stack.source)
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


def _known_shape(shape: Sequence[Any], label: str) -> tuple[int, ...]:
    """Return a shape of whole numbers; dask has NaN where a length is not computed."""
    unknown = [i for i, n in enumerate(shape) if n != n]
    if unknown:
        raise InputError(
            f"{label} has the shape {tuple(shape)}: its length along axis "
            f"{unknown[0]} is not known before it is computed. Call "
            "compute_chunk_sizes() on the dask array first"
        )
    return tuple(int(n) for n in shape)


def _check_axes(axes: str, shape: tuple[int, ...], label: str) -> None:
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


def _numpy_dtype(dtype: Any, label: str) -> np.dtype[Any]:
    try:
        known: np.dtype[Any] = np.dtype(dtype)
    except TypeError as error:
        raise InputError(
            f"{label} has the data type {dtype}, which NumPy does not know; hand over "
            "a NumPy array (a torch tensor gives one with .numpy())"
        ) from error
    return known


def _check_dtype(dtype: np.dtype[Any], label: str) -> None:
    if dtype.kind not in "uif":
        raise InputError(
            f"pixels of {label} have dtype {dtype}; a movie needs integers or real "
            "floating-point numbers (convert it, for example with astype('float32'))"
        )


def _to_numpy(block: Any) -> FrameBlock:
    if hasattr(block, "compute"):  # dask
        block = block.compute()
    if hasattr(block, "get") and not isinstance(block, np.ndarray):  # CuPy
        block = block.get()
    return np.asarray(block)
