"""A model meets a movie: what it knows of grey levels and noise may not hold there.

A network works in units that were measured on the movies it was trained on: an offset,
a range and a noise model for each channel. Another movie may have been recorded with
another gain, exported as numbers between zero and one, or show brighter cells. Where
the two agree, the model keeps its own, which frames held out have confirmed. Where they
do not, those of the movie are measured and take their place: the network sees what it
was made for, in other units.

What units cannot mend is said: noise whose strength a network was not told, noise that
reaches beyond its hole, pixels of another size.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_udvd.formats._units import METRES, normalise_unit
from napari_udvd.inference.scaling import Calibration, calibrate
from napari_udvd.noise import NoiseModel, check_varies, diagnose
from napari_udvd.planes import middle_planes
from napari_udvd.validity import inspect

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from napari_udvd.models import Network
    from napari_udvd.stack import Stack

__all__ = ["Match", "match", "pixel_sizes"]

SAME_NOISE = 1.5
"""Factor between noise variances, up to which they are taken to be one camera's."""

SAME_RANGE = 2.0
"""Factor between ranges of grey levels that one kind of movie has."""

SAME_LEVEL = 0.5
"""Distance of mean grey levels, in ranges, that one kind of movie has."""

SAME_SIZE = 1.5
"""Factor between pixel sizes, up to which structures look alike."""


class Match(NamedTuple):
    """How a model is used on a movie.

    Attributes
    ----------
    calibrations
        One for each channel, the model's or the movie's own.
    notes
        What was done, one sentence each.
    warnings
        Why the result cannot be trusted, one sentence each.
    """

    calibrations: tuple[Calibration, ...]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def match(
    net: Network,
    calibrations: Sequence[Calibration],
    record: Mapping[str, Any],
    stack: Stack,
) -> Match:
    """Compare a model with a movie that it was not trained on.

    Parameters
    ----------
    net
        The network.
    calibrations
        Of its movies, one for each channel; empty for an imported network, which has
        none.
    record
        How it was trained, see :class:`napari_udvd.Denoiser`.
    stack
        The movie, with as many channels.

    Raises
    ------
    InputError
        If nothing varies in the movie.
    """
    if calibrations and stack.n_frames < 2:
        said = "noise is not told from signal in a single picture: the model's is used"
        return Match(tuple(calibrations), (said,), tuple(_other_sizes(record, stack)))
    stack = inspect(stack)
    told = {c: calibration.noise for c, calibration in enumerate(calibrations)}
    found = {
        plane.c: diagnose(stack, plane, told.get(plane.c))
        for plane in middle_planes(stack)
    }
    if not found:
        check_varies(stack)
    warnings = [s for d in found.values() for s in d.broken_under(net.hole)]
    warnings += _other_sizes(record, stack)
    if not calibrations:
        any_noise = next(iter(found.values())).noise  # for channels that are empty
        noises = {c: d.noise for c, d in found.items()}
        measured = tuple(
            calibrate([stack], c, noises.get(c, any_noise), from_zero=True)
            for c in range(stack.n_channels)
        )
        return Match(measured, (), tuple(dict.fromkeys(warnings)))
    chosen, notes = list(calibrations), []
    for c, diagnosis in found.items():
        known = calibrations[c]
        own = calibrate([stack], c, diagnosis.noise)
        own = replace(own, std_factors=known.std_factors)
        if not (difference := _difference(known, own)):
            continue
        chosen[c] = own
        which = f"channel {c}: " if len(calibrations) > 1 else ""
        notes.append(
            f"{which}the model knows other grey levels, {difference}; mean, range and "
            "noise are those measured on this movie"
        )
        warnings += [which + s for s in _untold(net, known, own)]
    return Match(tuple(chosen), tuple(notes), tuple(dict.fromkeys(warnings)))


def pixel_sizes(stack: Stack) -> dict[str, float]:
    """Size of a pixel along rows and columns in µm, where it is known."""
    sizes = {}
    for axis in "YX":
        unit = normalise_unit(stack.units.get(axis, ""))
        if axis in stack.scale and unit in METRES:
            sizes[axis] = stack.scale[axis] * METRES[unit] * 1e6
    return sizes


def _difference(known: Calibration, own: Calibration) -> str:
    """Say in what a movie is unlike a model's; empty where it is not."""
    if (
        not 1 / SAME_RANGE < own.scale / known.scale < SAME_RANGE
        or abs(own.offset - known.offset) > SAME_LEVEL * known.scale
    ):
        return (
            f"a mean of {known.offset:.4g} and a range of {known.scale:.4g} where this "
            f"movie has {own.offset:.4g} and {own.scale:.4g}"
        )
    for level in (own.levels[0], own.offset, own.levels[-1]):
        there, here = _std(known.noise, level), _std(own.noise, level)
        if not 1 / SAME_NOISE < (there / here) ** 2 < SAME_NOISE:
            return (
                f"a noise of {there:.3g} at a level of {level:.4g} where this movie "
                f"has {here:.3g}"
            )
    return ""


def _untold(net: Network, known: Calibration, own: Calibration) -> Iterator[str]:
    """Say so where the noise is not what a network has learned and it is not told."""
    there = _std(known.noise, known.offset) / known.scale
    here = _std(own.noise, own.offset) / own.scale
    if not 1 / net.noise_tolerance <= here / there <= net.noise_tolerance:
        yield (
            f"relative to the range of its grey levels, the movie's noise is "
            f"{here / there:.2g} times that of the movie that this network, "
            f"{net.title}, was trained on, and it only knows that: train it on this "
            "movie, or use a centre-blind network"
        )


def _std(noise: NoiseModel, level: float) -> float:
    """Noise at a grey level; a twentieth of a photon where there is no light."""
    least = noise.offset + 0.05 * noise.gain
    return float(np.sqrt(noise.variance(max(level, least))))


def _other_sizes(record: Mapping[str, Any], stack: Stack) -> Iterator[str]:
    """Say so where pixels are of another size than those of every training movie."""
    trained = [movie.get("pixel", {}) for movie in record.get("movies", ())]
    for axis, size in pixel_sizes(stack).items():
        known = [pixel[axis] for pixel in trained if axis in pixel]
        if not known or any(1 / SAME_SIZE < size / k < SAME_SIZE for k in known):
            continue
        yield (
            f"a pixel of the movie is {size:.4g} µm along {axis}, and the model was "
            f"trained at {known[0]:.4g} µm: structures have another size; train a "
            "model on this movie"
        )
        return
