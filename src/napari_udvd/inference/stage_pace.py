"""How long the second stage takes on this machine, besides what it is told."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from napari_udvd.inference.flashes import KINDS, Spread
from napari_udvd.inference.guard import LOOKED_AT as GUARDED
from napari_udvd.inference.guard import NONE, Share
from napari_udvd.inference.second_stage import SecondStage, has_second_stage
from napari_udvd.inference.survey import LOOKED_AT, Given, Survey, can_refine
from napari_udvd.tasks import DENOISE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_udvd.inference.request import Request
    from napari_udvd.inference.scaling import Calibration
    from napari_udvd.models import Network
    from napari_udvd.stack import Stack
    from napari_udvd.tasks import Task

__all__ = ["StagePace", "stage_pace"]

EDGE = 128
"""Rows and columns of the corner that is timed."""

EVENT_ODDS = 7.0
"""Log odds against an event: hardly one is found in a corner."""


class StagePace(NamedTuple):
    """What the second stage adds.

    Attributes
    ----------
    per_pixel
        Seconds, of every pixel of the movie.
    surveyed
        Pixels that the network predicts besides, once for each channel.
    neighbours
        Frames that it predicts besides, for every block.
    """

    per_pixel: float = 0.0
    surveyed: int = 0
    neighbours: int = 0


def stage_pace(
    net: Network,
    calibrations: Sequence[Calibration],
    stack: Stack,
    request: Request,
    *,
    joint: bool,
    task: Task = DENOISE,
) -> StagePace:
    """Time the second stage on a corner; nothing where there is none.

    Parameters
    ----------
    net, calibrations, stack, request, joint, task
        As for :class:`~napari_udvd.inference.block_denoiser.BlockDenoiser`.
    """
    if not has_second_stage(net, stack, request, joint=joint, task=task):
        return StagePace()
    surveyed = LOOKED_AT + GUARDED * can_refine(net, request)
    if net.geometry.recurrent:
        # predicts its neighbours anew for every block; beside that it takes no time
        return StagePace(0.0, surveyed, 2)
    height, width = stack.frame_shape
    rows, columns = min(height, EDGE), min(width, EDGE)
    part = stack.crop(slice(0, stack.n_frames), slice(0, rows), slice(0, columns))
    # as if the movie had been looked at, and all of the refiner were of use
    count = len(KINDS)
    share = Share(1.0, 1.0, 0.0) if can_refine(net, request) else NONE
    spread = Spread(((0.0,),) * count, ((1.0,),) * count)
    known = Survey(spread, (EVENT_ODDS,) * count, share)
    surveys = Given([known] * stack.n_channels)
    stage = SecondStage(net, calibrations, part, request, surveys)
    stage.block(stage.series[0], 0, 1)
    start = time.perf_counter()
    stage.block(stage.series[0], 0, 1)  # predictions are kept: the stage alone
    seconds = time.perf_counter() - start
    return StagePace(seconds / (rows * columns), surveyed)
