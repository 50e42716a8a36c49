from __future__ import annotations

import numpy as np
import pytest

from napari_udvd.errors import InputError
from napari_udvd.spans import (
    Span,
    by_region,
    check_spans,
    labels_per_frame,
    sequence_of,
    spans_of_frames,
)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (("a", 4, 4, "x"), "ends before it has begun"),
        (("a", -1, 4, "x"), "frame 0"),
        (("", 0, 4, "x"), "no region"),
        (("a", 0, 4, " "), "no label"),
        (("a", 0.5, 4, "x"), "no whole number"),
        (("a", 0, 4, "x", 1.2), "confidence"),
        (("a", 0, 4, "x", float("nan")), "confidence"),
    ],
)
def test_what_is_no_span(values: tuple[object, ...], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Span(*values)  # type: ignore[arg-type]


def test_frames_of_numpy_are_frames() -> None:
    span = Span("a", np.int64(2), np.uint8(5), "x")  # type: ignore[arg-type]
    assert (type(span.start), type(span.stop), len(span)) == (int, int, 3)
    assert span == Span("a", 2, 5, "x")


def test_spans_are_sorted_by_region_and_time() -> None:
    late, early, other = (
        Span("a", 5, 6, "x"),
        Span("a", 1, 2, "y"),
        Span("b", 0, 1, "x"),
    )
    assert sorted([other, late, early]) == [early, late, other]
    assert by_region([other, late, early]) == {"b": [other], "a": [early, late]}


def test_labels_that_contradict_each_other_or_the_movie() -> None:
    spans = [Span("a", 0, 4, "x"), Span("a", 4, 9, "y"), Span("b", 3, 5, "x")]
    check_spans(spans, n_frames=9, regions={"a", "b"})
    with pytest.raises(InputError, match=r"start 4, stop 9, and .*'z'.* overlap"):
        check_spans([*spans, Span("a", 8, 10, "z")])
    with pytest.raises(InputError, match=r"stop 9, reaches .* has 8 frames.*another"):
        check_spans(spans, n_frames=8)
    with pytest.raises(InputError, match=r"region 'b'.* not there; there are 'a'"):
        check_spans(spans, regions=["a"])


def test_labels_of_frames_and_back() -> None:
    spans = [Span("a", 1, 3, "x"), Span("a", 3, 4, "y"), Span("a", 6, 8, "x")]
    labels = labels_per_frame(spans, 9)
    assert labels == [None, "x", "x", "y", None, None, "x", "x", None]
    assert spans_of_frames("a", labels) == spans
    assert spans_of_frames("a", [None, None]) == []


def test_a_span_has_the_mean_confidence_of_its_frames() -> None:
    found = spans_of_frames("a", ["x", "x", "y"], np.array([0.5, 0.7, 1.0]).tolist())
    assert [span.confidence for span in found] == pytest.approx([0.6, 1.0])
    with pytest.raises(InputError, match="2 confidences for 1 frames"):
        spans_of_frames("a", ["x"], [0.1, 0.2])


def test_frames_have_labels_in_one_region_at_a_time() -> None:
    with pytest.raises(InputError, match="2 regions, a, b"):
        labels_per_frame([Span("a", 0, 1, "x"), Span("b", 0, 1, "x")], 3)


def test_what_touches_is_one_and_what_is_apart_is_two() -> None:
    spans = [Span("a", 6, 7, "x"), Span("a", 0, 2, "x", 0.4), Span("a", 2, 4, "x", 0.8)]
    joined, apart = sequence_of(spans)
    assert (joined.start, joined.stop, joined.label) == (0, 4, "x")
    assert joined.confidence == pytest.approx(0.6)
    assert apart == spans[0]
