"""The hole follows the correlation of the noise where the movie is brightest."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from napari_udvd.noise import Diagnosis, diagnose
from napari_udvd.simulation import KINDS, simulate
from napari_udvd.stack import Stack

Movie = npt.NDArray[Any]

READ = 4.0
"""Read noise in grey levels: white, and all that there is in the dark."""


@cache
def light_of(kind: str, photons: float) -> Movie:
    movie = simulate(kind, frames=40, shape=(160, 160), seed=3, photons=photons)
    return np.clip(movie.truth.read() - 100.0, 0, None) / 2.0


def recorded(light: Movie, share: float, axis: int) -> Diagnosis:
    """Record with a detector whose pulses spill a share into the next pixel."""
    rng = np.random.default_rng(4)
    pulses = 2.0 * rng.poisson(light)
    pulses = (1 - share) * pulses + share * np.roll(pulses, 1, axis)
    movie = 100 + pulses + rng.normal(0, READ, light.shape)
    return diagnose(Stack.from_array(movie.astype(np.float32), "TYX"))


@pytest.mark.parametrize("kind", ["nuclei", "filaments"])
@pytest.mark.parametrize("axis, hole", [(2, (1, 3)), (1, (3, 1))])
def test_pulses_that_spread_need_a_hole_where_they_are_many(
    kind: str, axis: int, hole: tuple[int, int]
) -> None:
    share = 0.2  # correlation of the pulses 0.16 / 0.68, and none in the dark
    found = recorded(light_of(kind, 100.0), share, axis)
    dark = (found.correlation_y, found.correlation_x)[axis - 1]
    assert abs(dark) < 0.1  # what is measured in quiet blocks alone
    assert found.hole == hole
    (said,) = [s for s in found.reasons if "where it is brightest" in s]
    numbers = said.split("brightest")[0].rsplit(", ", 1)[1].split()
    bright_x, bright_y = float(numbers[0]), float(numbers[2])
    bright = (bright_y, bright_x)[axis - 1]
    assert bright == pytest.approx(0.16 / 0.68, abs=0.07)
    assert bright > dark + 0.08


@pytest.mark.parametrize("kind", KINDS)
def test_without_spreading_nothing_grows(kind: str) -> None:
    """Bright things move, and what moved is alike in neighbouring pixels, too."""
    found = recorded(light_of(kind, 100.0), 0.0, 2)
    assert found.hole == (1, 1)
    assert not any("brightest" in reason for reason in found.reasons)


def test_pulses_that_are_few_against_the_read_noise_need_none() -> None:
    assert recorded(light_of("nuclei", 1.5), 0.2, 2).hole == (1, 1)
