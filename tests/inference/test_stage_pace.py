"""What is known beforehand of how much the second stage looks at."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from napari_udvd.inference import guard, survey
from napari_udvd.inference.request import EXACT
from napari_udvd.inference.scaling import Calibration
from napari_udvd.inference.stage_pace import stage_pace
from napari_udvd.noise import NoiseModel
from napari_udvd.stack import Stack
from napari_udvd.validity import inspect
from tiny import tiny_center_blind

SHAPES = [(4, 20, 24), (30, 64, 64), (12, 200, 300), (100, 128, 128)]


def movie(shape: tuple[int, ...]) -> Stack:
    counts = np.random.default_rng(0).poisson(30, shape).astype("f4")
    return inspect(Stack.from_array(counts, "TYX"))


@pytest.mark.parametrize("shape", SHAPES)
def test_as_many_places_are_counted_as_are_looked_at(shape: tuple[int, ...]) -> None:
    stack = movie(shape)
    seen = survey._places(stack, 0)
    *_, rows, columns = seen[0]
    area = (rows.stop - rows.start) * (columns.stop - columns.start)
    assert survey.places_of(stack) == (len(seen), 3 * area)
    judging = guard._places(stack, 0, 2, 0)
    place = judging[0]
    area = (place.rows.stop - place.rows.start) * (
        place.columns.stop - place.columns.start
    )
    assert guard.places_of(stack) == (len(judging), 4 * area)


@pytest.mark.parametrize("most", [0.0, math.inf])
def test_looking_is_timed_where_there_is_time_for_it(most: float) -> None:
    stack, net = movie((9, 24, 24)), tiny_center_blind()
    asked = replace(EXACT, events=True, refine=True)
    calibration = Calibration(30.0, 20.0, NoiseModel(1.0, 0.0, 0.5))
    found = stage_pace(
        net,
        [calibration],
        stack,
        asked,
        joint=False,
        pixel_seconds=1e-9,
        most_seconds=most,
    )
    counted = survey.places_of(stack), guard.places_of(stack)
    pixels = sum(each.number * each.pixels for each in counted)
    assert found.surveyed == (0 if most else pixels)
    assert (found.survey > 0) is bool(most)
    assert found.per_pixel > 0
