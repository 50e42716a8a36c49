"""What STBN is built with."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from napari_udvd.models.flow.light import LightFlow
from napari_udvd.models.flow.pwc_net import PWCNet

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["FLOW_NETWORKS", "Options", "check_arguments"]

FLOW_NETWORKS: dict[str, type[PWCNet | LightFlow]] = {
    PWCNet.name: PWCNet,
    LightFlow.name: LightFlow,
}
"""Class of each flow network, by the name that settings call it."""


class Options(NamedTuple):
    """What decides how the network computes, beside its layers.

    Attributes
    ----------
    features, modules, blocks, noise_input, fetch, gain, context
        As the parameters of :class:`~napari_udvd.models.stbn.network.STBN`.
    """

    features: int
    modules: int
    blocks: int
    noise_input: bool
    fetch: str
    gain: float
    context: int


def check_arguments(
    options: Options, channels: int, hole: Sequence[int], flow: str
) -> None:
    """Check what a network is to be built with.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """
    counts = {
        "channels": channels,
        "features": options.features,
        "modules": options.modules,
        "blocks": options.blocks,
        "context": options.context,
    }
    for name, value in counts.items():
        if value < 1:
            raise ValueError(f"{name} is {value!r}; it must be positive")
    if options.features % 2:
        raise ValueError(f"features is {options.features!r}; it must be even")
    if len(hole) != 2 or any(n < 1 or n % 2 == 0 for n in hole):
        raise ValueError(f"hole is {tuple(hole)!r}; it must be odd (rows, columns)")
    if flow not in (*FLOW_NETWORKS, "none"):
        raise ValueError(
            f"flow is {flow!r}; choose one of {', '.join(FLOW_NETWORKS)} or none"
        )
    if options.fetch not in ("bilinear", "nearest"):
        raise ValueError(f"fetch is {options.fetch!r}; choose bilinear or nearest")
    if not 0 < options.gain < math.inf:
        raise ValueError(f"gain is {options.gain!r}; it must be positive")
