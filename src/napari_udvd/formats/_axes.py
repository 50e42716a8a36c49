"""From what a file says of its axes to a Stack: the rules, in one place.

1. An explicit axes string wins. Calibration is kept for every axis that it names
   as the file does.
2. Axes of length one are dropped, except Y, X and a T that the file names.
3. A single unnamed axis in front of Y and X is read as time, and a note says so.
4. Anything else that has no name is an error. So is an axis that the file calls
   something else (an energy, an angle): it is never taken for time.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from napari_udvd.errors import InputError
from napari_udvd.formats._lazy import FileArray, Recipe
from napari_udvd.stack import AXES, ArrayLike, Stack

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_udvd.stack import Instrument

__all__ = ["OTHER", "SAMPLES", "UNNAMED", "Found", "to_stack"]

UNNAMED: Final = "?"
"""Stands for an axis that the file does not name."""

OTHER: Final = "*"
"""Stands for an axis that the file names, but not as one of those of a movie."""

SAMPLES: Final = "S"
"""Stands for the values that a pixel of a colour picture has."""


@dataclass(frozen=True)
class Found:
    """An array in a file and what the file says of it.

    Attributes
    ----------
    data
        The stored array.
    axes
        One letter per axis of `data`; ``?`` where the file does not say, ``*`` where
        it is none of a movie.
    path
        The file.
    scale, units, channel_names
        As for :class:`~napari_udvd.stack.Stack`; for axes in `axes`.
    droppable
        Which of TCZ and ? are dropped where their length is one.
    files
        All files the movie is stored in.
    notes
        What was assumed so far.
    times
        Of the frames, in the unit of T, where the interval is not regular.
    others
        What the file calls the axes with a ``*``, in order: ``"Energy loss (eV)"``.
    instrument
        The microscope, with as many channels as `data` has, or none.
    recipe
        How another process finds it again; None where nobody asked by name.
    """

    data: ArrayLike
    axes: str
    path: str
    scale: Mapping[str, float] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    channel_names: tuple[str, ...] = ()
    droppable: str = "CZ" + UNNAMED
    files: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    times: tuple[float, ...] | None = None
    others: tuple[str, ...] = ()
    instrument: Instrument | None = None
    recipe: Recipe | None = None

    def array(self, kept: tuple[int, ...]) -> FileArray:
        """Return the array with some of its axes; the others have length one."""
        return FileArray(
            self.data, self.path, kept=kept, files=self.files, recipe=self.recipe
        )


def to_stack(
    found: Found, axes: str | None = None, *, source: str | None = None
) -> Stack:
    """Build the Stack of a file.

    Parameters
    ----------
    found
        What is in the file.
    axes
        The user's axes string; None leaves it to the file.
    source
        What the user called it, where that says more than the file: one of several
        images.

    Raises
    ------
    InputError
        If the axes are ambiguous or `axes` does not fit.
    """
    shape = tuple(int(n) for n in found.data.shape)
    notes = found.notes
    if axes is None:
        kept = _without_single(found, shape)
        names = "".join(found.axes[i] for i in kept)
        if OTHER in names:
            raise InputError(_other_axes(names, tuple(shape[i] for i in kept), found))
        if UNNAMED in names:
            names, note = _name(names, tuple(shape[i] for i in kept), found.path)
            notes = (*notes, *note)
        _check_letters(names, tuple(shape[i] for i in kept), found.path)
    else:
        names = axes.upper()
        kept = _matching(names, found, shape)
    known = {
        name
        for name, i in zip(names, kept, strict=True)
        if found.axes[i] == name and name in AXES
    }
    n_channels = shape[kept[names.index("C")]] if "C" in names else 1
    same_channels = "C" in known or ("C" not in names and n_channels == 1)
    times = found.times if "T" in known else None
    if times is not None:
        notes = (*notes, _irregular(times, found.units.get("T", ""), found.path))
    return Stack(
        data=found.array(kept),
        axes=names,
        scale={axis: step for axis, step in found.scale.items() if axis in known},
        units={axis: unit for axis, unit in found.units.items() if axis in known},
        channel_names=(
            found.channel_names
            if same_channels and len(found.channel_names) == n_channels
            else ()
        ),
        source=source or found.path,
        notes=notes,
        times=times,
        instrument=_instrument(found, n_channels if same_channels else 0),
    )


def _instrument(found: Found, n_channels: int) -> Instrument | None:
    """Return the microscope; without its channels where those are others."""
    known = found.instrument
    if known is None or len(known.channels) == n_channels:
        return known
    return replace(known, channels=())


def _irregular(times: tuple[float, ...], unit: str, path: str) -> str:
    intervals = [late - early for early, late in pairwise(times)] or [0.0]
    return (
        f"the frames of {path!r} were recorded at an irregular interval, "
        f"{min(intervals):.4g} to {max(intervals):.4g} {unit}".rstrip()
        + ": their times are kept, and no interval"
    )


def _without_single(found: Found, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(
        i
        for i, (name, length) in enumerate(zip(found.axes, shape, strict=True))
        if length != 1 or (name in AXES + UNNAMED and name not in found.droppable)
    )


def _name(names: str, shape: tuple[int, ...], path: str) -> tuple[str, tuple[str, ...]]:
    """Name the axes a file leaves unnamed, or say why that cannot be done."""
    if names == UNNAMED * 2:
        return "YX", ()
    if names == UNNAMED * 3 and shape[2] in (3, 4) and min(shape[:2]) > 4:
        raise InputError(
            f"{path!r} has the shape {shape}, which looks like one colour picture and "
            "not like a movie: convert it to grey, or name the axes if it is a movie "
            '(axes="TYX")'
        )
    if names in (UNNAMED * 3, f"{UNNAMED}YX"):
        return "TYX", (f"axes of {path!r} are not named; three dimensions read as TYX",)
    known = names.replace(UNNAMED, "")
    raise InputError(
        f"the axes of {path!r} with shape {shape} are ambiguous"
        + (f" (the file names only {', '.join(known)})" if known else "")
        + f": name them, one letter of {AXES} per dimension, for example "
        f'axes="{_example(len(shape))}"'
    )


def _other_axes(names: str, shape: tuple[int, ...], found: Found) -> str:
    calls = iter(found.others)
    longer = [
        f"axis {i + 1}, of length {n}, is {next(calls, 'another quantity')!r}"
        for i, (name, n) in enumerate(
            zip(found.axes, map(int, found.data.shape), strict=True)
        )
        if name == OTHER
    ]
    known = names.replace(UNNAMED, "").replace(OTHER, "")
    return (
        f"the axes of {found.path!r} with shape {shape} are ambiguous (the file names "
        f"only {', '.join(known)}; {'; '.join(longer)}, which is not time, channel or "
        f"depth). If it is one of them all the same, name the axes, one letter of "
        f'{AXES} per dimension, for example axes="{_example(len(shape))}"; otherwise '
        "save the part you want as a movie of its own"
    )


def _check_letters(names: str, shape: tuple[int, ...], path: str) -> None:
    foreign = [name for name in names if name not in AXES]
    if foreign or len(set(names)) != len(names):
        raise InputError(
            f"the axes {names!r} of {path!r} with shape {shape} are not those of a "
            f"movie (letters of {AXES}: time, channel, depth, row, column). Name them "
            "yourself, one letter per dimension, for example "
            f'axes="{_example(len(shape))}", or save the part you want as a movie of '
            "its own"
        )


def _matching(names: str, found: Found, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Find the stored axes that the user's `names` are meant for."""
    longer = tuple(
        i for i, length in enumerate(shape) if length != 1 or found.axes[i] in "YX"
    )
    for kept in (_without_single(found, shape), longer):
        if len(kept) == len(names):
            return kept
    # All stored dimensions, but where among them those of length one are is known
    # to the file only: they have to be called the same.
    if len(names) == len(shape) and all(
        found.axes[i] in (UNNAMED, names[i])
        for i in range(len(shape))
        if i not in longer
    ):
        return tuple(range(len(shape)))
    raise InputError(
        f"axes {names!r} name {len(names)} dimensions but {found.path!r} has "
        f"{len(longer)}: shape {tuple(shape[i] for i in longer)}"
        + (f" (stored as {found.axes} {shape})" if len(longer) != len(shape) else "")
        + f'. Name every dimension, for example axes="{_example(len(longer))}"'
    )


def _example(ndim: int) -> str:
    return {2: "YX", 3: "TYX", 4: "TCYX"}.get(ndim, AXES)
