"""What flow networks share: the cost volume, clips, refusals."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from napari_udvd.models import LightFlow, PWCNet
from napari_udvd.models.flow.base import FlowNetwork, correlate
from noise_images import noise


@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (5, 9), (17, 12)], ids=str)
@pytest.mark.parametrize("radius", [2, 4])
def test_costs_are_products_at_all_displacements(
    shape: tuple[int, int], radius: int
) -> None:
    height, width = shape
    first, second = noise(2, 2, 6, *shape)
    costs = correlate(first, second, radius)
    around = F.pad(second, (radius,) * 4)
    side = 2 * radius + 1
    assert costs.shape == (2, side * side, *shape)
    for k in range(side * side):
        dy, dx = k // side, k % side  # as published: dx is the faster one
        moved = around[:, :, dy : dy + height, dx : dx + width]
        expected = (first * moved).mean(dim=1)
        torch.testing.assert_close(costs[:, k], expected, atol=1e-5, rtol=1e-5)


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
