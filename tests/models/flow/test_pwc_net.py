"""PWC-Net: parity with the published weights, and what it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_udvd.models.flow.pwc_net import PWCNet
from napari_udvd.models.published import flow_from_published, from_published
from noise_images import noise
from parity import published_weights

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def pwc_case(shared_parity: Path) -> dict[str, Any]:
    with np.load(shared_parity / "pwcnet_flow.npz") as arrays:
        return dict(arrays)


def test_pwc_parity(pwc_case: dict[str, Any]) -> None:
    net = flow_from_published(published_weights(pwc_case))
    first, second = (torch.from_numpy(pwc_case[k]) for k in ("first", "second"))
    with torch.no_grad():
        ours = net(first, second)
        clip = torch.stack([first, second, first], dim=1)
        to_next, to_previous = net.of_clip(clip)
    published = torch.from_numpy(pwc_case["flow"]).flip(1)  # (dx, dy) there
    tolerance = 1e-5 * float(published.abs().max())
    assert float((ours - published).abs().max()) <= tolerance
    # the same, pair by pair, with the features of each frame computed once
    for flow in (to_next[:, 0], to_previous[:, 1]):
        torch.testing.assert_close(flow, ours, atol=1e-4, rtol=1e-4)
    assert (to_next[:, 1] - ours).abs().max() > 0.1


def test_older_names_of_pwc(pwc_case: dict[str, Any]) -> None:
    state = published_weights(pwc_case)
    older = {
        "module." + name.replace("net", "module"): tensor
        for name, tensor in state.items()
    }
    one, two = flow_from_published(state), flow_from_published({"state_dict": older})
    assert all(
        torch.equal(a, b)
        for a, b in zip(one.parameters(), two.parameters(), strict=True)
    )


def test_grey_frames_are_shown_to_pwc_as_rgb() -> None:
    torch.manual_seed(0)
    grey, colour = PWCNet(1), PWCNet(3)
    colour.load_state_dict(grey.state_dict())
    first, second = noise(2, 1, 1, 20, 30)
    with torch.no_grad():
        expected = colour(first.expand(-1, 3, -1, -1), second.expand(-1, 3, -1, -1))
        torch.testing.assert_close(grey(first, second), expected)


def test_flow_checkpoints_of_others_are_refused(pwc_case: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="another flow network"):
        flow_from_published({"conv1a.0.weight": torch.zeros(16, 3, 3, 3)})
    state = published_weights(pwc_case)
    with pytest.raises(ValueError, match="flow_from_published"):
        from_published(state)
    name = "netTwo.netSix.0.weight"
    with pytest.raises(ValueError, match=r"missing \['decoders.4.flow.weight'\]"):
        flow_from_published({k: v for k, v in state.items() if k != name})
    with pytest.raises(ValueError, match=r"shapes \['decoders.4.flow.weight"):
        flow_from_published({**state, name: torch.zeros(2, 3, 3, 3)})
    with pytest.raises(ValueError, match="unknown"):
        flow_from_published({**state, "netSeven.netOne.0.bias": torch.zeros(2)})
    with pytest.raises(ValueError, match="2 channels"):
        flow_from_published(state, channels=2)
