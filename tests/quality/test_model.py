"""Reports where the model is there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import napari_udvd as nu
from napari_udvd.errors import InputError
from napari_udvd.inference.restorer import Denoiser
from napari_udvd.stack import Stack
from tiny import learned_from, tiny_calibration, tiny_movie, tiny_net

torch.set_num_threads(1)

# trained for so short, networks are bad, and training says so
pytestmark = pytest.mark.filterwarnings("ignore:the result is no better")


@pytest.fixture(scope="module")
def movie() -> Stack:
    return tiny_movie(10, (40, 44))


@pytest.fixture(scope="module")
def model(movie: Stack) -> Denoiser:
    return nu.train(
        movie, steps=1, preset="small", self_ensemble=False
    )  # from the shipped weights


@pytest.fixture(scope="module")
def result(movie: Stack, model: Denoiser) -> np.ndarray:
    return np.asarray(model.denoise(movie, dtype=np.float32))


def test_all_that_a_model_tells(
    movie: Stack, model: Denoiser, result: np.ndarray
) -> None:
    report = nu.report(movie, result, model)
    assert report.model == model.net.title
    (plane,) = report.planes
    assert plane.accuracy.posterior is not None
    assert plane.accuracy.measured is not None
    assert plane.accuracy.predicted == plane.accuracy.measured
    assert plane.accuracy.predicted[0] > plane.accuracy.noisy + 3
    assert plane.accuracy.pixels == 10 * 40 * 44
    assert plane.resolution is not None
    assert plane.resolution.frames == 10
    assert plane.resolution.rings.correlation[0] > 0.9
    assert plane.coverage is not None
    assert plane.coverage.of == "blind"
    assert plane.coverage.whole == pytest.approx(0.68, abs=0.08)
    assert plane.added.false_expected is not None
    # the result is what the model makes: nothing is said of another one
    assert not any("not quite" in r.sentence for r in plane.verdict.reasons)


def test_a_result_of_other_options_is_told(
    movie: Stack, model: Denoiser, result: np.ndarray
) -> None:
    rng = np.random.default_rng(0)
    other = result + 0.3 * rng.normal(size=result.shape) * result.std()
    report = nu.report(movie, other.astype(np.float32), model)
    assert any("not quite" in r.sentence for r in report.verdict.reasons)


def test_a_model_of_the_mean_only_says_less(movie: Stack) -> None:
    model = nu.train(movie, steps=1, preset="small", likelihood=False)
    result = model.denoise(movie, dtype=np.float32)
    (plane,) = nu.report(movie, result, model).planes
    assert plane.accuracy.posterior is None
    assert plane.accuracy.measured is not None
    assert plane.coverage is None


def test_channels_that_are_denoised_together(movie: Stack) -> None:
    one = movie.read()
    stack = Stack.from_array(np.stack([one, one[::-1]], axis=1), "TCYX")
    model = nu.train(stack, steps=2, preset="small", joint_channels=True)
    assert model.joint
    result = model.denoise(stack, dtype=np.float32)
    report = nu.report(stack, result, model, axes="TCYX")
    assert {plane.plane.c for plane in report.planes} == {0, 1}
    assert not any("not quite" in r.sentence for r in report.verdict.reasons)


def test_the_model_of_another_result_is_refused(
    movie: Stack, result: np.ndarray
) -> None:
    other = Denoiser(
        tiny_net(seed=3), (tiny_calibration(),), record=learned_from(movie)
    )
    with pytest.raises(InputError, match="not the one that made the result"):
        nu.report(movie, result, other)


def test_a_model_of_other_channels_is_refused(
    movie: Stack, model: Denoiser, result: np.ndarray
) -> None:
    two = replace(model, calibrations=(tiny_calibration(),) * 2)
    with pytest.raises(InputError, match=r"1 channel\(s\), but the model"):
        nu.report(movie, result, two)


def test_regions_of_an_array_or_by_name(movie: Stack) -> None:
    result = movie.read().astype(np.float32)
    labels = np.zeros((40, 44), int)
    labels[3:9, 4:9] = 7
    by_label = nu.report(movie, result, rois=labels).planes[0].regions
    by_name = nu.report(movie, result, rois={"7": labels == 7}).planes[0].regions
    assert by_label == by_name
    assert by_label[0].pixels == 30
    assert by_label[0].bias == 0
    for outside in (labels[:-1], {"a": np.zeros((40, 44), bool)}, np.zeros((40, 44))):
        with pytest.raises(InputError, match=r"pixel|label"):
            nu.report(movie, result, rois=outside)
