"""The main jobs in one call each, as the first page of the documentation shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

import napari_udvd as nu
from napari_udvd import jobs
from napari_udvd.formats import create
from napari_udvd.simulation import simulate
from napari_udvd.training import Failed, TrainingSettings
from tiny import ALONE, tiny_movie

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

torch.set_num_threads(1)

# trained for so short, networks are bad, and training says so
pytestmark = pytest.mark.filterwarnings("ignore:the result is no better")

QUICK: dict[str, Any] = {"minutes": 0.01, "width": 4}


def test_from_file_to_file(tmp_path: Path) -> None:
    noisy = tiny_movie()
    movie = tmp_path / "movie.tif"
    with create(movie, like=noisy, dtype=noisy.dtype, record={}) as sink:
        sink.write(noisy.read(), 0)

    stack = nu.open(movie)
    denoiser = nu.train(stack, model="udvd", device="auto", seed=0, **QUICK)
    clean = denoiser.denoise(stack)
    assert clean.shape == stack.shape
    assert clean.dtype == stack.dtype

    denoiser.save(tmp_path / "movie.safetensors")
    again = nu.load(tmp_path / "movie.safetensors")
    np.testing.assert_array_equal(again.denoise(stack), clean)
    assert again.net.frames == 5
    assert again.record["settings"]["seed"] == 0
    assert again.record["movies"][0]["source"] == str(movie)


@pytest.mark.parametrize(
    ("axes", "order", "how"),
    [("TYX", (0, 1, 2), {}), ("YXT", (1, 2, 0), ALONE)],
)
def test_arrays_in_one_call(
    axes: str, order: tuple[int, ...], how: dict[str, Any]
) -> None:
    array = np.asarray(tiny_movie().data).transpose(order)
    before = array.copy()
    clean = nu.denoise(array, axes=axes, model="auto", **how, **QUICK)
    assert clean.shape == array.shape
    assert clean.dtype == array.dtype
    np.testing.assert_array_equal(array, before)
    # along time the noise is gone, and the level is that of the movie
    time = axes.index("T")
    assert np.diff(clean.astype(float), axis=time).std() < (
        0.8 * np.diff(array.astype(float), axis=time).std()
    )
    assert clean.mean() == pytest.approx(array.mean(), rel=0.2)


def test_steps_and_seed_repeat_a_training() -> None:
    stack = tiny_movie()
    choices: dict[str, Any] = {"steps": 3, "width": 4, "model": "udvd-3"}
    first, again, other = (
        nu.train(stack, seed=seed, **choices).net.state_dict() for seed in (1, 1, 2)
    )
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_a_better_result_than_the_noisy_movie() -> None:
    """What all of this is for: closer to the truth than what was recorded."""
    movie = simulate("nuclei", frames=10, shape=(40, 40))
    clean = nu.denoise(movie.noisy, steps=60, width=8, model="udvd-3", patch=32)
    truth = movie.truth.read().astype(float)
    noisy = movie.noisy.read().astype(float)
    assert ((clean - truth) ** 2).mean() < 0.5 * ((noisy - truth) ** 2).mean()


def test_several_movies() -> None:
    denoiser = nu.train([tiny_movie(), tiny_movie(seed=1)], **QUICK)
    assert len(denoiser.record["movies"]) == 2


# of so few pixels the noise cannot be told from what moves
@pytest.mark.filterwarnings("ignore:noise is not white:UserWarning")
def test_the_network_fits_a_short_movie() -> None:
    for frames, expected in ((2, 1), (3, 3), (4, 3), (5, 5)):
        denoiser = nu.train(tiny_movie(frames), steps=1, width=4)
        assert denoiser.net.frames == expected


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        ({"model": "resnet"}, ["model", "'resnet'", "udvd-3"]),
        ({"minutes": -1}, ["minutes", "-1"]),
        ({"minutes": float("nan")}, ["minutes", "nan"]),
        ({"hole": (2, 3)}, ["hole", "(2, 3)", "odd"]),
        ({"width": 1000}, ["width", "1000"]),
        ({"minute": 2}, ["minute", "minutes"]),
        ({"device": "tpu"}, ["'tpu'", "cpu"]),
    ],
)
def test_settings_that_are_wrong(settings: dict[str, Any], parts: list[str]) -> None:
    with pytest.raises(nu.InputError) as caught:
        nu.denoise(tiny_movie(), **settings)
    for part in parts:
        assert part in str(caught.value)


def test_none_keeps_the_default() -> None:
    made = jobs.make_settings(minutes=None, hole=None, likelihood=None, seed=3)
    assert made == TrainingSettings(seed=3)


@pytest.mark.parametrize("movies", [[], ()])
def test_no_movie(movies: Any) -> None:
    with pytest.raises(nu.InputError, match="movie"):
        nu.train(movies, **QUICK)


def test_a_training_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> Iterator[Failed]:
        yield Failed(MemoryError("choose a smaller width"))

    monkeypatch.setattr("napari_udvd.jobs.training.train_events", fails)
    with pytest.raises(MemoryError, match="smaller width"):
        nu.train(tiny_movie())


@pytest.mark.filterwarnings("error")
def test_what_speaks_against_a_result_is_a_warning() -> None:
    with pytest.warns(UserWarning, match="no better than the noisy movie"):
        nu.denoise(tiny_movie(), steps=1, width=4, model="udvd-3", patch=16, **ALONE)
