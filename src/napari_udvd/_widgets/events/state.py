"""What is known of a movie's events at one moment, and how it may change.

Nothing here knows of the viewer. A change makes a new state, so that undoing one is
going back to the state before.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from napari_udvd.errors import InputError
from napari_udvd.spans import Span, check_spans

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["COLOURS", "Known"]

COLOURS = (
    "#e69f00",  # orange
    "#56b4e9",  # sky blue
    "#009e73",  # bluish green
    "#cc79a7",  # reddish purple
    "#f0e442",  # yellow
    "#0072b2",  # blue
    "#d55e00",  # vermillion
    "#999999",  # grey
)
"""Colours that the colour-blind tell apart (Okabe and Ito, 2008), in order of use."""

LEAST_SURE, MOST_SURE = 0.0, 0.99999
"""Confidence of what was found; one is what a person has said."""


@dataclass(frozen=True)
class Known:
    """Labels, and what happens when.

    Attributes
    ----------
    labels
        Colour of each label, ``#rrggbb``.
    labelled
        Spans that a person has marked or accepted; none of a region overlap.
    found
        Spans that were found by what was learned from them.
    """

    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    labelled: tuple[Span, ...] = ()
    found: tuple[Span, ...] = ()

    # labels

    def with_label(self, name: str, colour: str | None = None) -> Known:
        """Add a label, in the next colour if none is given.

        Raises
        ------
        InputError
            If it has no name, or there is such a label.
        """
        name = self._new(name)
        return self._with_labels({**self.labels, name: colour or self._next_colour()})

    def renamed(self, before: str, name: str) -> Known:
        """Call a label otherwise, in all spans.

        Raises
        ------
        InputError
            If it has no name, or there is such a label.
        """
        name = self._new(name)
        labels = {
            name if label == before else label: colour
            for label, colour in self.labels.items()
        }
        labelled, found = (
            tuple(
                replace(span, label=name) if span.label == before else span
                for span in spans
            )
            for spans in (self.labelled, self.found)
        )
        return replace(
            self, labels=MappingProxyType(labels), labelled=labelled, found=found
        )

    def recoloured(self, name: str, colour: str) -> Known:
        """Draw a label in another colour."""
        return self._with_labels({**self.labels, name: colour})

    def without_label(self, name: str) -> Known:
        """Remove a label.

        Raises
        ------
        InputError
            If spans are called so.
        """
        number = sum(span.label == name for span in self.labelled)
        if number:
            raise InputError(
                f"{number} labelled span{'s are' if number > 1 else ' is'} called "
                f"{name!r}; erase or rename them first"
            )
        labels = {label: c for label, c in self.labels.items() if label != name}
        found = tuple(span for span in self.found if span.label != name)
        return replace(self, labels=MappingProxyType(labels), found=found)

    # spans

    def marked(self, span: Span) -> Known:
        """Label frames of a region; what they were labelled before gives way."""
        kept = _cut(self.labelled, span)
        touching = [
            other
            for other in kept
            if (other.region, other.label) == (span.region, span.label)
            and (other.stop == span.start or other.start == span.stop)
        ]
        start = min([span.start, *(other.start for other in touching)])
        stop = max([span.stop, *(other.stop for other in touching)])
        joined = Span(span.region, start, stop, span.label)
        others = [other for other in kept if other not in touching]
        return self._with_names(labelled=tuple(sorted([*others, joined])))

    def erased(self, region: str, start: int, stop: int) -> Known:
        """Take the labels of some frames of a region away."""
        hole = Span(region, start, stop, "nothing")
        return replace(self, labelled=tuple(sorted(_cut(self.labelled, hole))))

    def with_found(self, spans: Iterable[Span]) -> Known:
        """Replace what was found."""
        found = tuple(
            replace(span, confidence=min(max(span.confidence, LEAST_SURE), MOST_SURE))
            for span in spans
        )
        return self._with_names(found=found)

    def imported(self, spans: Iterable[Span], n_frames: int) -> Known:
        """Take the spans of a table in: what is sure as labels, the others as found.

        Raises
        ------
        InputError
            If they overlap each other or what is labelled, or reach beyond the movie.
        """
        spans = list(spans)
        sure = [span for span in spans if span.confidence > MOST_SURE]
        known = set(self.labelled)
        labelled = [*self.labelled, *(span for span in sure if span not in known)]
        check_spans(labelled, n_frames=n_frames)
        check_spans(spans, n_frames=n_frames)
        guesses = tuple(span for span in spans if span.confidence <= MOST_SURE)
        return self._with_names(
            labelled=tuple(sorted(labelled)), found=guesses or self.found
        )

    def timeline(self) -> list[Span]:
        """All that is known: labels, and what was found where there are none."""
        found = list(self.found)
        for span in self.labelled:
            found = _cut(found, span)
        return sorted([*self.labelled, *found])

    def _new(self, name: str) -> str:
        name = name.strip()
        if not name:
            raise InputError("a label needs a name; type one")
        if name in self.labels:
            raise InputError(f"there is a label {name!r} already; type another name")
        return name

    def _with_labels(self, labels: dict[str, str]) -> Known:
        return replace(self, labels=MappingProxyType(labels))

    def _next_colour(self) -> str:
        """Colour that is used least."""
        used = list(self.labels.values())
        return min(COLOURS, key=used.count)

    def _with_names(
        self,
        *,
        labelled: tuple[Span, ...] | None = None,
        found: tuple[Span, ...] | None = None,
    ) -> Known:
        """Take spans in; labels that are new get a colour."""
        known = replace(
            self,
            labelled=self.labelled if labelled is None else labelled,
            found=self.found if found is None else found,
        )
        for span in (*known.labelled, *known.found):
            if span.label not in known.labels:
                known = known.with_label(span.label)
        return known


def _cut(spans: Iterable[Span], hole: Span) -> list[Span]:
    """Spans without the frames of another one of the same region."""
    kept = []
    for span in spans:
        if (
            span.region != hole.region
            or span.stop <= hole.start
            or hole.stop <= span.start
        ):
            kept.append(span)
            continue
        if span.start < hole.start:
            kept.append(replace(span, stop=hole.start))
        if hole.stop < span.stop:
            kept.append(replace(span, start=hole.stop))
    return kept
