"""Published checkpoints of S2SVR: their parameter names, and ours.

Names are without the prefix ``module.`` of data-parallel training. Two kinds of layers
are stored differently: update and reset gate of a recurrent unit are one convolution
here, and the convolution over query and key of the attention is two.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn, TypeAlias

import torch

from napari_udvd.models.parameters import load_exactly, shape_of
from napari_udvd.models.s2svr.flow import PWCLite
from napari_udvd.models.s2svr.network import S2SVR
from napari_udvd.models.s2svr.settings import PUBLISHED_DEBLUR, ZOOMS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torch import Tensor

    from napari_udvd.models.s2svr.settings import S2SVRSettings

__all__ = ["block_parameters", "flow_from_published", "from_published"]

TITLE = "S2SVR"

FLOW = "pwclite."
"""Prefix of the flow network inside of S2SVR."""

UNUSED = re.compile(r"encoder\.(fution|conv_1|conv_2|conv_out)\.(weight|bias)")
"""Layers that a published S2SVR has and never uses."""

_Rule: TypeAlias = tuple[str, str]

_LAYERS: tuple[_Rule, ...] = (
    # of a recurrent layer
    (r"conv_gru\.", "gru."),
    (r"convq$", "candidate"),
    (r"fusion$", "fuse"),
    (r"resblocks\.", "blocks."),
    (r"conv1$", "a"),
    (r"conv2$", "b"),
    # of the encoder
    (r"encoder_layer1_f\.", "forwards."),
    (r"encoder_layer1_b\.", "backwards."),
    (r"encoder_layers\.", "further."),
    # of the decoder
    (r"convgru_layers\.", "grus."),
    (r"recon_layers\.", "blocks."),
    (r"fution_layers\.", "join."),
    (r"(^|\.)v$", r"\1score"),
    *((rf"conv_out_{k + 1}$", f"leave.{k}") for k in range(3)),
    *((rf"conv_inp_{k + 1}$", f"enter.{k}") for k in range(4)),
)

_FLOW_LAYERS: tuple[_Rule, ...] = (
    (r"feature_pyramid_extractor\.convs\.(\d)\.([01])\.0", r"pyramid.\1.\2"),
    *((rf"flow_estimators\.conv{k + 1}\.0", f"estimator.layers.{k}") for k in range(5)),
    (r"flow_estimators\.predict_flow\.0", "estimator.flow"),
    (r"context_networks\.convs\.([0-5])\.0", r"refiner.\1"),
    (r"context_networks\.convs\.6\.0", "refiner_flow"),
    # published from the coarsest to the finest, as they are used
    *((rf"conv_1x1\.{k}\.0", f"project.{4 - k}") for k in range(5)),
)


def from_published(published: Mapping[str, Tensor]) -> S2SVR:
    """Build the S2SVR of a published state dict and load its weights.

    Features, blocks, layers and zoom are read from names and shapes.

    Parameters
    ----------
    published
        Published parameter names to tensors, with or without the prefix ``generator.``
        of MMEditing's trainers, whose other entries are left out.

    Returns
    -------
    S2SVR
        In evaluation mode, and with the published behaviour.

    Raises
    ------
    ValueError
        If names or shapes are not those of a published S2SVR.
    """
    published = _inside(published, "generator.") or published
    if not any(name.startswith("encoder.encoder_layer1_f.") for name in published):
        _refuse(published)
    net = S2SVR(_settings(published))
    inside = {
        name: tensor
        for name, tensor in published.items()
        if not name.startswith(FLOW) and not UNUSED.fullmatch(name)
    }
    flow = _flow_parameters(_inside(published, FLOW))
    ours = block_parameters(inside) | {f"flow_net.{k}": t for k, t in flow.items()}
    load_exactly(net, ours, TITLE)
    return net.eval()


def flow_from_published(
    published: Mapping[str, Tensor], *, border: bool = True
) -> PWCLite:
    """Build the flow network of a published state dict and load its weights.

    Parameters
    ----------
    published
        A checkpoint of ARFlow (its version with fewer connections), or of S2SVR, which
        contains one.
    border
        Features outside of the frame are those of its border, as ARFlow's weights
        expect; S2SVR takes zeros.

    Returns
    -------
    PWCLite
        In evaluation mode, for frames of any size.

    Raises
    ------
    ValueError
        If names or shapes are those of another network.
    """
    inside = _inside(published, FLOW) or published
    if not any(name.startswith("feature_pyramid_extractor.") for name in inside):
        raise ValueError(
            f"{_beginnings(published)} are not those of PWCLite "
            "(feature_pyramid_extractor, flow_estimators, context_networks)"
        )
    net = PWCLite(border=border)
    load_exactly(net, _flow_parameters(inside), "PWCLite")
    return net.eval()


def block_parameters(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the parameters of encoder and decoder, or of a block of theirs.

    Raises
    ------
    ValueError
        If the two gates of a recurrent unit differ in shape, or the attention has
        another number of dimensions.
    """
    ours = {}
    for name, tensor in published.items():
        layer, _, kind = name.rpartition(".")
        inside = layer[: layer.rfind(".") + 1]
        place, last = _renamed(inside, _LAYERS), layer.removeprefix(inside)
        if last == "convz":
            reset = published.get(f"{inside}convr.{kind}")
            if reset is None or reset.shape != tensor.shape:
                raise ValueError(
                    f"the parameter {inside}convr.{kind} of a published {TITLE} "
                    f"network must have the shape of {name}, {tuple(tensor.shape)}, "
                    + ("but it is missing" if reset is None else f"got {reset.shape}")
                )
            ours[f"{place}gates.{kind}"] = torch.cat([tensor, reset])
        elif last == "attn":
            shape_of(published, name, TITLE)
            of_query, of_key = tensor.tensor_split(2, dim=1)
            ours[f"{place}of_query.{kind}"] = of_query
            ours[f"{place}of_key.{kind}"] = of_key
        elif last != "convr":  # which came with the other gate
            ours[f"{_renamed(layer, _LAYERS)}.{kind}"] = tensor
    return ours


def _settings(published: Mapping[str, Tensor]) -> S2SVRSettings:
    enters = shape_of(published, "decoder.conv_inp_1.weight", TITLE)
    features = shape_of(published, "decoder.convgru_layers.0.convz.weight", TITLE)[0]
    leaves = shape_of(published, "decoder.conv_out_3.weight", TITLE)[0]
    channels = PUBLISHED_DEBLUR.channels
    zooms = [zoom for zoom in ZOOMS if zoom**2 * channels == leaves]
    if enters[1] != channels or not zooms:
        raise ValueError(
            f"a published {TITLE} sees frames of red, green and blue and returns them "
            f"at the same size or 4 times as large; this one has {enters[1]} channels "
            f"that enter and {leaves} that leave"
        )
    return replace(
        PUBLISHED_DEBLUR,
        features=features,
        blocks=_count(published, r"decoder\.recon_layers\.0\.\d+\.conv1\.weight"),
        layers=_count(published, r"decoder\.convgru_layers\.\d+\.convz\.weight"),
        zoom=zooms[0],
    )


def _refuse(published: Mapping[str, Tensor]) -> NoReturn:
    message = (
        f"{_beginnings(published)} are not those of {TITLE} (encoder.encoder_layer1_f, "
        "decoder, pwclite)"
    )
    if any(name.startswith("feature_pyramid_extractor.") for name in published):
        message = (
            f"these are the weights of the flow network of {TITLE} alone, which "
            "restores nothing"
        )
    raise ValueError(message)


def _inside(published: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in published.items()
        if name.startswith(prefix)
    }


def _flow_parameters(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    ours = {}
    for name, tensor in published.items():
        layer, _, kind = name.rpartition(".")
        ours[f"{_renamed(layer, _FLOW_LAYERS)}.{kind}"] = tensor
    return ours


def _renamed(name: str, rules: Iterable[_Rule]) -> str:
    for theirs, ours in rules:
        name = re.sub(theirs, ours, name)
    return name


def _count(names: Iterable[str], pattern: str) -> int:
    return sum(re.fullmatch(pattern, name) is not None for name in names)


def _beginnings(published: Mapping[str, Tensor]) -> str:
    prefixes = sorted({name.partition(".")[0] for name in published})
    return f"parameters that begin with {', '.join(prefixes[:6])}"
