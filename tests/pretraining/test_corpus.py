"""Clean movies to pretrain on: range, diversity, motion and events."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_udvd.pretraining.corpus import _SCENES, clean_movie
from napari_udvd.pretraining.corpus._camera import add_flashes, exposure
from napari_udvd.pretraining.corpus._drawing import FINE, noise_field, splat
from napari_udvd.pretraining.corpus._motion import Motion

Movie = np.ndarray[Any, np.dtype[np.float32]]


def movie_of(seed: int, frames: int = 12, size: int = 48) -> Movie:
    return clean_movie(np.random.default_rng(seed), frames, size)


@pytest.fixture(scope="module")
def draws() -> list[Movie]:
    return [movie_of(seed) for seed in range(64)]


# --- every movie --------------------------------------------------------------------


def test_movies_are_intensities_up_to_about_one(draws: list[Movie]) -> None:
    for movie in draws:
        assert movie.shape == (12, 48, 48)
        assert movie.dtype == np.float32
        assert movie.min() >= 0.0
        assert np.percentile(movie, 99.9) == pytest.approx(1.0, abs=1e-5)
        assert movie.max() < 5.0


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    frames=st.integers(1, 6),
    size=st.integers(16, 61),
)
def test_the_generator_fixes_everything(seed: int, frames: int, size: int) -> None:
    one, other = (movie_of(seed, frames, size) for _ in range(2))
    assert one.shape == (frames, size, size)
    assert np.isfinite(one).all()
    np.testing.assert_array_equal(one, other)


def test_one_generator_gives_movie_after_movie() -> None:
    rng = np.random.default_rng(0)
    one, other = (clean_movie(rng, 4, 32) for _ in range(2))
    assert np.abs(one - other).mean() > 0.01


# --- all movies together ------------------------------------------------------------


def test_contrasts_span_faint_to_full(draws: list[Movie]) -> None:
    low = np.array([np.percentile(movie, 0.1) for movie in draws])
    assert (low < 0.2).mean() > 0.1
    assert (low > 0.5).mean() > 0.15
    assert low.max() > 0.8


def test_some_movies_are_pedestals_and_some_mostly_dark() -> None:
    y, x = np.mgrid[:24, :24]
    ramp = np.repeat((x + y)[None] / 46, 4, 0).astype(np.float32)
    contrasts, dark = [], []
    for seed in range(300):
        movie = exposure(ramp.copy(), np.random.default_rng(seed))[0]
        low, high = np.percentile(movie, (0.1, 99.9))
        contrasts.append(1 - low / high)
        dark.append(np.mean(movie - low < 0.05 * (high - low)))
    assert 0.05 < np.mean(np.array(contrasts) < 0.05) < 0.2
    assert 0.02 < np.mean(np.array(dark) > 0.25) < 0.15


def test_motions_span_still_to_fast(draws: list[Movie]) -> None:
    """Change from frame to frame, relative to the contrast of the movie."""
    change = [np.sqrt(np.mean(np.diff(m, axis=0) ** 2)) / m.std() for m in draws]
    slow, fast = np.percentile(change, (10, 90))
    assert slow < 0.15
    assert fast > 0.6


def test_details_span_smooth_to_sharp(draws: list[Movie]) -> None:
    """Differences between neighbours, relative to the contrast of the frame."""
    detail = [np.diff(movie[0], axis=0).std() / movie[0].std() for movie in draws]
    smooth, sharp = np.percentile(detail, (10, 90))
    assert smooth < 0.3
    assert sharp > 0.5


def test_movies_differ_from_one_another(draws: list[Movie]) -> None:
    likeness = np.corrcoef([movie[0].ravel() for movie in draws])
    assert np.median(np.abs(likeness[np.triu_indices(64, 1)])) < 0.15


# --- parts --------------------------------------------------------------------------


@pytest.mark.parametrize("draw", _SCENES, ids=lambda draw: draw.__name__)
def test_every_scene_shows_something(draw: Any) -> None:
    seen = 0
    for seed in range(5):
        rng = np.random.default_rng(seed)
        movie = draw(rng, Motion.random(rng, 6, 48))
        assert movie.shape == (6, 48, 48)
        assert movie.dtype == np.float32
        assert np.isfinite(movie).all()
        seen += bool(np.ptp(movie) > 0.05)
    assert seen >= 4


def test_flashes_are_short_and_some_are_small() -> None:
    lengths, areas = set(), []
    for seed in range(60):
        movie = np.full((16, 48, 48), 0.2, np.float32)
        add_flashes(movie, np.random.default_rng(seed))
        changed = np.abs(movie - 0.2) > 0.05
        # How long each pixel stays changed, where one flash is alone.
        if 0 < changed.any((1, 2)).sum() <= 3:
            lengths.add(int(changed.any((1, 2)).sum()))
            areas.append(int(changed.any(0).sum()))
    assert lengths == {1, 2, 3}
    assert min(areas) <= 9
    assert max(areas) > 60


@pytest.mark.parametrize("place", [20.0, 20.25, 20.5, 20.9])
def test_points_look_alike_wherever_they_are_between_pixels(place: float) -> None:
    sigma = 1.0
    at = np.array([[[place, 24.0]]], np.float32)
    y, x = np.mgrid[:48, :48]
    exact = np.exp(-0.5 * ((y - place) ** 2 + (x - 24.0) ** 2) / sigma**2)
    drawn = splat(at, 1.0, sigma, 48)[0]
    np.testing.assert_allclose(drawn, exact, atol=0.03)


def test_points_move_with_the_picture_beneath_them() -> None:
    """Spots on a canvas and the same spots drawn as points go the same way."""
    rng = np.random.default_rng(3)
    frames, size = 8, 64
    still = Motion.random(rng, frames, size)
    t = np.arange(frames, dtype=np.float32)
    motion = Motion(
        size=size,
        period=still.period,
        tempo=1.0,
        shift=np.stack([0.7 * t, -0.4 * t], 1),
        angle=0.03 * t,
        zoom=1.0 + 0.01 * t,
        flows=np.zeros((2, 2, 1, 1), np.float32),
        sway=np.zeros((frames, 2), np.float32),
    )
    middle = still.period / 2
    at = (middle + rng.uniform(-20, 20, (9, 2))).astype(np.float32)
    sigma = 2.0
    canvas = splat(FINE * at[None], 1.0, FINE * sigma, FINE * still.period)[0]
    picture = motion.of_canvas(canvas)
    points = splat(motion.of_points(at), 1.0, sigma, size)
    for frame in range(frames):
        alike = np.corrcoef(picture[frame].ravel(), points[frame].ravel())[0, 1]
        assert alike > 0.99


def test_flow_bends_the_scene_smoothly() -> None:
    rng = np.random.default_rng(0)
    size, period = 48, 112
    canvas = noise_field(rng, FINE * period, 12.0)
    flows = np.array([[noise_field(rng, period, 2.0) for _ in "yx"] for _ in "ab"])
    motion = Motion(
        size=size,
        period=period,
        tempo=1.0,
        shift=np.zeros((3, 2), np.float32),
        angle=np.zeros(3, np.float32),
        zoom=np.ones(3, np.float32),
        flows=flows.astype(np.float32),
        sway=np.array([[0, 0], [1, 0], [2, 0]], np.float32),
    )
    first, second, third = motion.of_canvas(canvas)
    near, far = (np.abs(frame - first).mean() for frame in (second, third))
    assert 0.01 * first.std() < near < far < first.std()
