"""The benchmark of events: what is labelled, and what it is compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import napari_udvd as nu
from napari_udvd.features import features_of, regions_of_tracks
from napari_udvd.spans import Span, by_region, check_spans

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="module")
def movie() -> Any:
    return nu.simulate_events("divisions", frames=60, shape=(96, 96), photons=200)


@pytest.mark.parametrize("frames", [18, 60])
def test_all_labels_are_in_every_stretch(
    benchmark_script: Callable[[str], Any], movie: Any, frames: int
) -> None:
    events = benchmark_script("events")
    place = events.Scene(movie, {}, {})
    for seed in range(3):
        spans = events.draw(place, "divisions", frames, np.random.default_rng(seed))
        stretches = by_region(spans)
        assert sum(map(len, spans)) == frames
        assert len(stretches) == (1 if frames == 18 else 2)
        for its in stretches.values():
            assert {span.label for span in its} == {s.label for s in movie.spans}


def test_stretches_of_a_region_may_overlap(
    benchmark_script: Callable[[str], Any],
) -> None:
    events = benchmark_script("events")
    one, two = Span("1", 3, 8, "a"), Span("1", 5, 9, "a")
    other = Span("2", 0, 4, "b")
    whole = events.merged([one, other, two])
    check_spans(whole)
    assert whole == [Span("1", 3, 9, "a"), other]


def test_linear_features_are_found_by_the_linear_rival(
    benchmark_script: Callable[[str], Any], movie: Any
) -> None:
    events = benchmark_script("events")
    regions = regions_of_tracks(movie.tracks, movie.noisy)
    tables = features_of(movie.noisy, regions)
    name = next(iter(tables))
    mean = tables[name].names.index("mean")
    bright = tables[name].values[:, mean] > np.median(tables[name].values[:, mean])
    spans = [
        Span(name, t, t + 1, "bright" if on else "dark") for t, on in enumerate(bright)
    ]
    found, _ = events.linear(tables, spans, None, 0)
    labels = [None] * len(bright)
    for span in found:
        if span.region == name:
            labels[span.start : span.stop] = [span.label] * len(span)
    agree = [
        a == ("bright" if b else "dark") for a, b in zip(labels, bright, strict=True)
    ]
    assert np.mean(agree) > 0.9


def test_a_threshold_finds_steps_in_clear_traces(
    benchmark_script: Callable[[str], Any],
) -> None:
    events = benchmark_script("events")
    rng = np.random.default_rng(0)
    starts = (10, 30, 50)
    spans = [Span("1", t, t + 3, "onset") for t in starts]
    trace = rng.normal(0, 1, 80)
    for t in starts:
        trace[t:] += 30 * np.exp(-np.arange(80 - t) / 4)

    class Movie:
        pass

    known = Movie()
    known.spans = spans  # type: ignore[attr-defined]
    clear = events.Scene(known, {}, {"noisy": {"1": trace}})
    assert events.threshold(clear, "noisy") == 1.0
    noise = events.Scene(known, {}, {"noisy": {"1": rng.normal(0, 1, 80)}})
    assert events.threshold(noise, "noisy") < 0.8
