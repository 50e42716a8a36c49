"""Find what is no measurement, by looking at a movie once."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_udvd.cutting import blocks
from napari_udvd.errors import InputError
from napari_udvd.validity._constant import constant_pixels
from napari_udvd.validity._edges import filled_area, has_flat_edge
from napari_udvd.validity._finite import refuse_infinite
from napari_udvd.validity._holes import share_of_mask, with_holes
from napari_udvd.validity._hot import hot_pixels
from napari_udvd.validity._notes import notes
from napari_udvd.validity._validity import Mask, PlaneValidity, Validity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from napari_udvd.stack import Plane, Stack

__all__ = ["inspect", "remember"]


FEW_PIXELS = 100
"""Pixels of a frame that were measured, below which it is no wonder if all are equal.
"""
OFTEN = 8
"""Frames in which a pixel was measured, from which on its mean and its noise are known.
"""
HALF = 0.5
"""Share of the frames in which a pixel was measured, below which that is rare."""
AROUND = 1.5
"""Sigma of the surroundings that stand for pixels that were measured rarely, px."""
INVERTED = 0.5
"""Share of the pixels that a mask calls measured that may be NaN."""

_KNOWN: weakref.WeakKeyDictionary[Any, dict[str, Validity | None]]
_KNOWN = weakref.WeakKeyDictionary()
"""What was found, by stack and by file: a movie in memory may be changed in place."""


def inspect(stack: Stack) -> Stack:
    """Find out which pixels of a movie were measured; looks at all of it, once.

    Returns
    -------
    Stack
        The same movie with its :attr:`~napari_udvd.stack.Stack.validity`, or the very
        same object if all of it was measured and it has no mask.

    Raises
    ------
    InputError
        If pixels are infinite, with their number and the position of the first; if a
        mask leaves nothing, or calls measured what is NaN.
    """
    if stack.validity is not None or stack.n_frames < 2:
        return stack
    is_file = hasattr(stack.data, "files") and stack.mask is None
    keys = [stack, *([stack.data] if is_file else [])]
    for key in keys:
        if stack.axes in _KNOWN.get(key, {}):
            validity = _KNOWN[key][stack.axes]
            break
    else:
        try:
            planes = {plane: _looked_at(stack, plane) for plane in stack.planes()}
        except _InfiniteError:
            refuse_infinite(stack)
            raise
        is_plain = all(found.is_plain for found in planes.values())
        sentences = (*_contradictions(stack, planes), *notes(stack, planes))
        validity = None
        if not is_plain or sentences:
            validity = Validity(planes, sentences, mask=stack.mask)
        for key in keys:
            _KNOWN.setdefault(key, {})[stack.axes] = validity
    return stack if validity is None else replace(stack, validity=validity)


def remember(stack: Stack, validity: Validity | None) -> Stack:
    """Take over what :func:`inspect` found of the same movie in another process.

    Parameters
    ----------
    stack
        The movie, not looked at here.
    validity
        What was found there; None if all of it was measured.

    Returns
    -------
    Stack
        As of :func:`inspect`.
    """
    _KNOWN.setdefault(stack, {})[stack.axes] = validity
    return stack if validity is None else replace(stack, validity=validity)


def _looked_at(stack: Stack, plane: Plane) -> PlaneValidity:
    """Look at a plane as it was recorded: zeros minus a pattern are not flat."""
    recorded = stack.recorded
    found = _inspected(with_holes(recorded), plane)
    if recorded is stack:
        return found
    pattern = recorded.read(0, plane)[0] - stack.read(0, plane)[0]
    shifted = found.background - np.nan_to_num(pattern)
    return replace(found, background=shifted.astype(np.float32))


def _contradictions(
    stack: Stack, planes: Mapping[Plane, PlaneValidity]
) -> Iterator[str]:
    """Say where mask and pixels do not go together.

    Raises
    ------
    InputError
        If nothing is left, or hardly anything.
    """
    if stack.mask is None:
        return
    name = "the movie" if stack.source is None else f"the movie {stack.source!r}"
    told = {plane: share_of_mask(stack, plane) for plane in planes}
    if not any(told.values()):
        raise InputError(
            f"no pixel of {name} was measured, {stack.mask.words}: a mask is 0 where "
            "nothing was measured, and any other number where something was; it may "
            "be another movie's, or `unmeasured` another value"
        )
    for plane, share in told.items():
        if share == 0:
            continue
        gone = 1.0 - planes[plane].share / share
        if gone > INVERTED:
            raise InputError(
                f"{gone:.1%} of the pixels of {name} that were measured, "
                f"{stack.mask.words}, are NaN (C = {plane.c}, Z = {plane.z}): the mask "
                "may be inverted, or another movie's; it is 0 where nothing was "
                "measured"
            )
        if gone > 0:
            yield (
                f"{gone:.2%} of the pixels that were measured, {stack.mask.words}, "
                "are NaN: they are taken as not measured"
            )


@dataclass(eq=False)
class _Look:
    """What one look at all frames of a plane collects, frame by frame.

    Attributes
    ----------
    low, high
        ``(Y, X)`` least and largest grey level of each pixel, in the movie's type,
        which is many times faster.
    total, squares, count
        ``(Y, X)`` sums over what is not NaN, and of how many frames.
    empty
        Frames of one grey level.
    suspects
        Frames with an edge of one grey level.
    has_nan
        Whether there are NaN beside other pixels.
    known
        Pixels that are not NaN, of all frames.
    """

    low: npt.NDArray[Any]
    high: npt.NDArray[Any]
    total: npt.NDArray[np.float64]
    squares: npt.NDArray[np.float64]
    count: npt.NDArray[np.float64]
    empty: list[int] = field(default_factory=list)
    suspects: list[int] = field(default_factory=list)
    has_nan: bool = False
    known: int = 0

    def add(self, frame: npt.NDArray[Any], known: Mask | None) -> None:
        """Add a frame, of which these pixels are not NaN; all if None."""
        if known is None:
            np.minimum(self.low, frame, out=self.low)
            np.maximum(self.high, frame, out=self.high)
            values = frame.astype(np.float64)
        else:
            self.has_nan = True
            self.count += known
            np.fmin(self.low, frame, out=self.low)
            np.fmax(self.high, frame, out=self.high)
            values = np.where(known, frame, 0.0).astype(np.float64)
        self.total += values
        values *= values
        self.squares += values


class _InfiniteError(ValueError):
    """A pixel is infinite."""


def _look(stack: Stack, plane: Plane) -> _Look:
    """Look at every frame of a plane, each is read once.

    Raises
    ------
    _InfiniteError
        If a pixel is infinite.
    """
    shape = stack.frame_shape
    is_float = stack.dtype.kind == "f"
    lowest: Any = -np.inf if is_float else np.iinfo(stack.dtype).min
    highest: Any = np.inf if is_float else np.iinfo(stack.dtype).max
    seen = _Look(
        np.full(shape, highest, stack.dtype),
        np.full(shape, lowest, stack.dtype),
        np.zeros(shape),
        np.zeros(shape),
        np.zeros(shape),
    )
    whole = 0  # frames without NaN
    for first, stop in blocks(stack):
        raw = stack.read(slice(first, stop), plane)
        flat = raw.reshape(len(raw), -1)
        with np.errstate(invalid="ignore"):
            if is_float:
                least, most = np.fmin.reduce(flat, 1), np.fmax.reduce(flat, 1)
                if np.isinf(least).any() or np.isinf(most).any():
                    raise _InfiniteError
            else:  # many times faster
                least, most = flat.min(1), flat.max(1)
        blank = least == most
        if is_float:
            pixels = np.count_nonzero(~np.isnan(flat), 1)
            seen.known += int(pixels.sum())
            blank = (blank & (pixels >= min(FEW_PIXELS, flat.shape[1]))) | (pixels == 0)
        else:
            seen.known += flat.size
        seen.empty += (first + np.flatnonzero(blank)).tolist()
        flat_edge = ~blank & has_flat_edge(raw)
        seen.suspects += (first + np.flatnonzero(flat_edge)).tolist()
        # frame by frame, as long as one is in the processor's cache
        for frame in raw[~blank]:
            known = ~np.isnan(frame) if is_float else None
            if known is not None and known.all():
                known = None
            whole += known is None
            seen.add(frame, known)
    seen.count += whole
    return seen


def _inspected(stack: Stack, plane: Plane) -> PlaneValidity:
    height, width = stack.frame_shape
    seen = _look(stack, plane)
    low, high, empty, count = seen.low, seen.high, seen.empty, seen.count
    total, squares = seen.total, seen.squares
    nothing = np.zeros((height, width), bool)
    share = seen.known / (stack.n_frames * height * width)
    if len(empty) == stack.n_frames:
        value = float(stack.read(0, plane).flat[0])
        return PlaneValidity(
            ~nothing,
            nothing,
            frozenset(),
            {},
            np.full((height, width), value if np.isfinite(value) else 0.0, np.float32),
            is_empty=True,
            value=value,
            share=share,
        )
    if not (high > low).any():  # a picture: nothing tells its pixels apart
        picture = _spread_out(
            np.divide(total, count, out=np.zeros_like(total), where=count > 0),
            count > 0,
        )
        return PlaneValidity(
            nothing,
            nothing,
            frozenset(empty),
            {},
            picture.astype(np.float32),
            seen.has_nan,
            share=share,
        )
    constant, dead = constant_pixels(
        stack, plane, low, (high == low) & (count > 0), count, empty
    )
    constant |= count == 0
    filled: dict[int, npt.NDArray[np.uint8]] = {}
    for t in seen.suspects:
        frame = stack.read(t, plane)[0]
        area = filled_area(frame, constant)
        if area is not None:
            filled[t] = np.packbits(area)
            values = np.where(area, frame, 0).astype(np.float64)
            total -= values
            squares -= values**2
            count -= area
    constant |= count == 0  # filled in every frame
    measured = ~constant
    mean = np.divide(total, count, out=np.zeros_like(total), where=measured)
    variance = np.divide(squares, count, out=np.zeros_like(total), where=measured)
    variance = np.maximum(variance - mean**2, 0.0)
    often, std = measured, np.sqrt(variance)
    frames = stack.n_frames - len(empty)
    if seen.has_nan:
        often = measured & (count >= min(OFTEN, frames))
        std = _spread_out(std, often)
    hot = hot_pixels(_spread_out(mean, often), std, often) | dead
    if seen.has_nan:
        rare = measured & (count < min(max(OFTEN, HALF * frames), frames))
        sound = measured & ~hot
        mean = np.where(rare, _mean_around(total * sound, count * sound), mean)
    background = _spread_out(mean, measured & ~hot)
    levels = low[constant & np.isfinite(low)]
    value = float(np.median(levels)) if levels.size else np.nan
    return PlaneValidity(
        constant,
        hot,
        frozenset(empty),
        filled,
        background.astype(np.float32),
        has_nan=seen.has_nan,
        value=value,
        share=share,
    )


def _mean_around(
    total: npt.NDArray[np.float64], count: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Mean of a pixel and of what is around, for one that was measured rarely.

    One measurement is a large part of the mean of a few. As the background of the
    frames beside it, it would show a network the noise that it is to remove.
    """
    weight = ndimage.gaussian_filter(count, AROUND)
    return np.asarray(ndimage.gaussian_filter(total, AROUND) / np.maximum(weight, 1e-9))


def _spread_out(image: npt.NDArray[np.float64], known: Mask) -> npt.NDArray[np.float64]:
    """Fill what is not known from around, by normalised convolution."""
    result = np.where(known, image, 0.0)
    missing = ~known
    sigma = 1.5
    while missing.any() and known.any():
        weight = ndimage.gaussian_filter(known.astype(np.float64), sigma)
        value = ndimage.gaussian_filter(np.where(known, image, 0.0), sigma)
        near = missing & (weight > 1e-6)
        result[near] = value[near] / weight[near]
        missing &= ~near
        sigma *= 2.0
    return result
