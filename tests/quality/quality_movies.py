"""Movies with known truth and results with known faults."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from napari_udvd.noise import NoiseModel
from napari_udvd.quality import Pair, PlaneReport, Report, judge
from napari_udvd.stack import Stack

__all__ = ["NOISE", "Known", "judged", "known_movie", "only_plane", "report_on"]

NOISE = NoiseModel(gain=2.0, offset=100.0, read_noise=3.0)


class Known(NamedTuple):
    """``(T, Y, X)`` each."""

    truth: npt.NDArray[np.float32]
    noisy: npt.NDArray[np.float32]


def known_movie(frames: int = 12, edge: int = 96, seed: int = 0) -> Known:
    """Smooth hills and points that stand still, under the noise of `NOISE`."""
    rng = np.random.default_rng(seed)
    hills = gaussian_filter(rng.normal(size=(edge, edge)), 6)
    scene = 160 + 60 * hills / np.abs(hills).max()
    points = np.zeros((edge, edge))
    points[tuple(rng.integers(8, edge - 8, (2, 20)))] = 1
    scene += 60 * 2 * np.pi * gaussian_filter(points, 1.0)
    truth = np.repeat(scene[None], frames, axis=0)
    light = truth - NOISE.offset
    noisy = NOISE.gain * rng.poisson(light / NOISE.gain) + NOISE.offset
    noisy = noisy + rng.normal(0, NOISE.read_noise, truth.shape)
    return Known(truth.astype(np.float32), noisy.astype(np.float32))


def report_on(noisy: Any, result: Any, axes: str = "TYX", **more: Any) -> Report:
    """Judge arrays."""
    stacks = [Stack.from_array(movie, axes) for movie in (noisy, result)]
    *_, report = judge(Pair.of(*stacks), **more)
    assert isinstance(report, Report)
    return report


def only_plane(report: Report) -> PlaneReport:
    (plane,) = report.planes
    return plane


def judged(noisy: Any, result: Any, **more: Any) -> PlaneReport:
    """Judge the only plane."""
    return only_plane(report_on(noisy, result, **more))
