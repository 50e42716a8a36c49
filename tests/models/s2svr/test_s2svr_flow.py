"""PWCLite: any size, few levels, and it learns without known motion."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from napari_udvd.models.s2svr import PWCLite, flow_loss
from napari_udvd.training.optimiser import Adam
from noise_images import noise


def waves(dy: float = 0, dx: float = 0, size: int = 32) -> torch.Tensor:
    """Smooth texture from 0 to 1 that has moved by (dy, dx) px, ``(1, 1, H, W)``."""
    rows, columns = np.indices((size, size))
    y, x = rows - dy, columns - dx
    image = np.sin(0.31 * y + 0.11 * x) + np.sin(0.27 * x - 0.19 * y)
    image += 0.5 * np.sin(0.55 * y) * np.cos(0.47 * x)
    return torch.from_numpy(image.astype(np.float32))[None, None] / 5 + 0.5


def moving(net: PWCLite) -> PWCLite:
    """Make an untrained network say that things move."""
    for layer in (net.estimator.flow, net.refiner_flow):
        nn.init.normal_(layer.weight, std=0.02)
    return net


@pytest.mark.parametrize("shape", [(1, 1), (15, 40), (33, 16)], ids=str)
@pytest.mark.parametrize(("levels", "radius", "size"), [(2, 1, None), (4, 2, 32)])
def test_any_size(
    shape: tuple[int, int], levels: int, radius: int, size: int | None
) -> None:
    torch.manual_seed(0)
    net = moving(PWCLite(2, levels, radius, size))
    first, second = noise(2, 2, 2, *shape)
    with torch.no_grad():
        flow = net(first, second)
        both = net.of_clip(torch.stack([first, second], dim=1))
    assert flow.shape == (2, 2, *shape)
    assert flow.isfinite().all() and flow.any()
    torch.testing.assert_close(both.to_next[:, 0], flow, rtol=1e-3, atol=1e-4)


def test_levels_end_with_the_flow() -> None:
    torch.manual_seed(0)
    net = moving(PWCLite(1, levels=4, radius=2))
    first, second = noise(1, 1, 32, 48), noise(1, 1, 32, 48, seed=1)
    with torch.no_grad():
        flows = net.levels(first, second)
        assert [tuple(flow.shape[2:]) for flow in flows] == [
            (32, 48),
            (16, 24),
            (8, 12),
        ]
        torch.testing.assert_close(flows[0], net(first, second))
    with pytest.raises(ValueError, match="multiples of 16, got 32 x 40"):
        net.levels(first[..., :40], second[..., :40])


def test_the_border_goes_on_outside_or_it_does_not() -> None:
    torch.manual_seed(0)
    net = moving(PWCLite(1, levels=3, radius=2))
    other = PWCLite(1, levels=3, radius=2, border=False)
    other.load_state_dict(net.state_dict())
    first, second = 10 * noise(1, 1, 16, 16), 10 * noise(1, 1, 16, 16, seed=1)
    with torch.no_grad():
        assert (net(first, second) - other(first, second)).abs().max() > 1e-4


def test_it_learns_where_things_went() -> None:
    torch.manual_seed(0)
    net = PWCLite(1, levels=3, radius=2)
    parameters = list(net.parameters())
    adam = Adam(parameters)
    shift = torch.tensor([1.5, -2.0]).view(1, 2, 1, 1)
    first, second = waves(), waves(1.5, -2.0)
    for _ in range(25):
        flows, backs = net.levels(first, second), net.levels(second, first)
        loss = flow_loss(first, second, flows, backs).total
        adam.step(torch.autograd.grad(loss, parameters), 1e-3)
    with torch.no_grad():
        error = (net(first, second) - shift)[..., 6:-6, 6:-6]
    assert error.square().sum(dim=1).sqrt().mean() < 1  # it was 2.5
