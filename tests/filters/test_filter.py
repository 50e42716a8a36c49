"""The filter of a pixel is what the network does there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_udvd.errors import InputError
from napari_udvd.filters import AdaptiveFilter, adaptive_filter
from napari_udvd.inference.restorer import Denoiser
from napari_udvd.inference.scaling import Calibration
from napari_udvd.models import from_published
from napari_udvd.models.centerblind import SparseCenterBlind
from napari_udvd.noise import NoiseModel
from napari_udvd.stack import Stack
from parity import published_weights
from tiny import (
    CAMERA,
    fill,
    learned_from,
    tiny_center_blind,
    tiny_movie,
    tiny_net,
    tiny_stbn,
)

if TYPE_CHECKING:
    from pathlib import Path

    from napari_udvd.models import Network

OFFSET, SCALE = 180.0, 60.0

NETWORKS = {
    "udvd": lambda: tiny_net(likelihood=True),
    "udvd, three frames": lambda: tiny_net(frames=3),
    "udvd, hole 3x1": lambda: tiny_net(hole=(3, 1)),
    "stbn without flow": lambda: tiny_stbn(flow="none", context=7),
    "stbn, hole 3x1": lambda: tiny_stbn(hole=(3, 1), context=7),
    "centre-blind": tiny_center_blind,
    "centre-blind, hole 1x3, hidden": lambda: tiny_center_blind(hole=(1, 3), hidden=1),
}


def denoiser_of(net: Network, channels: int = 1, **more: Any) -> Denoiser:
    calibrations = (Calibration(OFFSET, SCALE, CAMERA),) * channels
    return Denoiser(net, calibrations, record=learned_from(tiny_movie()), **more)


@pytest.fixture(params=NETWORKS.values(), ids=NETWORKS.keys())
def denoiser(request: pytest.FixtureRequest) -> Denoiser:
    return denoiser_of(request.param())


PLACES = [(4, 12, 13), (0, 0, 0), (7, 23, 27), (5, 2, 26)]


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_weights_times_noisy_pixels_and_bias_are_the_prediction(
    denoiser: Denoiser, place: tuple[int, int, int]
) -> None:
    stack = tiny_movie()
    movie = stack.read().astype(float)
    found = adaptive_filter(denoiser, stack, *place)
    denoised = denoiser.denoise(stack, dtype=np.float64, use_posterior=False)
    t, y, x = found.origin
    frames, height, width = found.weights.shape
    part = movie[t : t + frames, y : y + height, x : x + width]
    assert part.shape == found.weights.shape
    total = (found.weights * part).sum() + found.bias
    assert total == pytest.approx(found.prediction, rel=1e-6)
    # the movie may have been denoised in bfloat16
    assert found.prediction == pytest.approx(denoised[place], rel=2e-2)


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_the_bias_of_a_network_without_biases_comes_from_the_offset(
    place: tuple[int, int, int],
) -> None:
    found = adaptive_filter(denoiser_of(tiny_net()), tiny_movie(), *place)
    expected = OFFSET * (1 - found.weights.sum(dtype=float))
    assert found.bias == pytest.approx(expected, rel=1e-4, abs=1e-4 * found.prediction)


def test_published_gradient(shared_parity: Path) -> None:
    with np.load(shared_parity / "udvd_gray_jacobian.npz") as case:
        net = from_published(published_weights(case))
        clip, gradient, pixel = case["input"][0], case["gradient"][0], case["pixel"]
    stack = Stack.from_array(clip.astype(np.float32), "TYX")
    identity = Calibration(0.0, 1.0, NoiseModel(0.0, 0.0, 0.1))
    denoiser = Denoiser(net, (identity,), record=learned_from(stack))
    found = adaptive_filter(denoiser, stack, 2, *map(int, pixel))
    assert found.origin == (0, 0, 0)
    # a rectifier at its kink: see the parity of the whole network's gradient
    error = np.abs(found.weights - gradient) / np.abs(gradient).max()
    assert error.max() < 1e-3
    assert (error < 1e-4).mean() > 0.97
    assert abs(found.bias) <= 1e-4 * abs(found.prediction)


def test_the_hole_has_no_weight(denoiser: Denoiser) -> None:
    stack = tiny_movie()
    net = denoiser.net
    for place in PLACES:
        found = adaptive_filter(denoiser, stack, *place)
        t, y, x = np.subtract(place, found.origin)
        above, aside = net.hole[0] // 2, net.hole[1] // 2
        hidden = found.weights[
            t, max(y - above, 0) : y + above + 1, max(x - aside, 0) : x + aside + 1
        ]
        assert not hidden.any()
        assert found.weights.any()


def test_a_weight_is_what_the_prediction_changes_by(denoiser: Denoiser) -> None:
    if getattr(denoiser.net, "flow", "none") != "none":
        pytest.skip("weights are those for the flow as it is, which a change may move")
    stack = tiny_movie()
    movie = stack.read().astype(np.float32)
    found = adaptive_filter(denoiser, stack, 4, 12, 13)
    strongest = np.argsort(np.abs(found.weights).ravel())[-3:]
    for index in strongest:
        at = np.unravel_index(index, found.weights.shape)
        step = 0.5
        moved = movie.copy()
        moved[tuple(np.add(at, found.origin))] += step
        other = replace(stack, data=moved)
        same = replace(denoiser, record=learned_from(other))
        changed = adaptive_filter(same, other, 4, 12, 13)
        slope = (changed.prediction - found.prediction) / step
        assert slope == pytest.approx(found.weights[at], rel=0.1)


def test_the_posterior_scales_the_weights_and_adds_the_pixel_itself() -> None:
    stack = tiny_movie()
    denoiser = denoiser_of(tiny_net(likelihood=True))
    place = 4, 12, 13
    prior = adaptive_filter(denoiser, stack, *place)
    after = adaptive_filter(denoiser, stack, *place, posterior=True)
    at = tuple(np.subtract(place, after.origin))
    own = after.weights[at]
    assert 0 < own < 1
    expected = prior.weights * (1 - own)
    expected[at] = own
    np.testing.assert_allclose(after.weights, expected, rtol=1e-4, atol=1e-7)
    noisy = float(stack.read()[place])
    value = prior.prediction * (1 - own) + own * noisy
    assert after.prediction == pytest.approx(value, rel=1e-4)
    assert after.std is not None and prior.std is not None
    assert after.std < prior.std
    assert after.is_posterior and not prior.is_posterior


def test_what_was_not_measured_has_no_weight() -> None:
    rng = np.random.default_rng(0)
    movie = tiny_movie(12).read().astype(np.float32)
    measured = rng.random(movie.shape) < 0.3
    measured[6, 12, 13], measured[6, 12, 14] = True, False
    stack = Stack.from_array(np.where(measured, movie, np.nan), "TYX")
    net = SparseCenterBlind(preset="small", near=2, far=(2,))
    fill(net)
    calibrations = (Calibration(OFFSET, SCALE, CAMERA),)
    denoiser = Denoiser(
        net.eval(), calibrations, record=learned_from(stack), task="reconstruct"
    )
    dense = denoiser.denoise(stack, use_posterior=False)
    for place in [(6, 12, 13), (6, 12, 14)]:
        prior = adaptive_filter(denoiser, stack, *place)
        after = adaptive_filter(denoiser, stack, *place, posterior=True)
        t, y, x = prior.origin
        frames, height, width = prior.weights.shape
        known = measured[t : t + frames, y : y + height, x : x + width]
        assert not prior.weights[~known].any()
        assert prior.weights.any()
        # the movie may have been reconstructed in bfloat16
        assert prior.prediction == pytest.approx(dense[place], rel=5e-2)
        own = after.weights[tuple(np.subtract(place, after.origin))]
        assert (own > 0) == measured[place]


def test_joint_channels_have_filters_over_all_of_them() -> None:
    rng = np.random.default_rng(0)
    movie = rng.poisson(200, (6, 2, 20, 22)).astype(np.float32)
    stack = Stack.from_array(movie, "TCYX")
    calibrations = (
        Calibration(200.0, 60.0, CAMERA),
        Calibration(190.0, 30.0, CAMERA),
    )
    net = tiny_net(channels=2, likelihood=True)
    denoiser = Denoiser(net, calibrations, joint=True, record=learned_from(stack))
    for posterior in (False, True):
        found = adaptive_filter(denoiser, stack, 3, 9, 10, c=1, posterior=posterior)
        assert found.channels == (0, 1)
        t, y, x = found.origin
        part = movie.swapaxes(0, 1)[
            :,
            t : t + found.by_channel.shape[1],
            y : y + found.by_channel.shape[2],
            x : x + found.by_channel.shape[3],
        ]
        np.testing.assert_array_equal(found.weights, found.by_channel[1])
        total = (found.by_channel * part).sum(dtype=float) + found.bias
        assert total == pytest.approx(found.prediction, rel=1e-6)
        # what one channel weighs in the other is in the ratio of their scales
        moved = movie.copy()
        at = np.unravel_index(np.abs(found.by_channel[0]).argmax(), part.shape[1:])
        index = tuple(np.add(at, found.origin))
        moved[index[0], 0, index[1], index[2]] += 0.5
        other = replace(stack, data=moved)
        same = replace(denoiser, record=learned_from(other))
        changed = adaptive_filter(same, other, 3, 9, 10, c=1, posterior=posterior)
        slope = (changed.prediction - found.prediction) / 0.5
        assert slope == pytest.approx(found.by_channel[0][at], rel=0.15)


def test_numbers_of_a_known_filter() -> None:
    weights = np.zeros((1, 3, 9, 9), np.float32)
    weights[0, 0, 2:5, 3:6] = 1 / 18  # centroid 3, 4: shift -1, 0
    weights[0, 2, 4:7, 3:6] = 1 / 18  # centroid 5, 4: shift 1, 0
    found = AdaptiveFilter(
        by_channel=weights,
        channels=(0,),
        pixel=(7, 0, 0, 14, 24),
        origin=(6, 10, 20),
        prediction=100.0,
        bias=0.0,
        std=None,
        is_posterior=False,
        reflected=0,
    )
    assert found.sum == pytest.approx(1)
    assert found.averaged == pytest.approx(18)
    np.testing.assert_allclose(found.shares, [0.5, 0, 0.5])
    np.testing.assert_allclose(found.centroids[[0, 2]], [[13, 24], [15, 24]])
    np.testing.assert_allclose(found.shifts[[0, 2]], [[-1, 0], [1, 0]], atol=1e-9)
    assert np.isnan(found.shifts[1]).all()
    assert found.width == pytest.approx(np.sqrt(2 * 2 / 3))
    assert found.velocity == pytest.approx((1, 0))
    assert found.describe() == (
        "averaged about 18 pixels: 0 % from this frame, 50 % from the one before, "
        "50 % from the one after; follows a motion of (1.0, 0.0) px/frame"
    )


def test_frames_beyond_the_movie_are_told() -> None:
    denoiser = denoiser_of(tiny_net())
    assert adaptive_filter(denoiser, tiny_movie(), 0, 5, 5).reflected == 2
    assert adaptive_filter(denoiser, tiny_movie(), 4, 5, 5).reflected == 0


def test_the_network_is_left_as_it_was() -> None:
    net = tiny_net()
    net.train()
    adaptive_filter(denoiser_of(net), tiny_movie(), 4, 5, 5)
    assert net.training
    assert all(parameter.requires_grad for parameter in net.parameters())
    assert all(parameter.grad is None for parameter in net.parameters())


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ({"t": 8}, "t is 8.*8 frame"),
        ({"y": -1}, "y is -1.*24 row"),
        ({"x": 28}, "x is 28.*28 column"),
        ({"c": 1}, "c is 1.*1 channel"),
        ({"z": 1}, "z is 1.*1 plane"),
    ],
)
def test_a_place_outside_the_movie(place: dict[str, int], message: str) -> None:
    at = {"t": 4, "y": 5, "x": 5, **place}
    with pytest.raises(InputError, match=message):
        adaptive_filter(denoiser_of(tiny_net()), tiny_movie(), **at)


def test_a_posterior_of_a_mean_only_model() -> None:
    with pytest.raises(InputError, match="mean only"):
        adaptive_filter(denoiser_of(tiny_net()), tiny_movie(), 4, 5, 5, posterior=True)


def test_a_model_of_other_channels() -> None:
    with pytest.raises(InputError, match="trained on 2"):
        adaptive_filter(denoiser_of(tiny_net(), 2), tiny_movie(), 4, 5, 5)
