"""Grey levels to network units and back."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_udvd.inference.scaling import Calibration, Scaler, calibrate
from napari_udvd.noise import NoiseModel
from napari_udvd.stack import Stack
from tiny import CAMERA

NUMBERS = st.floats(-1e5, 1e5)
POSITIVE = st.floats(1e-2, 1e5)
CALIBRATIONS = st.builds(
    Calibration, NUMBERS, POSITIVE, st.builds(NoiseModel, POSITIVE, NUMBERS, POSITIVE)
)


@given(calibration=CALIBRATIONS)
def test_survives_json_exactly(calibration: Calibration) -> None:
    text = json.dumps(calibration.to_dict())
    assert Calibration.from_dict(json.loads(text)) == calibration


@settings(deadline=None)
@given(
    calibrations=st.lists(CALIBRATIONS, min_size=1, max_size=3),
    seed=st.integers(0, 1000),
)
def test_units_and_variance(calibrations: list[Calibration], seed: int) -> None:
    scaler = Scaler(calibrations)
    rng = np.random.default_rng(seed)
    offsets, scales = (
        np.array([getattr(c, name) for c in calibrations])[:, None, None]
        for name in ("offset", "scale")
    )
    grey = offsets + scales * rng.uniform(-1, 2, (2, len(calibrations), 4, 5))
    value = scaler.normalise(torch.from_numpy(grey.astype(np.float32)))
    # float32 grey levels carry an error of their own
    error = 1e-6 * (np.abs(offsets) + np.abs(grey)).max() / scales.min() + 1e-5
    np.testing.assert_allclose(value, (grey - offsets) / scales, atol=error)
    back = scaler.restore(value).numpy()
    np.testing.assert_allclose(back, grey, atol=error * scales.max())
    np.testing.assert_allclose(
        scaler.restore_std(torch.ones(len(calibrations), 1, 1)), scales, rtol=1e-6
    )
    # the variance of the camera, in squared network units
    variance = scaler.noise.variance(value).numpy()
    for c, calibration in enumerate(calibrations):
        camera = calibration.noise
        # a pixel is never taken for darker than a twentieth of a photon
        lit = np.maximum(grey[:, c], camera.offset + 0.05 * camera.gain)
        expected = camera.variance(lit) / calibration.scale**2
        slack = calibration.noise.gain / calibration.scale * error + 1e-5
        np.testing.assert_allclose(variance[:, c], expected, rtol=1e-3, atol=slack)
    assert (variance > 0).all()


def test_measures_mean_and_range_of_the_movie() -> None:
    rng = np.random.default_rng(0)
    movie = rng.uniform(500, 1500, (40, 30, 30)).astype(np.float32)
    found = calibrate([Stack.from_array(movie)], 0, CAMERA)
    assert found.noise == CAMERA
    assert found.offset == pytest.approx(1000, abs=5)
    assert found.scale == pytest.approx(989, abs=5)  # 1st to 99.9th percentile


def test_one_calibration_per_channel_over_all_depths_and_movies() -> None:
    movie = np.zeros((4, 2, 3, 8, 8), "u2")
    movie[:, 0] = 10
    movie[:, 1, 0] = 100
    movie[:, 1, 1] = 200
    movie[:, 1, 2] = 300
    stack = Stack.from_array(movie, "TCZYX")
    other = Stack.from_array(movie * 2, "TCZYX")
    assert calibrate([stack], 0, CAMERA).offset == 10
    assert calibrate([stack], 1, CAMERA).offset == 200
    assert calibrate([stack, other], 1, CAMERA).offset == 300


def test_a_constant_channel_still_has_a_scale() -> None:
    stack = Stack.from_array(np.full((3, 8, 8), 7, "u1"))
    assert calibrate([stack], 0, CAMERA).scale > 0


def test_reads_a_bounded_number_of_frames_of_a_long_movie() -> None:
    read: set[int] = set()

    class Long:
        shape, dtype = (5000, 8, 8), np.dtype("u2")

        def __getitem__(self, key: Any) -> np.ndarray:
            frames = range(5000)[key[0]]
            read.update(frames)
            return np.full((len(frames), 8, 8), frames[0], "u2")

    found = calibrate([Stack.from_array(Long(), "TYX")], 0, CAMERA)
    assert len(read) <= 32
    assert {0, 4999} <= read
    assert found.offset == pytest.approx(2500, rel=0.01)


def test_no_axis_makes_it_read_the_whole_movie_into_memory() -> None:
    # a light sheet has many planes: the memory must not grow with them either
    frame = 64 * 64
    largest = 0

    class Deep:
        shape, dtype = (100, 200, 64, 64), np.dtype("u2")
        pixels = 0

        def __getitem__(self, key: Any) -> np.ndarray:
            nonlocal largest
            n = len(range(100)[key[0]])
            Deep.pixels += n * frame
            return np.zeros((n, 64, 64), "u2")

    calibrate([Stack.from_array(Deep(), "TZYX")], 0, CAMERA)
    # no more than a few hundred frames say all there is to know of a range
    assert Deep.pixels <= 1000 * frame
