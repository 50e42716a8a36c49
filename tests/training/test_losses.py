"""When losses are read."""

from __future__ import annotations

import math

import pytest
import torch

from napari_udvd.training import losses
from napari_udvd.training.losses import Losses


def test_numbers_are_read_at_once() -> None:
    unread = Losses()
    assert not unread.is_due(0.0)
    for step, loss in enumerate((1.5, None, math.inf)):
        unread.add(step, loss)
        assert unread.is_due(0.0)
        assert unread.read() == [(step, loss)]
        assert not unread.is_due(0.0)


@pytest.mark.parametrize(
    ("seconds", "steps"), [(0.0, 1), (1e-4, losses.MOST_UNREAD), (0.1, 3), (9.0, 1)]
)
def test_what_is_on_a_device_waits_but_not_for_long(seconds: float, steps: int) -> None:
    unread, taken = Losses(), 0
    while not unread.is_due(seconds):
        taken += 1
        unread.add(taken, torch.tensor(taken / 4))
    assert taken == steps
    assert unread.read() == [(k, k / 4) for k in range(1, steps + 1)]


def test_steps_without_a_loss_keep_their_place() -> None:
    unread = Losses()
    for step, loss in enumerate((torch.tensor(2.0), None, torch.tensor(3.0))):
        unread.add(step, loss)
    assert unread.read() == [(0, 2.0), (1, None), (2, 3.0)]
