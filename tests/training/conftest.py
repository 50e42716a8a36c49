"""What the tests of training share."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
import torch

from napari_udvd.training import feeding, losses, run
from napari_udvd.training.learner import Learner

if TYPE_CHECKING:
    from collections.abc import Callable

# small tensors are fastest with one thread, above all beside other programs
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no clock decide about the precision."""
    monkeypatch.setattr(run, "choose_precision", lambda _: torch.float32)


@pytest.fixture
def be_like_a_card(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Train on the processor by the ways of a card: no number is waited for."""

    def be(way: str) -> None:
        monkeypatch.setattr(feeding, "_best_way", lambda *_: way)
        monkeypatch.setattr(run, "Learner", partial(Learner, ahead=True))
        monkeypatch.setattr(losses, "MOST_UNREAD", 4)

    return be


@pytest.fixture(params=["ahead", "card"])
def as_on_a_card(
    request: pytest.FixtureRequest, be_like_a_card: Callable[[str], None]
) -> None:
    """Do so from the beginning of the test."""
    be_like_a_card(request.param)
