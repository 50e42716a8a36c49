"""All numbers of two tables of spans."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_udvd.errors import InputError
from napari_udvd.spans._confusion import Confusion, confusion
from napari_udvd.spans._edits import Edits, edits_between
from napari_udvd.spans._span import by_region, check_spans, sequence_of
from napari_udvd.spans._starts import Starts, starts_within

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_udvd.spans._span import Span

__all__ = ["Scores", "score"]


@dataclass(frozen=True)
class Scores:
    """How one table of spans compares with another one, the truth.

    Attributes
    ----------
    regions
        How many there are in either.
    edits
        Of the sequences of labels, summed over the regions: each counts by its length.
    starts
        Of each label, those that begin within the tolerance.
    within
        The tolerance, in frames.
    confusion
        Of the frames.
    notes
        What a user should know, in plain sentences.
    """

    regions: int
    edits: Edits
    starts: Mapping[str, Starts]
    within: int
    confusion: Confusion
    notes: tuple[str, ...] = ()

    @property
    def all_starts(self) -> Starts:
        """Starts of all labels."""
        return sum(self.starts.values(), start=Starts(0, 0, 0))

    def to_dict(self) -> dict[str, Any]:
        """Return all numbers as JSON can hold them; None for a rate without a truth."""
        edits, rate = self.edits, self.edits.error_rate
        return {
            "regions": self.regions,
            "edit_score": edits.edit_score,
            "action_error_rate": rate if math.isfinite(rate) else None,
            "missed": edits.missed,
            "extra": edits.extra,
            "wrong": edits.wrong,
            "false_discovery_rate": edits.false_discovery_rate,
            "true_positive_rate": edits.true_positive_rate,
            "within": self.within,
            "f1": self.all_starts.f1,
            "labels": {
                label: {
                    "f1": starts.f1,
                    "precision": starts.precision,
                    "recall": starts.recall,
                    "truth": starts.truth,
                    "found": starts.found,
                }
                for label, starts in self.starts.items()
            },
            "frames": {
                "agreement": self.confusion.agreement,
                "labels": list(self.confusion.labels),
                "counts": [list(row) for row in self.confusion.counts],
            },
            "notes": list(self.notes),
        }


def score(
    truth: Sequence[Span],
    found: Sequence[Span],
    *,
    within: int = 1,
    n_frames: int | None = None,
) -> Scores:
    """Compare a table of spans with the truth.

    Sequences are those of the spans of each region, one after the other; what touches
    under the same label is one, what is apart is two. Regions that only one of the
    tables names count: nothing was found there, or there is nothing.

    Parameters
    ----------
    truth, found
        The tables.
    within
        Frames by which the start of a span may be off.
    n_frames
        Of the movie; if None, frames up to the last span are looked at.

    Raises
    ------
    InputError
        If the tables have no region in common, spans of a region overlap or reach
        beyond the movie, there is no truth, or the tolerance is negative.
    """
    if not truth:
        raise InputError("the truth has no span: there is nothing to compare with")
    for spans in (truth, found):
        check_spans(spans, n_frames=n_frames)
    rights, others = by_region(truth), by_region(found)
    if found and not rights.keys() & others.keys():
        raise InputError(
            f"the tables have no region in common: the truth has {_some(list(rights))}"
            f", what was found {_some(list(others))}. They may be of different movies"
        )
    edits = Edits(0, 0, 0, 0, 0, 0)
    names = list(dict.fromkeys((*rights, *others)))
    for name in names:
        sequences = [
            [span.label for span in sequence_of(table.get(name, ()))]
            for table in (rights, others)
        ]
        edits += edits_between(*sequences)
    return Scores(
        regions=len(names),
        edits=edits,
        starts={
            label: starts_within(truth, found, label, within=within)
            for label in sorted({span.label for span in (*truth, *found)})
        },
        within=within,
        confusion=confusion(truth, found, n_frames),
        notes=tuple(_notes(rights, others)),
    )


def _notes(rights: Mapping[str, Any], others: Mapping[str, Any]) -> list[str]:
    notes = []
    if missing := [name for name in rights if name not in others]:
        notes.append(f"nothing was found in {_some(missing)}")
    if more := [name for name in others if name not in rights]:
        notes.append(
            f"the truth has nothing in {_some(more)}: all found there is extra"
        )
    return notes


def _some(names: Sequence[str]) -> str:
    """Name regions, not all where there are many."""
    shown = ", ".join(map(repr, names[:5]))
    return f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown
