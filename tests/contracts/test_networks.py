"""Every network of the catalogue keeps what networks promise."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import torch

from napari_udvd.models import catalogue
from network_contracts import (
    NETWORK_CONTRACTS,
    SPEC_CONTRACTS,
    Hole,
    a_model_file_brings_it_back,
)
from tiny import fill

if TYPE_CHECKING:
    from pathlib import Path

    from napari_udvd.models import Network, NetworkSpec

SMALL_STBN = {"features": 8, "modules": 2, "blocks": 2, "context": 1}

# Small ones: what they promise does not depend on the size. A network that is not
# among them is built as its class does by default.
SMALL: dict[str, list[dict[str, Any]]] = {
    "centerblind": [
        {"preset": "small", "near": 2, "far": [2]},
        {"preset": "small", "near": 2, "far": [], "hidden": 1},
    ],
    "centerblind-sparse": [
        {"preset": "small", "near": 2, "far": [2]},
        {"preset": "small", "near": 2, "far": [2], "hidden": 1, "widths": [0.8, 3.0]},
    ],
    "deepfovea": [{"features": 4}],
    "udvd": [{"width": 4}, {"width": 4, "frames": 3}, {"width": 4, "frames": 1}],
    "stbn": [
        {**SMALL_STBN, "flow": "none", "noise_input": False},
        {**SMALL_STBN, "flow": "light"},
    ],
}


def build(
    name: str,
    options: dict[str, Any],
    channels: int = 1,
    hole: Hole = (1, 1),
    likelihood: bool = True,
    own_start: bool = False,
) -> Network:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        net = catalogue.build_network(
            name,
            {**options, "channels": channels, "hole": hole, "likelihood": likelihood},
        )
    if own_start:
        return net.eval()
    if name != "stbn":
        fill(net)
    elif (flow := net.flow_network()) is not None:
        # the rest begins with numbers of order one; flow, with nothing that moves
        torch.nn.init.normal_(flow.get_parameter("flow.weight"), std=0.05)
    return net.eval()


def _cases() -> list[Any]:
    return [
        pytest.param(
            partial(build, name, options),
            id=" ".join([name, *(f"{k}={v}" for k, v in options.items())]),
        )
        for name in catalogue.built_in()
        for options in SMALL.get(name, [{}])
    ]


@pytest.mark.parametrize("contract", NETWORK_CONTRACTS.values(), ids=NETWORK_CONTRACTS)
@pytest.mark.parametrize("make", _cases())
def test_network(make: Any, contract: Any) -> None:
    contract(make)


@pytest.mark.parametrize("make", _cases())
def test_model_file(make: Any, tmp_path: Path) -> None:
    a_model_file_brings_it_back(make, tmp_path)


@pytest.mark.parametrize("contract", SPEC_CONTRACTS.values(), ids=SPEC_CONTRACTS)
@pytest.mark.parametrize(
    "spec", catalogue.built_in().values(), ids=catalogue.built_in()
)
def test_spec(spec: NetworkSpec, contract: Any) -> None:
    contract(spec)
