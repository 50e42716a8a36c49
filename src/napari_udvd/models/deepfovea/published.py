"""Published checkpoints around DeepFovea++: their parameter names, and ours.

Names are without the prefix ``module.`` of data-parallel training.
"""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

import torch

from napari_udvd.models.deepfovea.discriminators import Discriminator, FFTDiscriminator
from napari_udvd.models.deepfovea.flow import FoveaFlow
from napari_udvd.models.deepfovea.network import DeepFovea
from napari_udvd.models.deepfovea.perceptual import STAGES, VGGFeatures
from napari_udvd.models.deepfovea.settings import PUBLISHED
from napari_udvd.models.parameters import load_exactly, shape_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

__all__ = [
    "block_parameters",
    "discriminator_from_published",
    "flow_from_published",
    "from_published",
    "vgg_from_published",
]

TITLE = "DeepFovea++"

FIRST = "encoder_blocks.0.layer.0.weight"

_PARTS = {
    "encoder_blocks": "encoder",
    "decoder_blocks": "decoder",
    "super_resolution_blocks": "super_resolution",
}

_BLOCK = {
    # of the encoder
    "layer.0": "a",
    "layer.2": "b",
    # of the decoder
    "convolution_1": "a",
    "layer_norm": "norm",
    "convolution_2": "b",
    # for super-resolution
    "layers.0": "a",
    "layers.0.conv_offset_mask": "a.look",
    "layers.3": "b",
    "layers.3.conv_offset_mask": "b.look",
    "residual_mapping.0": "around",
    # of encoder and decoder
    "residual_mapping": "around",
}

_DISCRIMINATOR = {
    "input_block.learnable_downsampling": "enter",
    "final_linear": "leave",
}

_DISCRIMINATOR_BLOCK = {"layers.0": "a", "layers.2": "b", "residual_mapping": "around"}

_FLOW_PYRAMID = {"a": 0, "aa": 1, "b": 2}
_COARSEST_PYRAMID = {"aa": 0, "a": 1, "b": 2}  # named in another order
_COARSEST = 6


def from_published(published: Mapping[str, Tensor]) -> DeepFovea:
    """Build the generator of a published state dict and load its weights.

    Layer norms may be missing, as they are from what is saved before the first clip.
    Where they are the same at every pixel, as those of the published training are, the
    network takes frames of any size, and otherwise those of one size.

    Parameters
    ----------
    published
        Published parameter names to tensors.

    Returns
    -------
    DeepFovea
        In evaluation mode.

    Raises
    ------
    ValueError
        If names or shapes are not those of a published DeepFovea++.
    """
    if not any(name.startswith("encoder_blocks.") for name in published):
        raise ValueError(
            f"{_beginnings(published)} are not those of {TITLE} (encoder_blocks, "
            "decoder_blocks, super_resolution_blocks)"
        )
    frames, rest = divmod(shape_of(published, FIRST, TITLE)[1], PUBLISHED.channels)
    if rest or not frames:
        raise ValueError(
            f"{FIRST} has shape {tuple(published[FIRST].shape)}: a published {TITLE} "
            "sees frames of red, green and blue"
        )
    ours = {}
    for name, tensor in published.items():
        part, _, inside = name.partition(".")
        number, _, layer = inside.partition(".")
        ours[f"{_PARTS.get(part, part)}.{number}.{_renamed(layer, _BLOCK)}"] = tensor
    norms = {k: t for k, t in ours.items() if ".norm." in k and t.dim() == 3}
    size = None
    if all(torch.equal(t, t[:, :1, :1].expand_as(t)) for t in norms.values()):
        ours |= {k: t[:, :1, :1] for k, t in norms.items()}
    else:
        # the last of the decoder's blocks works at half of the size
        last = next((t for k, t in norms.items() if k.startswith("decoder.3.")), None)
        if last is None:
            raise ValueError(f"the last layer norm of a published {TITLE} is missing")
        size = (2 * last.shape[1], 2 * last.shape[2])
    net = DeepFovea(dataclasses.replace(PUBLISHED, frames=frames, norm_size=size))
    if not norms:
        ours |= {k: t for k, t in net.state_dict().items() if ".norm." in k}
    load_exactly(net, ours, TITLE)
    return net.eval()


def block_parameters(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the parameters of a single block of the generator."""
    return {_renamed(name, _BLOCK): tensor for name, tensor in published.items()}


def discriminator_from_published(published: Mapping[str, Tensor]) -> Discriminator:
    """Build a published discriminator and load its weights.

    Parameters
    ----------
    published
        Published parameter names to tensors, those of spectral norm among them
        (``weight_orig``). Its singular vectors are computed anew.

    Returns
    -------
    Discriminator
        In evaluation mode; a :class:`FFTDiscriminator` if it has the linear layer of
        that one.

    Raises
    ------
    ValueError
        If names or shapes are those of something else.
    """
    title = f"{TITLE} discriminator"
    entering = shape_of(published, "input_block.learnable_downsampling.weight", title)
    net: Discriminator
    if any(name.startswith("final_linear.") for name in published):
        frames = entering[1] // (2 * PUBLISHED.channels)
        net = FFTDiscriminator(PUBLISHED.channels, frames)
    else:
        frames = entering[1] // PUBLISHED.channels
        net = Discriminator(PUBLISHED.channels, frames)
    ours: dict[str, Tensor] = {}
    for name, tensor in published.items():
        layer, _, kind = name.rpartition(".")
        if found := re.fullmatch(r"(blocks\.\d+)\.(.+)", layer):
            layer = f"{found[1]}.{_DISCRIMINATOR_BLOCK.get(found[2], found[2])}"
        layer = _DISCRIMINATOR.get(layer, layer)
        if kind == "weight_orig":
            inside = f"{layer}.parametrizations.weight"
            left, right = _singular_vectors(tensor.flatten(1))
            ours |= {
                f"{inside}.original": tensor,
                f"{inside}.0._u": left,
                f"{inside}.0._v": right,
            }
        elif kind not in ("weight_u", "weight_v"):
            ours[f"{layer}.{kind}"] = tensor
    load_exactly(net, ours, title)
    return net.eval()


def flow_from_published(published: Mapping[str, Tensor]) -> FoveaFlow:
    """Build NVIDIA's PWC-Net and load published weights.

    Parameters
    ----------
    published
        Published parameter names to tensors.

    Returns
    -------
    FoveaFlow
        In evaluation mode.

    Raises
    ------
    ValueError
        If names or shapes are those of another network.
    """
    ours = {
        _flow_name(name): tensor
        for name, tensor in published.items()
        if not name.startswith("deconv2.")  # is not used
    }
    net = FoveaFlow()
    load_exactly(net, ours, "PWC-Net (NVIDIA)")
    return net.eval()


def vgg_from_published(published: Mapping[str, Tensor]) -> VGGFeatures:
    """Build VGG-19 and load published weights.

    Parameters
    ----------
    published
        Parameter names of the published loss (``vgg_19_features.N``) or of torchvision
        (``features.N``) to tensors. Layers after the last that is needed are left out.

    Returns
    -------
    VGGFeatures
        In evaluation mode.

    Raises
    ------
    ValueError
        If names or shapes are those of another network.
    """
    places, number = {}, 0
    for k, stage in enumerate(STAGES):
        for j in range(len(stage)):
            places[number] = f"stages.{k}.{j}"
            number += 2  # a convolution and its rectifier
        number += 1  # halved
    ours = {}
    for name, tensor in published.items():
        found = re.fullmatch(r"(?:vgg_19_)?features\.(\d+)\.(\w+)", name)
        if found and int(found[1]) in places:
            ours[f"{places[int(found[1])]}.{found[2]}"] = tensor
    net = VGGFeatures()
    load_exactly(net, ours, "VGG-19")
    return net.eval()


def _renamed(name: str, layers: Mapping[str, str]) -> str:
    layer, _, kind = name.rpartition(".")
    return f"{layers.get(layer, layer)}.{kind}"


def _beginnings(published: Mapping[str, Tensor]) -> str:
    prefixes = sorted({name.partition(".")[0] for name in published})
    return f"parameters that begin with {', '.join(prefixes[:6])}"


def _singular_vectors(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Return the left and right vectors of the largest singular value."""
    wide = matrix.double()
    left = torch.linalg.eigh(wide @ wide.mT).eigenvectors[:, -1]
    right = wide.mT @ left
    return left.to(matrix.dtype), (right / right.norm()).to(matrix.dtype)


def _flow_name(name: str) -> str:
    """Our name of a parameter of NVIDIA's PWC-Net; others stay as they are."""
    layer, _, kind = name.rpartition(".")
    layer = layer.removesuffix(".0")
    if found := re.fullmatch(r"conv([1-6])(aa|a|b)", layer):
        level = int(found[1])
        order = _COARSEST_PYRAMID if level == _COARSEST else _FLOW_PYRAMID
        return f"pyramid.{level - 1}.{order[found[2]]}.{kind}"
    if found := re.fullmatch(r"conv([2-6])_([0-4])", layer):
        return f"decoders.{_COARSEST - int(found[1])}.layers.{found[2]}.{kind}"
    if found := re.fullmatch(r"predict_flow([2-6])", layer):
        return f"decoders.{_COARSEST - int(found[1])}.flow.{kind}"
    if found := re.fullmatch(r"(deconv|upfeat)([3-6])", layer):
        # it leads from the level above to the decoder that reads it
        own = "up_flow" if found[1] == "deconv" else "up_features"
        return f"decoders.{_COARSEST + 1 - int(found[2])}.{own}.{kind}"
    if found := re.fullmatch(r"dc_conv([1-6])", layer):
        return f"refiner.{int(found[1]) - 1}.{kind}"
    return f"refiner_flow.{kind}" if layer == "dc_conv7" else name
