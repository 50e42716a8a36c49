"""The best weights are kept, and waited for with patience."""

from __future__ import annotations

import copy

import torch

from napari_udvd.training.best import PATIENT_VALIDATIONS, Best
from tiny import fill, tiny_net


def numbers(net: torch.nn.Module) -> torch.Tensor:
    return torch.cat([x.detach().flatten() for x in net.state_dict().values()])


def test_the_best_weights_are_kept() -> None:
    net = tiny_net(frames=1)
    best, seen = Best(net), []
    for step, loss in enumerate((3.0, 1.0, 2.0, float("nan"))):
        fill(net, seed=step)
        seen.append(numbers(net))
        best.consider(net, step, loss, progress=step / 10)
    assert (best.step, best.loss) == (1, 1.0)
    assert torch.equal(numbers(best.net), seen[1])
    assert [step for step, _ in best.history] == [0, 1, 2, 3]
    best.forget()
    best.consider(net, 4, 2.5, progress=0.5)
    assert (best.step, best.loss, best.latest) == (4, 2.5, 2.5)


def test_nobody_gives_up_early() -> None:
    net = tiny_net(frames=1)
    best = Best(net)
    best.consider(net, 0, 1.0, progress=0.1)
    for step in range(1, PATIENT_VALIDATIONS):
        best.consider(net, step, 2.0, progress=0.2)
    assert not best.is_final(0.9)  # too few measurements
    best.consider(net, PATIENT_VALIDATIONS, 2.0, progress=0.2)
    assert best.is_final(0.9)
    assert not best.is_final(0.6)  # at a high rate
    better = copy.deepcopy(best)
    better.consider(net, 99, 0.5, progress=0.7)
    assert not better.is_final(0.9)


def test_it_goes_on_from_its_state() -> None:
    net = tiny_net(frames=1)
    best = Best(net)
    best.consider(net, 3, 1.0, progress=0.1)
    other = Best(tiny_net(frames=1, seed=1))
    other.restore(best.net.state_dict(), best.state())
    assert other.state() == best.state()
    assert torch.equal(numbers(other.net), numbers(best.net))
