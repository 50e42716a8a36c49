"""A recorrupted copy finds how much of a correction is right, without the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

from napari_udvd.inference.guard import COPIES, NONE, Share, find_share
from napari_udvd.inference.scaling import Calibration
from napari_udvd.noise import NoiseModel
from napari_udvd.stack import Stack
from napari_udvd.validity import inspect

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from napari_udvd.inference.block_denoiser import Denoised
    from napari_udvd.planes import Series

    Movie = npt.NDArray[np.float32]

NOISE = 2.0
CALIBRATION = Calibration(50.0, 10.0, NoiseModel(0.0, 0.0, NOISE))
PRIOR = 1.0
"""Standard deviation that the first stage claims, in grey levels."""


class Known(NamedTuple):
    """A movie that stands still, and what the first stage gets wrong of it."""

    noisy: Movie
    truth: Movie
    error: Movie


@pytest.fixture(scope="module")
def known() -> Known:
    rng = np.random.default_rng(1)
    truth, error = (
        gaussian_filter(rng.normal(0, 1, (96, 96)), 2).astype(np.float32)
        for _ in range(2)
    )
    # as fine as can be: what is coarse is not corrected
    checkered = (-1) ** np.indices(error.shape, dtype=np.float32).sum(axis=0)
    truth, error = 50 + 100 * truth, 10 * error * checkered
    noisy = truth + rng.normal(0, NOISE, (9, *truth.shape))
    return Known(noisy.astype(np.float32), truth, error)


class FirstStage:
    """Predicts the truth, and an error that is always the same."""

    def __init__(self, known: Known, stack: Stack) -> None:
        self._blind, self._stack = known.truth + known.error, stack

    def block(self, series: Series, start: int, stop: int) -> Denoised:
        assert 0 <= start < stop <= self._stack.n_frames
        mean = np.broadcast_to(self._blind, (stop - start, 1, *self._blind.shape))
        return mean.copy(), np.full(mean.shape, PRIOR, np.float32)

    def steps(self, series: Series, start: int, stop: int) -> Iterator[Denoised | None]:
        yield None
        yield self.block(series, start, stop)


class Correction(nn.Module):
    """Takes off so many times the error that the posterior has on average."""

    def __init__(self, known: Known, times: float) -> None:
        super().__init__()
        noise = COPIES.of_first * NOISE**2
        rho = PRIOR * (noise / (noise + PRIOR**2)) ** 0.5
        left = known.error * noise / (noise + PRIOR**2)
        self.register_parameter(
            "step", nn.Parameter(torch.from_numpy(-times * left / rho))
        )

    def forward(self, x: Tensor, precision: torch.dtype) -> Tensor:
        return torch.stack([self.step, torch.zeros_like(self.step)])[None]


def share(known: Known, times: float, noisy: Movie | None = None, **more: int) -> Share:
    stack = inspect(Stack.from_array(known.noisy if noisy is None else noisy, "TYX"))

    def predictor(part: Stack, calibrations: Sequence[Calibration]) -> FirstStage:
        (calibration,) = calibrations
        assert calibration.noise.read_noise >= NOISE
        return FirstStage(known, part)

    finding = find_share(
        predictor, stack, 0, CALIBRATION, Correction(known, times), context=2, **more
    )
    while True:
        try:
            assert next(finding) is None
        except StopIteration as end:
            found: Share = end.value
            return found


@pytest.mark.parametrize("times", [0.7, 1.0, 2.0])
def test_the_share_is_what_brings_the_result_closest_to_the_truth(
    known: Known, times: float
) -> None:
    found = share(known, times)
    assert abs(found.best - 1 / times) < 3 * found.error
    assert found.error < 0.2 / times
    assert 0 <= found.value <= 1
    assert found.value <= max(found.best, 0)


def test_what_does_harm_is_not_used(known: Known) -> None:
    found = share(known, -1.0)
    assert found.value == 0
    assert abs(found.best + 1) < 3 * found.error


def test_what_has_nothing_to_do_with_the_truth_is_not_used(known: Known) -> None:
    turned = known._replace(error=np.ascontiguousarray(known.error[::-1, ::-1]))
    stack = Stack.from_array(known.noisy, "TYX")
    finding = find_share(
        lambda part, _: FirstStage(known, part),
        stack,
        0,
        CALIBRATION,
        Correction(turned, 1.0),
        context=2,
    )
    with pytest.raises(StopIteration) as end:
        while True:
            next(finding)
    found: Share = end.value.value
    assert found.value < 0.25


def test_the_same_seed_gives_the_same_share(known: Known) -> None:
    assert share(known, 1.0) == share(known, 1.0)
    assert share(known, 1.0) != share(known, 1.0, seed=1)


def test_no_correction_has_no_share(known: Known) -> None:
    assert share(known, 0.0) == NONE


def test_what_was_not_measured_does_not_judge(known: Known) -> None:
    noisy = known.noisy.copy()
    noisy[:, :40] = np.nan
    found = share(known, 1.0, noisy)
    assert abs(found.best - 1) < 3 * found.error
    noisy[4] = np.nan
    assert np.isfinite(share(known, 1.0, noisy).best)


def test_two_frames_are_too_few(known: Known) -> None:
    assert share(known, 1.0, known.noisy[:2]) == NONE
