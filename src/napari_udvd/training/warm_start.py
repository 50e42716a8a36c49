"""Weights that training starts from, shipped with the package.

They were learned from simulated movies (see `pretrain`); the file's header holds the
network's configuration and says how they were made.
"""

from __future__ import annotations

import copy
import hashlib
from importlib.resources import as_file, files
from string import Formatter
from typing import TYPE_CHECKING, NamedTuple

import torch

from napari_udvd.errors import InputError
from napari_udvd.inference.model_file import read_model_file
from napari_udvd.models import CameraNoise, flow_from_published, read_published
from napari_udvd.models.camera import stabilise
from napari_udvd.models.catalogue import package_of, specs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from importlib.resources.abc import Traversable
    from pathlib import Path

    from torch import Tensor

    from napari_udvd.inference.scaling import Calibration
    from napari_udvd.models import FlowNetwork, Network, NetworkSpec

__all__ = [
    "WarmStart",
    "checksum",
    "load_flow",
    "outside_of_training",
    "warm_start",
]

FOLDER = files("napari_udvd").joinpath("weights")

DAMAGED = (InputError, RuntimeError, KeyError, StopIteration, ValueError)
"""Errors in which damaged weights end."""


class WarmStart(NamedTuple):
    """What became of the attempt.

    Attributes
    ----------
    done
        The network holds the shipped weights.
    remark
        What the user should know, or an empty string.
    """

    done: bool
    remark: str


def warm_start(net: Network) -> WarmStart:
    """Give a network the shipped weights, or its flow, if there are any that fit."""
    flow = net.flow_network()
    if flow is not None and flow.weights is not None:
        return WarmStart(False, _warm_flow(flow, flow.weights))
    known = specs().get(net.name)
    if known is None or known.weights is None:
        return WarmStart(False, "")
    if net.channels > 1 or not net.likelihood:
        what = "joint channels" if net.channels > 1 else "the mean only"
        return WarmStart(
            False, f"no weights for {what} are shipped; training starts from scratch"
        )
    own = net.configuration()
    resource = _folder(known).joinpath(known.weights.format(**own))
    if not resource.is_file():
        which = [name for _, name, *_ in Formatter().parse(known.weights) if name]
        what = " and ".join(f"the {name} {own[name]}" for name in which)
        return WarmStart(
            False,
            f"no weights for {what or net.title} are shipped with this installation; "
            "training starts from scratch and takes longer",
        )
    try:
        _give(net, resource)
    except DAMAGED:
        return WarmStart(
            False,
            f"the shipped weights cannot be used: {resource.name} is damaged; training "
            "starts from scratch and takes longer; installing the package again brings "
            "them back",
        )
    return WarmStart(True, "")


def load_flow(net: Network, path: str) -> None:
    """Give a network's flow the weights of a published checkpoint.

    Raises
    ------
    InputError
        If the file cannot be read or holds another architecture.
    """
    try:
        published = flow_from_published(read_published(path), net.channels)
    except ValueError as error:
        raise InputError(f"the weights of the flow cannot be used: {error}") from error
    flow = net.flow_network()
    assert flow is not None
    flow.load_state_dict(published.state_dict())


def _folder(spec: NetworkSpec) -> Traversable:
    """Return the folder ``weights`` of the package that a network comes with."""
    if package_of(spec.name) is None:
        return FOLDER
    return files(spec.network.partition(":")[0].partition(".")[0]).joinpath("weights")


def _warm_flow(net: FlowNetwork, file: str) -> str:
    """Give a flow network the shipped weights; return what the user should know."""
    resource = FOLDER.joinpath(file)
    try:
        _give(net, resource)
    except DAMAGED:
        state = "damaged" if resource.is_file() else "missing"
        return (
            f"the shipped weights of the flow cannot be used: {resource.name} is "
            f"{state}; it begins with guesses and takes longer to learn; installing "
            "the package again brings them back"
        )
    return ""


def _give(net: Network | FlowNetwork, resource: Traversable) -> None:
    with as_file(resource) as path:
        tensors = net.fitted(_read(path))
    # what does not fit must not leave a network that is half overwritten
    copy.deepcopy(net).load_state_dict(tensors)
    net.load_state_dict(tensors)


def outside_of_training(calibrations: Sequence[Calibration]) -> str:
    """Say so if a movie is unlike all that the shipped weights were trained on.

    Returns
    -------
    str
        One sentence, or nothing.
    """
    for calibration in calibrations:
        noise = CameraNoise(
            torch.tensor(calibration.noise.gain),
            torch.tensor(calibration.noise.offset),
            torch.tensor(calibration.noise.read_noise**2),
        )
        dim, *_, bright = map(torch.tensor, calibration.levels)
        span = float(stabilise(bright, noise) - stabilise(dim, noise))
        if span > BRIGHTEST:
            return (
                f"the grey levels of the movie span {span:.0f} times its noise, more "
                f"than any movie that the shipped weights have seen ({BRIGHTEST:.0f}): "
                "there is little noise to remove"
            )
    return ""


BRIGHTEST = 2 * 500**0.5 * 2
"""Span of grey levels in units of the noise that `pretrain` reaches (500 photons)."""


def checksum(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of names and values, to be kept beside the weights."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(name.encode())
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


def _read(path: Path) -> dict[str, Tensor]:
    header, tensors = read_model_file(path)
    if "weights" not in header:
        raise InputError(f"{path.name} does not hold weights to start from")
    if header["weights"]["checksum"] != checksum(tensors):
        raise InputError(f"{path.name} is damaged: its checksum is not right")
    return {name: tensor.to(torch.float32) for name, tensor in tensors.items()}
