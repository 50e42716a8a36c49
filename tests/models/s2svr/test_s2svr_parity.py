"""S2SVR and the losses of its flow: the numbers that the published program computed."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_udvd.models import ClipFlow, sample_bilinear
from napari_udvd.models.parameters import load_exactly
from napari_udvd.models.s2svr import (
    CENSUS,
    CENSUS_SECOND_ORDER,
    PUBLISHED_DEBLUR,
    PUBLISHED_X4,
    SSIM,
    Decoder,
    Encoded,
    Encoder,
    FlowCriterion,
    PWCLite,
    S2SVRSettings,
    census_distance,
    charbonnier,
    distillation_loss,
    flow_loss,
    hidden_by_return,
    hidden_by_sources,
    smoothness,
    ssim_distance,
)
from napari_udvd.models.s2svr.blocks import LocalAttention, ResConvGRU
from napari_udvd.models.s2svr.occlusion import sources
from napari_udvd.models.s2svr.published import (
    UNUSED,
    block_parameters,
    flow_from_published,
    from_published,
)
from parity import published_weights

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torch import Tensor, nn


@pytest.fixture
def case(shared_parity: Path, request: pytest.FixtureRequest) -> dict[str, Any]:
    with np.load(shared_parity / f"s2svr_{request.param}.npz") as arrays:
        return dict(arrays)


@pytest.fixture(autouse=True)
def without_gradient() -> Iterator[None]:
    with torch.no_grad():
        yield


def of_case(name: str) -> Any:
    return pytest.mark.parametrize("case", [name], indirect=True)


def tensors(case: dict[str, Any], *names: str) -> list[Tensor]:
    return [torch.from_numpy(case[name]) for name in names]


def flows_of(case: dict[str, Any]) -> ClipFlow:
    """Flows as (dy, dx), named by where they lead to."""
    backward, forward = tensors(case, "flows_backward", "flows_forward")
    return ClipFlow(to_next=backward.flip(2), to_previous=forward.flip(2))


def assert_parity(ours: Tensor, published: np.ndarray) -> None:
    assert ours.shape == published.shape
    largest = np.abs(published).max()
    assert np.abs(ours.numpy() - published).max() <= 1e-4 * largest


def assert_same_flows(ours: ClipFlow, case: dict[str, Any]) -> None:
    assert_parity(ours.to_previous.flip(2), case["flows_forward"])
    assert_parity(ours.to_next.flip(2), case["flows_backward"])


def loaded(net: nn.Module, weights: dict[str, Tensor], prefix: str = "") -> nn.Module:
    """Fill a part with the weights that begin so."""
    inside = {
        name.removeprefix(prefix): tensor
        for name, tensor in weights.items()
        if name.startswith(prefix) and not UNUSED.fullmatch(f"encoder.{name}")
    }
    load_exactly(net, block_parameters(inside), "part")
    return net


# --- flow ---------------------------------------------------------------------------


@of_case("flow_warp")
def test_fetching_along_a_flow(case: dict[str, Any]) -> None:
    image, flow = tensors(case, "input", "flow")
    assert_parity(sample_bilinear(image, flow.flip(1), "zeros"), case["output"])


@of_case("pwclite")
def test_flow_at_every_level(case: dict[str, Any]) -> None:
    first, second = tensors(case, "first", "second")
    net = flow_from_published(published_weights(case), border=False)
    flows = net.levels(first, second)
    assert len(flows) == 5
    for level, flow in enumerate(flows):
        assert_parity(flow.flip(1), case[f"flow_level_{level}"])
    assert_parity(net(second, first).flip(1), case["flow_back"])


@of_case("flow_of_clip")
def test_flow_of_a_clip(case: dict[str, Any]) -> None:
    (clip,) = tensors(case, "input")
    net = PWCLite(size=256, border=False)
    net.load_state_dict(flow_from_published(published_weights(case)).state_dict())
    assert_same_flows(net.of_clip(clip), case)


# --- parts --------------------------------------------------------------------------


@of_case("resconvgru")
def test_recurrent_unit(case: dict[str, Any]) -> None:
    state, x, other = tensors(case, "hidden", "input", "forward_hidden")
    weights = published_weights(case)
    plain = ResConvGRU(5, 8, 2)
    loaded(plain, weights, "plain.")
    assert_parity(plain.gru(x, state), case["gru"])
    assert_parity(plain(x, state), case["output"])
    fused = ResConvGRU(5, 8, 2, fused=True)
    loaded(fused, weights, "fused.")
    assert_parity(fused(x, state, other), case["output_fused"])


@of_case("attention")
def test_attention(case: dict[str, Any]) -> None:
    query, keys = tensors(case, "query", "keys")
    attention = loaded(LocalAttention(10), published_weights(case))
    assert_parity(attention(query, keys), case["output"])


@of_case("encoder")
def test_encoder(case: dict[str, Any]) -> None:
    (clip,) = tensors(case, "input")
    encoder = loaded(Encoder(3, 8, 2, 3), published_weights(case))
    encoded = encoder(clip, flows_of(case))
    assert_parity(encoded.features, case["output"])
    assert_parity(torch.stack(encoded.states, dim=1), case["states"])


@pytest.mark.parametrize(
    ("case", "zoom"), [("decoder", 1), ("decoder_x4", 4)], indirect=["case"]
)
def test_decoder(case: dict[str, Any], zoom: int) -> None:
    clip, features, states = tensors(case, "input", "encoder_output", "states")
    encoded = Encoded(features, states.unbind(1))
    decoder = loaded(Decoder(3, 8, 2, 3, zoom), published_weights(case))
    assert_parity(decoder(clip, flows_of(case), encoded), case["output"])
    # what the encoder returned is as it was
    assert np.array_equal(torch.stack(encoded.states, dim=1), case["states"])


# --- as a whole ---------------------------------------------------------------------


@of_case("small")
def test_a_slim_network(case: dict[str, Any]) -> None:
    (clip,) = tensors(case, "input")
    net = from_published(published_weights(case))
    assert net.settings == dataclasses.replace(PUBLISHED_DEBLUR, features=16, blocks=2)
    flows = net.flow_net.of_clip(clip)
    assert_same_flows(flows, case)
    assert_parity(net(clip, flows), case["output"])


@pytest.mark.parametrize(
    ("case", "settings", "parameters", "unused"),
    [
        ("deblur", PUBLISHED_DEBLUR, 7_430_599, 332_160),
        ("x4", PUBLISHED_X4, 12_029_204, 571_888),
    ],
    indirect=["case"],
)
def test_the_published_sizes(
    case: dict[str, Any], settings: S2SVRSettings, parameters: int, unused: int
) -> None:
    weights = published_weights(case)
    assert sum(tensor.numel() for tensor in weights.values()) == parameters
    net = from_published(weights)
    assert sum(p.numel() for p in net.parameters()) == parameters - unused
    assert net.settings == settings and not net.training
    (clip,) = tensors(case, "input")
    assert_parity(net.raw(clip), case["output"])


# --- losses -------------------------------------------------------------------------


@of_case("losses")
def test_parts_of_the_flow_losses(case: dict[str, Any]) -> None:
    first, second, both = tensors(case, "first", "second", "flow_0")
    flow, back = both[:, :2].flip(1), both[:, 2:].flip(1)
    fetched = sample_bilinear(second, flow)
    assert_parity(fetched, case["reconstruction"])
    for ours, name in (
        (hidden_by_return(flow, back), "occlusion_bidirectional"),
        (hidden_by_sources(back), "occlusion_backward"),
    ):
        assert 0 < ours.mean() < 1
        assert np.array_equal(ours, case[name])
    assert_parity(sources(back), case["range_map"])
    (fetched,) = tensors(case, "reconstruction")  # rounded alike for what follows
    assert_parity(ssim_distance(first, fetched), case["ssim_distance"])
    assert_parity(census_distance(first, fetched), case["census_distance"])
    for order, name in ((1, "smooth_first_order"), (2, "smooth_second_order")):
        assert_parity(smoothness(flow / 48, first, order), case[name])


@of_case("losses")
@pytest.mark.parametrize(
    ("criterion", "name"),
    [(SSIM, "ssim"), (CENSUS, "census"), (CENSUS_SECOND_ORDER, "census_2nd")],
)
def test_flow_losses(case: dict[str, Any], criterion: FlowCriterion, name: str) -> None:
    first, second = tensors(case, "first", "second")
    pyramid = tensors(case, *(f"flow_{level}" for level in range(5)))
    flows = [level[:, :2].flip(1) for level in pyramid]
    backs = [level[:, 2:].flip(1) for level in pyramid]
    loss = flow_loss(first, second, flows, backs, criterion)
    assert_parity(loss.photometric, case[f"photometric_{name}"])
    assert_parity(loss.smooth, case[f"smooth_{name}"])
    assert_parity(loss.total, case[f"total_{name}"])
    # the coarsest level is not looked at
    again = flow_loss(first, second, flows[:4], backs[:4], criterion)
    assert again.total == loss.total
    other = dataclasses.replace(criterion, by_return=not criterion.by_return)
    assert flow_loss(first, second, flows, backs, other).total != loss.total


@of_case("losses")
def test_distillation_and_restoration_losses(case: dict[str, Any]) -> None:
    student, both = tensors(case, "student", "flow_0")
    student, teacher, back = student.flip(1), both[:, :2].flip(1), both[:, 2:].flip(1)
    hidden = hidden_by_return(teacher, back)
    loss = distillation_loss(student, teacher, hidden)
    assert_parity(loss, case["distillation_masked"])
    assert_parity(distillation_loss(student, teacher), case["distillation_unmasked"])
    restored, truth = tensors(case, "restored", "truth")
    assert_parity(charbonnier(restored, truth), case["charbonnier"])
