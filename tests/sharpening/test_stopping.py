"""How often to iterate: an independent copy of the movie says it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import napari_udvd as nu
from blurred_scenes import NOISE, PLAIN, blurred, flat, result_of, untrained
from napari_udvd.errors import InputError
from napari_udvd.optics import Gaussian
from napari_udvd.planes import Series
from napari_udvd.sharpening import Choice, Optics, choose_iterations
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
        assert part.measured.shape == (4, 1, 40, 256)
        assert part.clip[part.at].max() > 130.0
        # with the frames around them that the network sees
        assert part.at.start > 0 and part.at.stop < len(part.clip)
    assert not np.array_equal(first.clip, second.clip)


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
