"""Losses of flow: known motion, and what may not count."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from napari_udvd.models.s2svr import (
    CENSUS,
    SSIM,
    FlowCriterion,
    census_distance,
    charbonnier,
    distillation_loss,
    flow_loss,
    hidden_by_return,
    hidden_by_sources,
    smoothness,
    ssim_distance,
)
from napari_udvd.models.s2svr.occlusion import sources
from noise_images import noise


def shifted(dy: float, dx: float, size: int = 24) -> torch.Tensor:
    return (
        torch.tensor([float(dy), float(dx)]).view(1, 2, 1, 1).expand(1, 2, size, size)
    )


def test_where_pixels_come_from() -> None:
    assert (sources(shifted(0, 0)) == 1).all()
    found = sources(shifted(1, 0.25))
    assert (found[:, :, 0] == 0).all() and (found[:, :, 1:, 1:] == 1).all()
    torch.testing.assert_close(found[:, :, 1:, 0], torch.full((1, 1, 23), 0.75))


@pytest.mark.parametrize("by_return", [True, False])
def test_what_leaves_the_frame_is_hidden(by_return: bool) -> None:
    flow, back = shifted(3, 0), shifted(-3, 0)
    hidden = hidden_by_return(flow, back) if by_return else hidden_by_sources(back)
    # the last three rows are not in the second frame
    assert hidden.shape == (1, 1, 24, 24)
    assert (hidden[:, :, 21:] == 1).all() and (hidden[:, :, :21] == 0).all()
    there = shifted(0, 0)
    still = hidden_by_return(there, there) if by_return else hidden_by_sources(there)
    assert not still.any()


def test_distances() -> None:
    image = noise(1, 3, 12, 12).sigmoid()
    for distance in (ssim_distance, census_distance):
        assert distance(image, image).abs().max() < 1e-6
        other = distance(image, image.flip(3))
        assert 0.2 < other.mean() and other.max() <= 1
    # brightness is not seen by the census transform
    assert census_distance(image, image + 0.2).max() < 1e-4
    assert ssim_distance(image, image + 0.2).mean() > 0.01
    # noise that is expected counts less
    flat = torch.full((1, 1, 12, 12), 0.5)
    noisy = flat + 0.02 * noise(1, 1, 12, 12, seed=1)
    loose = census_distance(flat, noisy, (2 * 255 * 0.02) ** 2).mean()
    assert loose < 0.7 * census_distance(flat, noisy).mean()


@pytest.mark.parametrize("channels", [1, 2])
def test_grey_is_the_mean_of_other_channels(channels: int) -> None:
    first, second = noise(2, 1, channels, 8, 8).sigmoid()
    means = [image.mean(dim=1, keepdim=True) for image in (first, second)]
    torch.testing.assert_close(census_distance(first, second), census_distance(*means))


def test_smoothness() -> None:
    flat = torch.zeros(1, 1, 24, 24)
    assert smoothness(shifted(2, -1), flat) == 0
    # motion that changes by a tenth of a pixel in every row
    tilted = 0.1 * torch.arange(24.0).view(1, 1, -1, 1).expand(1, 2, 24, 24)
    torch.testing.assert_close(smoothness(tilted, flat), torch.tensor(0.025))
    assert smoothness(tilted, flat, order=2) < 1e-5
    edge = torch.arange(24.0).view(1, 1, -1, 1).expand(1, 1, 24, 24)
    assert smoothness(tilted, edge) < 1e-4 * smoothness(tilted, flat)


@pytest.mark.parametrize("criterion", [SSIM, CENSUS], ids=["ssim", "census"])
def test_the_true_flow_is_best(criterion: FlowCriterion) -> None:
    scene = torch.nn.functional.avg_pool2d(noise(1, 1, 34, 34), 3, 1).sigmoid()
    first, second = scene[..., 4:28, 4:28], scene[..., 2:26, 5:29]

    def loss(dy: float, dx: float) -> float:
        flows, backs = [shifted(dy, dx)], [shifted(-dy, -dx)]
        return float(flow_loss(first, second, flows, backs, criterion).total)

    best = loss(2, -1)
    assert best < 0.02
    assert all(loss(*way) > 5 * best for way in ((0, 0), (2, 1), (-2, -1), (1, -1)))


def test_flow_is_pulled_to_the_truth() -> None:
    x = torch.arange(24.0) / 24
    first = (6 * x).sin().view(1, 1, 1, -1).expand(1, 1, 24, 24) / 2 + 0.5
    second = (6 * (x - 1 / 24)).sin().view(1, 1, 1, -1).expand(1, 1, 24, 24) / 2 + 0.5
    flow = shifted(0, 0.4).clone().requires_grad_()
    loss = flow_loss(first, second, [flow], [-flow.detach()], SSIM).photometric
    (gradient,) = torch.autograd.grad(loss, flow)
    assert gradient[:, 1].sum() < 0  # one pixel to the right is where it went


def test_a_flow_that_sees_nothing_has_a_finite_loss() -> None:
    image = noise(1, 1, 24, 24).sigmoid()
    flow = shifted(100, 0).clone().requires_grad_()
    for criterion in (SSIM, CENSUS):
        loss = flow_loss(image, image, [flow], [flow], criterion).total
        (gradient,) = torch.autograd.grad(loss, flow)
        assert loss.isfinite() and gradient.isfinite().all()


def test_distillation() -> None:
    student, teacher = (noise(1, 2, 8, 8, seed=k).requires_grad_() for k in (0, 1))
    hidden = torch.zeros(1, 1, 8, 8)
    hidden[..., :4] = 1
    loss = distillation_loss(student, teacher, hidden)
    expected = (student - teacher)[..., 4:].abs().mean()
    torch.testing.assert_close(loss, expected)
    gradient, none = torch.autograd.grad(loss, [student, teacher], allow_unused=True)
    assert none is None and not gradient[..., :4].any() and gradient[..., 4:].all()
    assert distillation_loss(student, teacher, torch.ones(1, 1, 8, 8)) == 0


def test_charbonnier_rounds_the_absolute_difference() -> None:
    truth = noise(2, 3, 4)
    assert charbonnier(truth, truth) == pytest.approx(1e-6)
    assert charbonnier(truth + 0.5, truth) == pytest.approx(0.5)
    assert charbonnier(truth + 3, truth, scale=4) == pytest.approx(5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"order": 3}, "order must be 1 or 2, got 3"),
        ({"weight": -1.0}, r"weight must not be negative, got -1\.0"),
        ({"edges": float("nan")}, "edges must not be negative, got nan"),
        ({"soft": 0.0}, r"soft must be positive, got 0\.0"),
    ],
)
def test_criteria_out_of_range(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FlowCriterion(**settings)


@pytest.mark.parametrize("sizes", [(0, 0), (1, 2)])
def test_flows_must_go_both_ways(sizes: tuple[int, int]) -> None:
    image = noise(1, 1, 24, 24)
    flows, backs = ([shifted(0, 0)] * n for n in sizes)
    with pytest.raises(ValueError, match=f"got {sizes[0]} and {sizes[1]}"):
        flow_loss(image, image, flows, backs)
