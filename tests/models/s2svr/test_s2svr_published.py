"""Published checkpoints of S2SVR: found by their names, or refused."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch

from napari_udvd.models import S2SVR, read_published, s2svr_from_published
from napari_udvd.models.s2svr import PUBLISHED_DEBLUR
from napari_udvd.models.s2svr.published import flow_from_published, from_published

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

SLIM = replace(PUBLISHED_DEBLUR, features=2, blocks=1, layers=2)

NAMES = {  # ours to published
    r"^encoder\.forwards\.": "encoder.encoder_layer1_f.",
    r"^encoder\.backwards\.": "encoder.encoder_layer1_b.",
    r"^encoder\.further\.": "encoder.encoder_layers.",
    r"^(encoder.*)\.gru\.": r"\1.conv_gru.",
    r"^(encoder.*)\.fuse\.": r"\1.fusion.",
    r"^(encoder.*)\.blocks\.": r"\1.resblocks.",
    r"^decoder\.grus\.": "decoder.convgru_layers.",
    r"^decoder\.blocks\.": "decoder.recon_layers.",
    r"^decoder\.join\.": "decoder.fution_layers.",
    r"^decoder\.leave\.0": "decoder.conv_out_1",
    r"^decoder\.leave\.1": "decoder.conv_out_2",
    r"^decoder\.leave\.2": "decoder.conv_out_3",
    r"^decoder\.enter\.0": "decoder.conv_inp_1",
    r"^decoder\.enter\.1": "decoder.conv_inp_2",
    r"^decoder\.enter\.2": "decoder.conv_inp_3",
    r"^decoder\.enter\.3": "decoder.conv_inp_4",
    r"\.score\.": ".v.",
    r"\.candidate\.": ".convq.",
    r"\.a\.(?=\w+$)": ".conv1.",
    r"\.b\.(?=\w+$)": ".conv2.",
    r"^flow_net\.pyramid": "pwclite.feature_pyramid_extractor.convs",
    r"(convs\.\d\.\d)\.(?=\w+$)": r"\1.0.",
    r"^flow_net\.estimator\.layers\.0": "pwclite.flow_estimators.conv1.0",
    r"^flow_net\.estimator\.layers\.1": "pwclite.flow_estimators.conv2.0",
    r"^flow_net\.estimator\.layers\.2": "pwclite.flow_estimators.conv3.0",
    r"^flow_net\.estimator\.layers\.3": "pwclite.flow_estimators.conv4.0",
    r"^flow_net\.estimator\.layers\.4": "pwclite.flow_estimators.conv5.0",
    r"^flow_net\.estimator\.flow": "pwclite.flow_estimators.predict_flow.0",
    r"^flow_net\.refiner\.(\d)": r"pwclite.context_networks.convs.\1.0",
    r"^flow_net\.refiner_flow": "pwclite.context_networks.convs.6.0",
    r"^flow_net\.project\.0": "pwclite.conv_1x1.4.0",
    r"^flow_net\.project\.1": "pwclite.conv_1x1.3.0",
    r"^flow_net\.project\.2": "pwclite.conv_1x1.2.0",
    r"^flow_net\.project\.3": "pwclite.conv_1x1.1.0",
    r"^flow_net\.project\.4": "pwclite.conv_1x1.0.0",
}


def published_names(net: S2SVR) -> dict[str, Tensor]:
    state = {}
    ours = net.state_dict()
    for name, tensor in ours.items():
        for pattern, theirs in NAMES.items():
            name = re.sub(pattern, theirs, name)
        if name.endswith((".gates.weight", ".gates.bias")):
            update, reset = tensor.chunk(2)
            state[name.replace(".gates.", ".convz.")] = update
            state[name.replace(".gates.", ".convr.")] = reset
        elif ".of_query." in name:
            key = ours["decoder.attention.of_key.weight"]
            state[name.replace(".of_query.", ".attn.")] = torch.cat([tensor, key], 1)
        elif ".of_key." not in name:
            state[name] = tensor
    return state


@pytest.fixture(scope="module")
def net() -> S2SVR:
    torch.manual_seed(0)
    return S2SVR(SLIM)


@pytest.fixture(scope="module")
def published(net: S2SVR) -> dict[str, Tensor]:
    return published_names(net)


@pytest.mark.parametrize("prefix", ["", "module.", "generator."])
def test_a_checkpoint_file(
    tmp_path: Path, net: S2SVR, published: dict[str, Tensor], prefix: str
) -> None:
    path = tmp_path / "s2svr.pth"
    state = {f"{prefix}{name}": tensor for name, tensor in published.items()}
    torch.save({"meta": {}, "state_dict": state}, path)
    found = s2svr_from_published(read_published(path))
    assert found.settings == SLIM and not found.training
    for name, tensor in net.state_dict().items():
        assert torch.equal(found.state_dict()[name], tensor), name


def test_layers_that_are_never_used_are_left_out(published: dict[str, Tensor]) -> None:
    unused = ("encoder.fution.weight", "encoder.conv_1.weight", "encoder.conv_out.bias")
    state = published | dict.fromkeys(unused, torch.zeros(3))
    assert from_published(state).settings == SLIM


@pytest.mark.parametrize("zoom", [2, 4])
def test_the_zoom_is_that_of_the_last_layer(zoom: int) -> None:
    settings = replace(SLIM, zoom=zoom)
    assert from_published(published_names(S2SVR(settings))).settings == settings


def test_checkpoints_that_do_not_fit(published: dict[str, Tensor]) -> None:
    def without(part: str) -> dict[str, Tensor]:
        return {name: tensor for name, tensor in published.items() if part not in name}

    with pytest.raises(ValueError, match="begin with conv1 are not those of S2SVR"):
        s2svr_from_published({"conv1.weight": torch.zeros(3)})
    with pytest.raises(ValueError, match="begin with decoder are not those of S2SVR"):
        from_published({k: v for k, v in published.items() if "decoder" in k})
    flow = {k.removeprefix("pwclite."): v for k, v in published.items() if "pwc" in k}
    with pytest.raises(ValueError, match="flow network of S2SVR alone"):
        from_published(flow)
    with pytest.raises(ValueError, match=r"decoder\.conv_inp_1\.weight .* is missing"):
        from_published(without("conv_inp_1"))
    with pytest.raises(ValueError, match=r"missing \['encoder\.further\.0\."):
        from_published(without("encoder_layers"))
    with pytest.raises(ValueError, match=r"missing \['flow_net\.refiner\.0\.bias"):
        from_published(without("context_networks"))
    with pytest.raises(ValueError, match=r"0\.convr\.weight .* but it is missing"):
        from_published(without("convgru_layers.0.convr"))
    with pytest.raises(ValueError, match=r"unknown \['decoder\.conv_inp_5\.bias'\]"):
        from_published({**published, "decoder.conv_inp_5.bias": torch.zeros(3)})
    gate = "encoder.encoder_layer1_f.conv_gru.convr.weight"
    with pytest.raises(ValueError, match=r"shape of .*convz.*\(2, 5, 3, 3\), got"):
        from_published({**published, gate: torch.zeros(2, 4, 3, 3)})
    with pytest.raises(ValueError, match=r"attn\.weight has shape"):
        from_published({**published, "decoder.attention.attn.weight": torch.zeros(4)})


@pytest.mark.parametrize(
    ("name", "shape", "words"),
    [
        ("conv_inp_1", (1, 1, 3, 3), "1 channels that enter and 3 that leave"),
        ("conv_out_3", (27, 2, 3, 3), "3 channels that enter and 27 that leave"),
    ],
)
def test_frames_of_other_channels(
    published: dict[str, Tensor], name: str, shape: tuple[int, ...], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        from_published({**published, f"decoder.{name}.weight": torch.zeros(shape)})


def test_the_flow_network_alone(net: S2SVR, published: dict[str, Tensor]) -> None:
    inside = {k.removeprefix("pwclite."): v for k, v in published.items() if "pwc" in k}
    for state in (published, inside):
        flow = flow_from_published(state)
        assert (flow.size, flow.radius, flow.grid) == (None, 4, 64)
        for name, tensor in net.flow_net.state_dict().items():
            assert torch.equal(flow.state_dict()[name], tensor), name
    with pytest.raises(ValueError, match="conv1a are not those of PWCLite"):
        flow_from_published({"conv1a.0.weight": torch.zeros(16, 3, 3, 3)})
    dense = inside | {"flow_estimators.conv_last.weight": torch.zeros(2, 563, 3, 3)}
    with pytest.raises(ValueError, match=r"unknown \['flow_estimators.conv_last"):
        flow_from_published(dense)
