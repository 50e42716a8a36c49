"""How long denoising takes on this machine, measured before it begins."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from napari_udvd.cutting import blocks
from napari_udvd.errors import InputError
from napari_udvd.inference.block_denoiser import BlockDenoiser
from napari_udvd.inference.request import EXACT, Request
from napari_udvd.inference.scaling import calibrate
from napari_udvd.inference.stage_pace import StagePace, stage_pace
from napari_udvd.models import Facts, count_views
from napari_udvd.models.catalogue import specs
from napari_udvd.runtime.parallel import threads_on
from napari_udvd.tasks import DENOISE
from napari_udvd.validity import inspect

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Sequence

    import torch

    from napari_udvd.inference.scaling import Calibration
    from napari_udvd.models import Network, NetworkSpec
    from napari_udvd.noise import Diagnosis
    from napari_udvd.stack import Stack
    from napari_udvd.tasks import Task

__all__ = ["Pace", "denoising_seconds", "measure_pace", "movie_seconds"]

EDGES = (64, 128, 256, 512)
"""Rows and columns of the corners that are timed: borders and the starting of threads
and kernels weigh less in a larger one."""

FRAMES = 5
"""Frames of the block that is timed: from it and a single frame follows what a block
of any length takes."""

SOON = 1.0
"""The same where a user waits for the times of all networks."""

MOST_SECONDS = 4.0
"""After this, no larger corner is timed."""


class Pace(NamedTuple):
    """Seconds per pixel of a block of frames, of one view of it.

    Attributes
    ----------
    first
        Of the first frame, with all that has to be computed for its neighbours.
    further
        Of every further one: networks whose frames share work need less for it.
    stage
        What the second stage adds.
    """

    first: float
    further: float
    stage: StagePace = StagePace()


def measure_pace(
    net: Network,
    calibrations: Sequence[Calibration],
    stack: Stack,
    *,
    joint: bool,
    device: torch.device,
    precision: torch.dtype,
    most_seconds: float = MOST_SECONDS,
    cancel: threading.Event | None = None,
    task: Task = DENOISE,
    asked: Request = EXACT,
) -> Pace:
    """Denoise corners of the first frames, larger ones while there is time.

    Parameters
    ----------
    net
        The network; its weights do not matter.
    calibrations, stack, joint
        As for :class:`~napari_udvd.inference.block_denoiser.BlockDenoiser`.
    device, precision
        Where and in which floating-point type to compute.
    most_seconds
        Once this is used up, or a larger corner would take more, it ends.
    cancel
        Set it to end soon, with numbers that mean nothing.
    task
        What the network is used for.
    asked
        How the movie will be restored.
    """
    request = Request(device=device, precision=precision)
    height, width = stack.frame_shape
    # without shared work every core takes frames of its own
    alone = 1 if net.shares_frames else min(threads_on(device), stack.n_frames)
    several = min(FRAMES, stack.n_frames) if net.shares_frames else alone
    views = count_views(net)
    began = time.perf_counter()
    pace = Pace(0.0, 0.0)
    # what these frames see: of a long movie no more is looked at
    frames = slice(0, min(several + net.geometry.context, stack.n_frames))
    for edge in EDGES:
        rows, columns = min(height, edge), min(width, edge)
        # looking at it is done once, and not what is timed
        part = inspect(stack.crop(frames, slice(0, rows), slice(0, columns)))
        denoiser = BlockDenoiser(
            net, calibrations, part, request, joint=joint, task=task
        )
        series = denoiser.series[0]
        pixels = rows * columns * len(series.channels)
        start = time.perf_counter()
        _denoise(denoiser, alone, cancel)
        taken = time.perf_counter() - start
        is_soon = start - began + 2 * taken < most_seconds / 2
        # the first call also prepares
        if edge == EDGES[0] or device.type != "cpu" or is_soon:
            start = time.perf_counter()
            _denoise(denoiser, alone, cancel)
            taken = min(time.perf_counter() - start, taken)
        first = taken / (alone * pixels * views)
        further = first
        if several > alone:
            start = time.perf_counter()
            _denoise(denoiser, several, cancel)
            seconds = (time.perf_counter() - start) / (pixels * views)
            further = min(max((seconds - first) / (several - 1), 0.0), first)
        pace = Pace(first, further)
        used = time.perf_counter() - began
        takes = alone * first + (several - alone) * further
        takes *= 4 * pixels * views
        is_whole = rows == height and columns == width
        if cancel is not None and cancel.is_set():
            break
        if is_whole or used + takes > most_seconds:
            break
    if cancel is not None and cancel.is_set():
        return pace
    asked = replace(
        asked,
        device=device,
        precision=precision,
        events=asked.events is not False,
        refine=asked.refine is not False,
    )
    stage = stage_pace(
        net,
        calibrations,
        stack,
        asked,
        joint=joint,
        task=task,
        pixel_seconds=pace.first,
        most_seconds=max(most_seconds - (time.perf_counter() - began), 0.0),
    )
    return pace._replace(stage=stage)


def _denoise(
    denoiser: BlockDenoiser, frames: int, cancel: threading.Event | None
) -> None:
    for _ in denoiser.steps(denoiser.series[0], 0, frames):
        if cancel is not None and cancel.is_set():
            return


def movie_seconds(
    pace: Pace,
    net: Network,
    stack: Stack,
    device: torch.device,
    *,
    self_ensemble: bool = False,
    single_view: bool = False,
) -> float:
    """Seconds to denoise every frame of a movie, block by block and tile by tile."""
    runs = [stop - start for start, stop in blocks(stack)]
    stage = pace.stage
    per_pixel = sum(
        pace.first + (frames - 1 + stage.neighbours) * pace.further for frames in runs
    )
    request = replace(
        EXACT, device=device, self_ensemble=self_ensemble, single_view=single_view
    )
    pixels = BlockDenoiser(net, (), stack, request).pixels_seen
    views = request.views(net)
    planes = stack.n_channels * stack.n_planes
    surveyed = stage.surveyed * stack.n_channels
    looked = pace.first * surveyed + stage.survey * stack.n_channels
    seconds = views * (per_pixel * pixels * planes + looked)
    shown = stack.frame_shape[0] * stack.frame_shape[1] * stack.n_frames * planes
    return seconds + stage.per_pixel * shown


def _usual(spec: NetworkSpec, facts: Facts) -> Network | None:
    """Build a network as one gets it without asking; None if the movie is too short."""
    options = spec.settings()
    if spec.unfit(spec.name, options, facts) is not None:
        return None
    net = spec.load()(**spec.arguments(spec.name, options, facts))
    return None if facts.n_frames < net.geometry.least_frames else net


def denoising_seconds(
    stack: Stack,
    diagnoses: Sequence[Diagnosis],
    device: str = "auto",
    cancel: threading.Event | None = None,
    task: Task = DENOISE,
) -> Iterator[tuple[str, float]]:
    """Estimate how long it takes to denoise a movie with each network.

    A corner is denoised with a network that has learned nothing, of the size that
    training takes by default.

    Parameters
    ----------
    stack
        The movie.
    diagnoses
        One per channel.
    device
        Name of a device, see :func:`napari_udvd.runtime.device.choose_device`.
    cancel
        Set it to end soon.
    task
        What the networks would be used for.

    Yields
    ------
    tuple
        Name of a network, and seconds; the movie is too short for the others.
    """
    where, precision = Request(device=device).place()
    hole = (max(d.hole[0] for d in diagnoses), max(d.hole[1] for d in diagnoses))
    height, width = stack.frame_shape
    part = stack.crop(
        slice(0, stack.n_frames),
        slice(0, min(height, EDGES[-1])),
        slice(0, min(width, EDGES[-1])),
    )
    calibrations = [
        calibrate([part], channel, diagnosis.noise)
        for channel, diagnosis in enumerate(diagnoses)
    ]
    facts = Facts(
        stack.n_frames, stack.source or "", on_cpu=where.type == "cpu", hole=hole
    )
    for name, spec in specs(task.name).items():
        try:
            net = _usual(spec, facts)
        except InputError:  # of another package, and not to be imported
            continue
        if net is None:
            continue
        pace = measure_pace(
            net.eval(),
            calibrations,
            stack,
            joint=False,
            device=where,
            precision=precision,
            most_seconds=SOON,
            cancel=cancel,
            task=task,
        )
        if cancel is not None and cancel.is_set():
            return
        yield name, movie_seconds(pace, net, stack, where)
