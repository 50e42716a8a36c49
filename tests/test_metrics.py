"""Signal-to-noise ratio and the best Gaussian filter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from napari_udvd.metrics import (
    SIGMAS,
    TIME_SIGMAS,
    best_gaussian,
    fourier_rings,
    psnr,
)
from napari_udvd.simulation import simulate
from tiny import tiny_movie


@given(
    error=st.floats(0.01, 10), scale=st.floats(0.1, 1e4), offset=st.floats(-1e3, 1e3)
)
def test_psnr_is_the_range_over_the_error(
    error: float, scale: float, offset: float
) -> None:
    truth = np.linspace(0, 1, 24).reshape(2, 3, 4)
    noisy = truth + error * np.where(np.arange(24).reshape(truth.shape) % 2, 1, -1)
    expected = 20 * np.log10(1 / error)
    assert psnr(truth, noisy) == pytest.approx(expected, abs=1e-6)
    # units do not matter
    again = psnr(truth * scale + offset, noisy * scale + offset)
    assert again == pytest.approx(expected, abs=1e-3)


def test_integers_do_not_wrap() -> None:
    truth = np.array([[0, 200]], np.uint8)
    noisy = np.array([[10, 190]], np.uint8)
    assert psnr(truth, noisy) == pytest.approx(20 * np.log10(200 / 10))


def test_the_peak_can_be_stated() -> None:
    truth = np.array([0.0, 1.0, 2.0, 500.0])
    assert psnr(truth, truth + 3, peak=300) == pytest.approx(40)
    assert psnr(truth, truth + 5) == psnr(truth, truth + 5, peak=500)


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match=r"\(2, 3\).*\(3, 2\)"):
        psnr(np.zeros((2, 3)), np.zeros((3, 2)))


def test_the_best_gaussian_is_the_best_of_all() -> None:
    movie = simulate("nuclei", frames=6, shape=(32, 36))
    truth, noisy = movie.truth.read(), movie.noisy.read()
    best = best_gaussian(truth, noisy)
    assert best.shape == truth.shape
    assert best.dtype == np.float32
    reached = psnr(truth, best)
    assert reached > psnr(truth, noisy) + 3
    for t in TIME_SIGMAS:
        for s in SIGMAS:
            one = gaussian_filter(noisy.astype(np.float32), (t, s, s))
            assert reached >= psnr(truth, one)


def test_the_noisy_movie_is_not_changed() -> None:
    movie = tiny_movie().read()
    before = movie.copy()
    best_gaussian(movie.astype(np.float32), movie)
    np.testing.assert_array_equal(movie, before)


def test_fourier_rings_tell_where_two_images_part() -> None:
    rng = np.random.default_rng(0)
    shape = (6, 128, 128)
    spectrum = np.fft.rfft2(rng.normal(size=shape))
    radius = np.hypot(np.fft.fftfreq(128)[:, None], np.fft.rfftfreq(128)[None])
    shared = np.fft.irfft2(spectrum * (radius < 1 / 8), shape[1:])
    one, two = (shared + 0.2 * rng.normal(size=shape) for _ in range(2))
    found = fourier_rings(one, two)
    # the window blurs by a ring
    assert found.resolution == pytest.approx(8, rel=0.15)
    assert found.correlation[:7] == pytest.approx([1] * 7, abs=0.1)
    assert np.abs(found.correlation[10:]).max() < 0.15


def test_fourier_rings_of_noise_and_of_the_same() -> None:
    rng = np.random.default_rng(1)
    one, two = rng.normal(size=(2, 8, 64, 65))
    assert np.isnan(fourier_rings(one, two).resolution)
    assert fourier_rings(one, one).resolution == pytest.approx(2, rel=0.05)
    assert fourier_rings(one[0], one[0] * 3 + 5).correlation == pytest.approx(
        np.ones(16)
    )
    with pytest.raises(ValueError, match="shapes differ"):
        fourier_rings(one, two[:, 1:])
