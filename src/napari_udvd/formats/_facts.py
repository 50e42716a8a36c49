"""What a file says of a movie besides its pixels, and when its frames were recorded."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_udvd.formats._units import SECONDS, calibrated, normalise_unit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_udvd.stack import Instrument

__all__ = ["Facts", "facts_of", "timing"]

REGULAR: Final = 0.2
"""Frames are regular where no interval is off by more than this share of the mean."""

AGREE: Final = 0.02
"""A stated interval is that of the recorded times if they differ by no more."""

Step = tuple[float, str]
"""Length and unit of a step along an axis."""


@dataclass(frozen=True)
class Facts:
    """What a file says; as for :class:`~napari_udvd.stack.Stack`.

    Attributes
    ----------
    scale, units, channel_names, times, notes, instrument
        Those of the stack that the file becomes.
    """

    scale: Mapping[str, float] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    channel_names: tuple[str, ...] = ()
    times: tuple[float, ...] | None = None
    notes: tuple[str, ...] = ()
    instrument: Instrument | None = None


def facts_of(
    steps: Mapping[str, tuple[object, str | None]],
    *,
    channel_names: Sequence[object] = (),
    times: Sequence[float] | None = None,
    time_unit: str = "s",
    notes: tuple[str, ...] = (),
    instrument: Instrument | None = None,
) -> Facts:
    """Gather what a file says.

    Parameters
    ----------
    steps
        Step and unit along each axis, as the file spells them; placeholders count as
        not known (see :func:`~napari_udvd.formats._units.calibrated`).
    channel_names
        Names of all channels; none if one of them is empty.
    times, time_unit
        When each frame was recorded, where the file says so.
    notes
        What was assumed so far.
    instrument
        The microscope, where the file tells of it.
    """
    known = {
        axis: found
        for axis, (step, unit) in steps.items()
        if (found := calibrated(step, unit)) is not None
    }
    exact: tuple[float, ...] | None = None
    if times is not None:
        step, exact, more = timing(times, time_unit, known.pop("T", None))
        notes = (*notes, *more)
        if step is not None:
            known["T"] = step
    units = {axis: unit for axis, (_, unit) in known.items() if unit}
    if exact is not None:
        units["T"] = normalise_unit(time_unit)
    names = tuple(str(name) for name in channel_names)
    return Facts(
        scale={axis: step for axis, (step, _) in known.items()},
        units=units,
        channel_names=names if all(names) else (),
        times=exact,
        notes=notes,
        instrument=instrument,
    )


def timing(
    times: Sequence[float], unit: str, stated: Step | None = None
) -> tuple[Step | None, tuple[float, ...] | None, tuple[str, ...]]:
    """Tell whether frames follow one another at a regular interval.

    Parameters
    ----------
    times
        When each frame was recorded.
    unit
        Of `times`.
    stated
        The interval that the file states, with its unit.

    Returns
    -------
    tuple
        The interval with its unit, where it is regular or only stated; the times,
        where they are irregular (the stack then says so); notes for the user.
    """
    unit = normalise_unit(unit)
    seconds = np.asarray(times, float)
    intervals = np.diff(seconds)
    if not intervals.size or not np.isfinite(seconds).all() or not intervals.any():
        return stated, None, ()
    if intervals.min() <= 0:
        late = int(np.argmin(intervals > 0)) + 1
        note = (
            f"the times of the frames do not increase (frame {late} is at "
            f"{seconds[late]:.6g} {unit}, the one before at {seconds[late - 1]:.6g}): "
            "they are left out"
        )
        return stated, None, (note,)
    mean = float(seconds[-1] - seconds[0]) / intervals.size
    if np.abs(intervals - mean).max() > (REGULAR + 1e-9) * mean:
        return None, tuple(float(time) for time in seconds), ()
    measured = calibrated(mean, unit)
    if stated is None or measured is None:
        return stated or measured, None, ()
    factor = SECONDS.get(stated[1], math.nan) / SECONDS.get(unit, math.nan)
    if not abs(stated[0] * factor - mean) > AGREE * mean:
        return stated, None, ()
    note = (
        f"the file states a frame interval of {stated[0]:.4g} {stated[1]}, but its "
        f"frames are {mean:.4g} {unit} apart on average, which is used"
    )
    return measured, None, (note,)
