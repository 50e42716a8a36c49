"""What the tests of training share."""

from __future__ import annotations

import pytest
import torch

from napari_udvd.training import trainer

# small tensors are fastest with one thread, above all beside other programs
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no clock decide about the precision."""
    monkeypatch.setattr(trainer, "choose_precision", lambda _: torch.float32)
