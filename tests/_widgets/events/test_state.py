"""What is known of events: labels, marking, undoing."""

from __future__ import annotations

import pytest

from napari_udvd._widgets.events.record import Record
from napari_udvd._widgets.events.state import COLOURS, MOST_SURE, Known
from napari_udvd.errors import InputError
from napari_udvd.spans import Span


def test_what_is_marked_last_counts() -> None:
    known = Known().marked(Span("1", 0, 10, "rest")).marked(Span("2", 0, 10, "rest"))
    known = known.marked(Span("1", 4, 6, "plate"))
    rest = Span("2", 0, 10, "rest")
    parts = Span("1", 0, 4, "rest"), Span("1", 4, 6, "plate"), Span("1", 6, 10, "rest")
    assert known.labelled == (*parts, rest)
    again = known.marked(Span("1", 4, 6, "rest"))
    assert again.labelled == (Span("1", 0, 10, "rest"), rest)  # what touches is one
    assert known.erased("1", 0, 10).labelled == (rest,)
    assert dict(known.labels) == {"rest": COLOURS[0], "plate": COLOURS[1]}


def test_labels_are_renamed_in_all_spans_and_not_lost() -> None:
    known = Known().marked(Span("1", 0, 3, "a")).with_found([Span("1", 5, 9, "a", 0.5)])
    known = known.with_label("b").renamed("a", " c ")
    assert list(known.labels) == ["c", "b"]
    assert {span.label for span in known.timeline()} == {"c"}
    for name in ("b", "  "):
        with pytest.raises(InputError):
            known.renamed("c", name)
    with pytest.raises(InputError, match="1 labelled span is called 'c'"):
        known.without_label("c")
    assert list(known.without_label("b").labels) == ["c"]
    assert known.recoloured("c", "#123456").labels["c"] == "#123456"


def test_what_was_found_fills_what_is_not_labelled() -> None:
    found = [Span("1", 0, 6, "a", 1.0), Span("1", 6, 9, "b", 0.4)]
    known = Known().marked(Span("1", 2, 7, "c")).with_found(found)
    assert [(s.start, s.stop, s.label, s.confidence) for s in known.timeline()] == [
        (0, 2, "a", MOST_SURE),  # a person alone is sure
        (2, 7, "c", 1.0),
        (7, 9, "b", 0.4),
    ]


def test_a_table_is_taken_in_as_it_was_written() -> None:
    known = Known().marked(Span("1", 2, 7, "c")).with_found([Span("1", 7, 9, "b")])
    other = Known().imported(known.timeline(), 20)
    assert (other.labelled, other.found) == (known.labelled, known.found)
    assert other.imported(known.timeline(), 20) == other
    with pytest.raises(InputError, match="overlap"):
        known.imported([Span("1", 3, 4, "d")], 20)
    with pytest.raises(InputError, match="beyond the movie, which has 8 frames"):
        known.imported([Span("1", 7, 9, "d")], 8)


def test_changes_are_undone_and_done_again() -> None:
    record = Record()
    record.begin(Known().with_label("a"))
    first = record.now
    record.put(first.marked(Span("1", 0, 3, "a")))
    record.put(record.now)  # no change
    second = record.now
    record.put(second.marked(Span("1", 5, 8, "a")))
    record.undo()
    assert record.now == second and record.can_redo
    record.undo()
    assert record.now == first and not record.can_undo
    record.redo()
    assert record.now == second
    record.put(first.with_label("b"))
    assert not record.can_redo
