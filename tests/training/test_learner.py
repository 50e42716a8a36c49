"""Steps that are waited for, and steps that are not."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any

import pytest
import torch

from napari_udvd.models import Clip
from napari_udvd.tasks import DENOISE
from napari_udvd.training.learner import Learner
from tiny import ANY_NOISE, tiny_center_blind, tiny_net, tiny_stbn

if TYPE_CHECKING:
    from napari_udvd.models import Network

NETS: dict[str, Network] = {
    "fast": tiny_center_blind(),
    "udvd": tiny_net(frames=3, likelihood=True),
    "stbn": tiny_stbn(),
}


RATE = 1e-3


def learners(net: Network) -> tuple[Learner, Learner]:
    """One that waits and one that does not, of double precision."""
    nets = [copy.deepcopy(net).double() for _ in range(2)]
    return (
        Learner(nets[0], torch.float64, DENOISE, ahead=False),
        Learner(nets[1], torch.float64, DENOISE, ahead=True),
    )


def clips_for(net: Network, seed: int) -> Any:
    generator = torch.Generator().manual_seed(seed)
    shape = (2, 3 + 2 * net.margin, 1, 16, 16)
    clips = torch.randn(shape, generator=generator, dtype=torch.float64)
    measured = torch.rand(shape, generator=generator) < 0.8
    return clips, torch.tensor([[True, False, True], [True] * 3]), measured


def assert_alike(one: Learner, other: Learner) -> None:
    for net in ("net", "average"):
        pairs = zip(
            getattr(one, net).parameters(),
            getattr(other, net).parameters(),
            strict=True,
        )
        for mine, theirs in pairs:
            # a share of what the steps have moved
            torch.testing.assert_close(mine, theirs, rtol=0, atol=0.03 * RATE)


@pytest.mark.parametrize("name", NETS)
def test_both_learn_the_same(name: str) -> None:
    noise = type(ANY_NOISE)(*(x.double() for x in ANY_NOISE))
    waiting, ahead = learners(NETS[name])
    for step in range(4):
        clips, is_target, measured = clips_for(waiting.net, step)
        known = measured if step % 2 else None
        losses = [
            learner.learn(DENOISE.batch(Clip(clips, noise, known), is_target), RATE)
            for learner in (waiting, ahead)
        ]
        assert isinstance(losses[0], float)
        assert isinstance(losses[1], torch.Tensor)
        assert float(losses[1]) == pytest.approx(losses[0], rel=1e-5)
        assert waiting.predicted is not None and ahead.predicted is not None
        torch.testing.assert_close(
            ahead.predicted, waiting.predicted, rtol=1e-3, atol=1e-4
        )
    assert waiting.steps == ahead.steps == 4
    assert_alike(waiting, ahead)


@pytest.mark.parametrize("broken", ["clips", "targets"])
def test_a_step_that_leaves_no_number_is_not_taken(broken: str) -> None:
    noise = type(ANY_NOISE)(*(x.double() for x in ANY_NOISE))
    waiting, ahead = learners(NETS["fast"])
    clips, is_target, _ = clips_for(waiting.net, 0)
    if broken == "clips":
        clips[0] = math.nan
    else:
        is_target[:] = False
    before = [x.clone() for x in ahead.net.parameters()]
    for learner in (waiting, ahead):
        loss = learner.learn(DENOISE.batch(Clip(clips, noise), is_target), RATE)
        assert math.isnan(float(loss))
        learner.settle()
        assert learner.steps == 0
    for mine, theirs in zip(ahead.net.parameters(), before, strict=True):
        assert torch.equal(mine, theirs)
    assert_alike(waiting, ahead)
    clips, is_target, _ = clips_for(waiting.net, 1)
    for learner in (waiting, ahead):
        assert math.isfinite(
            float(learner.learn(DENOISE.batch(Clip(clips, noise), is_target), RATE))
        )
        assert learner.steps == 1
    assert_alike(waiting, ahead)


def test_what_was_learned_ahead_is_restored() -> None:
    noise = type(ANY_NOISE)(*(x.double() for x in ANY_NOISE))
    _, first = learners(NETS["fast"])
    clips, is_target, _ = clips_for(first.net, 0)
    first.learn(DENOISE.batch(Clip(clips, noise), is_target), RATE)
    saved = copy.deepcopy(first.tensors())
    second = learners(NETS["fast"])[1]
    second.restore(saved, first.steps)
    for learner in (first, second):
        learner.learn(DENOISE.batch(Clip(clips, noise), is_target), RATE)
    assert second.steps == 2
    for mine, theirs in zip(
        first.net.parameters(), second.net.parameters(), strict=True
    ):
        assert torch.equal(mine, theirs)
