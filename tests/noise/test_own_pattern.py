"""Offsets of pixels are found in the movie itself, and the specimen is left alone."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile

import napari_udvd as nu
from napari_udvd.errors import InputError
from napari_udvd.noise import diagnose, own_pattern, subtract_dark
from napari_udvd.simulation import KINDS, simulate
from napari_udvd.stack import Stack

if TYPE_CHECKING:
    from pathlib import Path

Movie = npt.NDArray[Any]

READ = 3.0


@cache
def scene(kind: str, *, still: bool = False, photons: float = 30.0) -> Movie:
    movie = simulate(kind, frames=50, shape=(128, 128), seed=3, photons=photons)
    truth = movie.truth.read()
    return truth[:1].repeat(50, axis=0) if still else truth


def recorded(truth: Movie, pattern: Movie | float) -> Movie:
    rng = np.random.default_rng(1)
    light = np.clip(truth - 100.0, 0, None) / 2.0
    movie = 100 + 2 * rng.poisson(light) + rng.normal(0, READ, truth.shape) + pattern
    return np.rint(movie).clip(0).astype(np.uint16)


def offsets(spread: float = READ) -> Movie:
    return np.random.default_rng(7).normal(0, spread, (128, 128))


@pytest.mark.parametrize("still", [False, True], ids=["moves", "still"])
@pytest.mark.parametrize("kind", KINDS)
def test_an_estimate_is_nearer_to_the_truth_than_none(kind: str, still: bool) -> None:
    pattern = offsets()
    found, spread = own_pattern(
        Stack.from_array(recorded(scene(kind, still=still), pattern), "TYX")
    )
    if found is None:  # a specimen too textured to tell
        assert kind in ("lattice", "calcium") and spread == 0.0
        return
    assert spread == pytest.approx(READ, rel=0.25)
    left = float(np.std(found.read()[0] - pattern))
    assert left < 0.9 * READ


@pytest.mark.parametrize("kind", ["nuclei", "filaments", "vesicles"])
def test_where_most_is_empty_most_of_it_goes(kind: str) -> None:
    pattern = offsets()
    stack = Stack.from_array(recorded(scene(kind), pattern), "TYX")
    left = subtract_dark(stack, "auto").read().mean(axis=0) - scene(kind).mean(axis=0)
    bad = stack.read().mean(axis=0) - scene(kind).mean(axis=0)
    assert left.var() < 0.45 * bad.var()
    reasons = diagnose(stack).reasons
    assert any("--dark auto" in reason for reason in reasons)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("still", [False, True], ids=["moves", "still"])
def test_without_offsets_nothing_is_subtracted(kind: str, still: bool) -> None:
    stack = Stack.from_array(recorded(scene(kind, still=still), 0.0), "TYX")
    same = subtract_dark(stack, "auto")
    assert same.dtype == np.uint16
    np.testing.assert_array_equal(same.read(), stack.read())
    assert "no offsets of single pixels were found" in same.notes[-1]


@pytest.mark.parametrize("height, kept", [(4.0, 0.7), (8.0, 0.9)])
def test_points_that_never_move_keep_most_of_their_light(
    height: float, kept: float
) -> None:
    """Spots as small as a lens allows, of this height in units of the offsets."""
    y, x = np.mgrid[:128, :128]
    spots = np.zeros((128, 128))
    places = np.random.default_rng(2).uniform(8, 120, (40, 2))
    for a, b in places:
        spots += height * READ * np.exp(-((y - a) ** 2 + (x - b) ** 2) / 2.9)
    rng = np.random.default_rng(5)
    movie = 200 + spots + offsets() + rng.normal(0, READ, (50, 128, 128))
    clean = subtract_dark(Stack.from_array(movie, "TYX"), "auto").read().mean(axis=0)
    at = tuple(np.rint(places).astype(int).T)
    assert np.mean((clean[at] - np.median(clean)) / spots[at]) > kept


def test_channels_have_cameras_of_their_own() -> None:
    one, other = offsets(), offsets(6.0).T
    frames = [recorded(scene("nuclei"), each) for each in (one, other, 0.0)]
    found, spread = own_pattern(Stack.from_array(np.stack(frames, 1), "TCYX"))
    assert found is not None
    assert spread == pytest.approx(6.0, rel=0.2)
    for c, pattern in enumerate((one, other)):
        estimate = found.data[c]
        assert np.corrcoef(estimate.ravel(), pattern.ravel())[0, 1] > 0.8
    assert not found.data[2].any()


def test_as_a_word_in_place_of_a_file(tmp_path: Path) -> None:
    movie = recorded(scene("nuclei"), offsets())
    tifffile.imwrite(tmp_path / "m.tif", movie, imagej=True, metadata={"axes": "TYX"})
    stack = nu.open(tmp_path / "m.tif", dark="auto")
    assert stack.dtype == np.float32
    assert "were estimated from the movie" in stack.notes[-1]
    with pytest.raises(InputError, match="dark is 'automatic'"):
        subtract_dark(stack, "automatic")
