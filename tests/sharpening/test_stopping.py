"""How often to iterate: an independent copy of the movie says it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import napari_udvd as nu
from blurred_scenes import NOISE, PLAIN, blurred, flat, result_of, untrained
from napari_udvd.errors import InputError
from napari_udvd.optics import Gaussian
from napari_udvd.planes import Series
from napari_udvd.sharpening import (
    Choice,
    Optics,
    _copies,
    _stop,
    choose_iterations,
)
from napari_udvd.sharpening._copies import Excerpt, added_noise, excerpts
from napari_udvd.stack import Stack

torch.set_num_threads(1)

# trained for so short, networks are bad, and training says so
pytestmark = pytest.mark.filterwarnings("ignore:the result is no better")

OPTICS = Optics(Gaussian(1.2))


def chosen(stack: Stack) -> Choice:
    return result_of(choose_iterations(untrained(stack), stack, 0, OPTICS, PLAIN, ()))


def test_the_curve_has_its_least_value_where_it_ends_up() -> None:
    stack = Stack.from_array(blurred("filaments", 1.2, 30, edge=40).noisy, "TYX")
    denoiser = nu.train(stack, steps=1)
    choice, again = (
        result_of(choose_iterations(denoiser, stack, 0, OPTICS, PLAIN, ()))
        for _ in range(2)
    )
    assert choice.iterations > 1 and choice.gain > 2.0
    assert int(np.argmin(choice.curve)) == choice.iterations
    assert choice == again
    assert choice.to_dict()["curve"] == list(choice.curve)


def test_nothing_measured_nothing_chosen() -> None:
    movie = flat(15, 24, 4)
    movie[:] = 7.0
    stack = Stack.from_array(movie, "TYX")
    assert excerpts(untrained(stack), stack, 0) == []
    assert chosen(stack) == Choice(1)


def test_it_can_be_left_at_any_time() -> None:
    stack = Stack.from_array(blurred("filaments", 1.2, 30, edge=40).noisy, "TYX")
    steps = choose_iterations(untrained(stack), stack, 0, OPTICS, PLAIN, ())
    pauses = 0
    with pytest.raises(StopIteration):
        while True:
            next(steps)
            pauses += 1
    assert pauses > 20


def test_where_nothing_was_measured_the_copy_says_nothing() -> None:
    movie = blurred("filaments", 1.2, 30, edge=40).noisy
    movie[:, 12:20, 8:30] = np.nan
    choice = chosen(Stack.from_array(movie, "TYX"))
    assert choice.iterations >= 1 and np.isfinite(choice.curve).all()


def test_judging_frames_are_spread_and_lie_where_most_is_to_be_seen() -> None:
    movie = np.concatenate([flat(1, 40, 40)] * 6, axis=2)
    lines = blurred("filaments", 1.2, 30, edge=40, frames=40).noisy
    movie = np.concatenate([movie, lines, movie[..., :20]], axis=2)
    stack = Stack.from_array(movie, "TYX")
    first, second = excerpts(untrained(stack), stack, 0)
    for part in (first, second):
        assert part.measured.shape == (16, 1, 40, 256)
        assert part.clip[part.at].max() > 130.0
        # with the frames around them that the network sees
        assert part.at.start > 0 and part.at.stop < len(part.clip)
    assert not np.array_equal(first.clip, second.clip)


def test_all_frames_judge_where_there_are_few() -> None:
    movie = blurred("filaments", 1.2, 30, edge=40, frames=9).noisy
    stack = Stack.from_array(movie, "TYX")
    (part,) = excerpts(untrained(stack), stack, 0)
    np.testing.assert_array_equal(part.clip[part.at, 0], movie)
    assert part.measured.shape == (9, 1, 40, 40)


def test_of_large_frames_fewer_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_copies, "PIXELS", 8 * 24**2)
    stack = Stack.from_array(flat(15, 24, 30), "TYX")
    found = excerpts(untrained(stack), stack, 0)
    assert [len(part.measured) for part in found] == [4, 4]


@pytest.mark.parametrize(("pixels", "copies"), [(1, 1), (2**12, 2), (2**20, 4)])
def test_as_many_copies_as_small_frames_need(
    monkeypatch: pytest.MonkeyPatch, pixels: int, copies: int
) -> None:
    drawn = []

    def watched(excerpt: Excerpt, level: Any, noises: Any, seed: Any) -> Any:
        drawn.append(added_noise(excerpt, level, noises, seed))
        return drawn[-1]

    monkeypatch.setattr(_stop, "added_noise", watched)
    monkeypatch.setattr(_stop, "COMPARED", pixels)
    monkeypatch.setattr(_stop, "MOST", 1)
    chosen(Stack.from_array(flat(15, 16, 8), "TYX"))
    assert len(drawn) == copies
    assert copies == 1 or not np.allclose(drawn[0], drawn[1])


def test_on_a_finer_grid_the_fewest_of_those_that_chance_cannot_tell_apart() -> None:
    best = np.linspace(3, 4, 400)
    spread = np.resize([-1.0, 1.0], 400)
    # further from the copies by 10, 2, 0.5 and 0.3 standard errors
    cells = [best + spread + errors / 399**0.5 for errors in (10, 2, 0.5, 0.3)]
    assert _stop.SPARED == pytest.approx(0.75)
    assert _stop._fewest([*cells, best], 4) == 2
    assert _stop._fewest([*cells[:2], best], 2) == 2


def test_only_on_a_finer_grid_iterations_are_spared() -> None:
    optics = Optics(Gaussian(0.7), 2)
    movie = blurred("filaments", 0.7, 60, zoom=2, edge=32, frames=6).noisy
    stack = Stack.from_array(movie, "TYX")
    denoiser = nu.train(stack, steps=1)
    found = result_of(choose_iterations(denoiser, stack, 0, optics, PLAIN, ()))
    assert 1 < found.iterations < int(np.argmin(found.curve))


def test_the_copies_are_independent_given_the_scene() -> None:
    rng = np.random.default_rng(1)
    light = np.linspace(0, 60, 64, dtype=np.float32) * np.ones((40, 1, 64, 1))
    level = np.asarray(light + NOISE.offset, np.float32)
    noisy = NOISE.offset + NOISE.gain * rng.poisson(light / NOISE.gain)
    noisy = noisy + rng.normal(0, NOISE.read_noise, noisy.shape)
    excerpt = Excerpt(noisy.astype(np.float32), slice(0, 40), Series((0,), 0))
    drawn = added_noise(excerpt, level, [NOISE], seed=3)
    one, two = noisy + 0.5 * drawn - level, noisy - drawn / 0.5 - level
    assert abs(np.corrcoef(one.ravel(), two.ravel())[0, 1]) < 0.01
    for part in (slice(0, 16), slice(48, 64)):  # dim and bright columns
        variance = NOISE.variance(level[..., part]).mean()
        assert drawn[..., part].var() == pytest.approx(variance, rel=0.05)


def test_no_noise_is_added_where_nothing_was_measured() -> None:
    clip = np.full((4, 1, 16, 16), 120.0, np.float32)
    clip[:, :, :4] = np.nan
    excerpt = Excerpt(clip, slice(0, 4), Series((0,), 0))
    level = np.full_like(clip, 120.0)
    drawn = added_noise(excerpt, level, [NOISE], seed=0)
    np.testing.assert_array_equal(np.isnan(drawn), np.isnan(clip))


@pytest.mark.parametrize("asked", [0, -3, 1001])
def test_iterations_that_cannot_be_made(asked: int) -> None:
    with pytest.raises(InputError, match=rf"`iterations` is {asked}; .* 1 to 1000"):
        Choice.asked(asked)
    assert Choice.asked(12).iterations == 12
