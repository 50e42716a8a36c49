"""A refiner sees what it should, in any unit, in tiles, and leaves no weave."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from napari_udvd.models import Prediction, posterior
from napari_udvd.models.refiner import RADIUS, Evidence, Refiner, refine, refined
from napari_udvd.models.refiner.inputs import INPUTS, inputs_of, posterior_of


@pytest.fixture
def net() -> Refiner:
    """Return a network that does something: as made, it changes nothing."""
    torch.manual_seed(1)
    net = Refiner()
    for name, parameter in net.named_parameters():
        if name.endswith("weight") and not parameter.any():
            torch.nn.init.normal_(parameter, std=0.05)
    return net.eval()


def evidence(height: int, width: int, planes: int = 1) -> Evidence:
    generator = torch.Generator().manual_seed(2)
    shape = 3, planes, height, width
    mean = 20 + 5 * torch.rand(shape, generator=generator)
    std = 0.2 + torch.rand(shape, generator=generator)
    variance = mean + 1
    noisy = mean + variance.sqrt() * torch.randn(shape, generator=generator)
    return Evidence(mean, std, noisy, variance)


def test_a_new_refiner_changes_nothing() -> None:
    seen = evidence(20, 23)
    mean, std = refined(Refiner(), seen)
    wanted = posterior(
        Prediction(seen.mean[1, 0], seen.std[1]), seen.noisy[1], seen.variance[1]
    )
    torch.testing.assert_close((mean, std), wanted)


def test_any_unit_will_do(net: Refiner) -> None:
    seen = evidence(24, 24)
    scale, offset = 37.0, -1000.0
    other = Evidence(
        seen.mean * scale + offset,
        seen.std * scale,
        seen.noisy * scale + offset,
        seen.variance * scale**2,
    )
    mean, std = refined(net, seen)
    other_mean, other_std = refined(net, other)
    torch.testing.assert_close(other_mean, mean * scale + offset, rtol=0, atol=2e-2)
    torch.testing.assert_close(other_std, std * scale, rtol=1e-3, atol=0)


def test_planes_are_refined_each_by_itself(net: Refiner) -> None:
    seen = evidence(16, 20, planes=2)
    mean, std = refined(net, seen)
    assert mean.shape == (2, 16, 20)
    alone = refined(net, Evidence(*(part[:, 1] for part in seen)))
    torch.testing.assert_close((mean[1], std[1]), alone)


def test_tiles_are_the_whole(net: Refiner) -> None:
    seen = evidence(190, 131)
    whole = refined(net, seen)
    for tiled, wanted in zip(refined(net, seen, edge=50), whole, strict=True):
        torch.testing.assert_close(tiled, wanted, rtol=1e-4, atol=1e-4)


def test_strips_of_inputs_are_the_whole(
    net: Refiner, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = evidence(45, 30)
    whole = refined(net, seen)
    monkeypatch.setattr(refine, "STRIP", 7 * 30)
    torch.testing.assert_close(refined(net, seen), whole, rtol=1e-5, atol=1e-5)


def test_inputs_are_those_of_their_definition() -> None:
    seen = evidence(19, 23)
    after = posterior_of(seen)
    own, rho = after.mean[1], after.std[1]
    around = own - F.avg_pool2d(own, 5, 1, 2, count_include_pad=False)
    found = inputs_of(seen, after)
    torch.testing.assert_close(found[:, 6], (around / rho).asinh())
    surprise = (seen.noisy - seen.mean) / (seen.std**2 + seen.variance).sqrt()
    wanted = 20 * (surprise[0] / 20).asinh()
    torch.testing.assert_close(found[:, 0], wanted)


def test_what_is_finer_than_a_blur() -> None:
    generator = torch.Generator().manual_seed(5)
    correction = torch.randn((2, 9, 12), generator=generator)
    row = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
    wide = F.pad(correction[:, None], (2,) * 4, mode="replicate")
    blurred = F.conv2d(wide, torch.outer(row, row)[None, None])[:, 0]
    torch.testing.assert_close(refine.fine(correction), correction - blurred)


def test_a_refined_pixel_depends_on_what_is_near(net: Refiner) -> None:
    side = 2 * RADIUS + 41
    middle = side // 2
    seen = Evidence(*(part.requires_grad_() for part in evidence(side, side)))
    output = net(inputs_of(seen, posterior_of(seen)))
    output[0, :, middle, middle].sum().backward()
    assert seen.noisy.grad is not None
    reached = seen.noisy.grad.abs().sum(dim=(0, 1)).nonzero()
    farthest = int((reached - middle).abs().max())
    assert 0.5 * RADIUS < farthest <= RADIUS


def test_even_and_odd_pixels_are_treated_alike(net: Refiner) -> None:
    generator = torch.Generator().manual_seed(3)
    flat = torch.randn((1, INPUTS, 1, 1), generator=generator)
    side = 2 * RADIUS + 16
    with torch.inference_mode():
        output = net(flat.expand(1, INPUTS, side, side).contiguous())
    inner = output[..., RADIUS:-RADIUS, RADIUS:-RADIUS]
    assert float(inner.amax() - inner.amin()) > 0  # the two outputs differ
    spread = inner.amax(dim=(-2, -1)) - inner.amin(dim=(-2, -1))
    assert float(spread.max()) < 1e-4 * float(inner.abs().max())


def test_a_share_is_between_the_posterior_and_all_of_it(net: Refiner) -> None:
    seen = evidence(20, 20)
    (m0, s0), (m1, s1) = (refined(net, seen, share=share) for share in (0.0, 1.0))
    assert torch.equal(m0, posterior_of(seen).mean[1])
    mean, std = refined(net, seen, share=0.25)
    torch.testing.assert_close(mean, m0 + 0.25 * (m1 - m0))
    torch.testing.assert_close(std, s0**0.75 * s1**0.25)


@pytest.mark.parametrize("gain", [0.0, 1e-12, 1e6])
def test_extreme_certainty_gives_finite_numbers(net: Refiner, gain: float) -> None:
    seen = evidence(16, 16)
    mean, std = refined(net, seen._replace(std=seen.std * gain))
    assert mean.isfinite().all()
    assert std.isfinite().all()
    assert (std > 0).all()


def test_a_correction_of_all_pixels_alike_is_not_taken(net: Refiner) -> None:
    assert net.leave.bias is not None
    with torch.no_grad():
        net.leave.weight.zero_()
        net.leave.bias.copy_(torch.tensor([5.0, 0.0]))
    flat = torch.full((3, 12, 12), 10.0)
    seen = Evidence(flat, flat / 10, flat, flat)
    mean, _ = refined(net, seen)
    torch.testing.assert_close(mean, posterior_of(seen).mean[1])


def test_half_precision_is_close(net: Refiner) -> None:
    seen = evidence(32, 32)
    exact, _ = refined(net, seen)
    fast, _ = refined(net, seen, precision=torch.bfloat16)
    before = posterior_of(seen).mean[1]
    assert float((fast - exact).std()) < 0.05 * float((exact - before).std())


def test_noise_of_few_photons_has_no_bias_in_what_is_seen() -> None:
    generator = torch.Generator().manual_seed(4)
    light = torch.ones(3, 1, 512, 512)
    noisy = torch.poisson(light, generator)
    seen = Evidence(light, 0.05 * light, noisy, light)
    inputs = inputs_of(seen, posterior_of(seen))
    # averages over hundreds of pixels count: errors are about 0.03 of the noise
    assert float(inputs.mean(dim=(0, 2, 3))[:4].abs().max()) < 0.006
