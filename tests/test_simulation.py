"""Simulated movies: the camera, the scenes and their motion."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.registration import phase_cross_correlation

from napari_udvd.errors import InputError
from napari_udvd.noise import NoiseModel
from napari_udvd.simulation import KINDS, add_noise, simulate


def grey(level: float = 1.0, frames: int = 200) -> np.ndarray[Any, Any]:
    return np.full((frames, 32, 32), level)


# --- the camera ---------------------------------------------------------------------


@pytest.mark.parametrize("photons", [1.0, 40.0])
@pytest.mark.parametrize("gain, read_noise", [(1.0, 0.0), (3.0, 5.0)])
def test_noise_has_the_mean_and_variance_of_the_model(
    photons: float, gain: float, read_noise: float
) -> None:
    noisy, truth = add_noise(
        grey(7.0),
        photons=photons,
        gain=gain,
        read_noise=read_noise,
        offset=50.0,
        dtype="float32",
    )
    model = NoiseModel(gain, 50.0, read_noise)
    np.testing.assert_allclose(truth, 50.0 + gain * photons, rtol=1e-6)
    variance = float(model.variance(truth[0, 0, 0]))
    assert noisy.mean() == pytest.approx(truth.mean(), abs=0.01 * np.sqrt(variance))
    assert noisy.var() == pytest.approx(variance, rel=0.02)


def test_photons_are_those_of_the_brightest_part() -> None:
    clean = np.random.default_rng(0).uniform(0, 5, (4, 64, 64))
    _, truth = add_noise(clean, photons=20.0, gain=2.0, offset=10.0)
    assert np.percentile(truth, 99.9) == pytest.approx(10.0 + 2.0 * 20.0, rel=1e-4)


def test_noise_is_white_unless_asked() -> None:
    noisy, truth = add_noise(grey(), dtype="float32")
    noise = noisy - truth
    variance = noise.var()
    for here, there in (
        (noise[:, :, 1:], noise[:, :, :-1]),
        (noise[:, 1:], noise[:, :-1]),
        (noise[1:], noise[:-1]),
    ):
        assert (here * there).mean() / variance == pytest.approx(0.0, abs=0.01)


def test_correlation_blurs_the_noise_and_keeps_its_variance() -> None:
    plain, truth = add_noise(grey(), dtype="float32")
    noisy, same = add_noise(grey(), correlation=[[1, 1]], dtype="float32")
    np.testing.assert_array_equal(truth, same)
    noise = (noisy - truth)[:, :, 1:-1]
    assert noise.var() == pytest.approx((plain - truth).var(), rel=0.02)
    along_x = (noise[:, :, 1:] * noise[:, :, :-1]).mean() / noise.var()
    assert along_x == pytest.approx(0.5, abs=0.02)


def test_integers_are_rounded_and_clipped() -> None:
    noisy, _ = add_noise(grey(), photons=100.0, gain=3.0, offset=0.0, dtype="uint8")
    assert noisy.dtype == np.uint8
    assert noisy.max() == 255
    noisy, truth = add_noise(grey(), read_noise=0.0, gain=0.01, offset=5.4)
    assert set(np.unique(noisy)) <= {5, 6}
    assert truth.dtype == np.float32


@pytest.mark.parametrize(
    "change, words",
    [
        ({"clean": np.zeros((4, 8, 8))}, "nor empty"),
        ({"clean": -np.ones((4, 8, 8))}, "must not be negative"),
        ({"clean": np.full((4, 8, 8), np.nan)}, "nan"),
        ({"clean": np.ones((8, 8))}, r"\(T, Y, X\)"),
        ({"photons": 0.0}, "photons 0"),
        ({"gain": -1.0}, "gain -1"),
        ({"read_noise": -2.0}, "read noise -2"),
        ({"offset": np.nan}, "offset nan"),
        ({"correlation": [1, 1]}, "2-D"),
        ({"correlation": [[0, 0]]}, "not zero"),
    ],
)
def test_impossible_cameras_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        add_noise(**{"clean": grey(frames=2), **change})


# --- the scenes ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_movie_and_truth_belong_together(kind: str) -> None:
    movie = simulate(kind, frames=12, shape=(48, 64), seed=3, photons=20.0)
    for stack in (movie.noisy, movie.truth):
        assert stack.axes == "TYX"
        assert stack.shape == (12, 48, 64)
        assert set(stack.scale) == set(stack.units) == {"T", "Y", "X"}
    assert movie.noisy.dtype == np.uint16
    assert movie.noise == NoiseModel(gain=2.0, offset=100.0, read_noise=3.0)
    assert movie.kind == kind
    error = movie.noisy.data - movie.truth.data
    # Rounding to whole grey levels adds a variance of 1 / 12.
    spread = np.sqrt(movie.noise.variance(movie.truth.data) + 1 / 12)
    normal = error / spread
    assert normal.mean() == pytest.approx(0.0, abs=0.03)
    assert normal.std() == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("kind", KINDS)
def test_scenes_move_smoothly(kind: str) -> None:
    """Frames differ, and differ more the farther apart they are."""
    truth = simulate(kind, frames=24, shape=(96, 96), seed=2).truth.data
    truth = truth.astype(np.float64)
    contrast = truth.std()
    near, far = (
        float(np.sqrt(np.mean((truth[lag:] - truth[:-lag]) ** 2))) for lag in (1, 8)
    )
    assert 0.003 * contrast < near < 0.5 * contrast
    assert far > 1.5 * near


@settings(max_examples=10, deadline=None)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    frames=st.integers(1, 4),
    height=st.integers(16, 70),
    width=st.integers(16, 70),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_size_is_reproducible(
    kind: str, frames: int, height: int, width: int, seed: int
) -> None:
    one, other = (
        simulate(kind, frames=frames, shape=(height, width), seed=seed)
        for _ in range(2)
    )
    assert one.noisy.shape == (frames, height, width)
    np.testing.assert_array_equal(one.noisy.data, other.noisy.data)
    np.testing.assert_array_equal(one.truth.data, other.truth.data)
    assert np.isfinite(one.truth.data).all()
    assert one.truth.data.min() >= 100.0


def test_the_scene_does_not_depend_on_the_camera() -> None:
    one, other = (
        simulate("nuclei", frames=4, photons=n, gain=1.0, offset=0.0) for n in (5, 50)
    )
    np.testing.assert_allclose(10 * one.truth.data, other.truth.data, rtol=1e-5)


def test_seeds_give_different_movies() -> None:
    one, other = (simulate("vesicles", frames=2, seed=seed) for seed in (0, 1))
    assert np.corrcoef(one.truth.data.ravel(), other.truth.data.ravel())[0, 1] < 0.8


def test_motion_says_where_the_scene_went() -> None:
    movie = simulate("calcium", frames=40, shape=(96, 96), seed=5)
    assert movie.motion is not None
    assert movie.motion.shape == (40, 2)
    np.testing.assert_array_equal(movie.motion[0], 0.0)
    farthest = int(np.argmax(np.hypot(*movie.motion.T)))
    assert np.hypot(*movie.motion[farthest]) > 0.5
    window = np.outer(np.hanning(96), np.hanning(96))

    def detail(frame: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Keep the texture; not what glows broadly, nor the frame's border."""
        return (frame - ndimage.gaussian_filter(frame, 4.0)) * window

    back, _, _ = phase_cross_correlation(
        detail(movie.truth.data[0]),
        detail(movie.truth.data[farthest]),
        upsample_factor=20,
        normalization=None,
    )
    np.testing.assert_allclose(back, -movie.motion[farthest], atol=0.1)


def test_lattice_drifts_as_one() -> None:
    movie = simulate("lattice", frames=30, shape=(96, 96), seed=1)
    assert movie.motion is not None
    truth = movie.truth.data.astype(np.float64)
    back = ndimage.shift(truth[-1], -movie.motion[-1], mode="nearest")
    inner = (slice(12, -12), slice(12, -12))
    here, there, start = (image[inner].ravel() for image in (truth[-1], back, truth[0]))
    assert np.corrcoef(there, start)[0, 1] > 0.95
    assert np.corrcoef(there, start)[0, 1] > np.corrcoef(here, start)[0, 1]


def test_unknown_kind() -> None:
    with pytest.raises(InputError, match="'cats'; choose one of nuclei, calcium"):
        simulate("cats")


@pytest.mark.parametrize("frames, shape", [(0, (64, 64)), (3, (8, 64))])
def test_too_little_to_simulate(frames: int, shape: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="at least 1 frame of 16 x 16"):
        simulate(frames=frames, shape=shape)
