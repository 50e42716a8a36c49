"""What is said of a result: what was gained, and where noise was brought out."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

import napari_udvd as nu
from blurred_scenes import PLAIN, blurred, result_of, untrained
from napari_udvd.optics import Gaussian
from napari_udvd.sharpening import Assessment, Optics, Sharpener, assess
from napari_udvd.stack import Stack

torch.set_num_threads(1)

# trained for so short, networks are bad, and training says so
pytestmark = pytest.mark.filterwarnings("ignore:the result is no better")

OPTICS = Optics(Gaussian(1.75))

SCENES = "filaments", "nuclei", "vesicles"


@cache
def assessed(kind: str, iterations: int | None) -> Assessment:
    """Assess a movie of 6 photons, sharpened so often, or as often as was chosen."""
    movie = blurred(kind, 1.75, 6, edge=64, frames=8).noisy
    stack = Stack.from_array(movie, "TYX")
    denoiser = nu.train(stack, steps=1)
    steps = Sharpener.fitted(denoiser, stack, OPTICS, PLAIN, iterations)
    (found,) = result_of(steps).assessments
    assert found is not None
    return found


@pytest.mark.parametrize("kind", SCENES)
def test_nothing_speaks_against_what_was_chosen(kind: str) -> None:
    assert assessed(kind, None).warnings == ()


@pytest.mark.parametrize("kind", SCENES)
def test_too_many_iterations_are_warned_of(kind: str) -> None:
    found = assessed(kind, 200)
    (warning,) = found.warnings
    assert f"in {100 * found.mottled:.0f} % of the frame" in warning
    assert "`iterations`" in warning


def test_resolution_is_in_pixels_of_the_movie_on_every_grid() -> None:
    movie = blurred("filaments", 0.7, 30, zoom=2, edge=40, frames=6).noisy
    stack = Stack.from_array(movie, "TYX")
    optics = Optics(Gaussian(0.7), 2)
    found = result_of(assess(untrained(stack), stack, 0, optics, 3, PLAIN, ()))
    assert found is not None
    assert found.before.frequency[-1] == pytest.approx(0.5, abs=0.03)
    assert found.after.frequency[-1] == pytest.approx(1.0, abs=0.06)
    assert found.to_dict().keys() == {
        "resolution_before",
        "resolution_after",
        "mottled",
    }


def test_nothing_measured_nothing_assessed() -> None:
    stack = Stack.from_array(np.full((4, 24, 24), 7.0, np.float32), "TYX")
    assert result_of(assess(untrained(stack), stack, 0, OPTICS, 3, PLAIN, ())) is None
