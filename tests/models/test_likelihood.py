"""Likelihood and posterior against the formulas of a textbook, pixel by pixel."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_udvd.models import (
    Prediction,
    negative_log_likelihood,
    posterior,
    posterior_loss,
)
from napari_udvd.models.likelihood import factor_entries, prior_loss, split

Doubles = npt.NDArray[np.float64]

CHANNELS = st.integers(1, 3)
SEEDS = st.integers(0, 2**16)
SCALES = st.sampled_from([1e-3, 0.1, 1.0, 30.0])


class Case:
    """Random outputs of a network, and a noisy frame; ``(2, T, ., 3, 4)``."""

    def __init__(self, channels: int, seed: int, scale: float) -> None:
        rng = np.random.default_rng(seed)
        self.channels = channels
        outputs = channels + channels * (channels + 1) // 2
        self.output = scale * rng.standard_normal((2, 2, outputs, 3, 4))
        self.noisy = rng.standard_normal((2, 2, channels, 3, 4))
        self.variance = rng.uniform(1e-4, 2, (2, 2, channels, 3, 4))
        self.pixels = [(n, t, y, x) for n, t, y, x in np.ndindex(2, 2, 3, 4)]

    @property
    def prediction(self) -> Prediction:
        return split(torch.from_numpy(self.output), self.channels)

    def at(self, pixel: tuple[int, ...]) -> tuple[Doubles, Doubles, Doubles, Doubles]:
        """Mean (C,), prior covariance (C, C), noisy (C,), noise covariance (C, C)."""
        n, t, y, x = pixel
        values = self.output[n, t, :, y, x]
        mean, entries = values[: self.channels], list(values[self.channels :])
        a = np.zeros((self.channels, self.channels))
        for i in range(self.channels):
            for j in range(self.channels - i):
                a[i, j] = entries.pop(0)
        noise = np.diag(self.variance[n, t, :, y, x])
        return mean, a.T @ a, self.noisy[n, t, :, y, x], noise


CASES = st.builds(Case, CHANNELS, SEEDS, SCALES)


@settings(max_examples=40, deadline=None)
@given(case=CASES)
def test_likelihood(case: Case) -> None:
    found = negative_log_likelihood(
        case.prediction, torch.from_numpy(case.noisy), torch.from_numpy(case.variance)
    ).numpy()
    assert found.shape == (2, 2, 3, 4)
    for pixel in case.pixels:
        mean, prior, noisy, noise = case.at(pixel)
        covariance = prior + noise
        residual = noisy - mean
        expected = residual @ np.linalg.inv(covariance) @ residual / 2
        expected += np.log(np.linalg.det(covariance)) / 2
        assert found[pixel] == pytest.approx(expected, rel=1e-6, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(case=CASES)
def test_posterior(case: Case) -> None:
    mean_found, std_found = posterior(
        case.prediction, torch.from_numpy(case.noisy), torch.from_numpy(case.variance)
    )
    assert mean_found.shape == std_found.shape == case.noisy.shape
    for n, t, y, x in case.pixels:
        mean, prior, noisy, noise = case.at((n, t, y, x))
        # Rasmussen and Williams, Gaussian Processes for Machine Learning, eq. 2.25:
        # a prior that is sure of some mixture of channels has no inverse
        gain = prior @ np.linalg.inv(prior + noise)
        covariance = prior - gain @ prior
        expected = mean + gain @ (noisy - mean)
        found = mean_found[n, t, :, y, x].numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
        std = std_found[n, t, :, y, x].numpy()
        largest = np.sqrt(np.diag(prior)).max()
        np.testing.assert_allclose(
            std, np.sqrt(np.diag(covariance)), rtol=1e-5, atol=1e-6 * largest
        )


@settings(max_examples=20, deadline=None)
@given(case=CASES)
def test_prior_std_is_the_root_of_the_covariance(case: Case) -> None:
    std = case.prediction.std
    assert std is not None
    for n, t, y, x in case.pixels:
        _, prior, _, _ = case.at((n, t, y, x))
        np.testing.assert_allclose(std[n, t, :, y, x], np.sqrt(np.diag(prior)))


@settings(max_examples=20, deadline=None)
@given(case=CASES)
def test_posterior_is_never_less_sure_than_either_source(case: Case) -> None:
    noisy, variance = torch.from_numpy(case.noisy), torch.from_numpy(case.variance)
    _, std = posterior(case.prediction, noisy, variance)
    prior = case.prediction.std
    assert prior is not None
    assert (std**2 <= prior**2 * (1 + 1e-9)).all()
    assert (std**2 <= variance * (1 + 1e-9)).all()


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_posterior_trusts_the_pixel_without_noise_and_the_prediction_without_light(
    channels: int,
) -> None:
    noisy, mean = torch.randn(2, 3, channels, 4, 5, dtype=torch.float64).unbind(0)
    factor = torch.eye(channels, dtype=torch.float64)[..., None, None]
    prediction = Prediction(mean, factor.expand(3, -1, -1, 4, 5))
    bright, std = posterior(prediction, noisy, torch.tensor(0.0).double())
    torch.testing.assert_close(bright, noisy, rtol=0, atol=1e-4)
    torch.testing.assert_close(std, torch.zeros_like(std), rtol=0, atol=1e-6)
    dark, std = posterior(prediction, noisy, torch.tensor(1e9).double())
    torch.testing.assert_close(dark, mean, rtol=0, atol=1e-6)
    torch.testing.assert_close(std, torch.ones_like(std), rtol=1e-3, atol=0)


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_posterior_in_float32_is_good_to_a_fraction_of_the_noise(channels: int) -> None:
    # little noise under an uncertain prediction: no digits to waste
    rng = np.random.default_rng(0)
    outputs = channels + factor_entries(channels)
    output = torch.from_numpy(rng.standard_normal((1, outputs, 60, 60)))
    noisy = torch.from_numpy(rng.standard_normal((1, channels, 60, 60)))
    variance = torch.full_like(noisy, 1e-5)
    mean, std = posterior(split(output, channels), noisy, variance)
    mean_32, std_32 = posterior(
        split(output.float(), channels), noisy.float(), variance.float()
    )
    sigma = float(variance.amax().sqrt())
    torch.testing.assert_close(mean_32.double(), mean, rtol=0, atol=sigma / 2)
    torch.testing.assert_close(std_32.double(), std, rtol=0.02, atol=0)


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_one_variance_for_all_pixels_may_be_given(channels: int) -> None:
    case = Case(channels, seed=2, scale=1.0)
    noisy = torch.from_numpy(case.noisy)
    one = torch.tensor(0.3, dtype=torch.float64)
    full = torch.full_like(noisy, 0.3)
    torch.testing.assert_close(
        negative_log_likelihood(case.prediction, noisy, one),
        negative_log_likelihood(case.prediction, noisy, full),
    )
    torch.testing.assert_close(
        posterior(case.prediction, noisy, one),
        posterior(case.prediction, noisy, full),
    )


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_without_a_factor_it_is_the_squared_error_over_the_variance(
    channels: int,
) -> None:
    case = Case(channels, seed=3, scale=1.0)
    mean = torch.from_numpy(case.output[:, :, :channels])
    prediction = split(mean, channels)
    assert prediction.factor is None
    assert prediction.std is None
    noisy, variance = torch.from_numpy(case.noisy), torch.from_numpy(case.variance)
    found = negative_log_likelihood(prediction, noisy, variance)
    expected = ((noisy - mean) ** 2 / variance).sum(2) / 2
    torch.testing.assert_close(found, expected)
    with pytest.raises(ValueError, match="mean-only"):
        posterior(prediction, noisy, variance)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_gradients_of_the_likelihood(channels: int) -> None:
    rng = np.random.default_rng(0)
    outputs = channels + factor_entries(channels)
    output = torch.from_numpy(rng.standard_normal((1, outputs, 1, 2))).requires_grad_()
    noisy = torch.from_numpy(rng.standard_normal((1, channels, 1, 2)))

    def loss(output: torch.Tensor) -> torch.Tensor:
        variance = torch.tensor(0.5, dtype=torch.float64)
        return negative_log_likelihood(split(output, channels), noisy, variance)

    assert torch.autograd.gradcheck(loss, (output,))


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("unit", [1e-12, 1e-4, 1e6])
def test_neither_knows_the_unit_of_the_grey_levels(channels: int, unit: float) -> None:
    case = Case(channels, seed=4, scale=1.0)
    noisy = torch.from_numpy(case.noisy).float()
    variance = torch.from_numpy(case.variance).float()
    output = torch.from_numpy(case.output).float()
    mean, std = posterior(split(output, channels), noisy, variance)
    loss = negative_log_likelihood(split(output, channels), noisy, variance)
    scaled = split(output * unit, channels), noisy * unit, variance * unit**2
    mean_there, std_there = posterior(*scaled)
    loss_there = negative_log_likelihood(*scaled)
    torch.testing.assert_close(mean_there / unit, mean, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(std_there / unit, std, rtol=1e-4, atol=1e-6)
    shift = channels * np.log(unit)  # of half the logarithm of the determinant
    torch.testing.assert_close(loss_there - shift, loss, rtol=1e-4, atol=1e-3)


def test_loss_of_the_posterior_is_that_of_the_truth_under_it() -> None:
    rng = torch.Generator().manual_seed(0)
    shape = (2, 3, 1, 4, 5)
    draw = [torch.randn(shape, generator=rng, dtype=torch.float64) for _ in range(4)]
    mean, noisy, truth, factor = draw
    variance = torch.full(shape, 0.7, dtype=torch.float64)
    prediction = Prediction(mean, factor.abs()[..., None, :, :] + 0.5)
    found = posterior_loss(prediction, noisy, truth, variance)
    expected, std = posterior(prediction, noisy, variance)
    law = torch.distributions.Normal(expected, std)
    per_pixel = -law.log_prob(truth) - math.log(2 * math.pi) / 2
    # on a scale of the noise, and with a floor of 1e-4 of it under the prior
    per_pixel = per_pixel - variance.log() / 2
    torch.testing.assert_close(found, per_pixel[:, :, 0], rtol=2e-3, atol=2e-3)
    best = posterior_loss(prediction, noisy, expected, variance)
    assert (best <= found + 1e-6).all()


def test_loss_of_what_was_not_measured_is_that_of_the_truth_under_the_prediction() -> (
    None
):
    rng = torch.Generator().manual_seed(0)
    shape = (2, 3, 1, 4, 5)
    draw = [torch.randn(shape, generator=rng, dtype=torch.float64) for _ in range(3)]
    mean, truth, factor = draw
    variance = torch.full(shape, 0.7, dtype=torch.float64)
    std = factor.abs() + 0.5
    found = prior_loss(Prediction(mean, std[..., None, :, :]), truth, variance)
    law = torch.distributions.Normal(mean, std)
    per_pixel = -law.log_prob(truth) - math.log(2 * math.pi) / 2 - variance.log() / 2
    torch.testing.assert_close(found, per_pixel[:, :, 0], rtol=2e-3, atol=2e-3)
    # it is what the posterior comes to where the noisy pixel says nothing
    prediction = Prediction(mean, 1e-3 * std[..., None, :, :])
    near = mean + 1e-3
    noisy = posterior_loss(prediction, mean, near, variance)
    none = prior_loss(prediction, near, variance)
    torch.testing.assert_close(noisy, none, rtol=1e-3, atol=1e-3)
