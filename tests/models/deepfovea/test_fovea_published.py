"""Published checkpoints around DeepFovea++: found by their names, or refused."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import torch

from napari_udvd.models import DeepFovea, fovea_from_published, read_published
from napari_udvd.models.deepfovea import PUBLISHED, Discriminator, FoveaFlow
from napari_udvd.models.deepfovea.published import (
    discriminator_from_published,
    flow_from_published,
    from_published,
    vgg_from_published,
)
from noise_images import noise

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

NAMES = {  # ours to published, for the generator
    r"encoder\.(\d)\.a": r"encoder_blocks.\1.layer.0",
    r"encoder\.(\d)\.b": r"encoder_blocks.\1.layer.2",
    r"encoder\.(\d)\.around": r"encoder_blocks.\1.residual_mapping",
    r"decoder\.(\d)\.a": r"decoder_blocks.\1.convolution_1",
    r"decoder\.(\d)\.b": r"decoder_blocks.\1.convolution_2",
    r"decoder\.(\d)\.norm": r"decoder_blocks.\1.layer_norm",
    r"decoder\.(\d)\.around": r"decoder_blocks.\1.residual_mapping",
    r"super_resolution\.(\d)\.a": r"super_resolution_blocks.\1.layers.0",
    r"super_resolution\.(\d)\.b": r"super_resolution_blocks.\1.layers.3",
    r"super_resolution\.(\d)\.around": r"super_resolution_blocks.\1.residual_mapping.0",
    r"look": "conv_offset_mask",
}


@pytest.fixture(scope="module")
def published() -> dict[str, Tensor]:
    torch.manual_seed(0)
    state = {}
    for name, tensor in DeepFovea(PUBLISHED).state_dict().items():
        for ours, theirs in NAMES.items():
            name = re.sub(ours + r"(?=\.)", theirs, name)
        state[name] = tensor
    return state


def test_a_checkpoint_file(tmp_path: Path, published: dict[str, Tensor]) -> None:
    path = tmp_path / "generator.pt"
    torch.save({f"module.{name}": tensor for name, tensor in published.items()}, path)
    net = fovea_from_published(read_published(path))
    assert net.settings == PUBLISHED and not net.training
    assert len(net.state_dict()) == 78
    for ours, theirs in zip(net.state_dict().values(), published.values(), strict=True):
        assert torch.equal(ours, theirs)


def test_checkpoints_that_do_not_fit(published: dict[str, Tensor]) -> None:
    with pytest.raises(ValueError, match="begin with conv1 are not those of DeepFovea"):
        fovea_from_published({"conv1.weight": torch.zeros(3)})
    name = "encoder_blocks.0.layer.0.weight"
    with pytest.raises(ValueError, match=f"{name} of a published DeepFovea.* missing"):
        from_published({k: t for k, t in published.items() if k != name})
    with pytest.raises(ValueError, match="frames of red, green and blue"):
        from_published({**published, name: torch.zeros(4, 4, 3, 3)})
    with pytest.raises(ValueError, match=r"unknown \['decoder.4.norm.weight'\]"):
        from_published({**published, "decoder_blocks.4.layer_norm.weight": noise(3)})
    varied = {"decoder_blocks.0.layer_norm.weight": noise(128, 4, 4)}
    rest = {k: t for k, t in published.items() if "blocks.3.layer_norm" not in k}
    with pytest.raises(ValueError, match="last layer norm"):
        from_published(rest | varied)
    with pytest.raises(ValueError, match=r"shapes \['decoder.0.norm"):
        from_published(
            published
            | varied
            | {"decoder_blocks.3.layer_norm.weight": noise(16, 16, 16)}
        )


def test_spectral_norm_as_it_is_saved() -> None:
    torch.manual_seed(0)
    net = Discriminator(3, 6)
    state = {}
    names = {r"\.a\.": ".layers.0.", r"\.b\.": ".layers.2."}
    names |= {r"\.around\.": ".residual_mapping."}
    names |= {r"^enter\.": "input_block.learnable_downsampling."}
    names |= {r"parametrizations\.weight\.original": "weight_orig"}
    names |= {r"parametrizations\.weight\.0\._": "weight_"}
    for name, tensor in net.state_dict().items():
        for ours, theirs in names.items():
            name = re.sub(ours, theirs, name)
        state[name] = tensor
    assert {"blocks.4.layers.0.weight_orig", "blocks.4.layers.0.weight_u"} <= set(state)
    found = discriminator_from_published(state)
    weight = found.blocks[1].a.weight.detach()
    largest = torch.linalg.matrix_norm(
        state["blocks.1.layers.0.weight_orig"].flatten(1), 2
    )
    torch.testing.assert_close(weight, state["blocks.1.layers.0.weight_orig"] / largest)
    del state["blocks.4.layers.0.weight_orig"]
    with pytest.raises(ValueError, match=r"missing \['blocks.4.a"):
        discriminator_from_published(state)


def test_other_networks_are_refused() -> None:
    with pytest.raises(ValueError, match="PWC-Net"):
        flow_from_published({"conv1a.0.weight": torch.zeros(16, 3, 3, 3)})
    with pytest.raises(ValueError, match="VGG-19"):
        vgg_from_published({"features.0.weight": torch.zeros(64, 1, 3, 3)})
    with pytest.raises(ValueError, match="discriminator"):
        discriminator_from_published({})


def test_its_flow_takes_whole_coarsest_pixels() -> None:
    net = FoveaFlow(1)
    with pytest.raises(ValueError, match="multiples of 64, got 64 x 80"):
        net(noise(1, 1, 64, 80), noise(1, 1, 64, 80))
