"""Whether a blind-spot network can denoise a movie, and with which hole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from napari_udvd.noise._blocks import measure_blocks
from napari_udvd.noise._checks import check_finite, check_time
from napari_udvd.noise._correlation import MAX_LAG, Correlation, measure_correlation
from napari_udvd.noise._fixed_pattern import fixed_pattern
from napari_udvd.noise._interlacing import delay_of_fields
from napari_udvd.noise._neighbours import correlation_of_scan, share_in_rows
from napari_udvd.noise._pattern import find_patterns
from napari_udvd.noise._photon_transfer import Fit, NoiseModel, fit_noise_model
from napari_udvd.noise._reasons import (
    about_fields,
    about_frames,
    about_gain,
    about_levels,
    about_light,
    about_offsets,
    about_pattern,
    about_repeats,
    about_scan,
    about_space,
    about_time,
    small_hole,
)
from napari_udvd.noise._repeats import find_repeats
from napari_udvd.noise._sparse import TooThin, measure_places, read_scan
from napari_udvd.noise._windows import check_side, sample_windows
from napari_udvd.stack import Plane, Stack
from napari_udvd.validity import inspect, plane_notes

__all__ = ["Diagnosis", "diagnose"]

Verdict = Literal["ok", "warn", "unsuitable"]

MAX_HOLE = 25
"""Pixels of the largest useful hole: 5 x 5 hides all that a point lights up under
Nyquist sampling. From what is left the hidden pixel cannot be predicted."""
LOOKED_AT = 2**30
"""Pixels of a movie that is looked at as a whole; of a larger one only windows are,
until it is trained on."""
WHITE = 0.2
"""Departure of the whiteness from 1 that matters: with a correlation of 0.2 the frames
before and after give back 8 % of the noise. That is also the mean correlation where
every fifth frame repeats another."""


@dataclass(frozen=True)
class Diagnosis:
    """What the noise of one plane of a movie is, and what follows for denoising.

    Attributes
    ----------
    axes, shape
        Of the movie.
    noise
        How strong the noise is at every grey level.
    correlation_x, correlation_y
        Correlation of the noise of neighbouring columns and rows.
    whiteness_t
        1 where the noise of different frames is independent; 1 minus the lag-one
        autocorrelation of the noise in time otherwise. NaN where the movie has fewer
        than three different frames, and for sparse scans.
    fine_share
        Variance of the finest detail of the noise, relative to that of white noise.
    hole
        Rows and columns of the smallest hole that covers the correlation, odd.
    blind_neighbours
        Whether the network must not see the pixels of the hole in the frames before
        and after either, as they hold some of the same noise.
    verdict
        ``"ok"``; ``"warn"`` where `reasons` deserve a look; ``"unsuitable"`` where a
        blind-spot network cannot work.
    reasons
        Plain sentences with the number and the remedy. For ``"ok"``, at most what was
        left out because nothing was measured there, and that the gain is uncertain.
    broken
        Those of them that say that an assumption of the method is broken: the noise
        is correlated beyond any useful hole or in time, the movie was compressed or
        interpolated, is interlaced, or frames come again. A result cannot be trusted
        then. The others are good to know.
    """

    axes: str
    shape: tuple[int, ...]
    noise: NoiseModel
    correlation_x: float
    correlation_y: float
    whiteness_t: float
    fine_share: float
    hole: tuple[int, int]
    blind_neighbours: bool
    verdict: Verdict
    reasons: tuple[str, ...]
    broken: tuple[str, ...]

    def broken_under(self, hole: tuple[int, int]) -> tuple[str, ...]:
        """Sentences of `broken`, and one more if `hole` (rows, columns) is too small.

        Where no useful hole is large enough, `broken` says so already.
        """
        covered = all(has >= needs for has, needs in zip(hole, self.hole, strict=True))
        if covered or self.verdict == "unsuitable":
            return self.broken
        return (*self.broken, small_hole(self.hole, hole))

    def to_dict(self) -> dict[str, Any]:
        """One flat record that JSON can hold; a whiteness of NaN becomes ``None``."""
        return {
            "axes": self.axes,
            "shape": list(self.shape),
            **self.noise.to_dict(),
            "correlation_x": self.correlation_x,
            "correlation_y": self.correlation_y,
            "whiteness_t": None if np.isnan(self.whiteness_t) else self.whiteness_t,
            "fine_share": self.fine_share,
            "hole": list(self.hole),
            "blind_neighbours": self.blind_neighbours,
            "verdict": self.verdict,
            "reasons": list(self.reasons),
            "broken": list(self.broken),
        }


def diagnose(
    stack: Stack,
    plane: Plane = Plane(),
    known: NoiseModel | None = None,
    *,
    glance: bool = False,
) -> Diagnosis:
    """Measure the noise of one plane of a movie, from the movie alone.

    At most 64 windows of three frames, with crops of at most 512 x 512 pixels, are
    read; always the same ones. What stands still, or changes steadily, cancels in the
    second difference of three frames. What is left is noise, measured in blocks of
    8 x 8 pixels where there is least structure that could have moved. Four runs of 17
    frames, with a crop of at most 128 x 128 pixels, tell whether frames come again.

    Of a sparse scan, see :attr:`Stack.is_sparse`, the differences are those of two
    visits to a pixel and of three pixels beside one another; whether noise lasts, or
    frames come again, is not told.

    Parameters
    ----------
    stack
        Movie with a time axis.
    plane
        Channel and depth index.
    known
        Noise of the camera, where somebody has told it: stands for that of a sparse
        scan too thin to measure it.
    glance
        Look at a fifth of the pixels, where somebody waits for a first picture: the
        noise is right to some percent. A sparse scan is looked at as ever.

    Raises
    ------
    InputError
        If there is no time axis, a single frame, frames smaller than 16 x 16, pixels
        that are infinite, nothing that varies, or too little that was measured.
    """
    check_finite(stack)
    if stack.is_scan(plane):
        return _diagnose_scan(inspect(stack), plane, known)
    if stack.mask is not None or np.prod(stack.shape, dtype=float) <= LOOKED_AT:
        stack = inspect(stack)
    sample = sample_windows(stack, plane, glance=glance)
    blocks = measure_blocks(sample)
    correlation = measure_correlation(blocks)
    fit = fit_noise_model(
        blocks,
        correlation.fine_share,
        max(sample.step, sample.coarseness),
        sample.floor if sample.clipped and np.isfinite(sample.floor) else None,
        correlation.excess,
    )
    noise = fit.noise
    rows, columns = correlation.reach
    hole = 2 * rows + 1, 2 * columns + 1
    # Between two frames only, motion looks like noise that is correlated far.
    unsuitable = not np.isnan(correlation.whiteness_t) and (
        hole[0] * hole[1] > MAX_HOLE or max(rows, columns) == MAX_LAG
    )
    patterns = find_patterns(sample)
    # Rows that were computed from one another tell nothing of when they were recorded.
    delay = 0.0 if patterns else delay_of_fields(sample)
    white = _is_white(correlation)
    repeats = find_repeats(stack, plane, noise)
    again = max(
        share / compared
        for share, compared in (
            (sample.repeated, sample.compared),
            (repeats.frames, repeats.compared),
        )
        if compared
    )
    reasons = [
        *about_space(correlation, hole, unsuitable),
        *about_pattern(patterns),
        *about_fields(delay),
        *about_time(correlation, white),
        *about_repeats(stack, sample, repeats),
        *about_frames(stack),
        *about_levels(sample, noise),
        *about_offsets(fixed_pattern(stack, plane, correlation.fine_share), noise),
        *about_light(stack, plane, sample, noise),
    ]
    notes = _notes(stack, plane)
    verdict: Verdict = "unsuitable" if unsuitable else "warn" if reasons else "ok"
    return Diagnosis(
        axes=stack.axes,
        shape=stack.shape,
        noise=noise,
        correlation_x=float(correlation.x[0]),
        correlation_y=float(correlation.y[0]),
        whiteness_t=correlation.whiteness_t,
        fine_share=correlation.fine_share,
        hole=hole,
        blind_neighbours=not white or again > WHITE,
        verdict=verdict,
        reasons=(*notes, *(reason.sentence for reason in reasons), *about_gain(fit)),
        broken=tuple(reason.sentence for reason in reasons if reason.broken),
    )


def _diagnose_scan(stack: Stack, plane: Plane, known: NoiseModel | None) -> Diagnosis:
    """Measure the noise of a sparse scan, as :func:`diagnose`."""
    check_time(stack)
    check_side(stack)
    scan = read_scan(stack, plane)
    correlation, is_known = correlation_of_scan(scan)
    try:
        places = measure_places(scan)
    except TooThin:
        if known is None:
            raise
        fit = Fit(known, known.gain, known.gain, 0.0)
    else:
        fit = fit_noise_model(places, share_in_rows(correlation), scan.step)
    rows, columns = correlation.reach
    hole = 2 * rows + 1, 2 * columns + 1
    unsuitable = hole[0] * hole[1] > MAX_HOLE or max(rows, columns) == MAX_LAG
    reasons = [*about_space(correlation, hole, unsuitable), *about_frames(stack)]
    verdict: Verdict = "unsuitable" if unsuitable else "warn" if reasons else "ok"
    return Diagnosis(
        axes=stack.axes,
        shape=stack.shape,
        noise=fit.noise,
        correlation_x=float(correlation.x[0]),
        correlation_y=float(correlation.y[0]),
        whiteness_t=correlation.whiteness_t,
        fine_share=correlation.fine_share,
        hole=hole,
        blind_neighbours=False,
        verdict=verdict,
        reasons=(
            *_notes(stack, plane),
            about_scan(is_known),
            *(reason.sentence for reason in reasons),
            *about_gain(fit),
        ),
        broken=tuple(reason.sentence for reason in reasons if reason.broken),
    )


def _notes(stack: Stack, plane: Plane) -> tuple[str, ...]:
    """Say what was not measured."""
    if stack.validity is None:
        return ()
    return tuple(plane_notes(stack, plane, stack.validity.planes[plane]))


def _is_white(correlation: Correlation) -> bool:
    """Whether noise is independent between frames, or nothing says the contrary."""
    departure = abs(correlation.whiteness_t - 1.0)
    return not departure > max(WHITE, 3.0 * correlation.whiteness_error)
