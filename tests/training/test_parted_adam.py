"""Steps with gradients in parts are the steps with their sum."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from napari_udvd.training.optimiser import NamedAdam, follow
from napari_udvd.training.parted_adam import PartedAdam

DECAY = 0.9
ENTRIES = 7


def layers() -> torch.nn.Module:
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(2, 3, 3), torch.nn.Conv2d(3, 4, 2), torch.nn.Linear(4, 1)
    ).double()
    net[1].to(memory_format=torch.channels_last)
    return net


def parted(net: torch.nn.Module) -> tuple[PartedAdam, torch.nn.Module]:
    average = layers()
    adam = PartedAdam(dict(net.named_parameters()), list(average.parameters()), DECAY)
    return adam, average


def gradients(parts: int, step: int, scale: float = 1.0) -> list[list[torch.Tensor]]:
    generator = torch.Generator().manual_seed(step)
    return [
        [
            scale * torch.randn(p.shape, generator=generator, dtype=torch.float64)
            for p in layers().parameters()
        ]
        for _ in range(parts)
    ]


@pytest.mark.parametrize("parts", [1, 2, 5])
@pytest.mark.parametrize("scale", [0.01, 100.0], ids=["small", "shrunk"])
def test_it_is_the_plain_step_with_the_mean(parts: int, scale: float) -> None:
    one, other = layers(), layers()
    plain, average = NamedAdam(dict(one.named_parameters())), layers()
    adam, parted_average = parted(other)
    adam.make_room(parts)
    for step in range(5):
        found = gradients(parts, step, scale)
        sums = [sum(each) / ENTRIES for each in zip(*found, strict=True)]
        means: Any = sums
        assert plain.step(means, 0.01)
        follow(average, one, plain.steps, DECAY, at_once=False)
        for part, own in enumerate(found):
            adam.keep(part, own)
        assert adam.step_together(parts, ENTRIES, 0.01)
    assert adam.steps == plain.steps == 5
    pairs = zip(
        (*one.parameters(), *average.parameters(), *plain.first, *plain.second),
        (*other.parameters(), *parted_average.parameters(), *adam.first, *adam.second),
        strict=True,
    )
    for expected, mine in pairs:
        torch.testing.assert_close(mine, expected, rtol=1e-10, atol=1e-13)
    # channels that are last in memory stay there
    assert other[1].weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_what_is_not_finite_changes_nothing(broken: float) -> None:
    net = layers()
    adam, average = parted(net)
    adam.make_room(2)
    kept = [x.detach().clone() for x in (*net.parameters(), *average.parameters())]
    found = gradients(2, 0)
    found[1][2].flatten()[3] = broken
    for part, own in enumerate(found):
        adam.keep(part, own)
    assert not adam.step_together(2, ENTRIES, 0.01)
    assert adam.steps == 0
    now = (*net.parameters(), *average.parameters())
    assert all(torch.equal(a, b) for a, b in zip(now, kept, strict=True))
    assert all(not moment.any() for moment in (*adam.first, *adam.second))


def test_a_network_can_be_given_other_weights() -> None:
    """A run that is resumed, or begins with shipped weights, copies into it."""
    net, other = layers(), layers()
    adam, _ = parted(net)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.fill_(1.0)
    net.load_state_dict(other.state_dict())
    adam.make_room(1)
    adam.keep(0, [torch.ones_like(p) for p in net.parameters()])
    assert adam.step_together(1, 1, 0.5)
    for parameter in net.parameters():
        torch.testing.assert_close(parameter.detach(), torch.full_like(parameter, 0.5))
