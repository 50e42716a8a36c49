"""The preview of a sparse movie: averages, as wide as the movie itself says."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch

from napari_udvd.inference.interpolation import (
    FRAMES,
    PIXELS,
    Widths,
    choose_widths,
    interpolate,
)
from napari_udvd.simulation import simulate

torch.set_num_threads(1)

SHAPE = 24, 64, 64


def mask_of(kind: str, shape: tuple[int, ...] = SHAPE) -> Any:
    t, y, x = np.indices(shape)
    rng = np.random.default_rng(2)
    chance = rng.random(shape)
    jittered = np.zeros(shape, bool)
    for frame in jittered:
        frame[rng.choice(shape[1], shape[1] // 5, replace=False)] = True
    far = np.hypot(y - shape[1] / 2, x - shape[2] / 2)
    return {
        "random": chance < 0.2,
        "few": chance < 0.1,
        "rows": (y + 2 * t) % 5 == 0,
        "jittered rows": jittered,
        "columns": (x + 2 * t) % 5 == 0,
        "fixed": np.broadcast_to(chance[0] < 0.2, shape),
        "fixed rows": y % 5 == 0,
        "fovea": chance < 0.06 + np.exp(-far / 10),
        "all": np.ones(shape, bool),
    }[kind]


def error(found: Any, truth: Any) -> float:
    return float(np.square(found - truth).mean())


@pytest.fixture(scope="module")
def movies() -> dict[str, tuple[Any, Any]]:
    """Truth and noisy frames of scenes that differ in what changes how fast."""
    how: Any = {"photons": 15, "gain": 1, "offset": 0, "read_noise": 0.7}
    found = {}
    for kind in ("nuclei", "lattice"):
        movie = simulate(
            kind, frames=SHAPE[0], shape=SHAPE[1:], seed=3, dtype=np.float32, **how
        )
        found[kind] = movie.truth.read(), movie.noisy.read()
    return found


@pytest.mark.parametrize("scene", ["nuclei", "lattice"])
@pytest.mark.parametrize(
    "kind", ["random", "few", "rows", "jittered rows", "columns", "fixed", "fovea"]
)
def test_the_widths_are_nearly_those_that_the_truth_would_choose(
    movies: dict[str, tuple[Any, Any]], scene: str, kind: str
) -> None:
    truth, noisy = movies[scene]
    measured = mask_of(kind)
    chosen = choose_widths(np.where(measured, noisy, np.nan), measured)
    ours = error(interpolate(noisy, measured, chosen), truth)
    near = product(
        [chosen.pixels * f for f in (0.7, 1, 1.4)],
        [chosen.frames * f for f in (0.6, 1, 1.7)],
    )
    best = min(error(interpolate(noisy, measured, Widths(*w)), truth) for w in near)
    assert 10 * np.log10(ours / best) < 0.35


@pytest.mark.parametrize("kind", ["all", "fixed rows"])
def test_widths_where_leaving_out_tells_little(
    movies: dict[str, tuple[Any, Any]], kind: str
) -> None:
    truth, noisy = movies["nuclei"]
    measured = mask_of(kind)
    chosen = choose_widths(noisy, measured)
    assert chosen.pixels in PIXELS
    assert chosen.frames in FRAMES
    ours = error(interpolate(noisy, measured, chosen), truth)
    best = min(
        error(interpolate(noisy, measured, Widths(*w)), truth)
        for w in product((0.7, 1.0, 1.4, 2.0), (1.0, 2.0, 3.5))
    )
    assert 10 * np.log10(ours / best) < 1.0


def test_an_average_is_one_of_what_was_measured() -> None:
    rng = np.random.default_rng(0)
    frames = np.where(rng.random((5, 9, 11)) < 0.3, 7.0, np.nan)
    measured = np.isfinite(frames)
    found = interpolate(frames, measured, Widths(1.0, 0.5))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, 7.0, rtol=1e-5)
    # by hand: two pixels on either side of a gap, one twice as far
    frames, measured = np.zeros((1, 1, 9)), np.zeros((1, 1, 9), bool)
    frames[0, 0, [3, 6]], measured[0, 0, [3, 6]] = (10.0, 40.0), True
    near, far = np.exp(-1 / 8), np.exp(-4 / 8)
    expected = (10 * near + 40 * far) / (near + far)
    found = interpolate(frames, measured, Widths(2.0, 0.3))
    assert abs(found[0, 0, 4] - expected) < 0.15


def test_gaps_are_filled_from_afar() -> None:
    frames = np.full((3, 70, 80), np.nan)
    frames[:, :4, :5] = 3.0
    found = interpolate(frames, np.isfinite(frames), Widths(0.5, 0.3))
    np.testing.assert_allclose(found, 3.0, rtol=1e-5)
    frames[1] = np.nan  # a lost frame
    found = interpolate(frames, np.isfinite(frames), Widths(0.5, 0.3))
    np.testing.assert_allclose(found, 3.0, rtol=1e-5)


def test_nothing_measured() -> None:
    frames = np.full((3, 8, 8), np.nan)
    measured = np.isfinite(frames)
    assert np.isnan(interpolate(frames, measured, Widths(1.0, 1.0))).all()
    with pytest.raises(ValueError, match="nothing was measured"):
        choose_widths(frames, measured)


def test_what_was_not_measured_may_be_anything() -> None:
    rng = np.random.default_rng(1)
    frames, measured = rng.random((6, 20, 20)), rng.random((6, 20, 20)) < 0.3
    widths = Widths(1.0, 1.0)
    expected = interpolate(frames, measured, widths)
    for value in (np.nan, np.inf, 1e9):
        other = np.where(measured, frames, value)
        np.testing.assert_array_equal(interpolate(other, measured, widths), expected)
        assert choose_widths(other, measured) == choose_widths(frames, measured)


def test_of_a_long_movie_a_part_is_looked_at() -> None:
    """The middle; and where nothing was measured there, elsewhere."""
    truth = np.sin(np.arange(400) / 9)[:, None] * np.cos(np.arange(420) / 8)
    rng = np.random.default_rng(4)
    frames = 20 * truth + rng.standard_normal((50, 400, 420))
    measured = rng.random(frames.shape) < 0.1
    chosen = choose_widths(frames, measured)
    assert chosen.frames == max(FRAMES)  # it is still
    measured[:, 60:340] = False
    assert choose_widths(frames, measured).frames > 5
