"""DeepFovea++ and what trains it: the numbers that the published program computed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from napari_udvd.models.deepfovea import (
    PUBLISHED,
    Discriminator,
    FFTDiscriminator,
    RobustLoss,
    discriminator_loss,
    flow_loss,
    generator_loss,
    keep_probability,
    perceptual_loss,
    published_psnr,
    published_ssim,
    wasserstein_discriminator_loss,
    wasserstein_generator_loss,
)
from napari_udvd.models.deepfovea.blocks import (
    ResidualBlock,
    SuperResolutionBlock,
    TemporalBlock,
)
from napari_udvd.models.deepfovea.deformable import DeformableConv2d
from napari_udvd.models.deepfovea.flow import along_flow
from napari_udvd.models.deepfovea.published import (
    block_parameters,
    discriminator_from_published,
    flow_from_published,
    from_published,
    vgg_from_published,
)
from napari_udvd.models.deepfovea.robust import log_partition
from napari_udvd.models.deepfovea.sampling import measured
from napari_udvd.models.parameters import load_exactly
from parity import published_weights

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torch import Tensor, nn


@pytest.fixture
def case(shared_parity: Path, request: pytest.FixtureRequest) -> dict[str, Any]:
    with np.load(shared_parity / f"deepfovea_{request.param}.npz") as arrays:
        return dict(arrays)


@pytest.fixture(autouse=True)
def without_gradient() -> Iterator[None]:
    with torch.no_grad():
        yield


def of_case(name: str) -> Any:
    return pytest.mark.parametrize("case", [name], indirect=True)


def tensors(case: dict[str, Any], *names: str) -> list[Tensor]:
    return [torch.from_numpy(case[name]) for name in names]


def assert_parity(ours: Tensor, published: np.ndarray) -> None:
    assert ours.shape == published.shape
    largest = np.abs(published).max()
    assert np.abs(ours.numpy() - published).max() <= 1e-4 * largest


def loaded(net: nn.Module, case: dict[str, Any], prefix: str = "") -> nn.Module:
    """Fill a block with the weights that begin so."""
    weights = {
        name.removeprefix(prefix): tensor
        for name, tensor in published_weights(case).items()
        if name.startswith(prefix)
    }
    load_exactly(net, block_parameters(weights), "block")
    return net


# --- the generator and its blocks ---------------------------------------------------


@of_case("deform_conv")
def test_deformable_convolution(case: dict[str, Any]) -> None:
    (x,) = tensors(case, "input")
    for kernel, outputs, name in ((3, 5, "output"), (1, 4, "output_1x1")):
        layer = DeformableConv2d(6, outputs, kernel)
        weights = {
            name.replace("conv_offset_mask", "look"): tensor
            for name, tensor in published_weights(case).items()
        }
        load_exactly(layer, part(weights, f"k{kernel}."), "convolution")
        assert_parity(layer(x), case[name])


def part(weights: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in weights.items()
        if name.startswith(prefix)
    }


@of_case("residual_block")
def test_residual_block(case: dict[str, Any]) -> None:
    (x,) = tensors(case, "input")
    widen = loaded(ResidualBlock(5, 7), case, "widen.")
    assert_parity(F.avg_pool2d(widen(x), 2), case["output"])
    same = loaded(ResidualBlock(5, 5), case, "same.")
    assert_parity(F.avg_pool2d(same(x), 2), case["output_same"])


@of_case("temporal_block")
def test_temporal_block(case: dict[str, Any]) -> None:
    one, two, state = tensors(case, "input_1", "input_2", "state")
    block = loaded(TemporalBlock(6, 4, rectified=False, size=(9, 12)), case)
    for k, x in enumerate((one, two), 1):
        out, state = block(x, state)
        assert_parity(out, case[f"output_{k}"])
        assert_parity(state, case[f"state_{k}"])


@of_case("sr_block")
def test_super_resolution_block(case: dict[str, Any]) -> None:
    block = loaded(SuperResolutionBlock(12, 6), case)
    assert_parity(block(*tensors(case, "input")), case["output"])


def clip_of(x: Tensor) -> Tensor:
    return x.unflatten(1, (6, 3))


@of_case("generator")
def test_generator(case: dict[str, Any]) -> None:
    net = from_published(published_weights(case))
    assert not net.training
    assert net.settings.norm_size == (64, 32)
    states = tuple(tensors(case, *(f"state_{k}" for k in range(4))))
    for k in (1, 2):
        clip = clip_of(*tensors(case, f"input_{k}"))
        result, states = net.raw(clip, states)
        assert result.shape == (1, 6, 3, 256, 128)
        whole = result.flatten(1, 2)
        assert_parity(whole[..., ::3, ::3], case[f"output_{k}"])
        assert_parity(whole.mean((0, 2, 3)), case[f"output_{k}_mean"])
        assert_parity(whole.abs().mean((0, 2, 3)), case[f"output_{k}_abs"])
        assert_parity(states[3][:, ::2], case[f"last_state_{k}"])
    # the same through the door that takes any size
    first = clip_of(*tensors(case, "input_1"))
    result, _ = net(first, None, tensors(case, *(f"state_{k}" for k in range(4))))
    assert_parity(result.flatten(1, 2)[..., ::3, ::3], case["output_1"])


@of_case("generator")
def test_layer_norms_that_are_alike_at_every_pixel(case: dict[str, Any]) -> None:
    weights = published_weights(case)
    plain = {k: t for k, t in weights.items() if "layer_norm" not in k}
    ones = {
        k: torch.ones_like(t) if k.endswith("weight") else torch.zeros_like(t)
        for k, t in weights.items()
        if "layer_norm" in k
    }
    # as they are before, and after, the published training
    without, untrained = from_published(plain), from_published(plain | ones)
    assert without.settings == untrained.settings == PUBLISHED
    norms = [n for n, _ in without.named_parameters() if ".norm." in n]
    assert len(list(without.parameters())) == 78 and len(norms) == 8
    # 70 tensors, as many as counted in the published program
    own = sum(p.numel() for n, p in without.named_parameters() if n not in norms)
    assert own == 2_290_362
    clip = clip_of(*tensors(case, "input_1"))[..., :32, :]
    torch.testing.assert_close(without.raw(clip)[0], untrained.raw(clip)[0])


# --- discriminators -----------------------------------------------------------------


@pytest.mark.parametrize("case", ["discriminator", "fft_discriminator"], indirect=True)
def test_discriminators(case: dict[str, Any]) -> None:
    net = discriminator_from_published(published_weights(case))
    statistics = []
    for block in net.blocks:
        block.register_forward_hook(
            lambda _, __, x: statistics.append((x.mean(), x.abs().mean()))
        )
    (x,) = tensors(case, "input_uint8")
    answer = net(clip_of((x.float() - 127.5) / 8))
    assert type(net) is (Discriminator if answer.dim() == 4 else FFTDiscriminator)
    assert_parity(answer.view(case["output"].shape), case["output"])
    assert_parity(torch.tensor(statistics), case["block_statistics"])


# --- losses -------------------------------------------------------------------------


@of_case("pwcnet")
def test_pwc_net(case: dict[str, Any]) -> None:
    net = flow_from_published(published_weights(case))
    flow = net(*tensors(case, "first", "second"))
    assert_parity(flow.flip(1), case["flow"])  # (dx, dy) there


@of_case("flow_loss")
def test_flow_loss(case: dict[str, Any]) -> None:
    frames, flow = tensors(case, "frames", "flow")
    clip, flow = frames.unsqueeze(0), flow.flip(1).unsqueeze(0)
    assert_parity(along_flow(clip, flow)[0], case["resampled"])
    assert_parity(flow_loss(clip, flow), case["loss"])


@of_case("perceptual")
def test_perceptual_loss(case: dict[str, Any]) -> None:
    net = vgg_from_published(published_weights(case))
    prediction, label = tensors(case, "prediction", "label")
    loss, stages = perceptual_loss(net, prediction, label)
    assert_parity(stages, case["feature_l1"])
    assert_parity(loss, case["loss"])
    found = net(F.avg_pool2d(prediction, 2))
    assert_parity(torch.stack([x.mean() for x in found]), case["feature_mean"])
    assert_parity(torch.stack([x.min() for x in found]), case["feature_min"])


@of_case("losses")
def test_robust_loss(case: dict[str, Any]) -> None:
    prediction, label, alphas = tensors(case, "prediction", "label", "alpha_table")
    assert_parity(log_partition(alphas), case["log_partition"])
    loss = RobustLoss((1, 40))
    assert_parity(loss(prediction - label), case["robust_initial"])
    names = ("latent_alpha", "latent_scale")
    loss.load_state_dict(dict(zip(names, tensors(case, *names), strict=True)))
    assert_parity(loss.alpha, case["alpha"])
    assert_parity(loss.scale, case["scale"])
    assert_parity(loss.elements(prediction - label), case["robust_elements"])
    assert_parity(loss(prediction - label), case["robust"])


@of_case("losses")
def test_adversarial_losses(case: dict[str, Any]) -> None:
    real, fake = tensors(case, "real", "fake")
    assert_parity(generator_loss(fake), case["generator_logistic"])
    assert_parity(wasserstein_generator_loss(fake), case["generator_wasserstein"])
    for kind, loss in (
        ("logistic", discriminator_loss),
        ("wasserstein", wasserstein_discriminator_loss),
    ):
        of_real, of_fake = loss(real, fake)
        assert_parity(of_real, case[f"discriminator_{kind}_real"])
        assert_parity(of_fake, case[f"discriminator_{kind}_fake"])


@of_case("losses")
def test_published_scores(case: dict[str, Any]) -> None:
    both = tensors(case, "prediction", "label")
    assert_parity(published_psnr(*both), case["psnr_published"])
    assert_parity(published_ssim(*both), case["ssim_published"])


# --- sampling -----------------------------------------------------------------------


@of_case("mask")
def test_sampling_mask(case: dict[str, Any]) -> None:
    rng = np.random.RandomState(int(case["numpy_seed"]))
    height, width = (int(n) for n in case["shape"])
    x, y = rng.uniform(50, width - 50), rng.uniform(50, height - 50)
    np.testing.assert_allclose((y, x), case["centre"])
    probability = keep_probability((height, width), (y, x))
    assert_parity(probability.float(), case["probability"])
    for k in (1, 2):
        mask = measured(probability, torch.from_numpy(rng.rand(height, width)))
        packed = case[f"mask_{k}"]
        np.testing.assert_array_equal(np.packbits(mask.numpy().ravel()), packed)
        assert_parity(mask.float().mean(), case["kept"][k - 1])
    cut = keep_probability((height, width), (y, x), line_end=45)
    assert_parity(cut[::4, ::4].float(), case["probability_inference"])
