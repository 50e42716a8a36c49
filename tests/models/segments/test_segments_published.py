"""Published checkpoints of action identification: recognised by names, or refused."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import torch

from napari_udvd.models import (
    SequenceSettings,
    SequenceToSequence,
    read_published,
    segments_from_published,
)

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

SLIM: dict[str, Any] = {"features": 3, "classes": 5, "units": 8, "head_width": 4}

NAMES = {  # ours to published
    r"^encoder\.stages\.0\.": "listener.stage1.",
    r"^encoder\.stages\.1\.": "listener.stages.0.",
    r"^encoder\.layers\.(\d)\.": r"listener.pLSTM_layer\1.BLSTM.",
    r"^frame_head\.": "listener.fc.",
    r"\.(enter|mix)\.": ".conv_1x1.",
    r"\.wide\.": ".conv_dilated.",
    r"(listener.*)\.leave\.": r"\1.conv_out.",
    r"^speller\.leave\.": "speller.character_distribution.",
    r"^speller\.cell\.(\w+)": r"speller.rnn_layer.\1_l0",
    r"\.query\.": ".phi.",
    r"\.key\.": ".psi.",
    r"\.join\.": ".dim_reduce.",
}


def published(net: SequenceToSequence) -> dict[str, Tensor]:
    named = {}
    for name, tensor in net.state_dict().items():
        for ours, theirs in NAMES.items():
            name = re.sub(ours, theirs, name)
        named[name] = tensor
    return named


@pytest.mark.parametrize(
    "options",
    [
        {"stages": 2, "layers": 3, "maps": 4},
        {"stages": 1, "heads": 1},
        {"heads": 0},
        {"encoder": "pyramid", "stages": 2, "frame_classes": 3},
        {"encoder": "pyramid", "cell": "lstm"},
    ],
)
def test_every_size_is_recognised(options: dict[str, Any], tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = SequenceToSequence(SequenceSettings(**SLIM, **options)).eval()
    path = tmp_path / "model.pth"
    state = {f"module.{name}": tensor for name, tensor in published(net).items()}
    torch.save({"model": [state], "epoch": 3}, path)
    again = segments_from_published(read_published(path))
    assert not again.training
    features = torch.randn(2, 11, 3)
    assert torch.equal(net.raw(features, steps=6), again.raw(features, steps=6))
    assert again.raw(features).shape == (2, again.settings.steps, 5)


def test_published_numbers_of_steps() -> None:
    for encoder, steps in (("dilated", 20), ("pyramid", 35)):
        options: dict[str, Any] = {**SLIM, "encoder": encoder}
        net = SequenceToSequence(SequenceSettings(**options))
        assert segments_from_published(published(net)).settings.steps == steps


def test_others_are_refused() -> None:
    whole = published(SequenceToSequence(SequenceSettings(**SLIM)))
    without = dict(whole)
    del without["speller.character_distribution.weight"]
    flat = {**whole, "listener.stage1.conv_1x1.weight": torch.zeros(4)}
    recurrent = {"listener.conv_layer.weight": torch.zeros(3, 3)}
    for state, message in (
        ({"stage1.weight": torch.zeros(3)}, "begin with listener or speller"),
        (recurrent, "begins with stage1 or pLSTM_layer0; this one has conv_layer"),
        (without, "character_distribution.weight of a published .* is missing"),
        (flat, "has shape .4,.; in a published .* it has 3 dimensions"),
        ({**whole, "speller.extra.bias": torch.zeros(1)}, "unknown .*extra"),
    ):
        with pytest.raises(ValueError, match=message):
            segments_from_published(state)
