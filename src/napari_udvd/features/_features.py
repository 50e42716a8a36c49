"""Features of regions in every frame, in one pass through the movie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_udvd.errors import InputError
from napari_udvd.features._crops import (
    DARK,
    QUARTER,
    Components,
    folded_picture,
    learned_components,
    relative,
    upright_picture,
)
from napari_udvd.features._numbers import INTENSITY, LEAST, SHAPE, body, intensity
from napari_udvd.features._spots import SPOTS, spots
from napari_udvd.stack import Plane, Stack

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping

    from napari_udvd.features._footprint import Footprint, Regions

__all__ = ["COMPONENTS", "FeatureTable", "feature_names", "features_of"]

COMPONENTS = 10
"""Principal components of the small pictures that are features."""

CHANGES = ("change", "brightening")
"""Against the frame before: of the small picture (root mean square), of the mean."""
FLOW = ("speed", "divergence")
"""Mean length of the optical flow, px a frame, and mean divergence, 1 / frame."""
RESIDUAL = ("residual", "residual spread")
"""Mean and standard deviation of noisy less denoised grey levels."""
UNCERTAINTY = ("uncertainty",)
"""Mean standard deviation of the denoised grey levels."""


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """Features of one region.

    Attributes
    ----------
    names
        Of the features, ``F`` of them.
    values
        ``(T, F)``; each feature has mean zero and standard deviation one over all
        regions and frames of the movie. Zero where nothing was measured.
    measured
        Frames ``(T,)`` in which the region is there and was measured.
    components
        What the small pictures were taken apart with, for another movie.
    """

    names: tuple[str, ...]
    values: npt.NDArray[np.float32]
    measured: npt.NDArray[np.bool_]
    components: Components


@dataclass(eq=False)
class _Raw:
    """What is measured of one region: NaN where it was not."""

    numbers: npt.NDArray[np.float64]
    pictures: npt.NDArray[np.float32]

    @property
    def measured(self) -> npt.NDArray[np.bool_]:
        return np.isfinite(self.numbers[:, 0])


def feature_names(
    *, denoised: bool = False, std: bool = False, flow: bool = False
) -> tuple[str, ...]:
    """Names of the features that :func:`features_of` returns, in order.

    Parameters
    ----------
    denoised, std, flow
        Whether they are given to it, or asked for.
    """
    pictures = (f"component {k + 1}" for k in range(COMPONENTS))
    first = _of_pixels(denoised=denoised, std=std, flow=flow)
    return (*first, *CHANGES, *pictures)


def _of_pixels(*, denoised: bool, std: bool, flow: bool) -> list[str]:
    """Names of the features that are measured frame by frame."""
    names = [*INTENSITY, *SHAPE, *SPOTS]
    names += UNCERTAINTY if std else ()
    names += RESIDUAL if denoised else ()
    names += FLOW if flow else ()
    return names


def features_of(
    stack: Stack,
    regions: Regions,
    *,
    denoised: Any = None,
    std: Any = None,
    flow: bool = False,
    plane: Plane = Plane(),
    components: Components | None = None,
    report: Callable[[int, int], None] | None = None,
    cancel: threading.Event | None = None,
) -> dict[str, FeatureTable]:
    """Describe every region in every frame by some numbers.

    They are moments of the grey levels, the shape of what is bright and whether
    it is one or two spots, the change
    against the frame before, and principal components of a small picture of the region
    and what is around it, which are learned from all of them without labels. This
    picture is turned as what is bright lies, and divided by how bright the region is
    most of the time: neither the direction nor the brightness of a region matters. That
    of the whole frame is upright, so that it matters where something happens. Each
    feature is scaled to mean zero and standard deviation one over the movie. Pixels
    that were not measured are left out. One frame is in memory at a time.

    Parameters
    ----------
    stack
        The movie.
    regions
        What is watched.
    denoised
        The same movie without noise: then features are those of this one, and those of
        what was removed are added. A :class:`Stack` or an array.
    std
        Standard deviation of the denoised movie, which adds a feature.
    flow
        Add speed and divergence of the optical flow. Takes a second a frame for
        512 x 512 pixels.
    plane
        Channel and depth.
    components
        Those of another movie, whose features are to mean the same; learned if None.
    report
        Called with the number of frames that are done, and of all.
    cancel
        Set it to stop: frames that were not looked at count as not measured.

    Returns
    -------
    dict
        By name of the region; all tables have the same features.

    Raises
    ------
    InputError
        If another movie has another size, or no region was measured in any frame; or if
        the flow of a sparse scan is asked for that was not filled.
    """
    clean = stack if denoised is None else _alike(denoised, stack, "denoised movie")
    spread = None if std is None else _alike(std, stack, "standard deviation")
    names = _of_pixels(denoised=denoised is not None, std=std is not None, flow=flow)
    raw = {
        name: _Raw(
            np.full((stack.n_frames, len(names)), np.nan),
            np.full((stack.n_frames, QUARTER**2), np.nan, np.float32),
        )
        for name in regions.names
    }
    crop = regions.crop
    for t in range(stack.n_frames):
        if cancel is not None and cancel.is_set():
            break
        maps = _maps(t, plane, stack, clean, spread, flow=flow)
        for name, where in regions.at(t).items():
            _measure(raw[name], t, maps, where, crop)
        if report is not None:
            report(t + 1, stack.n_frames)
    return _tables(raw, names, components)


def _alike(movie: Any, stack: Stack, what: str) -> Stack:
    """Return a movie that belongs to another one."""
    if isinstance(movie, Stack):
        theirs = movie
    else:
        if tuple(movie.shape) != stack.shape:
            raise InputError(
                f"the {what} has the shape {tuple(movie.shape)}, the movie "
                f"{stack.shape}; give that of this movie"
            )
        theirs = Stack.of(stack, movie)
    sizes = [[each.size(axis) for axis in "TCZYX"] for each in (theirs, stack)]
    if sizes[0] != sizes[1]:
        raise InputError(
            f"the {what} is {theirs.describe()}, the movie {stack.describe()}; give "
            "that of this movie"
        )
    return theirs


@dataclass(frozen=True, eq=False)
class _Maps:
    """Pictures of one frame ``(Y, X)``; None where they are no features.

    Attributes
    ----------
    clean, known
        What is described, and which pixels of it were measured.
    dark
        Grey level of its darkest pixels, NaN where none was measured.
    std, residual
        Its standard deviation, and what was removed; NaN where nothing is known.
    flow
        Speed and divergence, ``(2, Y, X)``.
    """

    clean: npt.NDArray[np.float64]
    known: npt.NDArray[np.bool_]
    dark: float
    std: npt.NDArray[np.float64] | None
    residual: npt.NDArray[np.float64] | None
    flow: npt.NDArray[np.float64] | None


def _maps(
    t: int,
    plane: Plane,
    stack: Stack,
    clean: Stack,
    spread: Stack | None,
    *,
    flow: bool,
) -> _Maps:
    grey = clean.read(t, plane)[0].astype(np.float64)
    residual = None
    if clean is not stack:
        noisy = stack.read(t, plane)[0].astype(np.float64)
        residual = np.where(stack.read_mask(t, plane)[0], noisy - grey, np.nan)
    known = clean.read_mask(t, plane)[0] & np.isfinite(grey)
    return _Maps(
        clean=grey,
        known=known,
        dark=float(np.percentile(grey[known], DARK)) if known.any() else np.nan,
        std=None if spread is None else spread.read(t, plane)[0].astype(np.float64),
        residual=residual,
        flow=_flow(clean, t, plane) if flow else None,
    )


def _flow(movie: Stack, t: int, plane: Plane) -> npt.NDArray[np.float64]:
    """Speed and divergence of the optical flow, ``(2, Y, X)``."""
    from napari_udvd.motion import estimated_motion

    dy, dx = estimated_motion(movie, t, "ilk", c=plane.c, z=plane.z).dense()
    divergence = np.gradient(dy, axis=0) + np.gradient(dx, axis=1)
    return np.stack([np.hypot(dy, dx), divergence]).astype(np.float64)


def _measure(
    raw: _Raw, t: int, maps: _Maps, where: Footprint, crop: tuple[int, int]
) -> None:
    """Enter the numbers of one region in one frame."""
    box = where.rows, where.columns
    seen = where.inside & maps.known[box]
    if seen.sum() < LEAST:
        return
    values = maps.clean[box][seen]
    rising = np.sort(values)
    bright = body(values, rising, seen, where)
    numbers = intensity(rising) + bright.shape(where.centre)
    numbers += spots(maps.clean, maps.known, where, maps.dark)
    if maps.std is not None:
        numbers.append(_mean(maps.std[box][seen]))
    if maps.residual is not None:
        removed = maps.residual[box][seen]
        there = removed[np.isfinite(removed)]
        numbers += [_mean(there), float(there.std()) if there.size else np.nan]
    if maps.flow is not None:
        numbers += [_mean(each[box][seen]) for each in maps.flow]
    raw.numbers[t] = numbers
    if where.inside.all() and where.inside.shape == maps.known.shape:
        picture = upright_picture(maps.clean, maps.known)
    else:
        picture = folded_picture(
            maps.clean, maps.known, bright.middle, bright.axes, crop
        )
    raw.pictures[t] = picture.ravel()


def _mean(values: npt.NDArray[np.float64]) -> float:
    there = values[np.isfinite(values)]
    return float(there.mean()) if there.size else np.nan


def _changes(
    raw: _Raw, relative_pictures: npt.NDArray[np.float32]
) -> npt.NDArray[np.float64]:
    """Compare with the frame before; the first frame has the change of the next."""
    pictures, means = relative_pictures.astype(np.float64), raw.numbers[:, 0]
    found = np.full((len(means), len(CHANGES)), np.nan)
    found[1:, 0] = np.sqrt(np.square(np.diff(pictures, axis=0)).mean(axis=1))
    found[1:, 1] = np.diff(means)
    begins = np.flatnonzero(raw.measured & np.isnan(found[:, 0]))
    begins = begins[begins < len(found) - 1]
    found[begins] = found[begins + 1]
    return found


def _tables(
    raw: Mapping[str, _Raw], names: list[str], components: Components | None
) -> dict[str, FeatureTable]:
    """Scale what was measured over the movie."""
    if not any(each.measured.any() for each in raw.values()):
        raise InputError(
            "no region was measured in any frame; are there regions, and pixels that "
            "were measured in them?"
        )
    pictures = relative({name: each.pictures for name, each in raw.items()})
    if components is None:
        every = np.concatenate([pictures[name][raw[name].measured] for name in raw])
        components = learned_components(every, COMPONENTS)
    parts = {
        name: np.hstack(
            [
                each.numbers,
                _changes(each, pictures[name]),
                components.of(pictures[name]),
            ]
        )
        for name, each in raw.items()
    }
    every = np.concatenate([parts[name][each.measured] for name, each in raw.items()])
    known = np.isfinite(every)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, every, 0.0).sum(axis=0) / count
    std = np.sqrt((np.where(known, every - mean, 0.0) ** 2).sum(axis=0) / count)
    # what is the same everywhere says nothing, and its rounding errors less
    scale = np.where(std > 1e-6 * np.abs(mean), std, np.inf)
    titles = (
        *names,
        *CHANGES,
        *(f"component {k + 1}" for k in range(len(components.axes))),
    )
    return {
        name: FeatureTable(
            names=titles,
            values=np.nan_to_num(
                (parts[name] - mean) / scale, posinf=0.0, neginf=0.0
            ).astype(np.float32),
            measured=each.measured,
            components=components,
        )
        for name, each in raw.items()
    }
