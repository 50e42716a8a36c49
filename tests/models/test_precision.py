"""Layers in the precision of their input."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from napari_udvd.models.precision import convolve


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kernel", [(2, 2), (3, 1)])
def test_a_transposed_convolution_that_learns_is_the_same_one(
    bias: bool, kernel: tuple[int, int]
) -> None:
    torch.manual_seed(0)
    layer = nn.ConvTranspose2d(5, 3, kernel, stride=kernel, bias=bias).double()
    x = torch.randn(2, 5, 4, 6, dtype=torch.float64, requires_grad=True)
    expected = F.conv_transpose2d(x, layer.weight, layer.bias, stride=kernel)
    found = convolve(layer, x)
    torch.testing.assert_close(found, expected)
    towards = torch.randn_like(expected)
    inputs = [x, *layer.parameters()]
    pairs = zip(
        torch.autograd.grad(found, inputs, towards),
        torch.autograd.grad(expected, inputs, towards),
        strict=True,
    )
    for mine, theirs in pairs:
        torch.testing.assert_close(mine, theirs)
