"""Stack: layout, lazy pixels, and which of them were measured."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from napari_udvd.errors import InputError
from napari_udvd.stack._checks import (
    AXES,
    check_axes,
    check_dtype,
    example_axes,
    known_shape,
    label_of,
    numpy_dtype,
)
from napari_udvd.stack._index import Fetched, Part, as_slice, is_dask, to_numpy
from napari_udvd.stack._layout import LayoutLike, Plane
from napari_udvd.stack._mask import Mask, given, unlike
from napari_udvd.stack._measured import Measured

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_udvd.stack._instrument import Instrument
    from napari_udvd.validity import Validity

__all__ = ["ArrayLike", "Stack"]

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


@dataclass(frozen=True, eq=False)
class Stack(Measured):
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
    mask
        Which pixels were measured, where that was said; see :meth:`with_mask`.
    instrument
        The microscope, as far as the file tells of it.
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
    mask: Mask | None = None
    instrument: Instrument | None = None

    def __post_init__(self) -> None:
        shape = known_shape(self.data.shape, self._label)
        check_axes(self.axes, shape, self._label)
        check_dtype(self.dtype, self._label)
        self._settle()

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
        mask: Any = None,
        unmeasured: float | None = None,
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
        mask, unmeasured
            Which pixels were measured, see :meth:`with_mask`.

        Raises
        ------
        InputError
            If axes are ambiguous, do not fit the shape, the array is empty or not
            real-valued numbers, or the mask does not fit.
        """
        label = label_of(source)
        if not hasattr(data, "shape") or not hasattr(data, "dtype"):
            data = np.asarray(data)
        shape = known_shape(data.shape, label)
        notes: tuple[str, ...] = ()
        if axes is None:
            if len(shape) != 3:
                raise InputError(
                    f"the axes of {label} with shape {shape} are ambiguous: name "
                    f"them, one letter of {AXES} per dimension, for example "
                    f'axes="{example_axes(len(shape))}"'
                )
            axes = "TYX"
            notes = (f"axes of {label} are not named; three dimensions read as TYX",)
        stack = cls(
            data=data,
            axes=axes.upper(),
            scale=scale or {},
            units=units or {},
            channel_names=channel_names,
            source=source,
            notes=notes,
            times=None if times is None else tuple(times),
        )
        return stack.with_mask(mask, unmeasured=unmeasured)

    @classmethod
    def of(cls, like: LayoutLike, data: ArrayLike) -> Stack:
        """Put pixels into a layout: those of a result.

        Raises
        ------
        InputError
            If their shape is another one.
        """
        shape = known_shape(data.shape, label_of(like.source))
        if shape != like.shape:
            raise InputError(
                f"the pixels have the shape {shape}, but the layout with axes "
                f"{like.axes!r} has {like.shape}"
            )
        return cls(
            data=data,
            axes=like.axes,
            scale=like.scale,
            units=like.units,
            channel_names=like.channel_names,
            source=like.source,
            notes=like.notes,
            times=like.times,
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis, in the order of `axes`."""
        return tuple(int(n) for n in self.data.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Data type of the pixels."""
        return numpy_dtype(self.data.dtype, self._label)

    @property
    def files(self) -> tuple[str, ...]:
        """Files that the movie is stored in, which no output may replace."""
        own = tuple(getattr(self.data, "files", ()))
        of_mask = () if self.mask is None else self.mask.files
        if not own and of_mask and self.source is not None:
            own = (self.source,)
        return tuple(dict.fromkeys((*own, *of_mask)))

    @property
    def recorded(self) -> Stack:
        """The movie before a dark frame was subtracted from it; else the movie itself.

        Grey levels that mean something, such as zeros of frames that were dropped, can
        be recognised there only.
        """
        data = getattr(self.data, "recorded", None)
        return self if data is None else replace(self, data=data).recorded

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
            to_numpy(self._part(frames, plane, rows, columns))
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
            Axes, shape, type, and a checksum of the frame in the middle, and of its
            mask where there is one.
        """
        t = self.n_frames // 2
        found = zlib.crc32(self.read(t).tobytes())
        told = f"{self.axes} {self.shape} {self.dtype} {found:08x}"
        if self.mask is None:
            return told
        return f"{told} {zlib.crc32(self.read_mask(t).tobytes()):08x}"

    def with_mask(
        self, mask: Any = None, axes: str | None = None, *, unmeasured: Any = None
    ) -> Stack:
        """Return the same movie with a mask of the pixels that were measured.

        It takes the place of an earlier mask. Pixels that are NaN were not measured,
        with and without a mask. No pixel is read.

        Parameters
        ----------
        mask
            Array of the frame's shape ``(Y, X)``, for all frames and channels;
            ``(T, Y, X)``, one for each frame; or of the movie's own shape. 0, False
            and NaN stand for pixels that were not measured, all else for those that
            were. A Labels layer of napari will do, and a file is opened by
            :func:`napari_udvd.open`.
        axes
            Letters for the dimensions of the mask where its shape does not tell,
            such as ``"CYX"``.
        unmeasured
            Value of pixels that were not measured, as the movie was recorded: before
            a dark frame was subtracted. With a mask, both say what was measured.

        Raises
        ------
        InputError
            If the mask does not fit the movie, or no pixel can have the value.
        """
        sources = []
        if mask is not None:
            sources.append(given(mask, axes, self))
        if unmeasured is not None and not np.isnan(unmeasured):
            sources.append(unlike(self.recorded.data, unmeasured, self))
        told = Mask(tuple(sources)) if sources else None
        if told is None and self.mask is None:
            return self
        return replace(self, mask=told, validity=None)

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
        inside = self._ranges(frames, rows, columns)
        part = self.layout.crop(frames, rows, columns)
        validity = self.validity
        if validity is not None:
            rows, columns = as_slice(inside["Y"]), as_slice(inside["X"])
            validity = validity.crop(inside["T"].start, rows, columns)
        spans = [inside.get(axis, range(self.size(axis))) for axis in self.axes]
        data: ArrayLike
        if is_dask(self.data):  # stays one, and as lazy
            data = self.data[tuple(as_slice(span) for span in spans)]
        else:
            data = Part(self.data, spans)
        mask = self.mask and self.mask.crop(inside)
        return replace(self, data=data, validity=validity, times=part.times, mask=mask)

    def to_dask(self) -> Any:
        """Return the movie as a dask array, whose chunks are read as they are needed.

        Returns
        -------
        dask.array.Array
            The wrapped array itself where it is one; else one with a chunk of NumPy for
            each frame of each plane.
        """
        if is_dask(self.data):
            return self.data
        import dask.array as da

        return da.from_array(  # type: ignore[no-untyped-call]
            Fetched(self.data),
            chunks=tuple(
                n if axis in "YX" else 1
                for axis, n in zip(self.axes, self.shape, strict=True)
            ),
            name=False,  # a name from the content would have to read it
            meta=np.empty((0,) * len(self.shape), self.dtype),
        )

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
            mask=self.mask and self.mask.with_axes(self.axes, renamed),
        )
