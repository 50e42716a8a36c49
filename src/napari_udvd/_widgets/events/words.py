"""Sentences about labels and what was learned from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_udvd._widgets.shared.messages import said
from napari_udvd.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari_udvd._widgets.events.finding import Answer
    from napari_udvd.spans import Span

__all__ = ["foreign", "learned", "sentences"]


def foreign(spans: Iterable[Span], names: Sequence[str]) -> list[str]:
    """Say that labels are of regions that are not watched."""
    others = [span for span in spans if span.region not in set(names)]
    if not others:
        return []
    regions = sorted({span.region for span in others})
    shown = ", ".join(regions[:5]) + (" …" if len(regions) > 5 else "")
    return [
        f"{len(others)} labelled span{'s' if len(others) > 1 else ''} of regions that "
        f"are not here ({shown}): choose the layer that they belong to"
    ]


def learned(answer: Answer, labelled: Iterable[Span]) -> str:
    """Say what was learned from, and how good it is on what it has not seen."""
    regions = set(answer.training.watched.regions.names)
    spans = [span for span in labelled if span.region in regions]
    frames = sum(len(span) for span in spans)
    of = f"Learned from {frames} labelled frames of {len({s.region for s in spans})} "
    of += f"region{'s' if len({s.region for s in spans}) > 1 else ''}"
    score = answer.finder.held_out
    if score is None:
        return (
            f"{of}. All are in one stretch, so none can be held out to say how good it "
            "is: label frames in another place, too."
        )
    return (
        f"{of}. Held out by turns: {100 * score.accuracy:.0f} % of the frames right, "
        f"action error rate {score.error_rate:.2f} ({score.stretches} stretches)."
    )


def sentences(notes: Iterable[str]) -> str:
    """Return notes of the core as docks say them."""
    told = [said(InputError(note)) for note in notes]
    return " ".join(f"{text[:1].upper()}{text[1:].rstrip('.')}." for text in told)
