"""What a user should know of a movie before it is denoised, in plain sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_udvd.noise._correlation import MAX_LAG
from napari_udvd.noise._repeats import FARTHEST
from napari_udvd.planes import Series, missing_frames, read_clip

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_udvd.noise._correlation import Correlation
    from napari_udvd.noise._fixed_pattern import Offsets
    from napari_udvd.noise._pattern import Pattern
    from napari_udvd.noise._photon_transfer import Fit, NoiseModel
    from napari_udvd.noise._repeats import Repeats
    from napari_udvd.noise._windows import Sample
    from napari_udvd.stack import Plane, Stack

__all__ = [
    "NOT_INDEPENDENT",
    "Reason",
    "about_fields",
    "about_frames",
    "about_gain",
    "about_levels",
    "about_light",
    "about_offsets",
    "about_pattern",
    "about_repeats",
    "about_scan",
    "about_space",
    "about_time",
    "left_empty",
    "small_hole",
]

NOT_INDEPENDENT = (
    "noise is not independent between pixels; a blind-spot network cannot remove it"
)

SATURATED = 1e-3
"""Share of saturated pixels worth a warning."""
FADED = 0.5
"""Share of the first frame's light that is left in the last, worth a warning."""
FEW_FRAMES = 5
COMB = 0.3
"""Correlation of every second row above which rows make a comb; less is chance in a
movie of few pixels."""
PATTERN, STRIPES = 0.3, 0.15
"""Offsets of pixels and of whole lines, in units of the noise in the dark, worth a
warning: the eye sees a line sooner than a pixel."""
FACTOR = 1.5
"""Factor by which a gain may be wrong without a word."""
GROWTH = 0.03
"""Growth of the noise variance over the levels of a movie that may have been missed."""
CUT_OFF = 0.02
"""Share of pixels that were cut off, worth a warning."""
COARSE, TOO_COARSE = 1.0, 3.0
"""Distance of grey levels in units of the noise: above the first, rounding adds an
eighth to its variance; above the second, hardly anything else is measured."""
SIDE = 1024
"""Longest side of the crop whose brightness is compared, in pixels."""


@dataclass(frozen=True)
class Reason:
    """One sentence with the number and the remedy.

    Attributes
    ----------
    sentence
        What is the matter, and what to do.
    broken
        Whether an assumption of the method is broken, so that a result cannot be
        trusted; else the sentence is good to know.
    """

    sentence: str
    broken: bool = False


def about_space(
    correlation: Correlation, hole: tuple[int, int], unsuitable: bool
) -> list[Reason]:
    """Say how far noise is correlated."""
    neighbours = (
        f"{correlation.x[0]:.2f} between columns and {correlation.y[0]:.2f} between "
        "rows"
    )
    if (
        correlation.bright_x > correlation.x[0]
        or correlation.bright_y > correlation.y[0]
    ):
        neighbours += (
            f", {correlation.bright_x:.2f} and {correlation.bright_y:.2f} where it is "
            "brightest"
        )
    if unsuitable:
        reach = max(correlation.reach)
        least = "at least " if reach == MAX_LAG else ""
        sentence = (
            f"{NOT_INDEPENDENT} (correlation {neighbours}, reaching {least}{reach} "
            "pixels); use the data as it was before compression, filtering, "
            "registration or resizing, or take off stripes first"
        )
        return [Reason(sentence, broken=True)]
    if hole == (1, 1):
        return []
    covered = (
        f"noise is correlated between neighbours ({neighbours}); a hole of "
        f"{hole[0]} x {hole[1]} pixels covers it, at the cost of some sharpness"
    )
    reasons = [Reason(covered)]
    for name, along, reach in zip(
        ("rows", "columns"),
        (correlation.y, correlation.x),
        correlation.reach,
        strict=True,
    ):
        comb = along[1] > COMB and abs(along[0]) < along[1] / 2
        if reach == 2 and comb and abs(along[0]) < correlation.limit:
            sentence = (
                f"noise goes with that two {name} away ({along[1]:.2f}) but not with "
                f"the next ({along[0]:.2f}); the frames may be interlaced: split "
                "them into their fields"
            )
            reasons.append(Reason(sentence, broken=True))
    return reasons


def small_hole(needed: tuple[int, int], hole: tuple[int, int]) -> str:
    """Say that a hole does not cover the correlation."""
    return (
        f"the noise is correlated beyond the hole of {hole[0]} x {hole[1]} pixels: it "
        f"needs {needed[0]} x {needed[1]}, else the network copies noise; use a "
        "network with that hole"
    )


def about_pattern(patterns: Sequence[Pattern]) -> list[Reason]:
    """Say that pixels were interpolated or compressed."""
    changes = " and ".join(
        f"by {pattern.amplitude:.2f} every {pattern.period:.1f} {pattern.axis}"
        for pattern in patterns
    )
    if any(pattern.compressed for pattern in patterns):
        sentence = (
            "the movie was compressed in blocks of 8 x 8 pixels, as JPEG and video "
            f"are (the correlation of its noise changes {changes}); use the data as "
            "it was before"
        )
    elif patterns:
        sentence = (
            "pixels were interpolated, by resizing or from a colour mosaic (the "
            f"correlation of their noise changes {changes}); use the data as it was "
            "before"
        )
    else:
        return []
    return [Reason(sentence, broken=True)]


def about_fields(delay: float) -> list[Reason]:
    """Say that the movie is interlaced."""
    if delay == 0.0:
        return []
    late, early = ("odd", "even") if delay > 0 else ("even", "odd")
    sentence = (
        f"{late} rows were recorded {abs(delay):.1f} frames later than {early} rows: "
        "the movie is interlaced; split the frames into their fields"
    )
    return [Reason(sentence, broken=True)]


def about_time(correlation: Correlation, white: bool) -> list[Reason]:
    """Say that noise lasts longer than a frame, or that it cannot be known."""
    if np.isnan(correlation.whiteness_t):
        sentence = (
            "there are only two different frames: what moved between them cannot be "
            "told from noise, so strength and correlation may be too large"
        )
        return [Reason(sentence)]
    if white:
        return []
    sentence = (
        f"noise is not white in time (whiteness {correlation.whiteness_t:.2f}, 1 is "
        "white): frames may have been averaged, interpolated or compressed; the hole "
        "is extended to the neighbouring frames automatically, but the noise looks "
        "weaker than it is: use the frames as recorded"
    )
    return [Reason(sentence, broken=True)]


def about_repeats(stack: Stack, sample: Sample, repeats: Repeats) -> list[Reason]:
    """Say that frames come again."""
    reasons = []

    def looked_at(count: int) -> str:
        some = count < stack.n_frames - 1
        return f"{count} frames{' that were looked at' if some else ''}"

    if sample.repeated:
        sentence = (
            f"{sample.repeated} of {looked_at(sample.compared)} repeat the one before "
            "exactly; take them out, a network would copy the noise from the repeat"
        )
        reasons.append(Reason(sentence, broken=True))
    if repeats.frames:
        sentence = (
            f"{repeats.frames} of {looked_at(repeats.compared)} differ from another, "
            f"at most {FARTHEST} frames before, by only {repeats.noise**0.5:.0%} of "
            "what their noise would make of independent ones: they were repeated or "
            "blended; take them out, a network would copy the noise from there"
        )
        reasons.append(Reason(sentence, broken=True))
    return reasons


def about_scan(is_known: bool) -> str:
    """Say what a sparse scan does not tell; no matter for the verdict.

    Parameters
    ----------
    is_known
        Whether it tells of the correlation of neighbours.
    """
    sentence = (
        "this is a sparse scan, whose noise was measured from pixels that were visited "
        "twice or lie beside one another; it does not tell whether frames come again"
    )
    if is_known:
        return sentence
    return (
        f"{sentence}, nor whether the noise of neighbours is correlated, of which too "
        "few were measured together: it is taken as independent"
    )


def left_empty(stack: Stack) -> str:
    """Say what becomes of a sparse scan that is denoised."""
    share = min(stack.share_measured(plane) for plane in stack.planes())
    return (
        f"this is a sparse scan, of which {share:.0%} was measured, and denoising "
        "leaves the other pixels as they are: to fill them use reconstruct, which "
        "trains another network, on the measured pixels"
    )


def about_frames(stack: Stack) -> list[Reason]:
    """Say that there are few."""
    if stack.n_frames >= FEW_FRAMES:
        return []
    sentence = (
        f"only {stack.n_frames} frames: there is little to learn from; a network "
        "of five frames needs at least five"
    )
    return [Reason(sentence)]


def about_levels(sample: Sample, noise: NoiseModel) -> list[Reason]:
    """Say that grey levels were cut off or rounded."""
    reasons = []
    pixels = sum(window.size for window in sample.windows)
    at_floor = sum(int((w <= sample.floor).sum()) for w in sample.windows) / pixels
    if sample.clipped and at_floor > CUT_OFF:
        sentence = (
            f"{at_floor:.0%} of the pixels are {sample.floor:g}, where the darker half "
            "of the noise was cut off (a baseline was subtracted?): dark places come "
            "out brighter than they were; use the data as it was before"
        )
        reasons.append(Reason(sentence))
    step = sample.coarseness
    if noise.gain <= step / 2 and step > COARSE * noise.read_noise:
        ratio = step / noise.read_noise
        sentence = (
            f"neighbouring grey levels are {step:g} apart, {ratio:.1f} times the noise "
            "in the dark: the movie was rounded or compressed, and gain and read noise "
            "are not those of the camera; use the data as it was before"
        )
        reasons.append(Reason(sentence, broken=step > TOO_COARSE * noise.read_noise))
    return reasons


def about_gain(fit: Fit) -> list[str]:
    """Say that the movie does not fix its gain; no matter for the verdict."""
    gain = fit.noise.gain
    if gain == 0.0:
        if fit.growth <= GROWTH:
            return []
        return [
            "the noise was not seen to grow with the light: the gain is at most "
            f"{fit.most_gain:.2g}; if you know the camera, give its noise"
        ]
    if fit.least_gain >= gain / FACTOR and fit.most_gain <= gain * FACTOR:
        return []
    return [
        f"the gain is uncertain: {gain:.2g}, between {fit.least_gain:.2g} and "
        f"{fit.most_gain:.2g}, as the movie is dim, even or short; if you know the "
        "camera, give its noise"
    ]


def about_offsets(offsets: Offsets, noise: NoiseModel) -> list[Reason]:
    """Say that pixels, rows or columns have offsets of their own."""
    said = [
        f"{what} of the camera have offsets of their own, {spread:.2g} grey levels or "
        f"{spread / noise.read_noise:.1f} times the noise in the dark"
        for what, spread, least in (
            ("pixels", offsets.pixels, PATTERN),
            ("rows", offsets.rows, STRIPES),
            ("columns", offsets.columns, STRIPES),
        )
        if spread > least * noise.read_noise
    ]
    if not said:
        return []
    sentence = (
        f"{'; '.join(said)}: they are the same in every frame, and stay in the result; "
        "record frames without light and have them subtracted (--dark FILE, or "
        "open(path, dark=FILE)); without them, --dark auto estimates offsets of pixels "
        "from the movie"
    )
    return [Reason(sentence)]


def about_light(
    stack: Stack, plane: Plane, sample: Sample, noise: NoiseModel
) -> list[Reason]:
    """Say that there was too much or too little."""
    reasons = []
    if sample.saturated > SATURATED:
        sentence = (
            f"{sample.saturated:.1%} of the pixels are saturated at "
            f"{sample.saturation:g}: what was brighter is lost there, and so is its "
            "noise; expose less, or do not measure intensities there"
        )
        reasons.append(Reason(sentence))
    missing = missing_frames(stack, Series((plane.c,), plane.z))
    there = [t for t in range(stack.n_frames) if t not in missing]
    first, last = (
        _brightness(stack, plane, t) - noise.offset for t in (there[0], there[-1])
    )
    if last < FADED * first and first - last > 0.1 * noise.read_noise:
        left = max(0.0, last / first)
        sentence = (
            f"the last frame has {left:.0%} of the light of the first: strong "
            "bleaching; the late frames are noisier and may need training of their own"
        )
        reasons.append(Reason(sentence))
    return reasons


def _brightness(stack: Stack, plane: Plane, frame: int) -> float:
    rows, columns = (
        slice((size - min(size, SIDE)) // 2, (size + min(size, SIDE)) // 2)
        for size in stack.frame_shape
    )
    series = Series((plane.c,), plane.z)
    clip = read_clip(stack, series, [frame], rows, columns)
    return float(clip.mean(dtype=np.float64))
