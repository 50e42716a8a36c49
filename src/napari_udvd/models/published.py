"""Published checkpoints: recognise the variant, map the names, load the weights.

The names and shapes of the parameters tell the network and its variant, the number of
channels, the width and the head. UDVD's hole leaves no trace in them, so it is an
argument.
"""

from __future__ import annotations

import argparse
import pickle
import re
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from napari_udvd.errors import system_reason
from napari_udvd.models.likelihood import factor_entries
from napari_udvd.models.stbn.published import (
    is_pwc,
    is_stbn,
    load_exactly,
    pwc_from_published,
    stbn_from_published,
)
from napari_udvd.models.udvd.network import UDVD

if TYPE_CHECKING:
    from pathlib import Path

    from napari_udvd.models.flow.pwc_net import PWCNet
    from napari_udvd.models.stbn.network import STBN

__all__ = ["flow_from_published", "from_published", "read_published"]

_STAGES = {
    "unet": "stage_one",
    "denoiser_1": "stage_one",
    "denoiser_2": "stage_two",
    "sigma_net": "noise_level",
}
_JOINS = {"nin_A": "join_a", "nin_B": "join_b", "nin_C": "join_c"}


def from_published(
    state_dict: Mapping[str, Any],
    hole: Sequence[int] = (1, 1),
    channels: int | None = None,
) -> UDVD | STBN:
    """Build the network of a published state dict and load its weights.

    Parameters
    ----------
    state_dict
        Published parameter names to tensors, with or without the prefix ``module.``
        of data-parallel training; or the whole published checkpoint.
    hole
        Odd (rows, columns) that the network must not see.
    channels
        Of the movie that it is for; any number if None.

    Returns
    -------
    UDVD or STBN
        In evaluation mode.

    Raises
    ------
    ValueError
        If names or shapes are not those of a published network, or it is for another
        number of channels.
    """
    published = _state_dict(state_dict, "the state dict")
    net: UDVD | STBN
    if is_stbn(published):
        net = stbn_from_published(published, hole)
    elif is_pwc(published):
        raise ValueError(
            "these are the weights of PWC-Net, which estimates flow and does not "
            "denoise; give the file as flow_weights when you train STBN, or use "
            "flow_from_published"
        )
    else:
        net = _udvd_from_published(published, hole)
    if channels is not None and channels != net.channels:
        raise ValueError(
            f"the checkpoint is of a network for {net.channels} channel(s), the movie "
            f"has {channels}. Train a network on the movie itself"
            + (
                "; or give the grey movie three times, as red, green and blue"
                if (net.channels, channels) == (3, 1)
                else ""
            )
        )
    return net


def flow_from_published(state_dict: Mapping[str, Any], channels: int = 3) -> PWCNet:
    """Build PWC-Net of a published state dict and load its weights.

    Parameters
    ----------
    state_dict
        A checkpoint of PWC-Net, or of STBN, which contains one.
    channels
        Of the frames it shall be shown: 3, or 1 for grey.

    Returns
    -------
    PWCNet
        In evaluation mode.

    Raises
    ------
    ValueError
        If names or shapes are those of another flow network.
    """
    return pwc_from_published(_state_dict(state_dict, "the state dict"), channels)


def _udvd_from_published(published: Mapping[str, Tensor], hole: Sequence[int]) -> UDVD:
    prefixes = {name.partition(".")[0] for name in published}
    joins = set(_JOINS)
    variants = {
        frozenset({"unet"} | joins): 1,
        frozenset({"denoiser_1"} | joins): 3,
        frozenset({"denoiser_1", "denoiser_2"} | joins): 5,
    }
    blind_noise = "sigma_net" in prefixes
    frames = variants.get(frozenset(prefixes - {"sigma_net"}))
    if frames is None:
        raise ValueError(
            f"parameters that begin with {', '.join(sorted(prefixes)[:8])} are not "
            "those of a published UDVD network (it has denoiser_1 or unet, and nin_A "
            "to nin_C), nor of STBN (it has forward_rnn and backward_rnn)"
        )
    if any(name.endswith("bias") for name in published):
        raise ValueError(
            "the network has biases; only the published bias-free networks can be "
            "imported, because their rewriting for speed is exact without biases only"
        )
    first = "unet" if frames == 1 else "denoiser_1"
    width, inputs = _shape(published, f"{first}.enc1.conv1.conv.weight")[:2]
    outputs = _shape(published, "nin_C.weight")[0]
    if inputs % min(frames, 3) or not inputs:
        raise ValueError(
            f"{inputs} input channels are not those of {min(frames, 3)} frame(s) of a "
            "published UDVD network"
        )
    channels = inputs // min(frames, 3)
    known = {channels: False, channels + factor_entries(channels): True}
    if outputs not in known:
        # "unknown noise" networks of the paper put out mean and factor alike
        raise ValueError(
            f"{outputs} outputs for {channels} channel(s): expected "
            f"{' or '.join(map(str, known))} (mean, or mean and covariance factor)"
        )
    net = UDVD(
        frames=frames,
        channels=channels,
        width=width,
        hole=hole,
        likelihood=known[outputs],
        blind_noise=blind_noise,
    )
    ours = {_our_name(name): tensor for name, tensor in published.items()}
    load_exactly(net, ours, "UDVD")
    return net.eval()


def read_published(path: str | Path) -> Mapping[str, Any]:
    """Read a published checkpoint file without executing code from it.

    Understands a bare state dict and the published layouts (``{"model":
    [state_dict], "args": ..., ...}``, ``{"state_dict": state_dict, ...}``), for
    :func:`from_published` and :func:`flow_from_published`.

    Raises
    ------
    ValueError
        If the file is no PyTorch checkpoint or holds pickled code.
    """
    label = str(path)
    try:
        # the published layout keeps its command line in this plain container
        with (
            torch.serialization.safe_globals([argparse.Namespace]),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{label!r} holds pickled code or no weights at all; nothing in it was "
            "executed. Save the bare state dict with torch.save and import that"
        ) from error
    except Exception as error:  # damaged bytes end in every kind of error
        reason = system_reason(error)
        raise ValueError(
            f"{label!r} is not a PyTorch checkpoint, or it is damaged"
            f"{f' ({reason})' if reason else ''}; copy it again from its source"
        ) from error
    return _state_dict(content, label)


def _state_dict(content: Any, label: str) -> dict[str, Tensor]:
    """Unwrap the published checkpoint layout and the data-parallel prefix."""
    for key in ("model", "state_dict"):
        if isinstance(content, Mapping) and key in content:
            content = content[key]
    if isinstance(content, list | tuple) and len(content) == 1:
        content = content[0]
    if not isinstance(content, Mapping) or not content:
        raise ValueError(f"{label} holds no state dict but {type(content).__name__}")
    tensors = {}
    for name, value in content.items():
        if not isinstance(value, Tensor):
            raise ValueError(
                f"{label} holds {type(value).__name__} under {name!r}, not a tensor: "
                "no published network"
            )
        tensors[re.sub(r"^(module\.)+", "", str(name))] = value.float()
    return tensors


def _shape(published: Mapping[str, Tensor], name: str) -> tuple[int, ...]:
    if name not in published:
        raise ValueError(f"the parameter {name} of a published UDVD network is missing")
    shape = tuple(published[name].shape)
    if len(shape) != 4:
        raise ValueError(
            f"the parameter {name} has shape {shape}; in a published UDVD network it "
            "has four dimensions"
        )
    return shape


def _our_name(name: str) -> str:
    stage, _, rest = name.partition(".")
    if stage in _JOINS:
        return f"{_JOINS[stage]}.{rest}"
    ours = f"{_STAGES[stage]}.{rest.replace('.conv.', '.')}"
    if stage == "sigma_net":  # its chains are numbered from zero
        ours = re.sub(r"conv(\d)", lambda m: str(int(m[1]) - 1), ours)
    return ours
