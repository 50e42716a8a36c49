"""The hand-written gradients of the causal layers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from napari_udvd.models.udvd import causal
from napari_udvd.models.udvd.causal import SLOPE, CausalConv, CausalJoin
from napari_udvd.models.udvd.halfplane import BORDER, HalfPlaneUNet


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    values = np.random.default_rng(seed).standard_normal(shape)
    return torch.from_numpy(values).contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("border", "before_pool"), [(1, False), (2, False), (2, True), (4, True)]
)
@pytest.mark.parametrize("unfolded", [1, 3 * 2**20])
def test_gradients_of_a_causal_convolution(
    border: int, before_pool: bool, unfolded: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # also in the shortest strips: one row at a time
    monkeypatch.setattr(causal, "UNFOLDED_BYTES", unfolded)
    layer = CausalConv(2, 3, border, before_pool).double()
    x = random(2, 2, 3, 2 * border + 4).requires_grad_()

    def run(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(layer, {"weight": weight}, (x,))

    weight = random(3, 2, 3, 3, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(run, (x, weight))


@pytest.mark.parametrize("border", [2, 4])
def test_gradients_of_a_join(border: int) -> None:
    layer = CausalJoin(2, 1, 2, border).double()
    low = random(2, 2, 2, border + 2).requires_grad_()
    skip = random(2, 1, 4, 2 * border + 4, seed=1).requires_grad_()

    def run(low: torch.Tensor, skip: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(layer, {"weight": w}, (low, skip))

    weight = random(2, 3, 3, 3, seed=2).requires_grad_()
    assert torch.autograd.gradcheck(run, (low, skip, weight))


def test_frozen_weights_and_frozen_inputs_need_no_gradient() -> None:
    layer = CausalConv(1, 1, 1).double()
    x = random(1, 1, 4, 6)
    layer(x).sum().backward()
    assert x.grad is None
    assert layer.weight.grad is not None
    layer.requires_grad_(False)
    x.requires_grad_()
    layer(x).sum().backward()
    assert x.grad is not None


def test_a_join_is_upsampling_and_concatenation() -> None:
    layer = CausalJoin(3, 2, 4, BORDER).double()
    low, skip = random(1, 3, 5, 8), random(1, 2, 10, 16, seed=1)
    x = torch.cat([F.interpolate(low, scale_factor=2), skip], dim=1)
    x = F.conv2d(F.pad(x, (1, 1, 2, 0)), layer.weight)
    theirs = F.leaky_relu(x, SLOPE)
    ours = layer(low, skip)[:, :, :10]
    inside = slice(BORDER, -BORDER)
    torch.testing.assert_close(ours[..., inside], theirs[..., inside])
    # the innermost border column replicates the frame's edge
    torch.testing.assert_close(ours[..., BORDER - 1], ours[..., BORDER])
    torch.testing.assert_close(ours[..., -BORDER], ours[..., -BORDER - 1])


@pytest.mark.parametrize("row", [0, 1, 5, 11])
def test_a_half_plane_sees_no_row_below(row: int) -> None:
    net = HalfPlaneUNet(1, 2, 4).double()
    x = random(1, 1, 12, 8 + 2 * BORDER).requires_grad_()
    net(x)[:, :, row, BORDER:-BORDER].sum().backward()
    assert x.grad is not None
    assert not x.grad[:, :, row + 1 :].any()
    assert x.grad[:, :, row].any()
