"""From labelled spans of a movie to all others: in one call, and step by step."""

from __future__ import annotations

import threading
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

import napari_udvd as nu
from blinking import FRAMES, Blinking, blinking
from napari_udvd.features import regions_of_labels, regions_of_tracks, whole_frame
from napari_udvd.identification import EventFinder
from napari_udvd.jobs import Begun, Identified, Note, Stopped, identify
from napari_udvd.jobs.finding import read_labels
from napari_udvd.spans import Span, by_region, score, write_spans
from napari_udvd.stack import Stack

if TYPE_CHECKING:
    from pathlib import Path

torch.set_num_threads(1)

QUICK: dict[str, Any] = {"steps": 40}


@pytest.fixture(scope="module")
def scene() -> Blinking:
    return blinking()


@pytest.fixture(scope="module")
def found(scene: Blinking) -> nu.jobs.FoundEvents:
    return nu.find_events(scene.noisy, scene.of("1"), regions=scene.labels, **QUICK)


# --- one call -----------------------------------------------------------------------


def test_other_regions_are_found(scene: Blinking, found: Any) -> None:
    others = [span for span in found.spans if span.region != "1"]
    scores = score(scene.of("2", "3"), others)
    assert scores.all_starts.f1 > 0.9 and scores.edits.error_rate < 0.1
    assert all(0.5 < span.confidence < 1 for span in others)
    assert found.finder.labels == ("dark", "lit")


def test_what_was_labelled_stays(scene: Blinking, found: Any) -> None:
    own = [span for span in found.spans if span.region == "1"]
    assert own == scene.of("1")


def test_labels_are_those_of_confidence_1(scene: Blinking, tmp_path: Path) -> None:
    path = tmp_path / "spans.csv"
    write_spans(path, [*scene.of("1"), replace(scene.of("2")[0], confidence=0.9)])
    labels, notes = read_labels(path, None)
    assert labels == scene.of("1")
    assert "1 span of" in notes[0] and "taken for found" in notes[0]


def test_every_frame_of_every_region_has_a_label(found: Any) -> None:
    for its in by_region(found.spans).values():
        assert its[0].start == 0 and its[-1].stop == FRAMES
        assert all(a.stop == b.start for a, b in pairwise(its))


def test_what_to_label_next_is_of_another_region(found: Any) -> None:
    assert found.suggestion is not None and found.suggestion.region in {"2", "3"}


def test_it_says_what_was_found(found: Any) -> None:
    text = found.describe()
    assert "in 3 regions" in text and "label next: region" in text
    row = next(line for line in text.splitlines() if line.startswith("lit"))
    lit = [span for span in found.spans if span.label == "lit"]
    assert row.split()[1:3] == [str(len(lit)), str(sum(map(len, lit)))]
    assert "one stretch of labelled frames only" in text


def test_two_stretches_give_a_score_on_labels_that_were_held_out(
    scene: Blinking,
) -> None:
    found = nu.find_events(
        scene.noisy, scene.of("1", "2"), regions=scene.labels, **QUICK
    )
    assert found.finder.held_out is not None
    assert "held out: 2 stretches" in found.describe()
    assert "% of 96 frames right" in found.describe()


def test_movies_spans_and_regions_may_be_files(scene: Blinking, tmp_path: Path) -> None:
    np.save(tmp_path / "movie.npy", np.asarray(scene.noisy.data))
    np.save(tmp_path / "clean.npy", scene.clean)
    np.save(tmp_path / "regions.npy", scene.labels)
    write_spans(tmp_path / "spans.csv", scene.of("1"))
    found = nu.find_events(
        tmp_path / "movie.npy",
        tmp_path / "spans.csv",
        regions=tmp_path / "regions.npy",
        denoised=tmp_path / "clean.npy",
        axes="TYX",
        steps=4,
    )
    assert {span.region for span in found.spans} == {"1", "2", "3"}
    assert "residual" in found.finder.feature_names


def test_the_whole_frame_is_a_region(scene: Blinking) -> None:
    labels = [Span("frame", 0, 10, "a"), Span("frame", 10, 20, "b")]
    found = nu.find_events(np.asarray(scene.noisy.data), labels, axes="TYX", steps=2)
    assert {span.region for span in found.spans} == {"frame"}


def test_a_track_is_labelled_while_it_is_there(scene: Blinking) -> None:
    rows = scene.tracks
    late = rows[(rows[:, 0] != 3) | ((rows[:, 1] >= 10) & (rows[:, 1] < 40))]
    found = nu.find_events(scene.noisy, scene.of("1"), tracks=late, radius=4, steps=4)
    its = by_region(found.spans)["3"]
    assert (its[0].start, its[-1].stop) == (10, 40)
    # where it is not, nothing can be labelled
    for seed in range(3):
        asked = nu.find_events(
            scene.noisy, scene.of("1", "2"), tracks=late, steps=2, seed=seed
        ).suggestion
        assert asked is not None and asked.region == "3"
        assert 10 <= asked.start < asked.stop <= 40


def test_labels_where_a_region_is_not_there_are_left_out(scene: Blinking) -> None:
    rows = scene.tracks[(scene.tracks[:, 0] != 1) | (scene.tracks[:, 1] >= 8)]
    events = list(
        identify(
            scene.noisy,
            regions_of_tracks(rows, scene.noisy, radius=4),
            scene.of("1"),
            learning=nu.jobs.Learning(steps=2),
        )
    )
    notes = [event.text for event in events if isinstance(event, Note)]
    assert any("8 labelled frames are left out" in note for note in notes)


def test_the_same_seed_finds_the_same(scene: Blinking) -> None:
    one, two, other = (
        nu.find_events(
            scene.noisy, scene.of("1"), regions=scene.labels, steps=5, seed=seed
        )
        for seed in (0, 0, 1)
    )
    assert one.spans == two.spans != other.spans


# --- a model ------------------------------------------------------------------------


def test_a_saved_model_finds_the_same_without_labels(
    scene: Blinking, found: Any, tmp_path: Path
) -> None:
    path = tmp_path / "finder.safetensors"
    found.finder.save(path)
    again = nu.find_events(scene.noisy, regions=scene.labels, model=path)
    mine = [span for span in found.spans if span.region != "1"]
    theirs = [span for span in again.spans if span.region != "1"]
    for a, b in zip(mine, theirs, strict=True):
        # sums of a matrix that was read may be rounded in another order
        assert replace(a, confidence=1.0) == replace(b, confidence=1.0)
        assert a.confidence == pytest.approx(b.confidence, abs=1e-6)
    assert again.finder.held_out == found.finder.held_out


def test_a_model_takes_another_movie_apart_with_its_own_components(
    scene: Blinking, found: Any
) -> None:
    other = blinking(seed=1)
    # the same squares, in other places of the picture: axes of its own would differ
    flipped = Stack.of(other.noisy, np.asarray(other.noisy.data)[:, ::-1])
    again = nu.find_events(flipped, regions=other.labels[::-1], model=found.finder)
    scores = score(other.truth, again.spans)
    assert scores.all_starts.f1 > 0.9
    kept = again.finder.kept
    assert kept["components.axes"].shape[1:] == kept["components.mean"].shape


def test_a_model_of_other_features_says_what_is_missing(
    scene: Blinking, found: Any
) -> None:
    with pytest.raises(nu.InputError, match=r"without 'residual'.*leave `denoised`"):
        nu.find_events(
            scene.noisy,
            regions=scene.labels,
            denoised=scene.clean,
            model=found.finder,
        )
    rich = nu.find_events(
        scene.noisy,
        scene.of("1"),
        regions=scene.labels,
        denoised=scene.clean,
        std=np.ones_like(scene.clean),
        steps=2,
    ).finder
    with pytest.raises(nu.InputError, match=r"'residual'.*give `denoised`"):
        nu.find_events(scene.noisy, regions=scene.labels, model=rich)
    with pytest.raises(nu.InputError, match=r"'uncertainty'.*give `std`"):
        nu.find_events(
            scene.noisy, regions=scene.labels, denoised=scene.clean, model=rich
        )


def test_a_model_without_components_is_refused(scene: Blinking, found: Any) -> None:
    finder = found.finder
    bare = EventFinder(
        finder.labels, finder.feature_names, finder._scaling, finder._learned
    )
    with pytest.raises(nu.InputError, match="how its features were made"):
        nu.find_events(scene.noisy, regions=scene.labels, model=bare)


# --- bad input ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spans", "words"),
    [
        ([], "no labelled span"),
        ([Span("1", 0, 20, "lit")], "all spans have the label 'lit'"),
        (
            [Span("1", 0, 12, "lit"), Span("1", 10, 20, "dark")],
            "overlap; a region has one label at a time",
        ),
        (
            [Span("1", 0, 12, "lit"), Span("1", 40, 49, "dark")],
            "reaches beyond the movie, which has 48 frames",
        ),
        (
            [Span("1", 0, 12, "lit"), Span("cell 7", 10, 20, "dark")],
            "region that is not there; there are '1', '2', '3'.*another movie",
        ),
        ([Span("1", 0, 2, "lit"), Span("1", 2, 4, "dark")], "only 4 frames"),
    ],
)
def test_labels_that_cannot_be_learned_from(
    scene: Blinking, spans: list[Span], words: str
) -> None:
    events = identify(scene.noisy, regions_of_labels(scene.labels, scene.noisy), spans)
    with pytest.raises(nu.InputError, match=words):
        next(events)  # before anything is measured


def test_regions_that_do_not_fit(scene: Blinking) -> None:
    rows = scene.tracks.copy()
    rows[:, 3] += 30
    with pytest.raises(nu.InputError, match="outside of the frame of 30 x 32"):
        nu.find_events(scene.noisy, scene.of("1"), tracks=rows)
    with pytest.raises(nu.InputError, match="labels have the shape"):
        nu.find_events(scene.noisy, scene.of("1"), regions=scene.labels[:20])
    with pytest.raises(nu.InputError, match="either `regions` or `tracks`"):
        nu.find_events(
            scene.noisy, scene.of("1"), regions=scene.labels, tracks=scene.tracks
        )


def test_gaps_of_tracks_are_bridged_and_told(scene: Blinking) -> None:
    rows = scene.tracks[
        (scene.tracks[:, 0] != 2) | ~np.isin(scene.tracks[:, 1], (5, 6))
    ]
    found = nu.find_events(scene.noisy, scene.of("1"), tracks=rows, radius=4, steps=2)
    assert any("track 2 has no point in frame 5 to 6" in note for note in found.notes)
    its = by_region(found.spans)["2"]
    assert (its[0].start, its[-1].stop) == (0, FRAMES)


def test_a_std_without_a_denoised_movie(scene: Blinking) -> None:
    with pytest.raises(nu.InputError, match="give that one too, as `denoised`"):
        nu.find_events(scene.noisy, scene.of("1"), std=scene.clean)


def test_seconds_take_the_interval_of_the_movie(
    scene: Blinking, tmp_path: Path
) -> None:
    path = tmp_path / "spans.csv"
    rows = [f"1,{s.label},{2 * s.start},{2 * s.stop}" for s in scene.of("1")]
    path.write_text("\n".join(["region,label,start_s,stop_s", *rows]))
    found = nu.find_events(scene.noisy, path, regions=scene.labels, steps=2)
    assert [span for span in found.spans if span.region == "1"] == scene.of("1")
    untimed = replace(scene.noisy, scale={}, units={})
    with pytest.raises(nu.InputError, match="give the `interval`"):
        nu.find_events(untimed, path, regions=scene.labels)


# --- step by step -------------------------------------------------------------------


def test_it_tells_what_it_does(scene: Blinking) -> None:
    regions = regions_of_labels(scene.labels, scene.noisy)
    events = list(
        identify(
            scene.noisy, regions, scene.of("1"), learning=nu.jobs.Learning(steps=3)
        )
    )
    begun = [event.what for event in events if isinstance(event, Begun)]
    assert begun == ["watching", "learning"]
    assert isinstance(events[-1], Identified)
    assert any(
        isinstance(event, Note) and "given as `denoised`" in event.text
        for event in events
    )


@pytest.mark.parametrize("part", ["watching", "learning"])
def test_it_can_be_cancelled(scene: Blinking, part: str) -> None:
    cancel = threading.Event()
    events = []
    for event in identify(
        scene.noisy,
        whole_frame(scene.noisy),
        [Span("frame", 0, 10, "a"), Span("frame", 10, 20, "b")],
        learning=nu.jobs.Learning(steps=100_000),
        cancel=cancel,
    ):
        events.append(event)
        if isinstance(event, Begun) and event.what == part:
            cancel.set()
    assert events[-1] == Stopped()
