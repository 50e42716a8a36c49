"""Action identification: the numbers that the published program computed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_udvd.models.parameters import load_exactly
from napari_udvd.models.segments import (
    Attention,
    DilatedEncoder,
    SequenceSettings,
    SequenceToSequence,
    Speller,
    frame_loss,
    from_published,
    sequence_loss,
    smoothed_sequence_loss,
)
from napari_udvd.models.segments.published import (
    encoder_parameters,
    speller_parameters,
)
from parity import published_weights

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torch import Tensor


@pytest.fixture
def case(shared_parity: Path, request: pytest.FixtureRequest) -> dict[str, Any]:
    with np.load(shared_parity / f"seq2seq_{request.param}.npz") as arrays:
        return dict(arrays)


@pytest.fixture(autouse=True)
def without_gradient() -> Iterator[None]:
    with torch.no_grad():
        yield


def of_case(name: str) -> Any:
    return pytest.mark.parametrize("case", [name], indirect=True)


def tensors(case: dict[str, Any], *names: str) -> list[Tensor]:
    return [torch.from_numpy(case[name]) for name in names]


def inside(weights: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in weights.items()
        if name.startswith(prefix)
    }


def assert_parity(ours: Tensor, published: np.ndarray) -> None:
    assert ours.shape == published.shape
    largest = np.abs(published).max()
    assert np.abs(ours.numpy() - published).max() <= 1e-4 * largest


@of_case("tcn_encoder")
def test_dilated_encoder(case: dict[str, Any]) -> None:
    settings = SequenceSettings(
        features=12, classes=2, stages=3, layers=10, maps=16, units=20
    )
    net = DilatedEncoder(settings).eval()
    weights = encoder_parameters(published_weights(case))
    load_exactly(net, inside(weights, "encoder."), "encoder")
    assert_parity(net(*tensors(case, "input")), case["output"])


@of_case("pyramid_encoder")
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_pyramid_encoder(case: dict[str, Any], cell: Any) -> None:
    settings = SequenceSettings(
        features=11,
        classes=2,
        encoder="pyramid",
        cell=cell,
        stages=3,
        units=20,
        frame_classes=5,
    )
    net = SequenceToSequence(settings).eval()
    weights = encoder_parameters(inside(published_weights(case), f"{cell}."))
    load_exactly(net.encoder, inside(weights, "encoder."), "encoder")
    load_exactly(net.frame_head, inside(weights, "frame_head."), "head")
    (features,) = tensors(case, "input")
    assert_parity(net.encoder(features), case[f"output_{cell}"])
    assert_parity(net.frame_logits(features), case[f"frame_logits_{cell}"])


@of_case("attention")
@pytest.mark.parametrize(
    ("part", "heads", "ending"), [("four", 4, ""), ("one", 1, "_one_head")]
)
def test_attention(case: dict[str, Any], part: str, heads: int, ending: str) -> None:
    net = Attention(20, heads, 9)
    published = inside(published_weights(case), f"{part}.")
    named = {f"attention.{name}": tensor for name, tensor in published.items()}
    load_exactly(net, inside(speller_parameters(named), "attention."), "attention")
    query, features = tensors(case, "query", "features")
    context, scores = net(query[:, 0], features, net.keys(features))
    assert_parity(context, case[f"context{ending}"])
    assert_parity(scores if heads > 1 else scores[:, 0], case[f"scores{ending}"])


@of_case("speller")
def test_speller(case: dict[str, Any]) -> None:
    net = Speller(
        SequenceSettings(features=1, classes=7, units=24, heads=4, head_width=9)
    )
    load_exactly(net, speller_parameters(published_weights(case)), "speller")
    features, labels = tensors(case, "features", "labels")
    greedy = net(features, 10)
    assert_parity(greedy.log_probs, case["log_probs"])
    assert_parity(greedy.attention, case["attention"])
    assert torch.equal(greedy.tokens, torch.from_numpy(case["tokens"]))
    forced = net(features, labels.shape[1], forced=labels)
    assert_parity(forced.log_probs, case["log_probs_forced"])


@of_case("video")
def test_published_size_for_video(case: dict[str, Any]) -> None:
    net = from_published(published_weights(case))
    features, labels = tensors(case, "input", "labels")
    assert_parity(net.encoder(features), case["features"])
    spelled = net(features)
    assert_parity(spelled.log_probs, case["log_probs"])
    assert_parity(spelled.attention, case["attention"])
    assert torch.equal(spelled.tokens, torch.from_numpy(case["tokens"]))
    assert_parity(net.raw(features), case["log_probs"])
    forced = net(features, labels.shape[1], forced=labels)
    assert_parity(forced.log_probs, case["log_probs_forced"])


@of_case("imu")
def test_published_size_for_sensors(case: dict[str, Any]) -> None:
    net = from_published(published_weights(case))
    features, labels, previous = tensors(case, "input", "labels", "previous")
    assert_parity(net.encoder(features)[:, ::4], case["features"])
    assert_parity(net.frame_logits(features), case["frame_logits"])
    spelled = net(features, previous=previous)
    assert_parity(spelled.attention, case["attention"])
    assert torch.equal(spelled.tokens, torch.from_numpy(case["tokens"]))
    assert_parity(net.raw(features, previous), case["log_probs"])
    assert_parity(net.raw(features, previous, steps=9), case["log_probs"][:, :9])
    forced = net(features, labels.shape[1], forced=labels, previous=previous)
    assert_parity(forced.log_probs, case["log_probs_forced"])


@of_case("losses")
def test_losses(case: dict[str, Any]) -> None:
    log_probs, labels = tensors(case, "log_probs", "labels")
    logits, frame_labels = tensors(case, "frame_logits", "frame_labels")
    ours = {
        "label_smoothing_published": smoothed_sequence_loss(
            log_probs, labels, padding_counts=True
        ),
        "label_smoothing_padding_ignored": smoothed_sequence_loss(log_probs, labels),
        "negative_log_likelihood": sequence_loss(log_probs, labels),
        "frame_cross_entropy": frame_loss(logits.transpose(1, 2), frame_labels),
    }
    for name, value in ours.items():
        assert float(value) == pytest.approx(float(case[name]), rel=1e-4), name
