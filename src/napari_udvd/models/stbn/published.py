"""Published STBN checkpoints: their parameter names, and ours.

A table leads from every published name to ours. Two layers are stored differently: the
first convolution of a blind-spot block, which sees frame, features and noise map at
once, is two convolutions here, and the masks are ours to know.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from napari_udvd.models.flow.published import PREFIX, is_pwc, pwc_parameters
from napari_udvd.models.flow.pwc_net import PWCNet
from napari_udvd.models.likelihood import factor_entries
from napari_udvd.models.parameters import load_exactly, shape_of
from napari_udvd.models.stbn.network import STBN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = [
    "SIGNS",
    "block_parameters",
    "expansion_parameters",
    "from_published",
    "fusion_parameters",
]

SIGNS = "STBN (it has forward_rnn and backward_rnn)"
"""How its checkpoints are recognised, for messages."""

_PARTS = {"forward_rnn": "forward_block", "backward_rnn": "backward_block"}


def from_published(
    published: Mapping[str, Tensor], hole: Sequence[int] = (1, 1)
) -> STBN | None:
    """Build the STBN of a published state dict and load its weights.

    Channels, features, modules, head and whether the noise level is an input are read
    from names and shapes.

    Parameters
    ----------
    published
        Published parameter names to tensors.
    hole
        Rows and columns that it does not see: (1, 1).

    Returns
    -------
    STBN or None
        In evaluation mode; None if the state dict is of another network.

    Raises
    ------
    ValueError
        If names or shapes are not those of a published STBN, or for another hole; or
        if these are the weights of its flow network alone.
    """
    if is_pwc(published):
        raise ValueError(
            "these are the weights of PWC-Net, which estimates flow and does not "
            "denoise; give the file as flow_weights when you train STBN, or use "
            "flow_from_published"
        )
    if not any(name.startswith("forward_rnn.") for name in published):
        return None
    if tuple(hole) != (1, 1):
        raise ValueError(
            f"the published STBN hides one pixel, not {hole[0]} x {hole[1]}; train an "
            "STBN with this hole on the movie itself"
        )
    features = shape_of(published, "forward_rnn.branch1.body.0.weight", "STBN")[0]
    inputs = shape_of(published, "forward_rnn.head.0.weight", "STBN")[1] - features
    modules = _count(published, r"forward_rnn\.branch1\.body\.(\d+)\.body\.0\.weight")
    blocks = _count(
        published,
        r"d\.encoder\.interpolate\.body\.0\.body\.(\d+)\.body\.body\.0\.weight",
    )
    last = f"d2.convs.{modules // 2 + 1}.weight"
    channels, likelihood = _head(inputs, shape_of(published, last, "STBN")[0])
    net = STBN(
        channels=channels,
        features=features,
        modules=modules,
        blocks=blocks,
        likelihood=likelihood,
        noise_input=inputs > channels,
        flow=PWCNet.name,
        fetch="nearest",
        gain=1.0,
    )
    parts: dict[str, dict[str, Tensor]] = {}
    flow = {}
    for name, tensor in published.items():
        if name.startswith(PREFIX):
            flow[name.removeprefix(PREFIX)] = tensor
        else:
            part, _, rest = name.partition(".")
            parts.setdefault(part, {})[rest] = tensor
    ours: dict[str, Tensor] = {}
    for part, inside in parts.items():
        if part in _PARTS:
            renamed = block_parameters(inside, channels, features)
        elif part in ("concat", "d2"):
            renamed = fusion_parameters(inside)
        elif part == "d":
            renamed = expansion_parameters(inside)
        else:
            renamed = inside
        place = {**_PARTS, "concat": "fuse", "d": "expand", "d2": "leave"}
        ours |= {f"{place.get(part, part)}.{k}": v for k, v in renamed.items()}
    ours |= {f"flow_net.{k}": v for k, v in pwc_parameters(flow).items()}
    load_exactly(net, ours, "STBN")
    return net.eval()


def block_parameters(
    published: Mapping[str, Tensor], channels: int, hidden: int
) -> dict[str, Tensor]:
    """Rename the parameters of a blind-spot block.

    Parameters
    ----------
    published
        By published names.
    channels, hidden
        Of frame and features: the published block sees frame, features, noise map.
    """
    # as many as the published numbers leave between the fixed layers
    modules = _count(published, r"branch1\.body\.(\d+)\.body\.0\.weight")
    layers = {
        "head.0": "head",
        "branch1.body.0": "look",
        "branch1.body.2": "mix_a",
        "branch1.body.4": "mix_b",
        f"branch1.body.{6 + modules}": "mix_c",
        "tail.0": "tail_a",
        "tail.2": "tail_b",
        "tail.4": "tail_c",
    }
    for k in range(modules):
        layers |= _residual(f"branch1.body.{6 + k}.body", f"lattice.{k}")
    ours = {}
    for name, tensor in published.items():
        if name == "branch1.body.0.mask":
            _check_mask(tensor)
            continue
        ours[_renamed(name, layers)] = tensor
    weight = ours.get("head.weight")
    if hidden and weight is not None and weight.dim() == 4:
        frame, features, rest = weight.tensor_split([channels, channels + hidden], 1)
        ours |= {
            "head.weight": torch.cat([frame, rest], dim=1),
            "head_hidden.weight": features,
        }
    return ours


def fusion_parameters(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the parameters of a dilated fusion."""
    modules = _count(published, r"convs\.(\d+)\.body\.0\.weight")
    layers = {"convs.0": "enter", f"convs.{modules + 1}": "leave"}
    for k in range(modules):
        layers |= _residual(f"convs.{k + 1}.body", f"lattice.{k}")
    return {_renamed(name, layers): tensor for name, tensor in published.items()}


def expansion_parameters(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the parameters of a spatial receptive-field expansion."""
    inside = "encoder.interpolate"
    layers = {
        f"{inside}.headConv": "head",
        f"{inside}.tailConv.0": "tail_a",
        f"{inside}.tailConv.1": "tail_b",
        f"{inside}.tailConv.2": "tail_c",
    }
    for name in published:
        found = re.match(rf"{inside}\.body\.(\d+)\.body\.(\d+)\.body\.body\.", name)
        if found:
            group = f"groups.{found[1]}.{found[2]}"
            layers |= _residual(found[0].removesuffix("."), group)
    return {_renamed(name, layers): tensor for name, tensor in published.items()}


def _residual(published: str, ours: str) -> dict[str, str]:
    return {f"{published}.0": f"{ours}.spread", f"{published}.2": f"{ours}.mix"}


def _renamed(name: str, layers: Mapping[str, str]) -> str:
    layer, _, kind = name.rpartition(".")
    return f"{layers.get(layer, layer)}.{kind}"


def _count(names: Iterable[str], pattern: str) -> int:
    return sum(re.fullmatch(pattern, name) is not None for name in names)


def _head(inputs: int, outputs: int) -> tuple[int, bool]:
    """Channels of a frame, and whether a factor is put out."""
    for channels in range(1, outputs + 1):
        if inputs not in (channels, 2 * channels):
            continue
        if outputs == channels + factor_entries(channels):
            return channels, True
        if outputs == channels:
            return channels, False
    raise ValueError(
        f"{outputs} outputs for {inputs} inputs besides the features are not those of "
        "a published STBN: it sees a frame, and a noise map or not, and puts out mean "
        "and covariance factor (9 for RGB)"
    )


def _check_mask(mask: Tensor) -> None:
    expected = torch.ones_like(mask)
    expected[..., mask.shape[-2] // 2, mask.shape[-1] // 2] = 0
    if not torch.equal(mask, expected):
        raise ValueError(
            "the mask of the checkpoint hides something else than the centre pixel; "
            "only the published blind spot of one pixel can be imported"
        )
