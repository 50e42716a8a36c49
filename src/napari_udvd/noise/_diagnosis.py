"""Whether a blind-spot network can denoise a movie, and with which hole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from napari_udvd.noise._blocks import measure_blocks
from napari_udvd.noise._correlation import MAX_LAG, Correlation, measure_correlation
from napari_udvd.noise._photon_transfer import NoiseModel, fit_noise_model
from napari_udvd.noise._windows import Sample, sample_windows
from napari_udvd.stack import Plane, Stack

__all__ = ["Diagnosis", "diagnose"]

Verdict = Literal["ok", "warn", "unsuitable"]

NOT_INDEPENDENT = (
    "noise is not independent between pixels; a blind-spot network cannot remove it"
)

MAX_HOLE = 25
"""Pixels of the largest useful hole: 5 x 5 hides all that a point lights up under
Nyquist sampling. From what is left the hidden pixel cannot be predicted."""
WHITE = 0.2
"""Departure of the whiteness from 1 that matters: with a correlation of 0.2 the frames
before and after give back 8 % of the noise."""
SATURATED = 1e-3
"""Share of saturated pixels worth a warning."""
FADED = 0.5
"""Share of the first frame's light that is left in the last, worth a warning."""
FEW_FRAMES = 5
SIDE = 1024
"""Longest side of the crop whose brightness is compared, in pixels."""


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
        than three different frames.
    hole
        Rows and columns of the smallest hole that covers the correlation, odd.
    verdict
        ``"ok"``; ``"warn"`` where `reasons` deserve a look; ``"unsuitable"`` where a
        blind-spot network cannot work.
    reasons
        Plain sentences with the number and the remedy, empty for ``"ok"``.
    """

    axes: str
    shape: tuple[int, ...]
    noise: NoiseModel
    correlation_x: float
    correlation_y: float
    whiteness_t: float
    hole: tuple[int, int]
    verdict: Verdict
    reasons: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """One flat record that JSON can hold; a whiteness of NaN becomes ``None``."""
        return {
            "axes": self.axes,
            "shape": list(self.shape),
            **self.noise.to_dict(),
            "correlation_x": self.correlation_x,
            "correlation_y": self.correlation_y,
            "whiteness_t": None if np.isnan(self.whiteness_t) else self.whiteness_t,
            "hole": list(self.hole),
            "verdict": self.verdict,
            "reasons": list(self.reasons),
        }


def diagnose(stack: Stack, plane: Plane = Plane()) -> Diagnosis:
    """Measure the noise of one plane of a movie, from the movie alone.

    At most 64 windows of three frames, with crops of at most 512 x 512 pixels, are
    read; always the same ones. What stands still, or changes steadily, cancels in the
    second difference of three frames. What is left is noise, measured in blocks of
    8 x 8 pixels where there is least structure that could have moved.

    Parameters
    ----------
    stack
        Movie with a time axis.
    plane
        Channel and depth index.

    Raises
    ------
    InputError
        If there is no time axis, a single frame, frames smaller than 16 x 16, pixels
        that are NaN or infinite among those read, or nothing that varies.
    """
    sample = sample_windows(stack, plane)
    blocks = measure_blocks(sample)
    correlation = measure_correlation(blocks)
    noise = fit_noise_model(blocks, correlation.fine_share, sample.step)
    rows, columns = correlation.reach
    hole = 2 * rows + 1, 2 * columns + 1
    # Between two frames only, motion looks like noise that is correlated far.
    unsuitable = not np.isnan(correlation.whiteness_t) and (
        hole[0] * hole[1] > MAX_HOLE or max(rows, columns) == MAX_LAG
    )
    reasons = [
        *_about_space(correlation, hole, unsuitable),
        *_about_time(correlation),
        *_about_frames(stack, sample),
        *_about_light(stack, plane, sample, noise),
    ]
    verdict: Verdict = "unsuitable" if unsuitable else "warn" if reasons else "ok"
    return Diagnosis(
        axes=stack.axes,
        shape=stack.shape,
        noise=noise,
        correlation_x=float(correlation.x[0]),
        correlation_y=float(correlation.y[0]),
        whiteness_t=correlation.whiteness_t,
        hole=hole,
        verdict=verdict,
        reasons=tuple(reasons),
    )


def _about_space(
    correlation: Correlation, hole: tuple[int, int], unsuitable: bool
) -> list[str]:
    neighbours = (
        f"{correlation.x[0]:.2f} between columns and {correlation.y[0]:.2f} between "
        "rows"
    )
    if unsuitable:
        reach = max(correlation.reach)
        least = "at least " if reach == MAX_LAG else ""
        return [
            f"{NOT_INDEPENDENT} (correlation {neighbours}, reaching {least}{reach} "
            "pixels); use the data as it was before compression, filtering, "
            "registration or resizing, or take off stripes first"
        ]
    if hole == (1, 1):
        return []
    reasons = [
        f"noise is correlated between neighbours ({neighbours}); a hole of "
        f"{hole[0]} x {hole[1]} pixels covers it, at the cost of some sharpness"
    ]
    for name, along, reach in zip(
        ("rows", "columns"),
        (correlation.y, correlation.x),
        correlation.reach,
        strict=True,
    ):
        if reach == 2 and abs(along[0]) < correlation.limit:
            reasons.append(
                f"noise goes with that two {name} away ({along[1]:.2f}) but not with "
                f"the next ({along[0]:.2f}); the frames may be interlaced: split "
                "them into their fields"
            )
    return reasons


def _about_time(correlation: Correlation) -> list[str]:
    whiteness, error = correlation.whiteness_t, correlation.whiteness_error
    if np.isnan(whiteness):
        return [
            "there are only two different frames: what moved between them cannot be "
            "told from noise, so strength and correlation may be too large"
        ]
    if abs(whiteness - 1.0) <= max(WHITE, 3.0 * error):
        return []
    return [
        f"noise is not white in time (whiteness {whiteness:.2f}, 1 is white): frames "
        "may have been averaged, interpolated or compressed; use the frames as "
        "recorded, or a network that hides the pixel in all frames, such as UDVD"
    ]


def _about_frames(stack: Stack, sample: Sample) -> list[str]:
    reasons = []
    if sample.repeated:
        reasons.append(
            f"{sample.repeated} of {sample.compared} frames repeat the one before "
            "exactly; take them out, a network would copy the noise from the repeat"
        )
    if stack.n_frames < FEW_FRAMES:
        reasons.append(
            f"only {stack.n_frames} frames: there is little to learn from; a network "
            "of five frames needs at least five"
        )
    return reasons


def _about_light(
    stack: Stack, plane: Plane, sample: Sample, noise: NoiseModel
) -> list[str]:
    reasons = []
    if sample.saturated > SATURATED:
        reasons.append(
            f"{sample.saturated:.1%} of the pixels are saturated at "
            f"{sample.saturation:g}: what was brighter is lost there, and so is its "
            "noise; expose less, or do not measure intensities there"
        )
    first, last = (
        _brightness(stack, plane, t) - noise.offset for t in (0, stack.n_frames - 1)
    )
    if last < FADED * first and first - last > 0.1 * noise.read_noise:
        left = max(0.0, last / first)
        reasons.append(
            f"the last frame has {left:.0%} of the light of the first: strong "
            "bleaching; the late frames are noisier and may need training of their own"
        )
    return reasons


def _brightness(stack: Stack, plane: Plane, frame: int) -> float:
    rows, columns = (
        slice((size - min(size, SIDE)) // 2, (size + min(size, SIDE)) // 2)
        for size in stack.frame_shape
    )
    return float(stack.read(frame, plane, rows, columns).mean(dtype=np.float64))
