"""Published checkpoints: read the file, and ask each network whether it is its own.

A module that a spec names as ``published`` has ``from_published(parameters, hole)``,
which returns the network with its weights, or None where the names are those of
another one, and ``SIGNS``, which says how it is recognised.
"""

from __future__ import annotations

import argparse
import pickle
import re
import warnings
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from napari_udvd.errors import system_reason
from napari_udvd.models.catalogue import specs
from napari_udvd.models.deepfovea.published import from_published as fovea
from napari_udvd.models.flow.published import pwc_from_published
from napari_udvd.models.s2svr.published import from_published as s2svr
from napari_udvd.models.segments.published import from_published as segments

if TYPE_CHECKING:
    from pathlib import Path

    from napari_udvd.models.base import Network
    from napari_udvd.models.deepfovea.network import DeepFovea
    from napari_udvd.models.flow.base import FlowNetwork
    from napari_udvd.models.s2svr.network import S2SVR
    from napari_udvd.models.segments.network import SequenceToSequence

__all__ = [
    "flow_from_published",
    "fovea_from_published",
    "from_published",
    "read_published",
    "s2svr_from_published",
    "segments_from_published",
]


def from_published(
    state_dict: Mapping[str, Any],
    hole: Sequence[int] = (1, 1),
    channels: int | None = None,
) -> Network:
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
    Network
        In evaluation mode.

    Raises
    ------
    ValueError
        If names or shapes are not those of a published network, or it is for another
        number of channels.
    """
    published = _state_dict(state_dict, "the state dict")
    net = _recognised(published, hole)
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


def _recognised(published: Mapping[str, Tensor], hole: Sequence[int]) -> Network:
    signs = []
    for spec in specs().values():
        if spec.published is not None:
            module = import_module(spec.published)
            net: Network | None = module.from_published(published, hole)
            if net is not None:
                return net
            signs.append(module.SIGNS)
    prefixes = sorted({name.partition(".")[0] for name in published})
    raise ValueError(
        f"parameters that begin with {', '.join(prefixes[:8])} are not those of "
        f"{', nor of '.join(signs)}"
    )


def flow_from_published(
    state_dict: Mapping[str, Any], channels: int = 3
) -> FlowNetwork:
    """Build PWC-Net of a published state dict and load its weights.

    Parameters
    ----------
    state_dict
        A checkpoint of PWC-Net, or of STBN, which contains one.
    channels
        Of the frames it shall be shown: 3, or 1 for grey.

    Returns
    -------
    FlowNetwork
        In evaluation mode.

    Raises
    ------
    ValueError
        If names or shapes are those of another flow network.
    """
    return pwc_from_published(_state_dict(state_dict, "the state dict"), channels)


def fovea_from_published(state_dict: Mapping[str, Any]) -> DeepFovea:
    """Build DeepFovea++ of a published state dict and load its weights.

    Parameters
    ----------
    state_dict
        A checkpoint of its generator.

    Returns
    -------
    DeepFovea
        In evaluation mode, with the published behaviour: four times as large, six
        frames of red, green and blue, no mask given. For frames of any size if the
        layer norms are those of the published training, which are not trained.

    Raises
    ------
    ValueError
        If names or shapes are those of another network.
    """
    return fovea(_state_dict(state_dict, "the state dict"))


def s2svr_from_published(state_dict: Mapping[str, Any]) -> S2SVR:
    """Build the S2SVR of a published state dict and load its weights.

    Parameters
    ----------
    state_dict
        A checkpoint of S2SVR of either published size, or of another; names may begin
        with ``generator.``, as they do where MMEditing saved them.

    Returns
    -------
    S2SVR
        In evaluation mode, with the published behaviour: frames of red, green and blue,
        flow estimated at 256 x 256.

    Raises
    ------
    ValueError
        If names or shapes are those of another network.
    """
    return s2svr(_state_dict(state_dict, "the state dict"))


def segments_from_published(state_dict: Mapping[str, Any]) -> SequenceToSequence:
    """Build the action identification network of a published state dict.

    Parameters
    ----------
    state_dict
        A checkpoint of the sequence-to-sequence model of Kaku et al. 2021, with the
        dilated (video) or the pyramid (sensor) encoder, of any size.

    Returns
    -------
    SequenceToSequence
        In evaluation mode.

    Raises
    ------
    ValueError
        If names or shapes are those of another network.
    """
    return segments(_state_dict(state_dict, "the state dict"))


def read_published(path: str | Path) -> Mapping[str, Any]:
    """Read a published checkpoint file without executing code from it.

    Understands a bare state dict and the published layouts (``{"model":
    [state_dict], "args": ..., ...}``, ``{"state_dict": state_dict, ...}``), for
    :func:`from_published`, :func:`flow_from_published`, :func:`fovea_from_published`,
    :func:`s2svr_from_published` and :func:`segments_from_published`.

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
