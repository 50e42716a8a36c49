"""A model on movies that are not those it was trained on."""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from napari_udvd.errors import InputError
from napari_udvd.inference.loading import load
from napari_udvd.inference.matching import Match, pixel_sizes
from napari_udvd.inference.restorer import Denoiser
from napari_udvd.inference.scaling import calibrate
from napari_udvd.jobs import train
from napari_udvd.noise import NoiseModel
from napari_udvd.simulation import simulate
from napari_udvd.stack import Stack
from tiny import ALONE, CAMERA, tiny_net, tiny_stbn

torch.set_num_threads(1)

SCALE, UNITS = {"Y": 0.1, "X": 0.1}, {"Y": "µm", "X": "µm"}


@cache
def movie(scene: str = "nuclei", seed: int = 0) -> np.ndarray:
    noisy = simulate(scene, frames=24, shape=(64, 64), seed=seed).noisy
    return np.asarray(noisy.data)


def stack_of(data: Any, axes: str = "TYX", **scale: float) -> Stack:
    return Stack.from_array(
        np.asarray(data), axes, scale=SCALE | scale, units=UNITS, source="a.tif"
    )


def model(net: Any = None, data: Any = None, **record: Any) -> Denoiser:
    """Build a model that knows what was measured on the first movie."""
    stack = stack_of(movie() if data is None else data)
    net = net or tiny_net(frames=3, likelihood=True)
    entry = {"fingerprint": stack.fingerprint(), "pixel": pixel_sizes(stack)}
    return Denoiser(
        net, (calibrate([stack], 0, CAMERA),), record={"movies": [entry], **record}
    )


def test_its_own_movie_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    def measured(*_: Any) -> Match:
        raise AssertionError

    monkeypatch.setattr("napari_udvd.inference.restorer.match", measured)
    known = model()
    assert known.match(stack_of(movie())) == Match(known.calibrations)
    with pytest.raises(AssertionError):
        known.match(stack_of(movie(seed=1)))


def test_another_movie_of_that_camera() -> None:
    known = model()
    found = known.match(stack_of(movie(seed=1)))
    assert found == Match(known.calibrations)


@pytest.mark.parametrize(
    ("factor", "offset"), [(1 / 65535, 0.0), (0.25, 0.0), (30.0, 0.0), (1.0, 5000.0)]
)
def test_other_units_do_not_matter_to_the_result(factor: float, offset: float) -> None:
    known = model()
    data = movie(seed=1).astype(np.float64)
    usual = stack_of(data.astype("f4"))
    other = stack_of((data * factor + offset).astype("f4"))
    found = known.match(other)
    (note,) = found.notes
    assert not found.warnings
    assert f"{known.calibrations[0].offset:.4g} and a range of " in note
    own = found.calibrations[0]
    assert f"this movie has {own.offset:.4g} and {own.scale:.4g};" in note
    assert own.offset == pytest.approx(data.mean() * factor + offset, rel=0.01)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        expected = known.denoise(usual, **ALONE)
        result = (known.denoise(other, **ALONE) - offset) / factor
    # a network of random weights: it does with the units what a trained one does
    error = np.sqrt(np.mean((result - expected) ** 2))
    assert error < 0.1 * expected.std()


def test_a_trained_model_on_the_export_between_zero_and_one() -> None:
    """As good as on the movie it knows."""
    simulated = simulate("nuclei", frames=10, shape=(40, 40), seed=0)
    clean, noisy = simulated.truth.read().astype(np.float64), simulated.noisy.read()
    known = train(stack_of(noisy), steps=4, seed=0)
    error = known.denoise(noisy, dtype="f8") - clean
    rescaled = (noisy / 65535).astype("f4")
    other = known.denoise(stack_of(rescaled)).astype("f8") * 65535 - clean
    assert np.sqrt((other**2).mean()) < 1.1 * np.sqrt((error**2).mean())


def test_other_gain_same_range() -> None:
    """Less light at a higher gain: grey levels are alike, the noise is not."""
    clean = np.asarray(simulate("nuclei", frames=24, shape=(64, 64)).truth.data, float)
    rng = np.random.default_rng(3)
    noisy = (
        100
        + 20.0 * rng.poisson((clean - 100).clip(0) / 20)
        + rng.normal(0, 3, clean.shape)
    )
    found = model().match(stack_of(noisy.astype("f4")))
    (note,) = found.notes
    assert "a noise of" in note
    assert found.calibrations[0].noise.gain == pytest.approx(20, rel=0.2)
    # UDVD is not told the noise, and it has grown
    (warning,) = found.warnings
    assert "times that of the movie that this network, UDVD, was trained on" in warning


@pytest.mark.parametrize("told", [True, False])
def test_a_network_that_is_told_the_noise_stands_more(told: bool) -> None:
    data = movie().astype("f8")
    rng = np.random.default_rng(0)
    more = data + rng.normal(0, 1.4 * 3 + 0.3 * data.std(), data.shape)
    known = model(tiny_stbn(noise_input=told), noise_removed=0.9)
    few, many = (
        known.net.noise_tolerance,
        replace(known, net=tiny_net(frames=3)).net.noise_tolerance,
    )
    assert (few > many) == told
    assert known.match(stack_of(more.astype("f4"))).notes


def test_any_noise_suits_the_centre_blind_network() -> None:
    known = train(stack_of(movie()), steps=2, seed=0)
    rng = np.random.default_rng(0)
    louder = movie() + rng.normal(0, 60, movie().shape)
    found = known.match(stack_of(louder.astype("f4")))
    assert found.notes
    assert not found.warnings


def test_noise_beyond_the_hole_is_warned_of() -> None:
    spread = simulate("nuclei", frames=24, shape=(64, 64), correlation=[[1, 1]]).noisy
    found = model().match(stack_of(spread.data))
    assert any("beyond the hole of 1 x 1 pixels" in w for w in found.warnings)


@pytest.mark.parametrize(
    ("scale", "warned"),
    [({}, False), ({"Y": 0.14, "X": 0.14}, False), ({"Y": 0.3, "X": 0.3}, True)],
)
def test_pixels_of_another_size(scale: dict[str, float], warned: bool) -> None:
    found = model().match(stack_of(movie(seed=1), **scale))
    assert bool(found.warnings) == warned
    if warned:
        assert (
            "a pixel of the movie is 0.3 µm along Y, and the model was trained at 0.1"
            in (found.warnings[0])
        )


def test_unknown_sizes_say_nothing() -> None:
    bare = Stack.from_array(movie(seed=1), "TYX")
    stage = Stack.from_array(
        movie(seed=1), "TYX", scale={"Y": 3.0, "X": 3.0}, units={"Y": "V", "X": "V"}
    )
    for stack in (bare, stage):
        assert not model().match(stack).warnings


@pytest.mark.parametrize(
    ("size", "unit", "warned"),
    [(100.0, "nm", False), (1e-4, "mm", False), (1, "nm", 1)],
)
def test_sizes_are_compared_in_one_unit(size: float, unit: str, warned: bool) -> None:
    stack = Stack.from_array(
        movie(seed=1), "TYX", scale={"Y": size, "X": size}, units={"Y": unit, "X": unit}
    )
    assert bool(model().match(stack).warnings) == warned


def test_each_channel_for_itself() -> None:
    both = np.stack([movie(), movie(seed=1)], 1)
    stack = stack_of(both, "TCYX")
    calibrations = tuple(calibrate([stack], c, CAMERA) for c in (0, 1))
    known = Denoiser(tiny_net(frames=3, likelihood=True), calibrations)
    other = both.astype("f4")
    other[:, 1] *= 20
    found = known.match(stack_of(other, "TCYX"))
    assert found.calibrations[0] is calibrations[0]
    assert found.calibrations[1].scale > 10 * calibrations[1].scale
    (note,) = found.notes
    assert note.startswith("channel 1: ")


def test_nothing_to_compare_with() -> None:
    with pytest.raises(InputError, match="the movie is constant"):
        model().match(stack_of(np.ones((8, 32, 32), "f4")))


def test_models_of_before_are_compared_by_what_they_hold(tmp_path: Any) -> None:
    """Without levels, pixel sizes and checksums, as older files are."""
    known = model()
    old = replace(known, record={"movies": [{"source": "a.tif", "axes": "TYX"}]})
    old.save(tmp_path / "old.safetensors")
    again = load(tmp_path / "old.safetensors")
    assert again.match(stack_of(movie())) == Match(again.calibrations)


def test_it_is_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    known, stack = model(), stack_of(movie(seed=1))
    found = known.match(stack)
    monkeypatch.setattr("napari_udvd.inference.restorer.match", None)
    assert known.match(stack) is found
    assert NoiseModel.from_dict(found.calibrations[0].noise.to_dict()) == CAMERA


def test_a_single_picture_is_taken_as_it_is() -> None:
    known = model(tiny_net(frames=1))
    picture = stack_of(movie(seed=1)[:1] * np.float32(20))
    (note,) = known.match(picture).notes
    assert "in a single picture" in note
    assert known.calibrations_for(picture) == known.calibrations
    assert known.denoise(picture).shape == (1, 64, 64)
