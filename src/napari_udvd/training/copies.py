"""A network that learns on several devices at once: each has a copy of it.

Every step takes the clips of one batch to the copies, and the gradients back to where
the optimiser is. What is learned is what one device would learn, up to the order in
which numbers are added.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from napari_udvd.models import CameraNoise, Clip
from napari_udvd.runtime.replicas import replicas_on
from napari_udvd.tasks import Batch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_udvd.models import Network

__all__ = ["Copies", "sent"]

Part = TypeVar("Part")
Result = TypeVar("Result")


class Copies:
    """The network, once on each device.

    Parameters
    ----------
    net
        The network, on the first device.
    devices
        Two or more; the same one may be there more than once.
    """

    def __init__(self, net: Network, devices: Sequence[torch.device]) -> None:
        more = (copy.deepcopy(net).to(device) for device in devices[1:])
        self._nets = (net, *more)
        self._replicas = replicas_on(tuple(devices))

    def map(
        self, work: Callable[[Network, Part], Result], parts: Sequence[Part]
    ) -> list[Result]:
        """Call a function for each part of a batch, on the device where the part is.

        The copies are what the network is at the moment.
        """
        self._refresh()
        pairs: list[Any] = list(zip(self._nets, parts, strict=False))
        return list(self._replicas.map(lambda pair: work(*pair), pairs))

    @torch.no_grad()
    def _refresh(self) -> None:
        first, *others = self._nets
        now = first.state_dict()
        for net in others:
            for name, tensor in net.state_dict().items():
                tensor.copy_(now[name])


def sent(batch: Batch, device: torch.device) -> Batch:
    """Copy a batch to a device."""
    clip = batch.clip
    noise = CameraNoise(*(entry.to(device) for entry in clip.noise))
    mask = None if clip.mask is None else clip.mask.to(device)
    return Batch(
        Clip(clip.frames.to(device), noise, mask),
        batch.targets.to(device),
        batch.learned.to(device),
    )
