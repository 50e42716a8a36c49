"""Networks by name: what a model file and a user's choice refer to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_udvd.models.centerblind import CenterBlind
from napari_udvd.models.stbn.network import STBN
from napari_udvd.models.udvd.network import UDVD

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_udvd.models.base import Network

__all__ = ["NETWORKS", "build_network"]

NETWORKS: dict[str, type[Network]] = {
    CenterBlind.name: CenterBlind,
    UDVD.name: UDVD,
    STBN.name: STBN,
}
"""Class of each network, by the name that model files carry."""


def build_network(name: str, configuration: Mapping[str, Any]) -> Network:
    """Build a network from the arguments its ``configuration()`` returned.

    Raises
    ------
    ValueError
        If no network has this name, or an argument is out of range.
    TypeError
        If an argument is unknown.
    """
    if name not in NETWORKS:
        raise ValueError(f"there is no network {name!r}, only {', '.join(NETWORKS)}")
    return NETWORKS[name](**configuration)
