"""Networks over time: sizes, what does not see what, and what settings are refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from napari_udvd.errors import InputError
from napari_udvd.models import build_labeller, find_labeller, labeller_names
from napari_udvd.models.segments import (
    SequenceSettings,
    SequenceToSequence,
    TemporalConvolutions,
)

ENCODERS: list[dict[str, Any]] = [
    {"encoder": "dilated"},
    {"encoder": "pyramid"},
    {"encoder": "pyramid", "cell": "lstm"},
]


def build(**options: Any) -> SequenceToSequence:
    torch.manual_seed(0)
    settings = SequenceSettings(
        features=3, classes=5, units=8, stages=2, frame_classes=3, **options
    )
    return SequenceToSequence(settings).eval()


@pytest.mark.parametrize("options", ENCODERS)
@pytest.mark.parametrize("frames", [8, 9, 1])
def test_no_frame_is_lost(options: dict[str, Any], frames: int) -> None:
    net = build(**options)
    features = torch.randn(1, frames, 3, requires_grad=True)
    encoded = net.encoder(features)
    assert encoded.shape == (1, -(-frames // 4), 8)
    (gradient,) = torch.autograd.grad(encoded.sum(), features)
    assert (gradient.abs().sum(-1) > 0).all()


@pytest.mark.parametrize("options", ENCODERS)
def test_items_of_a_batch_do_not_see_each_other(options: dict[str, Any]) -> None:
    net = build(**options)
    features = torch.randn(3, 12, 3)
    alone = net.raw(features[:1], steps=4)
    torch.testing.assert_close(net.raw(features, steps=4)[:1], alone)


def test_it_stops_where_all_have_ended() -> None:
    net = build()
    with torch.no_grad():
        net.speller.leave.bias[4] += 100.0
        features = torch.randn(2, 12, 3)
        assert net(features, 9, end=4).tokens.tolist() == [[4], [4]]
        assert net(features, 9).tokens.shape == (2, 9)


def test_attention_sums_to_one_and_is_even_without_heads() -> None:
    features = torch.randn(2, 12, 3)
    for heads in (0, 1, 3):
        spelled = build(heads=heads)(features, 4)
        assert spelled.attention.shape == (2, 4, max(heads, 1), 3)
        torch.testing.assert_close(
            spelled.attention.sum(-1), torch.ones_like(spelled.attention[..., 0])
        )
        if not heads:
            assert (spelled.attention == spelled.attention[0, 0, 0, 0]).all()


def test_frame_classes_are_there_if_asked_for() -> None:
    assert build().frame_logits(torch.randn(2, 12, 3)).shape == (2, 3, 3)
    net = SequenceToSequence(SequenceSettings(features=3, classes=5))
    with pytest.raises(ValueError, match="frame_classes is 0"):
        net.frame_logits(torch.randn(2, 12, 3))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"features": 0}, "features must be at least 1, got 0"),
        ({"classes": 1}, "classes must be at least 2, got 1"),
        ({"heads": -1}, "heads must be at least 0, got -1"),
        ({"units": 7}, "units must be even and at least 2, got 7"),
        ({"encoder": "transformer"}, "dilated or pyramid, got 'transformer'"),
        ({"cell": "rnn"}, "gru or lstm, got 'rnn'"),
        ({"dropout": 1.0}, "below 1, got 1.0"),
    ],
)
def test_settings_that_cannot_be(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SequenceSettings(**{"features": 3, "classes": 5, **options})


# --- a label for every frame --------------------------------------------------------


def convolutions(members: int = 3) -> TemporalConvolutions:
    torch.manual_seed(0)
    return TemporalConvolutions(4, 3, width=8, members=members).eval()


def test_every_member_gives_probabilities() -> None:
    said = convolutions()(torch.randn(2, 20, 4))
    assert said.shape == (3, 2, 20, 3)
    torch.testing.assert_close(said.exp().sum(-1), torch.ones(3, 2, 20))
    assert (said[0] != said[1]).any()


def test_members_do_not_see_each_other() -> None:
    net: Any = convolutions()
    features = torch.randn(1, 20, 4)
    before = net(features)
    with torch.no_grad():  # all that belongs to the last member
        net.enter.weight[16:] += 1.0
        net.layers[1].weight[16:] += 1.0
        net.leave.bias[6:] += torch.arange(3.0)
    after = net(features)
    assert torch.equal(before[:2], after[:2])
    assert (before[2] != after[2]).any()


def test_it_sees_fifteen_frames_to_either_side() -> None:
    features = torch.randn(1, 61, 4, requires_grad=True)
    said = convolutions(1)(features)
    (gradient,) = torch.autograd.grad(said[0, 0, 30].square().sum(), features)
    seen = (gradient[0].abs().sum(-1) > 0).nonzero().flatten()
    assert (int(seen.min()), int(seen.max())) == (15, 45)


def test_frames_that_are_not_there_have_no_influence() -> None:
    net = convolutions()
    short = torch.randn(1, 12, 4)
    padded = torch.cat([short, torch.randn(1, 8, 4)], dim=1)
    said = net(padded, torch.arange(20)[None] < 12)
    torch.testing.assert_close(said[:, :, :12], net(short))


# --- by name -------------------------------------------------------------------------


@pytest.mark.parametrize("name", labeller_names())
def test_a_name_builds_what_its_kind_promises(name: str) -> None:
    net: Any = build_labeller(name, features=4, labels=3).eval()
    features = torch.randn(2, 16, 4)
    if find_labeller(name).kind == "frames":
        assert net(features).shape[1:] == (2, 16, 3)
    else:
        assert net.raw(features, steps=6).shape == (2, 6, 5)


def test_the_first_is_the_default() -> None:
    assert find_labeller().name == labeller_names()[0]
    with pytest.raises(InputError, match="no network 'unet' that learns from labelled"):
        build_labeller("unet", 4, 3)
