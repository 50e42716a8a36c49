"""The light flow network: any size, and it learns."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from napari_udvd.models.flow.light import LightFlow
from napari_udvd.models.flow.warp import sample_bilinear
from noise_images import noise


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


def test_channels_must_be_positive() -> None:
    with pytest.raises(ValueError, match="positive"):
        LightFlow(0)
