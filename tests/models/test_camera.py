"""The scale on which camera noise has a standard deviation of one everywhere."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from napari_udvd.models import CameraNoise
from napari_udvd.models.camera import destabilise, stabilise


def camera(gain: float, dark: float, read_noise: float) -> CameraNoise:
    return CameraNoise(
        *(
            torch.tensor(value, dtype=torch.float64)
            for value in (gain, dark, read_noise**2)
        )
    )


def numbers(values: object) -> torch.Tensor:
    return torch.as_tensor(values, dtype=torch.float64)


CAMERAS = st.builds(
    camera, st.floats(1e-3, 100), st.floats(-500, 500), st.floats(0, 50)
)


@pytest.mark.parametrize("read_noise", [0.0, 0.7, 5.0])
@pytest.mark.parametrize("photons", [3.0, 10.0, 30.0, 300.0])
def test_the_noise_has_unit_variance(photons: float, read_noise: float) -> None:
    rng = np.random.default_rng(0)
    gain, dark = 2.5, 100.0
    counted = rng.poisson(photons, 200_000) + rng.normal(0, read_noise, 200_000)
    grey = numbers(gain * counted + dark)
    found = stabilise(grey, camera(gain, dark, gain * read_noise))
    # of pure Poisson noise with a mean of three photons the transform leaves 1.03
    assert float(found.std()) == pytest.approx(1, abs=0.04 if photons < 10 else 0.02)


@settings(deadline=None)
@given(noise=CAMERAS, relative=st.floats(-30, 1e5))
def test_it_is_the_transform_above_dark_and_a_line_below(
    noise: CameraNoise, relative: float
) -> None:
    light = numbers(relative) * (noise.gain + noise.read_variance.sqrt())
    root = noise._floor.sqrt()
    if light > 0:
        expected = 2 / noise.gain * ((noise._floor + noise.gain * light).sqrt() - root)
    else:
        expected = light / root
    found = stabilise(noise.dark + light, noise)
    scale = float(noise.dark.abs() / root) + 1
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-9 * scale)


@settings(deadline=None)
@given(noise=CAMERAS, relative=st.floats(-30, 1e5))
def test_there_and_back(noise: CameraNoise, relative: float) -> None:
    grey = noise.dark + relative * (noise.gain + noise.read_variance.sqrt())
    back = destabilise(stabilise(grey, noise), noise)
    torch.testing.assert_close(back, grey, rtol=1e-9, atol=1e-9)


@settings(deadline=None)
@given(noise=CAMERAS, value=st.floats(-300, 300))
def test_back_and_there(noise: CameraNoise, value: float) -> None:
    grey = destabilise(numbers(value), noise)
    # far from the dark level the digits of the difference are lost
    slack = 1e-12 * float(noise.dark.abs() / noise._floor.sqrt())
    torch.testing.assert_close(
        stabilise(grey, noise), numbers(value), rtol=1e-8, atol=1e-8 + slack
    )


@settings(deadline=None)
@given(noise=CAMERAS, a=st.floats(-1e4, 1e6), b=st.floats(-1e4, 1e6))
def test_brighter_stays_brighter(noise: CameraNoise, a: float, b: float) -> None:
    assume(abs(a - b) > 1e-3)
    low, high = stabilise(numbers(sorted((a, b))), noise)
    assert low < high


@settings(deadline=None)
@given(noise=CAMERAS)
def test_dark_is_zero_and_no_kink_there(noise: CameraNoise) -> None:
    assert stabilise(noise.dark, noise) == 0
    step = 1e-6 * noise._floor.sqrt()
    above = stabilise(noise.dark + step, noise)
    below = stabilise(noise.dark - step, noise)
    torch.testing.assert_close(above, -below, rtol=1e-3, atol=1e-12)


@settings(deadline=None)
@given(read_noise=st.floats(1e-3, 100), grey=st.floats(-1e5, 1e5))
def test_without_gain_it_divides_by_the_read_noise(
    read_noise: float, grey: float
) -> None:
    found = stabilise(numbers(grey), camera(0, 10, read_noise))
    assert float(found) == pytest.approx((grey - 10) / read_noise, rel=1e-9)


def test_without_any_noise_it_stays_finite() -> None:
    noise = camera(0, 0, 0)
    grey = numbers([-1.0, 0.0, 3.0])
    assert torch.isfinite(stabilise(grey, noise)).all()
    torch.testing.assert_close(destabilise(stabilise(grey, noise), noise), grey)


@pytest.mark.parametrize("grey", [-50.0, 10.0, 10.1, 5000.0])
def test_the_slope_is_one_over_the_standard_deviation(grey: float) -> None:
    noise = camera(2.0, 10.0, 3.0)
    value = numbers(grey).requires_grad_()
    (slope,) = torch.autograd.grad(stabilise(value, noise), value)
    light = max(grey - 10, 0) + 0.375 * 2.0
    assert float(slope) == pytest.approx((2.0 * light + 9.0) ** -0.5, rel=1e-6)


def test_the_variance_follows_the_mean() -> None:
    noise = camera(2.0, 10.0, 3.0)
    found = noise.variance(numbers([-90.0, 10.0, 110.0]))
    # no light is taken as a twentieth of a photon
    torch.testing.assert_close(found, numbers([9.2, 9.2, 209.0]))
