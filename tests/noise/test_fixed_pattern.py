"""Offsets of whole rows and columns are told from the specimen."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from napari_udvd.noise import diagnose
from napari_udvd.simulation import KINDS, SimulatedMovie, simulate
from napari_udvd.stack import Stack

Movie = npt.NDArray[Any]

READ = 3.0


def said(movie: Movie) -> str:
    stack = Stack.from_array(np.rint(movie).clip(0).astype(np.uint16), "TYX")
    reasons = diagnose(stack).reasons
    return " ".join(reason for reason in reasons if "offsets of their own" in reason)


@cache
def recorded(kind: str) -> Movie:
    movie = simulate(kind, frames=40, shape=(128, 96), seed=8, photons=20)
    return movie.noisy.read().astype(float)


@pytest.mark.parametrize("kind", ["nuclei", "calcium", "vesicles"])
@pytest.mark.parametrize("spread", [1.5, 6.0])
@pytest.mark.parametrize("name, shape", [("rows", (128, 1)), ("columns", (1, 96))])
def test_offsets_of_lines(
    kind: str, spread: float, name: str, shape: tuple[int, int]
) -> None:
    offsets = np.random.default_rng(3).normal(0, spread, shape)
    sentence = said(recorded(kind) + offsets)
    assert f"{name} of the camera have offsets of their own" in sentence
    number = float(sentence.split("their own, ")[1].split()[0])
    # a hundred lines, of which the sixth difference leaves a third independent
    assert number == pytest.approx(offsets.std(), rel=0.4)
    assert "--dark" in sentence
    for other in {"pixels", "rows", "columns"} - {name}:
        assert f"{other} of the camera" not in sentence


def test_pixels_and_rows_at_once_are_one_sentence() -> None:
    rng = np.random.default_rng(5)
    offsets = rng.normal(0, 3, (128, 96)) + rng.normal(0, 3, (128, 1))
    sentence = said(recorded("nuclei") + offsets)
    assert "pixels of the camera" in sentence and "rows of the camera" in sentence
    assert sentence.count("record frames without light") == 1


@cache
def bright(kind: str, seed: int) -> SimulatedMovie:
    return simulate(kind, frames=24, shape=(128, 96), seed=seed, photons=100)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("still", [False, True])
def test_no_specimen_has_offsets(kind: str, still: bool) -> None:
    for seed in (1, 2):
        movie = bright(kind, seed)
        if not still:
            assert said(movie.noisy.read()) == ""
            continue
        light = np.clip(movie.truth.read()[:1] - 100, 0, None).repeat(24, axis=0) / 2
        rng = np.random.default_rng(seed)
        noise = rng.normal(0, READ, light.shape)
        assert said(100 + 2 * rng.poisson(light) + noise) == ""


def test_edges_along_rows_are_the_specimen() -> None:
    """Bars that stand still, as sharp as optics makes them, across half of a frame."""
    y = np.arange(128)
    bars = 20 + 15 * np.sin(2 * np.pi * y / 6.5)
    share = 1 / (1 + np.exp((np.arange(96) - 48) / 1.5))
    light = 5 + (bars[:, None] - 5) * share
    rng = np.random.default_rng(5)
    frames = rng.poisson(np.repeat(light[None], 40, 0)) * 2 + 100
    assert said(frames + rng.normal(0, READ, frames.shape)) == ""
