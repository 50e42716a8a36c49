"""Scores of events: what is computed in parts is what is computed at once."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_udvd.inference import flash_scores
from napari_udvd.inference.flash_scores import TEMPLATES, Frame, score
from napari_udvd.models import CameraNoise

SHAPE = 37, 45

NOISE = CameraNoise(
    torch.tensor([[2.0]]), torch.tensor([[100.0]]), torch.tensor([[9.0]])
)


def frame(*, is_holed: bool) -> tuple[Frame, Tensor]:
    """Return a frame of few photons, and what is there without an event."""
    generator = torch.Generator().manual_seed(6)
    light = 8 * torch.rand(SHAPE, generator=generator)
    noisy = 100 + 2 * torch.poisson(light / 2, generator)
    noisy += 3 * torch.randn(SHAPE, generator=generator)
    std = 0.2 + 2 * torch.rand(SHAPE, generator=generator)
    base = 100 + light + 0.3 * torch.randn(SHAPE, generator=generator)
    mean = 100 + light
    if not is_holed:
        return Frame(noisy, mean, std), base
    measured = torch.rand(SHAPE, generator=generator) > 0.2
    noisy, mean = (torch.where(measured, each, torch.nan) for each in (noisy, mean))
    return Frame(noisy, mean, std, measured), base


def summed(plane: Tensor, power: int = 1) -> Tensor:
    """Sum up under the inner 3 x 3 of each template, one pixel after the other."""
    kernels = TEMPLATES[:, 1:-1, 1:-1].double() ** power
    return F.conv2d(plane.double()[None, None], kernels[:, None], padding=1)[0]


def deviance(excess: Tensor) -> Tensor:
    """Return the factor of a relative deviation, clipped as scores clip it."""
    u = excess.double().clamp_min(-0.99)
    exact = (2 * ((1 + u) * torch.log1p(u) - u) / u**2).sqrt()
    return torch.where(u.abs() < 1e-6, 1.0, exact)


@pytest.mark.parametrize("is_holed", [False, True], ids=["whole", "holed"])
def test_scores_are_those_of_their_definition(is_holed: bool) -> None:
    seen, base = frame(is_holed=is_holed)
    found = score(seen, base, NOISE)
    known = torch.ones(SHAPE) if seen.measured is None else seen.measured.float()

    def measured(x: Tensor) -> Tensor:
        return torch.where(known > 0, x.double(), 0.0)

    y, m, s = (each.double() for each in seen[:3])
    variance = NOISE.variance(m)
    above = (y - base) * deviance(2 * (y - base) / variance)
    missed = (y - m) * deviance(2 * (y - m) / variance)
    lack = missed**2 / (variance + s**2) + torch.log1p(s**2 / variance)
    lack = summed(measured(lack - above**2 / variance))[1]
    power = summed(measured(1 / variance), 2).clamp_min(1e-30)
    fit = summed(measured(above / variance)) / power.sqrt()
    twice = torch.where(fit[1:] > 0, (lack + fit[1:] ** 2).clamp_min(0), 0.0)
    share = summed(measured(s**2)) * summed(known)
    share = (share / summed(measured(variance), 2).clamp_min(1e-30)).clamp_min(1e-30)
    plain = 2 * (m - 100).clamp_min(0) + 9
    single = (y - m) * deviance(2 * (y - m) / plain) / (plain * (1 + share[0])).sqrt()
    np.testing.assert_allclose(found.fit, fit, rtol=1e-4, atol=2e-5)
    np.testing.assert_allclose(found.ratio, share.log(), rtol=1e-5, atol=1e-5)
    squares = torch.cat([single.clamp_min(0)[None] ** 2, twice])
    np.testing.assert_allclose(
        found.z.square(), torch.where(known > 0, squares, 0.0), rtol=1e-4, atol=1e-4
    )
    np.testing.assert_allclose(found.z[0], found.rise[0].clamp_min(0), atol=1e-5)


@pytest.mark.parametrize("is_holed", [False, True], ids=["whole", "holed"])
def test_strips_are_the_whole(is_holed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, base = frame(is_holed=is_holed)
    whole = score(seen, base, NOISE)
    monkeypatch.setattr(flash_scores, "STRIP", 5 * SHAPE[1])
    strips = score(seen, base, NOISE)
    torch.testing.assert_close(strips.z, whole.z, rtol=0, atol=1e-6)
    torch.testing.assert_close(strips.fit, whole.fit, rtol=0, atol=1e-6)


@pytest.mark.parametrize("is_holed", [False, True], ids=["whole", "holed"])
def test_ratios_at_some_places_are_those_of_all(is_holed: bool) -> None:
    seen, base = frame(is_holed=is_holed)
    found = score(seen, base, NOISE)
    rows = torch.tensor([0, 0, 36, 36, 20, 7, 11])
    columns = torch.tensor([0, 44, 0, 44, 31, 0, 12])
    torch.testing.assert_close(
        found.ratio_at(rows, columns), found.ratio[:, rows, columns]
    )
