"""A dense movie in a second, and how far it may be off."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import napari_udvd as nu
from napari_udvd.inference.interpolation import (
    Widths,
    choose_widths,
    density,
    interpolate,
    leave_out,
)
from napari_udvd.inference.preview import previews
from napari_udvd.simulation import simulate
from napari_udvd.stack import Stack

SHAPE = 30, 64, 64


@pytest.fixture(scope="module")
def scanned() -> tuple[Any, Any]:
    """Truth, and a scan that is dense on the left and sparse on the right."""
    movie = simulate(
        "nuclei",
        frames=SHAPE[0],
        shape=SHAPE[1:],
        seed=3,
        photons=15,
        gain=2,
        offset=10,
        read_noise=0.7,
        dtype=np.float32,
    )
    share = np.linspace(0.6, 0.05, SHAPE[2])
    measured = np.random.default_rng(0).random(SHAPE) < share
    return movie.truth.read(), np.where(measured, movie.noisy.read(), np.nan)


def whole(stack: Stack, *, with_std: bool = False) -> tuple[Any, Any]:
    parts = list(previews(stack, with_std=with_std))
    mean = np.concatenate([part.mean for part in parts])
    assert [part.start for part in parts] == sorted(part.start for part in parts)
    if not with_std:
        assert all(part.std is None for part in parts)
        return mean, None
    return mean, np.concatenate([part.std for part in parts])  # type: ignore[misc]


def test_it_is_the_average_that_suits_the_movie(scanned: tuple[Any, Any]) -> None:
    truth, sparse = scanned
    measured = np.isfinite(sparse)
    mean, _ = whole(Stack.from_array(sparse, "TYX"))
    expected = interpolate(sparse, measured, choose_widths(sparse, measured))
    np.testing.assert_allclose(mean, expected, rtol=1e-4, atol=1e-2)
    assert np.square(mean - truth).mean() < 0.1 * truth.var()
    found = nu.reconstruct(sparse, "TYX", preview=True)
    np.testing.assert_array_equal(found, mean)


def test_its_std_holds_what_it_should(scanned: tuple[Any, Any]) -> None:
    truth, sparse = scanned
    mean, std = whole(Stack.from_array(sparse, "TYX"), with_std=True)
    assert (std > 0).all()
    within = np.abs(truth - mean) <= std
    assert 0.55 < within[np.isnan(sparse)].mean() < 0.85
    # where less was measured it says so
    light = truth > np.median(truth)
    assert std[..., -16:][light[..., -16:]].mean() > (
        1.1 * std[..., :16][light[..., :16]].mean()
    )


def test_long_movies_are_done_in_blocks(
    scanned: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, sparse = scanned
    stack = Stack.from_array(sparse, "TYX")
    mean, std = whole(stack, with_std=True)
    monkeypatch.setattr(
        "napari_udvd.inference.preview.blocks", lambda like: [(0, 13), (13, 30)]
    )
    parts = list(previews(stack, with_std=True))
    assert [part.mean.shape[0] for part in parts] == [13, 17]
    again, other = whole(stack, with_std=True)
    np.testing.assert_allclose(again, mean, rtol=5e-3)
    np.testing.assert_allclose(other, std, rtol=5e-3)


def test_every_channel_and_plane_is_filled() -> None:
    rng = np.random.default_rng(0)
    levels = np.array([[20.0, 40.0], [60.0, 80.0]])[None, :, :, None, None]
    frames = levels + rng.standard_normal((8, 2, 2, 12, 14))
    frames[rng.random(frames.shape) > 0.4] = np.nan
    found = nu.reconstruct(frames, "TCZYX", preview=True)
    assert found.shape == frames.shape
    assert np.abs(found - levels).mean() < 0.5


def test_whole_grey_levels_stay_whole() -> None:
    frames = np.random.default_rng(0).poisson(50, (10, 16, 18)).astype(np.uint16)
    frames[:, ::2] = 0
    found = nu.reconstruct(frames, "TYX", unmeasured=0, preview=True)
    assert found.dtype == np.uint16
    assert found.min() > 20
    with pytest.raises(nu.InputError, match="nothing to reconstruct"):
        nu.reconstruct(found, "TYX", preview=True)


def test_a_pixel_is_left_out_of_its_own_prediction() -> None:
    rng = np.random.default_rng(0)
    frames, measured = rng.random((5, 12, 13)), rng.random((5, 12, 13)) < 0.5
    widths = Widths(1.0, 1.0)
    before = leave_out(frames, measured, widths)
    changed = frames.copy()
    at = tuple(np.argwhere(measured)[40])
    changed[at] += 5
    after = leave_out(changed, measured, widths)
    moved = np.abs(after.predicted - before.predicted)
    # the mean grey level has a share of 1e-4
    assert moved[40] < 1e-3
    assert moved.max() > 0.1
    assert np.count_nonzero(after.measured != before.measured) == 1
    assert (density(measured, widths)[measured] > before.density).all()
