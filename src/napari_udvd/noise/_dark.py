"""Dark frames: what a camera records without light, taken off a movie as it is read.

Pixels of a camera have offsets of their own. They are the same in every frame, so no
statistics of a movie tell them from a specimen that stands still; frames recorded
without light do. What is subtracted is their *pattern*: the mean dark frame minus its
median. The level without light then stays where it was, and so do all grey levels.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_udvd.cutting import central, spread, stretches
from napari_udvd.errors import InputError
from napari_udvd.noise._own_pattern import own_pattern
from napari_udvd.stack import ArrayLike, Plane, Stack, as_slice, full_index
from napari_udvd.validity import with_holes

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["subtract_dark"]

Doubles = npt.NDArray[np.float64]

FRAMES, SIDE = 32, 256
"""Frames of the movie, and longest side of a crop, that dark frames are compared with.
"""
PLACE = 8
"""Side of a small place in pixels."""
DARKEST = 1 / 3
"""Share of the places, the darkest, that are compared: noise that is added counts
most there."""
LEAST_PLACES = 12
ADDED = 0.1
"""Noise variance that is added, in units of the movie's own, worth a note."""
SURE = 3.0
"""Standard errors that it must be more than that."""


AUTO = "auto"
"""What stands in place of dark frames: offsets are estimated from the movie itself."""


def subtract_dark(stack: Stack, dark: Stack | ArrayLike | str) -> Stack:
    """Take off the offsets that pixels of the camera have of their own.

    Nothing is read of the movie but a few frames; the rest is subtracted as it is read.

    Parameters
    ----------
    stack
        The movie.
    dark
        One frame or several without light, recorded with the exposure and the part of
        the camera of the movie: ``(Y, X)`` or ``(T, Y, X)``, or a stack with channels
        and planes, one for all or one each. It is averaged over time (and over depth,
        where the movie has one plane only). Or ``"auto"``: offsets of single pixels
        are estimated from the movie, see :mod:`napari_udvd.noise._own_pattern`.

    Returns
    -------
    Stack
        The same movie minus the pattern: mean dark frame minus its median, which is
        that of each plane. Pixels are float32 (float64 stays), since differences are
        no whole numbers. Nothing is cut off at zero. `notes` tells of it.

    Raises
    ------
    InputError
        If rows, columns, channels or planes do not fit, or dark pixels are not finite.
    """
    if isinstance(dark, str):
        return _without_own_pattern(stack, dark)
    if not isinstance(dark, Stack):
        dark = Stack.from_array(dark, "YX" if len(dark.shape) == 2 else None)
    _check_fits(stack, dark)
    pattern, count = _pattern(stack, dark)
    name = "the dark frames" if dark.source is None else f"{dark.source!r}"
    of = "1 frame" if count == 1 else f"{count} frames"
    sentences = [f"the pattern of {name} ({of} without light) was subtracted"]
    added = _added_noise(stack, pattern[0, stack.n_planes // 2])
    if added is not None:
        own, more = added
        sentences.append(
            f"{name} adds a noise of {more:.2g} grey levels to the movie's own "
            f"{own:.2g}: it is too few frames, or not of this camera and exposure; "
            "average more of them"
        )
    files = getattr(dark.data, "files", ())
    return _minus(stack, pattern, files, sentences)


def _without_own_pattern(stack: Stack, how: str) -> Stack:
    if how != AUTO:
        raise InputError(
            f"dark is {how!r}; give an array, a stack, or {AUTO!r} (a file is opened "
            "with napari_udvd.open)"
        )
    found, spread = own_pattern(stack)
    if found is None:
        note = "no offsets of single pixels were found, and nothing was subtracted"
        return replace(stack, notes=(*stack.notes, note))
    note = (
        f"offsets of single pixels, {spread:.2g} grey levels, were estimated from the "
        "movie and subtracted; points that are fainter than that and never move lose "
        "a part of their brightness: frames without light are better"
    )
    return _minus(stack, _pattern(stack, found)[0], (), [note])


def _minus(
    stack: Stack, pattern: Doubles, files: Sequence[str], notes: Sequence[str]
) -> Stack:
    """Subtract a pattern ``(C, Z, Y, X)``."""
    own = [axis for axis in stack.axes if axis != "T"]
    kept = tuple(slice(None) if a in own else 0 for a in "CZYX")
    order = [axis for axis in "CZYX" if axis in own]
    turned = pattern[kept].transpose([order.index(axis) for axis in own])
    shape = [1 if axis == "T" else stack.size(axis) for axis in stack.axes]
    data = _Subtracted(stack, turned.reshape(shape), files)
    # what was not measured has another background now
    return replace(stack, data=data, notes=(*stack.notes, *notes), validity=None)


class _Subtracted:
    """An array minus a pattern, computed when indexed with integers and slices."""

    def __init__(self, stack: Stack, pattern: Doubles, dark: Sequence[str]) -> None:
        self.recorded = stack.data
        """The stack as it was before."""
        is_double = stack.dtype.kind == "f" and stack.dtype.itemsize > 4
        self.dtype = np.dtype(np.float64 if is_double else np.float32)
        self.shape = stack.shape
        self.ndim = len(self.shape)
        self._pattern = pattern.astype(self.dtype)
        if hasattr(stack.data, "files"):
            own = stack.data.files or ([stack.source] if stack.source else [])
            self.files = (*own, *dark)
            """Files that no output may replace."""

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        parts = full_index(key, self.shape)
        whole = tuple(p if isinstance(p, int) else as_slice(p) for p in parts)
        block = self.recorded[whole]
        block = block.compute() if hasattr(block, "compute") else block
        block = block.get() if hasattr(block, "get") else block
        same = tuple(
            part if n > 1 else 0 if isinstance(part, int) else slice(None)
            for part, n in zip(whole, self._pattern.shape, strict=True)
        )
        return np.asarray(np.asarray(block).astype(self.dtype) - self._pattern[same])

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        return np.array(self[...], dtype=dtype, copy=copy)


def _check_fits(stack: Stack, dark: Stack) -> None:
    own = "the movie" if stack.source is None else f"the movie {stack.source!r}"
    name = (
        "the dark frame" if dark.source is None else f"the dark frame {dark.source!r}"
    )
    if dark.frame_shape != stack.frame_shape:
        raise InputError(
            f"{name} has {dark.size('Y')} x {dark.size('X')} pixels and {own} "
            f"{stack.size('Y')} x {stack.size('X')}: record it with the part of the "
            "camera and the binning of the movie"
        )
    for axis, what in (("C", "channel"), ("Z", "plane")):
        has, needs = dark.size(axis), stack.size(axis)
        if has in (1, needs) or (axis == "Z" and needs == 1):
            continue
        raise InputError(
            f"{name} has {has} {what}s (axes {dark.axes}, shape {dark.shape}) and "
            f"{own} {needs} (axes {stack.axes}, shape {stack.shape}): give one for "
            "all, or one for each"
        )


def _pattern(stack: Stack, dark: Stack) -> tuple[Doubles, int]:
    """Return the pattern ``(C, Z, Y, X)`` of the movie, and frames of each mean."""
    merged = stack.n_planes == 1
    means = []
    for c in range(dark.n_channels):
        totals = [_total(dark, Plane(c, z)) for z in range(dark.n_planes)]
        means.append([np.sum(totals, axis=0)] if merged else totals)
    count = dark.n_frames * (dark.n_planes if merged else 1)
    pattern = np.asarray(means) / count
    bad = int((~np.isfinite(pattern)).sum())
    if bad:
        raise InputError(
            f"the dark frame {dark.source or ''!r} has {bad} pixel(s) that are not "
            "finite; replace them by those around"
        )
    pattern -= np.median(pattern, axis=(2, 3), keepdims=True)
    shape = (stack.n_channels, stack.n_planes, *stack.frame_shape)
    return np.broadcast_to(pattern, shape), count


def _total(dark: Stack, plane: Plane) -> Doubles:
    total = np.zeros(dark.frame_shape)
    for start, stop in stretches(dark, total.itemsize):
        block = dark.read(slice(start, stop), plane)
        total += block.sum(axis=0, dtype=np.float64)
    return total


def _added_noise(stack: Stack, pattern: Doubles) -> tuple[float, float] | None:
    """Noise of a movie and what a pattern adds to it, both standard deviations.

    The mean of the movie holds the pattern of the camera as well, with other noise. So
    the variance of the dark pattern, less its covariance with that mean, is its own
    noise, however many frames it was averaged from, and whatever is wrong with it.

    Returns
    -------
    tuple or None
        None where it is little, or cannot be told.
    """
    if stack.n_frames < 2:
        return None
    stack = with_holes(stack)
    rows, columns = (central(n, SIDE) for n in stack.frame_shape)
    plane = Plane(0, stack.n_planes // 2)
    total = np.zeros((rows.stop - rows.start, columns.stop - columns.start))
    noise: list[Doubles] = []
    for start in spread(stack.n_frames - 1, FRAMES // 2):
        pair = stack.read(slice(start, start + 2), plane, rows, columns)
        first, second = pair.astype(np.float64)
        if np.ptp(first) == 0 or np.ptp(second) == 0:  # dropped frames
            continue
        total += 0.5 * (first + second)
        noise.append(_by_place(_detail(second - first) ** 2) / 2.0)
    if not noise:
        return None
    mean = total / len(noise)
    fine = _detail(pattern[rows, columns])
    own = np.mean(noise, axis=0)
    more = _by_place(fine * (fine - _detail(mean)))
    level = _by_place(mean[1:-1, 1:-1])
    usable = np.isfinite(more) & (own > 0)
    if usable.sum() < LEAST_PLACES:
        return None
    usable &= level <= np.quantile(level[usable], DARKEST)
    typical = float(np.median(own[usable]))
    added = float(np.median(more[usable]))
    error = 1.2533 * float(more[usable].std()) / np.sqrt(usable.sum())
    if added <= ADDED * typical + SURE * error:
        return None
    return typical**0.5, added**0.5


def _detail(image: Doubles) -> Doubles:
    """Second difference along both axes, which leaves the variance of white noise."""
    kernel = np.array([1.0, -2.0, 1.0])
    both = ndimage.correlate1d(ndimage.correlate1d(image, kernel, 0), kernel, 1)
    return np.asarray(both[1:-1, 1:-1] / 6.0)


def _by_place(image: Doubles) -> Doubles:
    rows, columns = (size // PLACE for size in image.shape)
    whole = image[: rows * PLACE, : columns * PLACE]
    return np.asarray(whole.reshape(rows, PLACE, columns, PLACE).mean(axis=(1, 3)))
