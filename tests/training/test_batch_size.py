"""How many clips at once: twice as many while that pays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from napari_udvd.inference.scaling import Scaler
from napari_udvd.tasks import DENOISE
from napari_udvd.training import batch_size
from napari_udvd.training.batch_size import find_batch, seconds_of_steps
from napari_udvd.training.learner import Learner
from tiny import tiny_calibration, tiny_center_blind

if TYPE_CHECKING:
    from collections.abc import Callable

CPU = torch.device("cpu")


def found(seconds: Callable[[int], float], first: int = 8, most: float = 1e9) -> int:
    return find_batch(seconds, first, CPU, most_seconds=most)


def test_it_grows_until_the_card_is_busy() -> None:
    assert found(lambda batch: max(1.0, batch / 32)) == 32
    # a tenth of the time is for the start: no gain of five percent from 16 to 32
    assert found(lambda batch: 1.0 + batch, first=1) == 16
    assert found(lambda batch: float(batch)) == 8
    assert found(lambda batch: 1.0, first=1) == batch_size.MOST_CLIPS
    assert found(lambda batch: 1.0, first=5000) == 5000


@pytest.mark.parametrize("fitting", [4, 8, 100])
def test_it_grows_until_memory_ends(fitting: int) -> None:
    tried = []

    def seconds(batch: int) -> float:
        tried.append(batch)
        if batch > fitting:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return 1.0

    assert found(seconds) == {4: 8, 8: 8, 100: 64}[fitting]
    assert max(tried) <= max(2 * fitting, 8)


def test_other_errors_are_told() -> None:
    def broken(batch: int) -> float:
        raise RuntimeError("cuDNN error")

    with pytest.raises(RuntimeError, match="cuDNN"):
        found(broken)


def test_trying_takes_its_time_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(batch_size.time, "monotonic", lambda: clock[0])

    def seconds(batch: int) -> float:
        clock[0] += 2.0
        return 1.0

    assert found(seconds, most=5.0) == 32


def test_trying_teaches_nothing() -> None:
    learner = Learner(tiny_center_blind(), torch.float32, DENOISE, ahead=True)
    before = {name: x.clone() for name, x in learner.net.state_dict().items()}
    margin = learner.net.margin
    probe = seconds_of_steps(
        learner, Scaler([tiny_calibration()]), (2 * margin + 1, 1, 16, 16)
    )
    assert 0 < probe(2) < 60
    assert learner.steps == 0
    for name, x in learner.net.state_dict().items():
        assert torch.equal(x, before[name])
