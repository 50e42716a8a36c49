"""How long denoising takes on this machine, measured before it begins."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from napari_udvd.calibration import calibrate
from napari_udvd.denoising import BlockDenoiser
from napari_udvd.device import choose_device, choose_precision
from napari_udvd.models import build_network
from napari_udvd.models.registry import NETWORKS
from napari_udvd.series import series_of
from napari_udvd.training.plan import UDVD_FRAMES, default_network

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_udvd.noise import Diagnosis
    from napari_udvd.stack import Stack

__all__ = ["denoising_seconds"]

EDGE = 160
"""Rows and columns of the corner that is timed."""

FRAMES = 4
"""Frames that are timed."""


def denoising_seconds(
    stack: Stack, diagnoses: Sequence[Diagnosis], device: str = "auto"
) -> Iterator[tuple[str, float]]:
    """Estimate how long it takes to denoise a movie with each network.

    A few frames of a corner are denoised with a network that has learned nothing, of
    the size that training takes by default.

    Parameters
    ----------
    stack
        The movie.
    diagnoses
        One per channel.
    device
        Name of a device, see :func:`napari_udvd.device.choose_device`.

    Yields
    ------
    tuple
        Name of a network, and seconds; the movie is too short for the others.
    """
    where = choose_device(device)
    hole = (max(d.hole[0] for d in diagnoses), max(d.hole[1] for d in diagnoses))
    height, width = stack.frame_shape
    part = stack.crop(
        slice(0, stack.n_frames),
        slice(0, min(height, EDGE)),
        slice(0, min(width, EDGE)),
    )
    calibrations = [
        calibrate([part], channel, diagnosis.noise)
        for channel, diagnosis in enumerate(diagnoses)
    ]
    for name in NETWORKS:
        net = build_network(name, default_network(name, hole, where.type == "cpu"))
        if stack.n_frames < UDVD_FRAMES.get(name, net.least_frames):
            continue
        blocks = BlockDenoiser(
            net.eval(),
            calibrations,
            part,
            device=where,
            precision=choose_precision(where),
        )
        series = series_of(part)[0]
        frames = min(FRAMES, stack.n_frames)
        blocks.block(series, 0, 1)  # the first call also prepares
        began = time.perf_counter()
        blocks.block(series, 0, frames)
        seconds = time.perf_counter() - began
        share = frames * math.prod(part.frame_shape) / math.prod(stack.shape)
        yield name, seconds / share
