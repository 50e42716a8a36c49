"""Layout: a movie without its pixels."""

from __future__ import annotations

import operator
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_udvd.errors import InputError
from napari_udvd.stack._checks import (
    AXES,
    check_axes,
    check_dtype,
    check_times,
    known_axes,
    known_shape,
    label_of,
    numpy_dtype,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["AXES", "Layout", "LayoutLike", "Plane"]


class Plane(NamedTuple):
    """Which 2-D movie inside a stack: channel and depth index."""

    c: int = 0
    z: int = 0


class LayoutLike:
    """What follows from axes, size and steps: the part that movies and layouts share.

    Whoever writes or shows a result asks for this, so that a movie will do where the
    result is like it, and a :class:`Layout` where it differs.
    """

    if TYPE_CHECKING:
        # annotations alone: a value would be taken for the default of a field

        @property
        def axes(self) -> str:
            """One letter of ``TCZYX`` for each dimension, in its order."""

        @property
        def shape(self) -> tuple[int, ...]:
            """Length of each axis, in the order of `axes`."""

        @property
        def dtype(self) -> np.dtype[Any]:
            """Data type of the pixels."""

        @property
        def scale(self) -> Mapping[str, float]:
            """Step along an axis in `units`."""

        @property
        def units(self) -> Mapping[str, str]:
            """Unit of a step."""

        @property
        def channel_names(self) -> tuple[str, ...]:
            """One name per channel, or empty."""

        @property
        def source(self) -> str | None:
            """Where the movie came from."""

        @property
        def notes(self) -> tuple[str, ...]:
            """What was assumed while opening."""

        @property
        def times(self) -> tuple[float, ...] | None:
            """When each frame was recorded, where the interval is not regular."""

        @property
        def files(self) -> tuple[str, ...]:
            """Files that the movie is stored in, which no output may replace."""

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy in another process is made of."""
        return {**self.__dict__, "scale": dict(self.scale), "units": dict(self.units)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Become that copy; nothing is checked anew."""
        kept = {name: MappingProxyType(state[name]) for name in ("scale", "units")}
        self.__dict__.update(state | kept)

    def _settle(self) -> None:
        """Check the fields of a frozen dataclass, and keep them as what they are."""

        def keep(name: str, value: Any) -> None:
            object.__setattr__(self, name, value)

        keep("scale", known_axes(self.scale, self.axes, "scale"))
        keep("units", known_axes(self.units, self.axes, "units"))
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
        keep("channel_names", names)
        keep("notes", tuple(self.notes))
        if self.times is not None:
            times = tuple(float(time) for time in self.times)
            check_times(times, self)
            keep("times", times)

    @property
    def layout(self) -> Layout:
        """The movie without its pixels."""
        return Layout(
            self.axes,
            self.shape,
            self.dtype,
            self.scale,
            self.units,
            self.channel_names,
            self.source,
            self.notes,
            self.times,
            self.files,
        )

    def size(self, axis: str) -> int:
        """Length of `axis`; 1 where there is none."""
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

    @property
    def canonical_axes(self) -> str:
        """Axes in the order ``TCZYX``, as files are written."""
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
        return label_of(self.source)

    def _ranges(self, frames: slice, rows: slice, columns: slice) -> dict[str, range]:
        """Range of T, Y and X that a part has; of 1 where there is no such axis."""
        parts = {"T": frames, "Y": rows, "X": columns}
        return {axis: self._range_inside(axis, part) for axis, part in parts.items()}

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


@dataclass(frozen=True)
class Layout(LayoutLike):
    """A movie without pixels: what a file or a layer of a result is made from.

    Attributes
    ----------
    axes
        One letter of ``TCZYX`` for each dimension, in its order.
    shape
        Length of each axis.
    dtype
        Data type of the pixels.
    scale, units, channel_names, source, notes, times
        As those of a :class:`Stack`.
    files
        Files that the movie is stored in, which no output may replace; where there
        are none, `source` may name one.

    Raises
    ------
    InputError
        If they contradict one another, as for a :class:`Stack`.
    """

    axes: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scale: Mapping[str, float] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    channel_names: tuple[str, ...] = ()
    source: str | None = None
    notes: tuple[str, ...] = ()
    times: tuple[float, ...] | None = None
    files: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", known_shape(self.shape, self._label))
        object.__setattr__(self, "dtype", numpy_dtype(self.dtype, self._label))
        check_axes(self.axes, self.shape, self._label)
        check_dtype(self.dtype, self._label)
        self._settle()

    @property
    def layout(self) -> Layout:
        """The layout itself."""
        return self

    def crop(
        self,
        frames: slice = slice(None),
        rows: slice = slice(None),
        columns: slice = slice(None),
    ) -> Layout:
        """Return that of a part of the movie.

        Parameters
        ----------
        frames, rows, columns
            Ranges of step 1 that lie in the movie; negative numbers count from the
            end, as in Python.

        Raises
        ------
        InputError
            If a range is empty, reaches beyond the movie, or has another step.
        """
        inside = self._ranges(frames, rows, columns)
        whole = zip(self.axes, self.shape, strict=True)
        shape = tuple(len(inside.get(axis, range(n))) for axis, n in whole)
        times = self.times and tuple(self.times[t] for t in inside["T"])
        return replace(self, shape=shape, times=times)

    def zoomed(self, zoom: int) -> Layout:
        """Return that of a result on a finer grid, over the same field of view.

        Parameters
        ----------
        zoom
            Rows and columns of the result in a row and column of the movie.

        Returns
        -------
        Layout
            With `zoom` times as many rows and columns, each `zoom` times as small.
        """
        factor = {"Y": zoom, "X": zoom}
        sizes = zip(self.axes, self.shape, strict=True)
        return replace(
            self,
            shape=tuple(n * factor.get(axis, 1) for axis, n in sizes),
            scale={axis: s / factor.get(axis, 1) for axis, s in self.scale.items()},
        )

    def with_rows(self, length: int) -> Layout:
        """Return that of a result that has one row of numbers for each frame.

        Parameters
        ----------
        length
            Numbers in a row; they have no place in the frame, so scale and units of
            rows and columns go.
        """
        sizes = {**dict(zip(self.axes, self.shape, strict=True)), "Y": 1, "X": length}
        return replace(
            self,
            shape=tuple(sizes[axis] for axis in self.axes),
            scale={a: step for a, step in self.scale.items() if a not in "YX"},
            units={a: unit for a, unit in self.units.items() if a not in "YX"},
        )

    def without(self, axes: str) -> Layout:
        """Return that of a result that lacks some axes of the movie.

        Their scale, units, times and channel names go with them.
        """
        sizes = dict(zip(self.axes, self.shape, strict=True))
        kept = [axis for axis in self.axes if axis not in axes]
        return replace(
            self,
            axes="".join(kept),
            shape=tuple(sizes[axis] for axis in kept),
            scale={a: step for a, step in self.scale.items() if a in kept},
            units={a: unit for a, unit in self.units.items() if a in kept},
            channel_names=() if "C" in axes else self.channel_names,
            times=None if "T" in axes else self.times,
        )

    def with_channels(self, names: Sequence[str]) -> Layout:
        """Return that of a result with channels of its own, in place of the movie's.

        The axis of channels is where it was; after that of time, if there was none.
        """
        sizes = dict(zip(self.axes, self.shape, strict=True)) | {"C": len(names)}
        axes = self.axes
        if "C" not in axes:
            place = axes.find("T") + 1
            axes = f"{axes[:place]}C{axes[place:]}"
        return replace(
            self.without("C"),
            axes=axes,
            shape=tuple(sizes[axis] for axis in axes),
            channel_names=tuple(names),
        )


def _legible(step: float, unit: str) -> tuple[float, str]:
    """Say metres, in which some microscopes write pixel sizes, as one reads them."""
    if unit != "m" or step >= 1e-3:
        return step, unit
    return (step * 1e9, "nm") if step < 1e-8 else (step * 1e6, "µm")


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
