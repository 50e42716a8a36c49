"""Flow: parity with PWC-Net, sampling along a flow, and a network that learns it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_udvd.models import flow as flow_module
from napari_udvd.models.flow import FLOW_NETWORKS, FlowNetwork, LightFlow, PWCNet
from napari_udvd.models.published import flow_from_published, from_published
from napari_udvd.models.warp import sample_bilinear, sample_nearest
from parity import published_weights

if TYPE_CHECKING:
    from pathlib import Path


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    values = np.random.default_rng(seed).standard_normal(shape)
    return torch.from_numpy(values.astype(np.float32))


def waves(dy: float = 0, dx: float = 0, size: int = 48) -> torch.Tensor:
    """Smooth texture that has moved by (dy, dx) px, ``(1, 1, H, W)``."""
    rows, columns = np.indices((size, size))
    y, x = rows - dy, columns - dx
    image = np.sin(0.31 * y + 0.11 * x) + np.sin(0.27 * x - 0.19 * y)
    image += 0.5 * np.sin(0.55 * y) * np.cos(0.47 * x)
    return torch.from_numpy(image.astype(np.float32))[None, None]


def moving(net: LightFlow, seed: int = 0) -> LightFlow:
    """Make an untrained network say that things move."""
    weight = net.flow.weight
    with torch.no_grad():
        weight.copy_(0.05 * noise(*weight.shape, seed=seed))
    return net


# --- sampling -----------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(2, 12),
    width=st.integers(2, 12),
    size=st.sampled_from([0.0, 0.7, 3.0, 40.0]),
    seed=st.integers(0, 1000),
)
def test_nearest_is_the_published_sampling(
    height: int, width: int, size: float, seed: int
) -> None:
    image = noise(2, 3, height, width, seed=seed).double().requires_grad_()
    flow = (size * noise(2, 2, height, width, seed=seed + 1)).double()
    rows, columns = torch.meshgrid(
        torch.arange(height), torch.arange(width), indexing="ij"
    )
    grid = torch.stack(
        [
            2 * (columns + flow[:, 1]) / (width - 1) - 1,
            2 * (rows + flow[:, 0]) / (height - 1) - 1,
        ],
        dim=-1,
    )
    published = F.grid_sample(image, grid, mode="nearest", align_corners=True)
    ours = sample_nearest(image, flow)
    assert torch.equal(ours, published)
    back = noise(*image.shape, seed=seed + 2).double()
    one, two = (torch.autograd.grad(x, image, back)[0] for x in (ours, published))
    torch.testing.assert_close(one, two)


def test_nearest_along_no_flow_is_the_image() -> None:
    image = noise(2, 5, 7, 9)
    assert torch.equal(sample_nearest(image, torch.zeros(2, 2, 7, 9)), image)


def test_a_broken_flow_fetches_nothing() -> None:
    image = noise(1, 2, 4, 4)
    for value in (float("nan"), float("inf"), -1e30):
        flow = torch.full((1, 2, 4, 4), value)
        assert not sample_nearest(image, flow).any()


def test_bilinear_is_exact_on_a_ramp() -> None:
    rows, columns = torch.meshgrid(torch.arange(9.0), torch.arange(11.0), indexing="ij")
    image = (3 * rows + 0.5 * columns)[None, None]
    flow = 0.9 * torch.rand(1, 2, 9, 11, generator=torch.Generator().manual_seed(0))
    expected = image + 3 * flow[:, :1] + 0.5 * flow[:, 1:]
    fetched = sample_bilinear(image, flow)
    inner = (..., slice(0, -1), slice(0, -1))
    torch.testing.assert_close(fetched[inner], expected[inner], atol=1e-4, rtol=0)
    # beyond the border, the border goes on
    far = sample_bilinear(image, torch.full_like(flow, 100.0))
    torch.testing.assert_close(far, image[..., -1:, -1:].expand_as(far))


@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (5, 9), (17, 12)], ids=str)
@pytest.mark.parametrize("radius", [2, 4])
def test_costs_are_products_at_all_displacements(
    shape: tuple[int, int], radius: int
) -> None:
    height, width = shape
    first, second = noise(2, 2, 6, *shape)
    costs = flow_module._correlate(first, second, radius)
    around = F.pad(second, (radius,) * 4)
    side = 2 * radius + 1
    assert costs.shape == (2, side * side, *shape)
    for k in range(side * side):
        dy, dx = k // side, k % side  # as published: dx is the faster one
        moved = around[:, :, dy : dy + height, dx : dx + width]
        expected = (first * moved).mean(dim=1)
        torch.testing.assert_close(costs[:, k], expected, atol=1e-5, rtol=1e-5)


# --- PWC-Net ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pwc_case(shared_parity: Path) -> dict[str, Any]:
    with np.load(shared_parity / "pwcnet_flow.npz") as arrays:
        return dict(arrays)


def test_pwc_parity(pwc_case: dict[str, Any]) -> None:
    net = flow_from_published(published_weights(pwc_case))
    first, second = (torch.from_numpy(pwc_case[k]) for k in ("first", "second"))
    with torch.no_grad():
        ours = net(first, second)
        clip = torch.stack([first, second, first], dim=1)
        to_next, to_previous = net.of_clip(clip)
    published = torch.from_numpy(pwc_case["flow"]).flip(1)  # (dx, dy) there
    tolerance = 1e-5 * float(published.abs().max())
    assert float((ours - published).abs().max()) <= tolerance
    # the same, pair by pair, with the features of each frame computed once
    for flow in (to_next[:, 0], to_previous[:, 1]):
        torch.testing.assert_close(flow, ours, atol=1e-4, rtol=1e-4)
    assert (to_next[:, 1] - ours).abs().max() > 0.1


def test_older_names_of_pwc(pwc_case: dict[str, Any]) -> None:
    state = published_weights(pwc_case)
    older = {
        "module." + name.replace("net", "module"): tensor
        for name, tensor in state.items()
    }
    one, two = flow_from_published(state), flow_from_published({"state_dict": older})
    assert all(
        torch.equal(a, b)
        for a, b in zip(one.parameters(), two.parameters(), strict=True)
    )


def test_grey_frames_are_shown_to_pwc_as_rgb() -> None:
    torch.manual_seed(0)
    grey, colour = PWCNet(1), PWCNet(3)
    colour.load_state_dict(grey.state_dict())
    first, second = noise(2, 1, 1, 20, 30)
    with torch.no_grad():
        expected = colour(first.expand(-1, 3, -1, -1), second.expand(-1, 3, -1, -1))
        torch.testing.assert_close(grey(first, second), expected)


def test_flow_checkpoints_of_others_are_refused(pwc_case: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="another flow network"):
        flow_from_published({"conv1a.0.weight": torch.zeros(16, 3, 3, 3)})
    state = published_weights(pwc_case)
    with pytest.raises(ValueError, match="flow_from_published"):
        from_published(state)
    name = "netTwo.netSix.0.weight"
    with pytest.raises(ValueError, match=r"missing \['decoders.4.flow.weight'\]"):
        flow_from_published({k: v for k, v in state.items() if k != name})
    with pytest.raises(ValueError, match=r"shapes \['decoders.4.flow.weight"):
        flow_from_published({**state, name: torch.zeros(2, 3, 3, 3)})
    with pytest.raises(ValueError, match="unknown"):
        flow_from_published({**state, "netSeven.netOne.0.bias": torch.zeros(2)})
    with pytest.raises(ValueError, match="2 channels"):
        flow_from_published(state, channels=2)


# --- the light network --------------------------------------------------------------


def test_the_light_network_is_light() -> None:
    parameters = sum(p.numel() for p in LightFlow().parameters())
    assert 0.5e6 < parameters < 1.1e6


@pytest.mark.parametrize("shape", [(1, 1), (15, 40), (33, 16), (48, 50)], ids=str)
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_any_size(shape: tuple[int, int], channels: int) -> None:
    net = LightFlow(channels)
    first, second = noise(2, 2, channels, *shape)
    flow = net(first, second)
    assert flow.shape == (2, 2, *shape)
    assert torch.isfinite(flow).all()
    (gradient,) = torch.autograd.grad((flow - 1).square().mean(), net.flow.weight)
    assert gradient.abs().max() > 0


def test_untrained_features_already_tell_where_it_went() -> None:
    torch.manual_seed(0)
    shift = torch.tensor([2.0, -2.0])
    # more than the same pattern again: noise that is seen twice
    image = F.avg_pool2d(noise(1, 1, 1, 72, 72)[0], 3, 1, 1)[None]
    first = image[0, :, :, 4:68, 4:68]
    second = image[0, :, :, 2:66, 6:70]
    with torch.no_grad():
        found = LightFlow()(first, second)[..., 8:-8, 8:-8].mean(dim=(0, 2, 3))
    assert (found * shift > 0).all()
    assert torch.linalg.vector_norm(found - shift) < 0.75 * shift.norm()


def test_lower_precision_is_close() -> None:
    torch.manual_seed(0)
    net = moving(LightFlow())
    clip = torch.stack([waves(0.3 * t, -0.2 * t) for t in range(3)], dim=1)
    with torch.no_grad():
        exact, close = net.of_clip(clip), net.of_clip(clip, torch.bfloat16)
    assert close.to_next.dtype == torch.float32
    error = (close.to_next - exact.to_next).abs()
    assert 0 < error.mean() < 0.1


def test_flow_of_a_clip_is_the_flow_of_its_pairs() -> None:
    torch.manual_seed(0)
    net = moving(LightFlow(2))
    clip = noise(2, 4, 2, 37, 50)
    with torch.no_grad():
        to_next, to_previous = net.of_clip(clip)
        assert to_next.shape == to_previous.shape == (2, 3, 2, 37, 50)
        for t in range(3):
            one, two = clip[:, t], clip[:, t + 1]
            torch.testing.assert_close(to_next[:, t], net(one, two), rtol=0, atol=1e-4)
            torch.testing.assert_close(
                to_previous[:, t], net(two, one), rtol=0, atol=1e-4
            )
    assert to_next.abs().max() > 0.05


def test_it_learns_a_sub_pixel_shift_without_supervision() -> None:
    """Down and right are positive, rows come first, and the unit is the pixel."""
    torch.manual_seed(0)
    net = LightFlow()
    shift = torch.tensor([1.6, -0.7])
    first, second = waves(), waves(*shift.tolist())
    inner = (..., slice(6, -6), slice(6, -6))
    moments = [torch.zeros_like(p) for p in net.parameters()]
    for step in range(60):
        error = (sample_bilinear(second, net(first, second)) - first)[inner]
        gradients = torch.autograd.grad(error.abs().mean(), list(net.parameters()))
        with torch.no_grad():
            rate = 1e-3 * (1 - step / 60)
            for p, m, g in zip(net.parameters(), moments, gradients, strict=True):
                m.mul_(0.8).add_(g.sign(), alpha=0.2)
                p.sub_(rate * m)
    with torch.no_grad():
        found = net(first, second)[inner].mean(dim=(0, 2, 3))
    # a tenth of a pixel; the untrained network is off by 1.75
    assert torch.linalg.vector_norm(found - shift) < 0.15


@pytest.mark.parametrize("net", [LightFlow(2), PWCNet(1)], ids=lambda n: n.name)
def test_frames_that_do_not_fit_are_refused(net: FlowNetwork) -> None:
    fits = noise(1, net.channels, 16, 16)
    with pytest.raises(ValueError, match="same shape"):
        net(fits, fits[..., 1:])
    wrong = noise(1, 5, 16, 16)
    with pytest.raises(ValueError, match=rf"\(N, {net.channels}, H, W\)"):
        net(wrong, wrong)
    with pytest.raises(ValueError, match="at least two frames"):
        net.of_clip(fits[None])
    with pytest.raises(ValueError, match=rf"\(N, {net.channels}, H, W\)"):
        net.of_clip(noise(1, 2, 5, 16, 16))


def test_flow_networks_by_name() -> None:
    assert {name: cls.name for name, cls in FLOW_NETWORKS.items()} == {
        "pwc": "pwc",
        "light": "light",
    }
    with pytest.raises(ValueError, match="positive"):
        LightFlow(0)
