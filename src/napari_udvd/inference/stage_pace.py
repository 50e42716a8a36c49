"""How long the second stage takes on this machine, besides what it is told."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from napari_udvd.inference import guard
from napari_udvd.inference.flashes import KINDS, Spread
from napari_udvd.inference.guard import NONE, Share
from napari_udvd.inference.second_stage import SecondStage, has_second_stage
from napari_udvd.inference.survey import (
    Given,
    Survey,
    can_refine,
    places_of,
    survey,
)
from napari_udvd.models import count_views
from napari_udvd.planes import middle_plane
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
    survey
        Seconds of one view that looking at a channel takes; in place of `surveyed`
        where it was timed.
    """

    per_pixel: float = 0.0
    surveyed: int = 0
    neighbours: int = 0
    survey: float = 0.0


def stage_pace(
    net: Network,
    calibrations: Sequence[Calibration],
    stack: Stack,
    request: Request,
    *,
    joint: bool,
    task: Task = DENOISE,
    pixel_seconds: float = math.inf,
    most_seconds: float = 0.0,
) -> StagePace:
    """Time the second stage on a corner; nothing where there is none.

    Parameters
    ----------
    net, calibrations, stack, request, joint, task
        As for :class:`~napari_udvd.inference.block_denoiser.BlockDenoiser`.
    pixel_seconds
        What the network takes for a pixel of one view.
    most_seconds
        For timing how long it takes to look at the movie; where two places take
        longer, that is told by `pixel_seconds` alone.
    """
    if not has_second_stage(net, stack, request, joint=joint, task=task):
        return StagePace()
    looks = [places_of(stack)] if request.events else []
    looks += [guard.places_of(stack)] if can_refine(net, request) else []
    surveyed = sum(each.number * each.pixels for each in looks)
    once = sum(each.pixels for each in looks) * count_views(net) * pixel_seconds
    timed = 0.0
    if 2 * once <= most_seconds:
        timed = _survey_seconds(net, calibrations, stack, request)
        surveyed = 0
    if net.geometry.recurrent:
        # predicts its neighbours anew for every block; beside that it takes no time
        return StagePace(0.0, surveyed, 2, timed)
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
    return StagePace(seconds / (rows * columns), surveyed, survey=timed)


def _survey_seconds(
    net: Network,
    calibrations: Sequence[Calibration],
    stack: Stack,
    request: Request,
) -> float:
    """Look at one place of a movie, and tell how long all of them take, in one view."""
    channels = range(stack.n_channels)
    seen = (c for c in channels if middle_plane(stack, c) is not None)
    channel = next(seen, None)
    if channel is None:
        return 0.0
    asked = replace(request, self_ensemble=False)
    kinds = (
        (places_of(stack), replace(asked, refine=False), bool(request.events)),
        (
            guard.places_of(stack),
            replace(asked, events=False),
            can_refine(net, request),
        ),
    )
    seconds = 0.0
    for places, one, is_asked in kinds:
        if not is_asked:
            continue
        taken = []
        for _ in range(2):  # the first one also prepares
            start = time.perf_counter()
            for _ in survey(net, calibrations, stack, channel, one, most=1):
                pass
            taken.append(time.perf_counter() - start)
        seconds += places.number * min(taken)
    return seconds / count_views(net)
