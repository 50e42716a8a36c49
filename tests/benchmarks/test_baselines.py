"""Filters that are told the noise get it in the units that they are right in."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def baselines(benchmark_script: Callable[[str], Any]) -> Any:
    return benchmark_script("baselines")


GAIN, OFFSET, READ_NOISE = 2.5, 100.0, 3.0


def test_nd_safir_gets_photons_and_gives_grey_levels(
    baselines: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, Any] = {}

    def fake(movie: Any, **how: Any) -> Any:
        seen.update(movie=movie, **how)
        return movie

    module = SimpleNamespace(denoise_poisson_gaussian=fake)
    monkeypatch.setitem(sys.modules, "ndsafir", module)
    photons = np.random.default_rng(0).poisson(40, (3, 8, 8))
    noisy = (GAIN * photons + OFFSET).astype(np.float32)
    found = baselines.ndsafir(noisy, noisy, GAIN, OFFSET, READ_NOISE)
    np.testing.assert_allclose(found, noisy, rtol=1e-6)
    np.testing.assert_allclose(seen["movie"], photons + OFFSET / GAIN, rtol=1e-6)
    assert seen["gains"] == [1.0]
    # the noise at any grey level is the camera's
    variance = seen["movie"] + seen["offsets"][0]
    np.testing.assert_allclose(variance, photons + (READ_NOISE / GAIN) ** 2, atol=1e-4)


@pytest.mark.parametrize("gain", [0.01, 1.0, 20.0])
def test_nd_safir_keeps_the_mean_whatever_the_gain(baselines: Any, gain: float) -> None:
    pytest.importorskip("ndsafir")
    truth = np.full((6, 32, 32), 30 * gain, np.float32)
    noisy = gain * np.random.default_rng(0).poisson(30, truth.shape)
    found = baselines.ndsafir(truth, noisy.astype(np.float32), gain, 0.0, 0.0)
    assert found.mean() / gain == pytest.approx(noisy.mean() / gain, abs=0.05)
