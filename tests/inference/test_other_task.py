"""A model that meets a movie which asks for another task says so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import napari_udvd as nu
from napari_udvd.inference.scaling import Calibration, Scaler
from napari_udvd.models import Prediction, build_network
from napari_udvd.noise import NoiseModel
from napari_udvd.simulation import simulate
from napari_udvd.stack import Stack
from napari_udvd.training.plan import make_plan
from napari_udvd.training.settings import make_settings

torch = pytest.importorskip("torch")

NOISE = NoiseModel(2.0, 100.0, 3.0)
FULL = simulate("nuclei", frames=16, shape=(48, 48), seed=8).noisy.read()
MASK = np.random.default_rng(3).random(FULL.shape) < 0.3


def model(name: str, task: str, **calibration: Any) -> nu.Denoiser:
    known = Calibration(110.0, 40.0, NOISE, **calibration)
    return nu.Denoiser(build_network(name, {"channels": 1}), (known,), task=task)


def test_a_denoising_model_leaves_a_scan_empty_and_names_what_fills_it() -> None:
    scan = Stack.from_array(FULL, "TYX", mask=MASK)
    (warning,) = model("centerblind", "denoise").match(scan).warnings
    assert "of which 30% was measured" in warning
    assert "to fill them use reconstruct" in warning
    # nothing is said of a movie with a border, nor to a model that fills
    border = MASK | True
    border[:, :8] = False
    bordered = Stack.from_array(FULL, "TYX", mask=border)
    assert not model("centerblind", "denoise").match(bordered).warnings
    assert not model("centerblind-sparse", "reconstruct").match(scan).warnings


def test_training_to_denoise_a_scan_names_reconstruct() -> None:
    scan = Stack.from_array(FULL, "TYX", mask=MASK)
    plan = make_plan([scan], make_settings(device="cpu"), on_cpu=True)
    assert any("use reconstruct" in warning for warning in plan.warnings)


def test_a_model_that_fills_denoises_a_movie_without_gaps_and_says_so() -> None:
    full = Stack.from_array(FULL, "TYX")
    found = model("centerblind-sparse", "reconstruct").match(full)
    assert any("it denoises them" in note for note in found.notes)
    assert not found.warnings


def test_factors_are_kept_where_grey_levels_are_others() -> None:
    fills = model("centerblind-sparse", "reconstruct", std_factors=(1.5, 2.0))
    far = Stack.from_array(40.0 * FULL, "TYX", mask=MASK)
    (own,) = fills.match(far).calibrations
    assert own.noise.gain > 20
    assert own.std_factors == (1.5, 2.0)
    assert Calibration.from_dict(own.to_dict()) == own


def test_factors_multiply_the_std_of_their_channel() -> None:
    rng = torch.Generator().manual_seed(0)
    factor = torch.rand(2, 2, 4, 4, generator=rng)
    prediction = Prediction(torch.zeros(2, 4, 4), factor)
    known = torch.rand(2, 4, 4, generator=rng) < 0.5
    scaler = Scaler(
        [
            Calibration(0.0, 1.0, NOISE, std_factors=(1.5, 2.0)),
            Calibration(0.0, 1.0, NOISE, std_factors=(0.5, 3.0)),
        ]
    )
    ratio = scaler.adjusted(prediction, known).std / prediction.std
    for channel, (seen, unseen) in enumerate([(1.5, 2.0), (0.5, 3.0)]):
        expected = torch.where(known[channel], seen, unseen)
        torch.testing.assert_close(ratio[channel], expected)
    whole = scaler.adjusted(prediction, None).std / prediction.std
    torch.testing.assert_close(whole[1], torch.full((4, 4), 0.5))
    plain = Scaler([Calibration(0.0, 1.0, NOISE)] * 2)
    assert plain.adjusted(prediction, known) is prediction
