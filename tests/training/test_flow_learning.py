"""The flow learns from the movie: its teachers, and that it learns."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from napari_udvd.models import STBN, LightFlow
from napari_udvd.training.flow import (
    FlowLearner,
    census_distance,
    edge_aware_roughness,
    visible,
)
from napari_udvd.training.warm_start import warm_start


def texture(height: int = 48, width: int = 48, seed: int = 0) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    image = gaussian_filter(rng.standard_normal((height, width)), 1.5, mode="wrap")
    return torch.from_numpy(image / image.std()).float()[None, None]


@given(offset=st.floats(-5, 5), seed=st.integers(0, 100))
def test_census_does_not_see_brightness(offset: float, seed: int) -> None:
    image = texture(seed=seed)
    assert census_distance(image, image + offset).max() < 1e-4


def test_census_sees_a_shift() -> None:
    image = texture()
    one = census_distance(image, image.roll(1, 3)).mean()
    three = census_distance(image, image.roll(3, 3)).mean()
    assert 0.02 < one < three


def test_the_same_motion_everywhere_is_smooth() -> None:
    flow = torch.full((1, 2, 20, 20), 3.0)
    assert edge_aware_roughness(flow, texture(20, 20)) == 0


def test_motion_may_change_at_an_edge() -> None:
    flow = torch.zeros(1, 2, 20, 20)
    flow[..., 10:] = 1
    edge = torch.zeros(1, 1, 20, 20)
    edge[..., 10:] = 1
    flat = torch.zeros(1, 1, 20, 20)
    assert edge_aware_roughness(flow, edge) < 0.5 * edge_aware_roughness(flow, flat)


def test_what_comes_back_is_visible_and_what_leaves_is_not() -> None:
    there = torch.zeros(1, 2, 16, 16)
    there[:, 1] = 3.0
    seen = visible(there, -there)
    assert seen[..., :13].all()
    assert not seen[..., 13:].any()
    assert not visible(there, there).any()


def shipped() -> LightFlow:
    """Make a flow network with the weights that training starts from."""
    net = STBN(features=4, modules=1, blocks=1)
    assert not warm_start(net).remark
    assert isinstance(net.flow_net, LightFlow)
    return net.flow_net


def test_noisy_frames_teach_the_motion_of_their_content() -> None:
    torch.manual_seed(0)
    image = texture(48, 48)[0]
    clean = torch.stack([image.roll(t, 2) for t in range(3)])[None]
    net = LightFlow()
    learner = FlowLearner(net)
    for _ in range(50):
        learner.learn(
            clean + 0.3 * torch.randn_like(clean), clean, share=5.0, distil=False
        )
    with torch.inference_mode():
        flow = net.of_clip(clean + 0.3 * torch.randn_like(clean)).to_next
    middle = flow[..., 12:-12, 12:-12]
    truth = torch.tensor([0.0, 1.0])[:, None, None]
    error = (middle - truth).square().sum(dim=2).sqrt().median()
    assert error < 0.4  # px; it was 1 px at first
    assert learner.adam.steps == 50


def test_the_flow_of_denoised_frames_teaches_that_of_noisy_ones() -> None:
    torch.manual_seed(0)
    image = texture(48, 48)[0]
    clean = torch.stack([image.roll(t, 2) for t in range(2)])[None]
    noisy = clean + 0.5 * torch.randn_like(clean)
    net = shipped()  # an untrained one has nothing to teach

    def gap() -> float:
        with torch.inference_mode():
            pupil, teacher = net.of_clip(noisy), net.of_clip(clean)
        return float((pupil.to_next - teacher.to_next).abs().mean())

    before = gap()
    learner = FlowLearner(net)
    for _ in range(20):
        learner.learn(noisy, clean, share=1.0)
    assert gap() < 0.7 * before


def test_a_loss_that_is_not_finite_changes_nothing() -> None:
    net = LightFlow()
    learner = FlowLearner(net)
    before = [parameter.clone() for parameter in net.parameters()]
    clips = torch.full((1, 2, 1, 16, 16), float("nan"))
    assert not np.isfinite(learner.learn(clips, clips, share=1.0))
    for old, new in zip(before, net.parameters(), strict=True):
        assert torch.equal(old, new)
    assert learner.adam.steps == 0


@pytest.mark.parametrize("frames", [2, 4])
def test_any_length_of_clip(frames: int) -> None:
    clips = torch.randn(2, frames, 1, 24, 20)
    assert np.isfinite(FlowLearner(LightFlow()).learn(clips, clips, share=1.0))
