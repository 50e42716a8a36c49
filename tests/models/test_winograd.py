"""Minimal filtering along rows, beside torch's convolutions and their gradients."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from napari_udvd.models import winograd
from napari_udvd.models.udvd import halfplane
from napari_udvd.models.udvd.halfplane import HalfPlaneUNet

TOLERANCE = {torch.float32: 3e-6, torch.bfloat16: 2e-2}
"""Largest difference, as a share of the largest number."""


def images(*shape: int, dtype: torch.dtype = torch.float64, seed: int = 0):  # type: ignore[no-untyped-def]
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(shape, generator=generator, dtype=torch.float64)
    return x.to(dtype, memory_format=torch.channels_last)


def causal(x: torch.Tensor, weight: torch.Tensor, first: int) -> torch.Tensor:
    """Convolve with the first row of the kernel `first` rows from the output row."""
    reach = abs(first) + 2
    whole = F.conv2d(F.pad(x, (1, 1, reach, reach)), weight)
    return whole[:, :, reach + first :][:, :, : x.shape[2]]


@pytest.mark.parametrize("strip", [1, 2**19])
@pytest.mark.parametrize("rows", [4, 11, 16])
@pytest.mark.parametrize("first", [-3, -2, -1, 0, 1])
def test_the_numbers_and_gradients_are_those_of_a_convolution(
    first: int, rows: int, strip: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(winograd, "STRIP_NUMBERS", strip)
    x = images(2, 3, rows, 7).requires_grad_()
    weight = images(5, 3, 3, 3, seed=1).requires_grad_()
    theirs = causal(x, weight, first)
    grad = images(*theirs.shape, seed=2)
    of_x, of_weight = torch.autograd.grad(theirs, (x, weight), grad)
    with torch.no_grad():
        ours = winograd.convolve_rows(x, weight, first)
        turned = weight.flip(2, 3).transpose(0, 1)
        back = winograd.convolve_rows(grad, turned, -2 - first)
        kernel = winograd.weight_gradient(grad, x, first)
    torch.testing.assert_close(ours, theirs.detach())
    torch.testing.assert_close(back, of_x)
    torch.testing.assert_close(kernel, of_weight)


def test_dilation_and_groups() -> None:
    x, weight = images(2, 6, 21, 17), images(4, 3, 3, 3, seed=1)
    ours = winograd.convolve_rows(x, weight, -1, dilation=(2, 3), groups=2)
    theirs = F.conv2d(x, weight, None, 1, (2, 3), (2, 3), 2)
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_little_is_lost_to_rounding(dtype: torch.dtype) -> None:
    x, weight = images(1, 64, 24, 20, dtype=dtype), images(64, 64, 3, 3, dtype=dtype)
    grad = images(1, 64, 24, 20, dtype=dtype, seed=2)
    exact = x.double().requires_grad_(), weight.double().requires_grad_()
    theirs = causal(*exact, -2)
    _, kernel = torch.autograd.grad(theirs, exact, grad.double())
    for ours, wanted in (
        (winograd.convolve_rows(x, weight, -2), theirs.detach()),
        (winograd.weight_gradient(grad, x, -2), kernel),
    ):
        gap = (ours.double() - wanted).abs().max() / wanted.abs().max()
        assert gap < TOLERANCE[dtype]


def test_gradients_of_a_whole_network_are_the_same_either_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def gradients(least: int) -> list[torch.Tensor]:
        monkeypatch.setattr(winograd, "LEAST", least)
        monkeypatch.setattr(winograd, "LEAST_OF_GRADIENT", least)
        out = net(x)
        rows = out[:, :, :16, halfplane.BORDER : -halfplane.BORDER]
        return list(torch.autograd.grad(rows.square().sum(), net.parameters()))

    torch.manual_seed(0)
    net = HalfPlaneUNet(3, 4, 8)
    x = images(2, 3, 16, 16 + 2 * halfplane.BORDER, dtype=torch.float32)
    for ours, theirs in zip(gradients(3), gradients(999), strict=True):
        torch.testing.assert_close(
            ours, theirs, rtol=1e-3, atol=1e-5 * float(theirs.norm())
        )
