"""When whole grey levels are too coarse for a result."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from napari_udvd.inference import request
from napari_udvd.inference.restorer import Denoiser
from napari_udvd.inference.rounding import rounding_loss
from napari_udvd.inference.scaling import Calibration
from napari_udvd.noise import NoiseModel
from napari_udvd.stack import Stack
from tiny import ALONE, learned_from, tiny_movie, tiny_net


def of_noise(std: float, **levels: Any) -> Calibration:
    return Calibration(50.0, 100.0, NoiseModel(0.0, 0.0, std), **levels)


@pytest.mark.parametrize(
    ("std", "removed", "matters"),
    [
        # a share of 5 % is left at most, 1 % at least; rounding adds 1/12
        (1.2, None, True),
        (1.4, None, False),
        (1.4, 0.97, True),
        (1.8, 0.97, False),
        (2.8, 1.0, True),
        (3.0, 1.0, False),
        (1.4, 0.2, False),
    ],
)
def test_more_than_the_noise_that_is_left(
    std: float, removed: float | None, matters: bool
) -> None:
    loss = rounding_loss([of_noise(std)], {"noise_removed": removed})
    assert (loss is not None) == matters


def test_the_numbers_are_what_they_are_called() -> None:
    loss = rounding_loss([of_noise(0.5)], {"noise_removed": 0.96})
    assert loss is not None
    rng = np.random.default_rng(0)
    fine = rng.uniform(0, 100, 100_000)
    assert loss.added == pytest.approx((np.rint(fine) - fine).std(), rel=0.01)
    assert loss.noise == pytest.approx(0.5)
    assert loss.left == pytest.approx((0.04 * 0.25) ** 0.5)
    assert "an error of 0.29; where the movie is dark, about 0.1 is" in loss.sentence
    assert "left of a noise of 0.5" in loss.sentence


def test_where_it_is_dim_and_where_it_is_bright() -> None:
    """Photon noise: fine where it is bright, and still too coarse in the dark."""
    photons = NoiseModel(1.0, 0.0, 0.0)
    bright = Calibration(50.0, 100.0, photons, (1.0, 2.0, 30.0, 90.0, 200.0))
    dark = Calibration(50.0, 100.0, photons, (0.1, 0.5, 30.0, 90.0, 200.0))
    assert rounding_loss([bright], {}) is None
    assert rounding_loss([dark], {}) is not None
    # the channel where it costs most counts
    loss = rounding_loss([bright, dark], {})
    assert loss is not None
    assert loss.noise == pytest.approx(0.5**0.5)


@pytest.mark.parametrize(
    ("dtype", "std", "expected"),
    [
        ("u2", 5.0, "u2"),
        ("u2", 0.5, "f4"),
        ("u1", 0.7, "f4"),
        ("i2", 0.5, "f4"),
        ("f4", 0.5, "f4"),
        ("f8", 0.5, "f8"),
    ],
)
def test_the_type_of_a_result(
    monkeypatch: pytest.MonkeyPatch, dtype: str, std: float, expected: str
) -> None:
    monkeypatch.setattr(request, "choose_precision", lambda _: torch.float32)
    movie = np.asarray(tiny_movie().data).clip(0, 255).astype(dtype)
    stack = Stack.from_array(movie, "TYX")
    net = tiny_net(frames=3, likelihood=True)
    model = Denoiser(net, (of_noise(std),), record=learned_from(stack))
    assert model.dtype_for(stack) == expected
    assert model.denoise(stack, **ALONE).dtype == expected
    # what was asked for is done all the same
    assert model.denoise(stack, dtype=stack.dtype, **ALONE).dtype == dtype
