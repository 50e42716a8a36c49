"""What is dim keeps its quality beside something that is very bright."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

import napari_udvd as nu
from tiny import ALONE

if TYPE_CHECKING:
    from napari_udvd import Denoiser

torch.set_num_threads(1)

Movie = npt.NDArray[Any]

pytestmark = pytest.mark.filterwarnings("ignore:the result")


def processes_beside_somata(electrons: float) -> tuple[Movie, Movie, Movie]:
    """Return truth and movie of dim processes, and where they are dim.

    Somata have so many electrons, processes 25 on a ground of 5; the camera has a gain
    of 2 and a read noise of 4 grey levels.
    """
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:80, :80]
    light = np.full((16, 80, 80), 5.0)
    for t in range(16):
        for a, b in ((26, 26), (56, 60)):
            far = np.hypot(y - a - 0.03 * t, x - b) - 6
            light[t] += electrons / (1 + np.exp(far))
        for k in range(4):
            middle = 15 + 18 * k + 6 * np.sin(x / 17 + k)
            light[t] += 25 * np.exp(-((y - middle) ** 2) / 4.5)
    noisy = rng.poisson(light) * 2 + 100 + rng.normal(0, 4, light.shape)
    return light * 2 + 100, np.rint(noisy).clip(0).astype(np.uint16), light < 32


def trained(noisy: Movie) -> Denoiser:
    return nu.train(noisy, "TYX", steps=20, seed=0, self_ensemble=False)


def test_the_posterior_does_not_let_the_noise_of_the_dim_through() -> None:
    truth, noisy, dim = processes_beside_somata(5000.0)
    denoiser = trained(noisy)
    errors = {}
    for posterior in (True, False):
        clean = denoiser.denoise(
            noisy, "TYX", dtype="float32", use_posterior=posterior, **ALONE
        )
        errors[posterior] = float(np.sqrt(((clean - truth)[dim] ** 2).mean()))
    noise = float((noisy - truth)[dim].std())
    assert errors[True] <= 1.1 * errors[False]
    assert errors[True] < 0.45 * noise
