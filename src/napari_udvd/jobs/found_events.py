"""What happens when: the result of finding events, in words for a person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_udvd.identification import EventFinder, Suggestion
    from napari_udvd.spans import Span

__all__ = ["FoundEvents", "counted"]


@dataclass(frozen=True, eq=False)
class FoundEvents:
    """What happens when, and how that is known.

    Attributes
    ----------
    spans
        Of every region, while it is there, without a gap: region by region, in the
        order of time. Those that a person labelled are as they were labelled.
    finder
        What was learned; its ``held_out`` is the score on labels that it had not seen.
    suggestion
        Frames whose labels would help most; None if nothing is left, or it was not
        asked for.
    notes
        What was assumed, in plain sentences.
    """

    spans: tuple[Span, ...]
    finder: EventFinder
    suggestion: Suggestion | None
    notes: tuple[str, ...] = ()

    def describe(self) -> str:
        """Say in some lines what was found, how good that is, and what to do next."""
        rows: list[tuple[str, ...]] = [("label", "spans", "frames", "confidence")]
        for label in sorted({span.label for span in self.spans}):
            its = [span for span in self.spans if span.label == label]
            frames = sum(map(len, its))
            sure = sum(span.confidence * len(span) for span in its) / frames
            rows.append((label, str(len(its)), str(frames), f"{sure:.2f}"))
        wide = max(len(row[0]) for row in rows)
        regions = len({span.region for span in self.spans})
        lines = [f"{len(self.spans)} spans in {counted(regions, 'region')}", ""]
        lines += [
            f"{name:<{wide}} {spans:>6} {frames:>7} {sure:>11}"
            for name, spans, frames, sure in rows
        ]
        lines += ["", self._held_out()]
        if self.suggestion is not None:
            asked = self.suggestion
            lines.append(
                f"label next: region {asked.region!r}, frames {asked.start} to "
                f"{asked.stop - 1}, of which least is known ({asked.entropy:.2f} bits "
                "a frame)"
            )
        return "\n".join(lines)

    def _held_out(self) -> str:
        held = self.finder.held_out
        if held is None:
            return (
                "held out: nothing, there is one stretch of labelled frames only; "
                "label another one to learn how good this is"
            )
        return (
            f"held out: {counted(held.stretches, 'stretch', 'stretches')} of labels, "
            f"each by a training without it: {held.accuracy:.0%} of "
            f"{held.frames} frames right, action error rate {held.error_rate:.2f}"
        )


def counted(number: int, one: str, several: str | None = None) -> str:
    """Say how many there are of something."""
    return f"{number} {one if number == 1 else several or one + 's'}"
