"""A sparse movie teaches a network to fill it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

import napari_udvd as nu
from napari_udvd.errors import InputError
from napari_udvd.formats import ArraySink
from napari_udvd.inference.interpolation import choose_widths, interpolate
from napari_udvd.inference.request import Request
from napari_udvd.models import catalogue
from napari_udvd.noise import NoiseModel
from napari_udvd.simulation import simulate
from napari_udvd.stack import Stack
from napari_udvd.tasks import RECONSTRUCT
from napari_udvd.training import Finished, Started, train_events
from napari_udvd.training.plan import make_plan
from napari_udvd.training.scan_noise import measure_scan_noise
from napari_udvd.training.settings import make_settings
from napari_udvd.training.widths import widths_of
from napari_udvd.validity import inspect

if TYPE_CHECKING:
    from pathlib import Path

NOISE = (1.0, 0.0, 0.7)


def scanned(share: float = 0.2, frames: int = 36, seed: int = 3) -> tuple[Any, Any]:
    """Truth, and a fifth of the pixels of every frame."""
    movie = simulate(
        "nuclei",
        frames=frames,
        shape=(48, 48),
        seed=seed,
        photons=15,
        gain=1,
        offset=0,
        read_noise=0.7,
        dtype=np.float32,
    )
    noisy = movie.noisy.read()
    measured = np.random.default_rng(seed).random(noisy.shape) < share
    return movie.truth.read(), np.where(measured, noisy, np.nan)


def error(found: Any, truth: Any) -> float:
    return float(np.square(found - truth).mean())


def finished(sparse: Any, **how: Any) -> tuple[Started, Finished]:
    settings = make_settings(noise=NOISE, device="cpu", **how)
    stack = Stack.from_array(sparse, "TYX")
    first, *_, end = train_events([stack], settings, task="reconstruct")
    assert isinstance(first, Started)
    assert isinstance(end, Finished)
    return first, end


def test_it_begins_as_good_as_the_best_average() -> None:
    truth, sparse = scanned(frames=24)
    _, end = finished(sparse, steps=1)
    assert end.denoiser.task == "reconstruct"
    (spec,) = [s for s in catalogue.specs("reconstruct").values() if s.automatic]
    assert end.denoiser.net.name == spec.name
    dense = end.denoiser.denoise(sparse, "TYX", device="cpu")
    measured = np.isfinite(sparse)
    preview = interpolate(sparse, measured, choose_widths(sparse, measured))
    assert error(dense, truth) < 1.02 * error(preview, truth)
    assert error(preview, truth) < 0.1 * truth.var()


def test_where_the_shipped_weights_add_noise_it_begins_with_an_average() -> None:
    rng = np.random.default_rng(0)
    flat = 300 + rng.standard_normal((20, 40, 40)) * 300**0.5
    flat[rng.random(flat.shape) > 0.3] = np.nan
    begun, end = finished(flat, steps=1, patch=16)
    assert "starts from a plain average" in " ".join(begun.remarks)
    dense = end.denoiser.denoise(flat, "TYX", device="cpu")
    assert np.abs(dense - 300).mean() < 3


def test_a_run_can_be_repeated_and_resumed(tmp_path: Path) -> None:
    _, sparse = scanned(0.4, frames=10)
    # the same sites in every frame, of which some are hidden
    sparse[:, np.isnan(sparse[0])] = np.nan
    stack = Stack.from_array(sparse, "TYX")
    settings: Any = {"preset": "small", "noise": NOISE, "patch": 32, "device": "cpu"}
    path = tmp_path / "state.checkpoint"

    def trained(steps: int, **how: Any) -> Finished:
        made = make_settings(steps=steps, **settings)
        *_, end = train_events([stack], made, task="reconstruct", **how)
        assert isinstance(end, Finished)
        return end

    once = trained(4).denoiser.net.state_dict()
    trained(2, checkpoint=path)
    twice = trained(4, checkpoint=path, resume=True).denoiser.net.state_dict()
    again = trained(4).denoiser.net.state_dict()
    for name, weight in once.items():
        assert torch.equal(again[name], weight)
        assert torch.isfinite(twice[name]).all()


def test_the_movie_says_what_it_is_averaged_over() -> None:
    _, sparse = scanned()
    stack = inspect(Stack.from_array(sparse, "TYX"))
    settings = make_settings(noise=NOISE)
    widths = widths_of([stack])
    assert widths == choose_widths(sparse, np.isfinite(sparse))
    assert make_plan([stack], settings, True, RECONSTRUCT).network["widths"] == widths
    assert "widths" not in make_plan([stack], settings, True).network
    assert widths_of([inspect(Stack.from_array(sparse, "TYX"))] * 2) == pytest.approx(
        widths
    )


def test_a_network_that_only_denoises_is_refused() -> None:
    _, sparse = scanned(frames=8)
    with pytest.raises(nu.InputError, match="cannot reconstruct"):
        nu.train(sparse, "TYX", task="reconstruct", model="udvd", steps=1)


def test_nothing_is_taught_by_its_own_result() -> None:
    _, sparse = scanned(0.5, frames=10)
    _, end = finished(sparse, preset="small", steps=6, distil=True, patch=16)
    assert any("not taught by its own result" in remark for remark in end.remarks)


def test_the_noise_of_a_small_scan_of_what_moves() -> None:
    truth, sparse = scanned(frames=16, seed=10_000)
    stack = inspect(Stack.from_array(sparse, "TYX"))
    settings = make_settings(device="cpu")
    plan = make_plan([stack], settings, True, RECONSTRUCT)
    found = measure_scan_noise(plan, [stack], settings, torch.device("cpu"))
    camera, level = NoiseModel(*NOISE), float(truth.mean())
    before, after = (
        float(p.calibrations[0].noise.variance(level) / camera.variance(level))
        for p in (plan, found)
    )
    assert before > 1.12  # between two visits nuclei have moved
    assert after == pytest.approx(1, abs=0.1)
    assert found.calibrations[0].noise.gain == pytest.approx(1, rel=0.15)
    assert any("instead of" in sentence for sentence in found.corrections)


def test_noise_that_was_told_stays() -> None:
    _, sparse = scanned(frames=8)
    stack = inspect(Stack.from_array(sparse, "TYX"))
    settings = make_settings(device="cpu", noise=NOISE)
    plan = make_plan([stack], settings, True, RECONSTRUCT)
    assert measure_scan_noise(plan, [stack], settings, torch.device("cpu")) is plan


def test_the_std_is_right_although_hardly_anything_was_learned() -> None:
    truth, sparse = scanned(frames=24, seed=4)
    _, end = finished(sparse, steps=1)
    (calibration,) = end.denoiser.calibrations
    assert calibration.std_factors[0] > 1.2  # the shipped weights are too sure
    stack = Stack.from_array(sparse, "TYX")
    layout, dtype = stack.layout, np.dtype(np.float32)
    request = Request(device="cpu", with_std=True, dtype=dtype)
    with ArraySink(layout, dtype) as mean, ArraySink(layout, dtype) as std:
        for _ in end.denoiser.restore(stack, mean, request, std_sink=std):
            pass
    within = np.abs(mean.array - truth) <= std.array
    measured = np.isfinite(sparse)
    for part in (measured, ~measured):
        assert 0.55 < within[part].mean() < 0.8


def test_a_scan_too_thin_to_measure_its_noise_is_taken_if_the_noise_is_told() -> None:
    _, sparse = scanned(share=0.05, frames=6)
    stack = Stack.from_array(sparse, "TYX")
    with pytest.raises(InputError, match="tell `noise`"):
        make_plan([inspect(stack)], make_settings(device="cpu"), True, RECONSTRUCT)
    _, end = finished(sparse, steps=1)
    noise = end.denoiser.calibrations[0].noise
    assert (noise.gain, noise.offset, noise.read_noise) == NOISE
    # and a model applied to another such scan has told its own
    other = Stack.from_array(sparse[:5], "TYX")
    assert end.denoiser.match(other).calibrations[0].noise == noise
