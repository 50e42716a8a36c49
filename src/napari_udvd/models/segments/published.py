"""Published checkpoints of the sequence-to-sequence network: their names, and ours."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from napari_udvd.models.parameters import load_exactly
from napari_udvd.models.segments.network import SequenceToSequence
from napari_udvd.models.segments.settings import SequenceSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

__all__ = ["encoder_parameters", "from_published", "speller_parameters"]

TITLE = "action identification"

STEPS = {"dilated": 20, "pyramid": 35}
"""Tokens that the published programs let each write."""

_SPELLER = {
    "rnn_layer": "cell",
    "attention.phi": "attention.query",
    "attention.psi": "attention.key",
    "attention.dim_reduce": "attention.join",
    "character_distribution": "leave",
}

_STAGE = {"conv_1x1": "enter", "conv_out": "leave"}

_LAYER = {"conv_dilated": "wide", "conv_1x1": "mix"}


def from_published(published: Mapping[str, Tensor]) -> SequenceToSequence:
    """Build the sequence-to-sequence network of a published state dict.

    Parameters
    ----------
    published
        Published parameter names (``listener.*``, ``speller.*``) to tensors, without
        the prefix ``module.`` of data-parallel training.

    Returns
    -------
    SequenceToSequence
        In evaluation mode, of the size of the weights.

    Raises
    ------
    ValueError
        If names or shapes are not those of its dilated or its pyramid encoder. The
        other published encoders mix up the items of a batch and are not built.
    """
    inside: dict[str, dict[str, Tensor]] = {"listener": {}, "speller": {}}
    for name, tensor in published.items():
        part, _, rest = name.partition(".")
        if part not in inside:
            raise ValueError(
                f"the parameter {name} is not one of a published {TITLE} network, "
                "whose parameters begin with listener or speller"
            )
        inside[part][rest] = tensor
    listener, speller = inside["listener"], inside["speller"]
    settings: dict[str, Any] = {}
    if "stage1.conv_1x1.weight" in listener:
        settings |= _of_dilated(listener)
    elif "pLSTM_layer0.BLSTM.weight_hh_l0" in listener:
        settings |= _of_pyramid(listener)
    else:
        parts = sorted({name.partition(".")[0] for name in listener})
        raise ValueError(
            f"the encoder (listener) of a published {TITLE} network begins with stage1 "
            f"or pLSTM_layer0; this one has {', '.join(parts[:6]) or 'none'}"
        )
    settings |= _of_speller(speller)
    net = SequenceToSequence(SequenceSettings(**settings))
    ours = speller_parameters(speller, "speller.") | encoder_parameters(listener)
    load_exactly(net, ours, TITLE)
    return net.eval()


def encoder_parameters(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the parameters of either encoder, and of its frame classes."""
    return {_encoder_name(name): tensor for name, tensor in published.items()}


def speller_parameters(
    published: Mapping[str, Tensor], prefix: str = ""
) -> dict[str, Tensor]:
    """Rename the parameters of the decoder, or of an attention inside of it."""
    ours = {}
    for name, tensor in published.items():
        layer, _, kind = name.rpartition(".")
        layer = _SPELLER.get(layer, layer)
        ours[f"{prefix}{layer}.{kind.removesuffix('_l0')}"] = tensor
    return ours


def _encoder_name(name: str) -> str:
    layer, _, kind = name.rpartition(".")
    if layer == "fc":
        return f"frame_head.{kind}"
    if found := re.fullmatch(r"pLSTM_layer(\d+)\.BLSTM", layer):
        return f"encoder.layers.{found[1]}.{kind}"
    found = re.fullmatch(r"(stage1|stages\.(\d+))\.(?:layers\.(\d+)\.)?(\w+)", layer)
    if not found:
        return name
    stage = int(found[2]) + 1 if found[2] else 0
    if found[3]:
        inner = f"layers.{found[3]}.{_LAYER.get(found[4], found[4])}"
    else:
        inner = _STAGE.get(found[4], found[4])
    return f"encoder.stages.{stage}.{inner}.{kind}"


def _of_dilated(listener: Mapping[str, Tensor]) -> dict[str, Any]:
    maps, features, _ = _shape(listener, "stage1.conv_1x1.weight", 3)
    return {
        "encoder": "dilated",
        "features": features,
        "maps": maps,
        "units": _shape(listener, "stage1.conv_out.weight", 3)[0],
        "stages": 1 + _count(listener, r"stages\.(\d+)\..*"),
        "layers": _count(listener, r"stage1\.layers\.(\d+)\..*"),
        "steps": STEPS["dilated"],
        **_of_frame_head(listener),
    }


def _of_pyramid(listener: Mapping[str, Tensor]) -> dict[str, Any]:
    gates, units = _shape(listener, "pLSTM_layer0.BLSTM.weight_hh_l0", 2)
    return {
        "encoder": "pyramid",
        "cell": "lstm" if gates == 4 * units else "gru",
        "features": _shape(listener, "pLSTM_layer0.BLSTM.weight_ih_l0", 2)[1] // 2,
        "units": 2 * units,
        "stages": _count(listener, r"pLSTM_layer(\d+)\..*"),
        "steps": STEPS["pyramid"],
        **_of_frame_head(listener),
    }


def _of_frame_head(listener: Mapping[str, Tensor]) -> dict[str, int]:
    if "fc.weight" not in listener:
        return {}
    return {"frame_classes": _shape(listener, "fc.weight", 2)[0]}


def _of_speller(speller: Mapping[str, Tensor]) -> dict[str, int]:
    classes = _shape(speller, "character_distribution.weight", 2)[0]
    if not any(name.startswith("attention.") for name in speller):
        return {"classes": classes, "heads": 0}
    width = _shape(speller, "attention.psi.weight", 2)[0]
    queries = _shape(speller, "attention.phi.weight", 2)[0]
    return {"classes": classes, "heads": queries // width, "head_width": width}


def _shape(published: Mapping[str, Tensor], name: str, dimensions: int) -> list[int]:
    if name not in published:
        raise ValueError(
            f"the parameter {name} of a published {TITLE} network is missing"
        )
    shape = list(published[name].shape)
    if len(shape) != dimensions or 0 in shape:
        raise ValueError(
            f"the parameter {name} has shape {tuple(shape)}; in a published {TITLE} "
            f"network it has {dimensions} dimensions"
        )
    return shape


def _count(published: Mapping[str, Tensor], pattern: str) -> int:
    """Count what is numbered from 0."""
    found = [re.fullmatch(pattern, name) for name in published]
    return 1 + max((int(match[1]) for match in found if match), default=-1)
