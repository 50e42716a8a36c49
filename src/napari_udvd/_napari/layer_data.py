"""From movies to image layers of the viewer and back, without loss.

What the viewer cannot show (a unit it does not know, channel names, where the movie
came from) travels in the layer's metadata under the key :data:`KEPT`.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from napari_udvd.cutting import spread
from napari_udvd.errors import InputError
from napari_udvd.formats._units import LENGTHS, TIMES, normalise_unit
from napari_udvd.stack import AXES, Stack

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_udvd.stack import ArrayLike, Instrument, LayoutLike

__all__ = [
    "KEPT",
    "LayerData",
    "contrast_limits",
    "guess_axes",
    "layer_data",
    "stack_from",
]

LayerData: TypeAlias = tuple[Any, dict[str, Any], str]
"""Data, arguments and type of a layer, as the viewer takes them from plugins."""

KEPT: Final = "napari_udvd"
"""Key of a layer's metadata under which the movie's own words are kept."""

_PIXEL: Final = "pixel"
"""What the viewer calls the unit of an axis without calibration."""

_LETTERS: Final = {
    **dict.fromkeys(("t", "time", "frame", "frames"), "T"),
    **dict.fromkeys(("c", "ch", "channel", "channels"), "C"),
    **dict.fromkeys(("z", "depth", "plane", "planes"), "Z"),
    **dict.fromkeys(("y", "row", "rows"), "Y"),
    **dict.fromkeys(("x", "col", "column", "columns"), "X"),
}

_UNNAMED: Final = re.compile(r"(axis )?-?\d*")
"""Labels that the viewer gives by itself: ``axis -3``."""

_SAMPLED_FRAMES: Final = 3
_SAMPLED_PLANES: Final = 4
_SAMPLED_SIDE: Final = 512


def layer_data(like: LayoutLike, name: str, data: Any = None, **more: Any) -> LayerData:
    """Return what the viewer needs to show a movie, or a result.

    Parameters
    ----------
    like
        The movie; or the layout of a result, whose pixels are `data`.
    name
        Name of the layer.
    data
        Pixels of a result, with the shape of `like`; handed on as they are, since they
        may still change. A few frames are read for the contrast, as of a movie.
    more
        Arguments of the layer that are added or replaced; `metadata` is merged.

    Returns
    -------
    tuple
        Data, arguments and ``"image"``. The data of a movie are its own array where
        that is NumPy or dask, and otherwise a dask array with a chunk for each frame,
        so that scrubbing reads one frame. An axis without known step has the scale 1
        and the unit ``pixel``.
    """
    stack = like if isinstance(like, Stack) and data is None else Stack.of(like, data)
    shown = [
        _shown(stack.scale.get(axis), stack.units.get(axis, "")) for axis in stack.axes
    ]
    arguments = {
        "name": name,
        "scale": tuple(step for step, _ in shown),
        "units": tuple(unit for _, unit in shown),
        "axis_labels": tuple(stack.axes.lower()),
        **more,
        "metadata": {KEPT: _kept(like), **more.get("metadata", {})},
    }
    if "contrast_limits" not in arguments:
        arguments["contrast_limits"] = contrast_limits(stack)
    if data is None:
        data = stack.data if isinstance(stack.data, np.ndarray) else stack.to_dask()
    return data, arguments, "image"


def contrast_limits(stack: Stack) -> tuple[float, float]:
    """Return the grey levels to show as black and as white.

    The 0.1st and 99.9th percentile of three frames of up to four planes; of frames
    larger than 512 pixels only every n-th pixel. The second is always the larger.
    """
    frames = spread(stack.n_frames, _SAMPLED_FRAMES, nearest=True)
    planes = list(stack.planes())
    stride = [max(1, side // _SAMPLED_SIDE) for side in stack.frame_shape]
    sample = np.concatenate(
        [
            stack.read(t, planes[k])[0, :: stride[0], :: stride[1]].ravel()
            for k in spread(len(planes), _SAMPLED_PLANES, nearest=True)
            for t in frames
        ]
    )
    sample = sample[np.isfinite(sample)].astype(np.float64)
    if not sample.size:
        return 0.0, 1.0
    low, high = (float(level) for level in np.percentile(sample, (0.1, 99.9)))
    # The viewer computes with float32, which must still tell the two apart.
    least = max(abs(low), abs(high)) * 1e-5
    return (low, high) if high - low > least else (low, low + max(1.0, least))


def stack_from(
    data: ArrayLike,
    *,
    axes: str,
    scale: Sequence[float],
    units: Sequence[Any],
    source: str | None = None,
    channel_names: tuple[str, ...] = (),
    kept: Mapping[str, Any] | None = None,
) -> Stack:
    """Wrap the data of an image layer; nothing is read or copied.

    Parameters
    ----------
    data
        Array of the layer; of a multiscale layer its finest level.
    axes
        A letter of ``TCZYX`` for each axis; see :func:`guess_axes`.
    scale, units
        Those of the layer, one for each axis; units as text or as units of pint. The
        unit ``pixel`` means that the axis is not calibrated: its step is kept only if
        it is not 1.
    source
        Where the movie came from, unless `kept` says it.
    channel_names
        One for each channel; if empty, those in `kept` where their number fits.
    kept
        What :func:`layer_data` left in the layer's metadata under :data:`KEPT`. The
        movie's own step and unit come back for every axis whose scale and unit nobody
        has changed since, and its times where that is so of T.

    Raises
    ------
    InputError
        If a scale is zero, negative or not finite, `axes` do not fit the array, or its
        pixels are not real numbers.
    """
    kept = kept or {}
    source = kept.get("source") or source
    names = tuple(channel_names) or tuple(kept.get("channel_names", ()))
    files = tuple(kept.get("files", ()))
    stack = Stack.from_array(
        _FromFiles(data, files) if len(files) > 1 else data, axes, source=source
    )
    if not len(scale) == len(units) == len(stack.axes):
        raise InputError(
            f"{len(scale)} scales {tuple(scale)} and {len(units)} units "
            f"{tuple(str(unit) for unit in units)} were given for the axes "
            f"{stack.axes!r}; give one of each for every axis"
        )
    steps: dict[str, float] = {}
    spelled: dict[str, str] = {}
    for axis, value, unit in zip(stack.axes, scale, units, strict=True):
        step, word = _known(axis, float(value), _spelling(unit), kept)
        if step is not None:
            steps[axis] = step
        if word:
            spelled[axis] = word
    times = kept.get("times")
    if "T" in steps or times is None or len(times) != stack.n_frames:
        times = None
    known = Stack.from_array(
        stack.data,
        stack.axes,
        scale=steps,
        units=spelled,
        channel_names=(
            names if channel_names or len(names) == stack.n_channels else ()
        ),
        source=source,
        times=times,
    )
    return replace(known, instrument=_instrument(kept, known))


def _instrument(kept: Mapping[str, Any], stack: Stack) -> Instrument | None:
    """Return the microscope; without its channels where those are others now."""
    known: Instrument | None = kept.get("instrument")
    if known is None or len(known.channels) == stack.n_channels:
        return known
    return replace(known, channels=())


def guess_axes(axis_labels: Sequence[str], shape: Sequence[int]) -> str:
    """Name the axes of a layer by its axis labels.

    Parameters
    ----------
    axis_labels
        Labels of the layer, such as ``("t", "y", "x")`` or ``("time", "channel", "y",
        "x")``. The viewer's own (``"axis -1"``) count as no label.
    shape
        Of the layer, for the message.

    Returns
    -------
    str
        A letter of ``TCZYX`` for each axis. The last two axes are Y and X where they
        have no label, and a single one that is then left of three is time; time and
        depth are never guessed otherwise.

    Raises
    ------
    InputError
        If the labels leave open what an axis is.
    """
    labels = [str(label).strip() for label in axis_labels]
    letters = [
        "" if _UNNAMED.fullmatch(label.lower()) else _LETTERS.get(label.lower(), "?")
        for label in labels
    ]
    for position, letter in ((-1, "X"), (-2, "Y")):
        if len(letters) >= 2 and not letters[position] and letter not in letters:
            letters[position] = letter
    if len(letters) == 3 and letters.count("") == 1 and "T" not in letters:
        letters[letters.index("")] = "T"
    known = "".join(letters)
    if (
        len(labels) == len(shape)
        and "" not in letters
        and "?" not in letters
        and len(set(letters)) == len(letters)
        and {"Y", "X"} <= set(letters)
    ):
        return known
    example = {2: "YX", 3: "TYX", 4: "TCYX"}.get(len(shape), AXES)
    raise InputError(
        f"the axis labels {tuple(labels)} do not say what the axes of the shape "
        f"{tuple(int(n) for n in shape)} are: type them into the field Axes of the "
        f"dock, one letter of {AXES} (time, channel, depth, row, column) for each, for "
        f"example {example}, or set the layer's axis labels"
    )


class _FromFiles:
    """Layer data that name the files they are read from, which no output may replace.

    Stacks in one file name it as their source.
    """

    def __init__(self, data: ArrayLike, files: tuple[str, ...]) -> None:
        self._data = data
        self.shape = tuple(data.shape)
        self.dtype = data.dtype
        self.files = files

    def __getitem__(self, key: Any) -> Any:
        return self._data[key]


def _kept(like: LayoutLike) -> dict[str, Any]:
    kept = {
        "scale": dict(like.scale),
        "units": dict(like.units),
        "channel_names": like.channel_names,
        "source": like.source,
        "notes": like.notes,
        "times": like.times,
    }
    if len(like.files) > 1:
        kept["files"] = like.files
    instrument = getattr(like, "instrument", None)
    return kept if instrument is None else {**kept, "instrument": instrument}


def _shown(step: float | None, unit: str) -> tuple[float, str]:
    """Scale and unit of an axis in the viewer, which knows lengths and times."""
    if step is None:
        return 1.0, _PIXEL
    spelled = normalise_unit(unit)
    return float(step), spelled if spelled in LENGTHS | TIMES else _PIXEL


def _known(
    axis: str, value: float, unit: str, kept: Mapping[str, Any]
) -> tuple[float | None, str]:
    """Step and unit of an axis whose layer has the scale `value` and `unit`."""
    if not (math.isfinite(value) and value > 0):
        raise InputError(
            f"the scale of axis {axis} is {value:g}; it must be a positive number: set "
            "the layer's scale to the size of a pixel (or the time between frames), or "
            "to 1 where it is not known"
        )
    own = kept.get("scale", {}).get(axis), kept.get("units", {}).get(axis, "")
    step, shown = _shown(*own)
    # The viewer takes the scale out of a matrix: it may come back a little different.
    if math.isclose(step, value, rel_tol=1e-9) and shown == (unit or _PIXEL):
        return own
    return (value, unit) if unit or value != 1 else (None, "")


def _spelling(unit: Any) -> str:
    """Spell a unit, text or of pint, as stacks do; empty for pixels."""
    text = "" if unit is None else str(unit)
    return "" if text == "dimensionless" else normalise_unit(text)
