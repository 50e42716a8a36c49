"""Tables of spans against each other: starts, frames and all numbers at once."""

from __future__ import annotations

import json
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_udvd.errors import InputError
from napari_udvd.spans import (
    Span,
    Starts,
    confusion,
    f1_within,
    score,
    spans_of_frames,
    starts_within,
)

TRUTH = [
    *spans_of_frames("1", list("rrrrpppsssrrrrr")),
    *spans_of_frames("2", list("rrrrrrrrrrrrrrr")),
]


def spikes(*starts: int, region: str = "1") -> list[Span]:
    return [Span(region, start, start + 1, "spike") for start in starts]


def test_a_table_against_itself() -> None:
    found = score(TRUTH, TRUTH)
    assert (found.regions, found.edits.error_rate, found.all_starts.f1) == (2, 0.0, 1.0)
    assert found.edits.edit_score == 100.0
    assert found.confusion.agreement == 1.0
    assert found.notes == ()


def test_every_number_of_a_small_table() -> None:
    found = [
        # one frame late, the separation three frames late, one label too many
        *spans_of_frames("1", list("rrrrrpppppssrrp")),
        *spans_of_frames("2", ["r"] * 10 + [None] * 5),
    ]
    scores = score(TRUTH, found, within=1)
    assert scores.edits.error_rate == pytest.approx(1 / 5)
    assert (scores.edits.extra, scores.edits.missed, scores.edits.wrong) == (1, 0, 0)
    assert scores.starts["p"] == Starts(hits=1, truth=1, found=2)
    assert scores.starts["s"] == Starts(hits=0, truth=1, found=1)
    assert scores.starts["r"] == Starts(hits=2, truth=3, found=3)
    assert f1_within(TRUTH, found, "p") == pytest.approx(2 / 3)
    assert f1_within(TRUTH, found, "s", within=3) == 1.0
    assert f1_within(TRUTH, found, "p", within=0) == 0.0
    assert scores.confusion.labels == ("p", "r", "s", None)
    assert scores.confusion.counts == (
        (2, 1, 0, 0),
        (1, 16, 2, 5),
        (3, 0, 0, 0),
        (0, 0, 0, 0),
    )
    assert scores.confusion.agreement == pytest.approx(18 / 30)
    told = scores.to_dict()
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert told["labels"]["p"]["precision"] == 0.5


def test_events_that_are_apart_are_events_of_their_own() -> None:
    scores = score(spikes(2, 9, 14), spikes(2, 14))
    assert (scores.edits.missed, scores.edits.truth) == (1, 3)
    assert scores.all_starts.recall == pytest.approx(2 / 3)


def test_a_start_is_paired_once() -> None:
    assert starts_within(spikes(5), spikes(4, 6), within=1) == Starts(1, 1, 2)
    assert starts_within(spikes(3, 5), spikes(4, 6), within=1).hits == 2
    assert starts_within(spikes(5), spikes(5, region="2")) == Starts(0, 1, 1)
    assert starts_within([], []).f1 == 1.0
    assert starts_within(spikes(5), []).precision == 1.0
    with pytest.raises(InputError, match="within is -1"):
        starts_within([], [], within=-1)


FRAMES = st.sets(st.integers(0, 9), max_size=5).map(lambda s: sorted(2 * k for k in s))


@given(FRAMES, FRAMES, st.integers(0, 6))
def test_as_many_pairs_as_any_other_way(
    one: list[int], two: list[int], within: int
) -> None:
    short, long = sorted((one, two), key=len)
    best = max(
        sum(abs(a - b) <= within for a, b in zip(short, order, strict=False))
        for order in permutations(long, len(short))
    )
    assert starts_within(spikes(*one), spikes(*two), within=within).hits == best


def test_frames_without_a_label_count_up_to_the_end_of_the_movie() -> None:
    one, two = spikes(0), spikes(2)
    assert confusion(one, two).counts == ((0, 1), (1, 1))
    assert confusion(one, two, 10).counts == ((0, 1), (1, 8))
    assert confusion([], []).agreement == 1.0


def test_regions_that_one_table_does_not_name() -> None:
    found = [*spikes(3), *spikes(4, region="9")]
    scores = score([*spikes(3), *spikes(8, region="2")], found)
    assert scores.regions == 3
    assert (scores.edits.missed, scores.edits.extra) == (1, 1)
    nothing, extra = scores.notes
    assert "nothing was found in '2'" in nothing
    assert "'9'" in extra and "extra" in extra


def test_nothing_found_is_an_error_of_one() -> None:
    assert score(spikes(3), []).edits.error_rate == 1.0


def test_tables_that_cannot_be_compared() -> None:
    with pytest.raises(InputError, match="no span"):
        score([], spikes(3))
    with pytest.raises(InputError, match=r"'1', what was found '9'.*different movies"):
        score(spikes(3), spikes(3, region="9"))
    with pytest.raises(InputError, match="overlap"):
        score([Span("1", 0, 4, "a"), Span("1", 3, 5, "b")], spikes(3))
    with pytest.raises(InputError, match="has 3 frames"):
        score(spikes(3), spikes(2), n_frames=3)
