"""From a few labelled spans to the label of every frame."""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_udvd.errors import InputError
from napari_udvd.identification import Cancelled, EventFinder, Progress
from napari_udvd.models import labeller_names
from napari_udvd.spans import Span, action_error_rate, f1_within
from tiny_events import LABELS, NAMES, events, labelled

if TYPE_CHECKING:
    from pathlib import Path

torch.set_num_threads(1)

STEPS = {"tcn": 50, "seq2seq": 90}


def train(network: str | None = None, **options: Any) -> EventFinder:
    features, truth = events()
    spans = labelled(truth, "0", "1")
    options = {"steps": STEPS[network or "tcn"], "seed": 1, **options}
    return EventFinder.train(
        features, spans, feature_names=NAMES, network=network, **options
    )


@functools.cache
def trained(network: str) -> EventFinder:
    return train(network)


@pytest.fixture(params=labeller_names())
def finder(request: pytest.FixtureRequest) -> EventFinder:
    return trained(request.param)


def test_regions_without_labels_are_labelled_right(finder: EventFinder) -> None:
    features, truth = events()
    found = finder.find(features)
    others = [str(k) for k in range(2, 6)]
    right, said = labelled(truth, *others), labelled(found, *others)
    assert f1_within(right, said, "plateau", within=1) > 0.8
    for region in others:
        sequences = (
            [span.label for span in sorted(labelled(spans, region))]
            for spans in (right, said)
        )
        assert action_error_rate(*sequences) <= 0.4


def test_spans_have_no_gap_and_a_confidence(finder: EventFinder) -> None:
    features, _ = events(regions=1)
    spans = finder.find(features)
    assert [span.start for span in spans[1:]] == [span.stop for span in spans[:-1]]
    assert (spans[0].start, spans[-1].stop) == (0, 60)
    assert all(0 < span.confidence <= 1 for span in spans)
    line = finder.timeline(features["0"])
    assert line.probabilities.shape == (60, 3)
    np.testing.assert_allclose(line.probabilities.sum(1), 1)
    first = line.probabilities[: spans[0].stop, finder.labels.index(spans[0].label)]
    assert spans[0].confidence == pytest.approx(first.mean())


def test_whole_stretches_are_held_out(finder: EventFinder) -> None:
    score = finder.held_out
    assert score is not None
    assert (score.stretches, score.frames) == (2, 120)
    assert score.accuracy > 0.7
    assert score.error_rate < 0.5


def test_a_file_finds_the_same(finder: EventFinder, tmp_path: Path) -> None:
    features, _ = events(regions=2, seed=5)
    finder.save(tmp_path / "finder.safetensors")
    loaded = EventFinder.load(tmp_path / "finder.safetensors")
    assert loaded.find(features) == finder.find(features)
    assert loaded.held_out == finder.held_out
    assert (loaded.labels, loaded.feature_names) == (tuple(sorted(LABELS)), NAMES)
    assert loaded.network == finder.network


@pytest.mark.parametrize("network", labeller_names())
def test_the_same_seed_gives_the_same(network: str) -> None:
    features, _ = events(regions=1)
    torch.manual_seed(3)
    state = torch.random.get_rng_state()
    first = train(network, steps=4).timeline(features["0"]).probabilities
    assert torch.equal(torch.random.get_rng_state(), state)  # nobody else notices
    torch.manual_seed(4)
    again = train(network, steps=4).timeline(features["0"]).probabilities
    other = train(network, steps=4, seed=2).timeline(features["0"]).probabilities
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_one_stretch_cannot_be_held_out() -> None:
    features, truth = events()
    spans = [s for s in labelled(truth, "0") if s.stop <= 45]
    finder = EventFinder.train(features, spans, feature_names=NAMES, steps=2)
    assert finder.held_out is None


def test_frames_that_were_not_measured_are_bridged() -> None:
    finder = trained(labeller_names()[0])
    features, _ = events(regions=1)
    whole = finder.timeline(features["0"])
    holes = features["0"].copy()
    quiet = [k for k in range(2, 58) if set(whole.labels[k - 2 : k + 3]) == {"quiet"}]
    holes[quiet[0]] = np.nan
    assert finder.timeline(holes).labels == whole.labels


def test_the_suggestion_is_unlabelled_and_in_doubt() -> None:
    finder = trained(labeller_names()[0])
    features, truth = events()
    # nothing of what was learned: noise in place of a region
    rng = np.random.default_rng(0)
    features["3"] = rng.normal(1, 3, features["3"].shape).astype(np.float32)
    spans = labelled(truth, "0", "1")
    found = finder.suggest(features, spans, frames=20)
    assert found is not None
    assert found.region == "3"
    assert found.stop - found.start == 20
    assert found.entropy > 0
    everything = [Span(name, 0, 60, "quiet") for name in features]
    assert finder.suggest(features, everything) is None
    all_but = [span for span in everything if span.region != "2"]
    short = finder.suggest(features, [*all_but, Span("2", 0, 55, "quiet")], frames=20)
    assert short is not None
    assert short[:3] == ("2", 55, 60)


def test_progress_is_told_and_ends_at_one() -> None:
    told: list[Progress] = []
    train(steps=4, report=told.append)
    assert [progress.what for progress in told] == [
        *["held out 1"] * 2,
        *["held out 2"] * 2,
        *["all labels"] * 4,
    ]
    done = [progress.done for progress in told]
    assert done == sorted(done)
    assert done[-1] == pytest.approx(1)
    assert told[0].what != told[-1].what


def test_training_for_a_time_ends() -> None:
    told: list[Progress] = []
    train(steps=None, seconds=0.2, report=told.append)
    assert told[-1].done == pytest.approx(1)


def test_training_can_be_stopped() -> None:
    cancel = threading.Event()
    told = []

    def stop(progress: Progress) -> None:
        told.append(progress)
        cancel.set()

    with pytest.raises(Cancelled):
        train(cancel=cancel, report=stop)
    assert len(told) == 1


# --- what cannot be used -----------------------------------------------------------


def refused(match: str, *spans: Span, **options: Any) -> None:
    features, _ = events(regions=2)
    options = {"features": features, "feature_names": NAMES, "steps": 1, **options}
    with pytest.raises(InputError, match=match):
        EventFinder.train(options.pop("features"), spans, **options)


GOOD = (Span("0", 0, 9, "quiet"), Span("0", 9, 14, "rise"))


def test_labels_that_teach_nothing_are_refused() -> None:
    refused("no labelled span; mark a few")
    refused("all spans have the label 'quiet': at least two", GOOD[0])
    refused(
        "only 3 frames are labelled, too few",
        Span("0", 0, 2, "quiet"),
        Span("0", 2, 3, "rise"),
    )


def test_labels_of_another_movie_are_refused() -> None:
    refused("region '7', .*not there.*another movie", *GOOD, Span("7", 0, 9, "a"))
    refused("beyond the movie, which has 60 frames", *GOOD, Span("1", 50, 61, "a"))
    refused("overlap; a region has one label", *GOOD, Span("0", 12, 15, "a"))


def test_features_that_do_not_fit_are_refused() -> None:
    refused(r"shape \(60, 3\), but there are 1 features", *GOOD, feature_names=["a"])
    refused("no region with features", *GOOD, features={})
    nothing = {"0": np.full((60, 3), np.nan)}
    refused("'0' has no frame with a feature", *GOOD, features=nothing)
    finder = train(steps=1)
    with pytest.raises(InputError, match=r"\(60, 2\).*level, slope, other"):
        finder.find({"0": np.zeros((60, 2))})
    with pytest.raises(InputError, match="at least 1 frame can be suggested, not 0"):
        finder.suggest({"0": np.zeros((60, 3))}, [], frames=0)


def test_settings_that_cannot_be_are_refused() -> None:
    refused("no network 'lstm' that learns from labelled spans", *GOOD, network="lstm")
    refused("more than 0 seconds", *GOOD, seconds=0)
    refused("at least 1 step, not -1", *GOOD, steps=-1)


def test_other_files_are_refused(tmp_path: Path) -> None:
    from napari_udvd.inference.model_file import read_model_file, write_model_file

    path = tmp_path / "other.safetensors"
    write_model_file(path, {"a": torch.zeros(1)}, {"kind": "denoiser"})
    with pytest.raises(InputError, match="not one that finds events"):
        EventFinder.load(path)
    train(steps=1).save(path)
    header, tensors = read_model_file(path)
    write_model_file(path, tensors, {**header, "version": 9})
    with pytest.raises(InputError, match="has version 9"):
        EventFinder.load(path)
    write_model_file(path, tensors, {**header, "labels": ["a"]})
    with pytest.raises(InputError, match="damaged"):
        EventFinder.load(path)
    with pytest.raises(InputError, match="does not exist"):
        EventFinder.load(tmp_path / "missing.safetensors")
