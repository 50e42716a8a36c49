"""Learning on several devices is learning on one."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import pytest
import torch

from napari_udvd import train
from napari_udvd.models import Clip
from napari_udvd.tasks import DENOISE
from napari_udvd.training.learner import Learner
from tiny import ANY_NOISE, tiny_center_blind, tiny_movie, tiny_net, tiny_stbn

if TYPE_CHECKING:
    from napari_udvd.models import Network

CPU = torch.device("cpu")

NETS: dict[str, Network] = {
    "fast": tiny_center_blind(),
    "udvd": tiny_net(frames=3, likelihood=True),
    "stbn": tiny_stbn(),
}


@pytest.mark.parametrize("name", NETS)
def test_gradients_are_summed(name: str) -> None:
    """Three devices for five clips: the last has fewer, and all entries count alike."""
    net = NETS[name]
    nets = [copy.deepcopy(net).double() for _ in range(2)]
    noise = type(ANY_NOISE)(*(x.double() for x in ANY_NOISE))
    one = Learner(nets[0], torch.float64, DENOISE)
    several = Learner(nets[1], torch.float64, DENOISE, devices=(CPU, CPU, CPU))
    generator = torch.Generator().manual_seed(0)
    shape = (5, 3 + 2 * net.margin, 1, 16, 16)
    for _ in range(3):
        clips = torch.randn(shape, generator=generator, dtype=torch.float64)
        is_target = torch.rand((5, 3), generator=generator) < 0.7
        batch = DENOISE.batch(Clip(clips, noise), is_target)
        losses = [learner.learn(batch, 1e-3) for learner in (one, several)]
        assert losses[1] == pytest.approx(losses[0], rel=1e-5)
        assert one.predicted is not None
        torch.testing.assert_close(
            one.predicted, several.predicted, rtol=1e-4, atol=1e-5
        )
    for which in ("net", "average"):
        pairs = zip(
            getattr(one, which).parameters(),
            getattr(several, which).parameters(),
            strict=True,
        )
        for mine, theirs in pairs:
            # a share of what the steps have moved
            torch.testing.assert_close(mine, theirs, rtol=0, atol=3e-5)


@pytest.mark.filterwarnings("ignore:the result is no better")
def test_a_training_on_two_devices_is_that_on_one() -> None:
    how = {"steps": 3, "width": 4, "model": "udvd-3", "patch": 16}
    one, two = (
        train(tiny_movie(), device=device, **how).net.state_dict()
        for device in ("cpu", "cpu,cpu")
    )
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, rtol=0, atol=3e-5)
