"""Gain and read noise of movies that are mostly dark, and of other odd cameras."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from napari_udvd.noise import NoiseModel, diagnose
from napari_udvd.simulation import simulate
from napari_udvd.stack import Stack

Movie = npt.NDArray[Any]


def cells_on_dark(seed: int, peak: float, ground: float) -> Movie:
    """Photons ``(40, 128, 128)``: five cells that move a little."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:128, :128]
    light = np.full((40, 128, 128), ground)
    for _ in range(5):
        a, b = rng.uniform(15, 113, 2)
        da, db = rng.normal(0, 0.3, 2)
        r = rng.uniform(6, 10)
        for t in range(40):
            d = np.hypot(y - a - da * t, x - b - db * t) / r
            light[t] += peak / (1 + np.exp(8 * (d - 1)))
    return light


def measured(movie: Movie) -> NoiseModel:
    return diagnose(Stack.from_array(movie, "TYX")).noise


@pytest.mark.parametrize(
    "gain, read, peak, ground",
    [(4.0, 0.7, 12, 0.08), (0.46, 1.6, 40, 0.3), (9.0, 0.3, 6, 0.02)],
)
def test_gain_where_most_is_dark(
    gain: float, read: float, peak: float, ground: float
) -> None:
    light = cells_on_dark(3, peak, ground)
    rng = np.random.default_rng(1)
    electrons = rng.poisson(light) + rng.normal(0, read, light.shape)
    movie = np.rint(electrons * gain + 100).clip(0).astype(np.uint16)
    noise = measured(movie)
    assert noise.gain == pytest.approx(gain, rel=0.15)
    bright = 100 + gain * 0.8 * peak
    truth = gain * (bright - 100) + (gain * read) ** 2
    assert float(noise.variance(bright)) == pytest.approx(truth, rel=0.15)


@pytest.mark.parametrize("step", [1, 7])
@pytest.mark.parametrize("photons", [0.1, 0.5, 3.0])
def test_counted_photons(photons: float, step: int) -> None:
    light = simulate("nuclei", frames=40, shape=(160, 160), seed=4).truth.read() - 100.0
    light = np.clip(light, 0, None) * photons / np.percentile(light, 99.9)
    counts = np.random.default_rng(2).poisson(light) * step
    noise = measured(counts.astype(np.uint16))
    assert noise.gain == pytest.approx(step, rel=0.15)
    assert noise.read_noise < 0.3 * step


@pytest.mark.parametrize("shape", [0.5, 1.0, 3.0])
def test_pulses_of_random_height(shape: float) -> None:
    """A photomultiplier multiplies every photon by another factor."""
    rng = np.random.default_rng(5)
    light = simulate("nuclei", frames=40, shape=(128, 128), seed=5).truth.read() - 100.0
    light = np.clip(light, 0, None) * 6 / np.percentile(light, 99.9) + 0.2
    photons = rng.poisson(light)
    charge = rng.gamma(np.maximum(photons, 1e-9) * shape, 20 / shape) * (photons > 0)
    movie = charge + 50 + rng.normal(0, 4, light.shape)
    noise = measured(movie.astype(np.float32))
    level = 50 + 20 * 3.0
    truth = 3.0 * 20**2 * (1 + 1 / shape) + 16
    assert float(noise.variance(level)) == pytest.approx(truth, rel=0.15)


@pytest.mark.parametrize("baseline", [100, 102])
@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_noise_that_was_cut_off_at_zero(baseline: int, dtype: str) -> None:
    movie = simulate("nuclei", frames=30, shape=(160, 160), photons=25, seed=6)
    raw = movie.noisy.read().astype(float)
    if dtype == "float32":
        raw += np.random.default_rng(0).normal(0, 0.2, raw.shape)
    cut = np.clip(raw - baseline, 0, None).astype(dtype)
    diagnosis = diagnose(Stack.from_array(cut, "TYX"))
    assert diagnosis.noise.gain == pytest.approx(2.0, rel=0.15)
    assert diagnosis.noise.read_noise == pytest.approx(3.0, rel=0.25)
    assert any("cut off" in reason for reason in diagnosis.reasons)


@pytest.mark.parametrize("photons", [0.2, 2.0])
def test_counted_photons_are_not_called_cut_off(photons: float) -> None:
    light = cells_on_dark(8, photons, photons / 50)
    counts = np.random.default_rng(3).poisson(light).astype(np.uint8)
    reasons = diagnose(Stack.from_array(counts, "TYX")).reasons
    assert not any("cut off" in reason for reason in reasons)


@pytest.mark.parametrize("step", [12, 24])
def test_levels_further_apart_than_the_noise(step: int) -> None:
    raw = simulate("nuclei", frames=20, shape=(96, 96), seed=7).noisy.read()
    coarse = (raw // step * step).astype(np.uint16)
    reasons = diagnose(Stack.from_array(coarse, "TYX")).reasons
    assert any(f"grey levels are {step} apart" in reason for reason in reasons)


@pytest.mark.parametrize("spread", [3.0, 6.0])
@pytest.mark.parametrize("kind", ["nuclei", "vesicles"])
def test_offsets_of_single_pixels(kind: str, spread: float) -> None:
    raw = simulate(kind, frames=40, shape=(96, 96), seed=8).noisy.read()
    offsets = np.random.default_rng(9).normal(0, spread, raw.shape[1:])
    movie = np.rint(raw + offsets).clip(0).astype(np.uint16)
    reasons = diagnose(Stack.from_array(movie, "TYX")).reasons
    (said,) = [reason for reason in reasons if "offsets of their own" in reason]
    number = float(said.split("their own, ")[1].split()[0])
    assert number == pytest.approx(spread, rel=0.15)


@pytest.mark.parametrize("kind", ["nuclei", "lattice", "vesicles", "filaments"])
def test_a_specimen_that_stands_still_is_no_offset(kind: str) -> None:
    light = simulate(kind, frames=2, shape=(96, 96), seed=9).truth.read()[:1]
    movie = np.random.default_rng(4).poisson(np.repeat(light, 40, axis=0))
    reasons = diagnose(Stack.from_array(movie.astype(np.uint16), "TYX")).reasons
    assert not any("offsets of their own" in reason for reason in reasons)


@pytest.mark.parametrize("times", [0.5, 1.25, 4.0])
def test_louder_noise_has_so_many_times_the_variance(times: float) -> None:
    noise = NoiseModel(gain=2.0, offset=100.0, read_noise=1.5)
    signal = np.array([90.0, 100.0, 130.0, 900.0])
    louder = noise.louder(times)
    np.testing.assert_allclose(louder.variance(signal), times * noise.variance(signal))
    assert louder.offset == noise.offset
