"""A span, and what must hold for several of them."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from napari_udvd.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

__all__ = ["Span", "by_region", "check_spans", "sequence_of"]


@dataclass(frozen=True, order=True)
class Span:
    """A region is in a state for some frames.

    Attributes
    ----------
    region
        Name of what is watched.
    start
        First frame, from 0 on.
    stop
        Frame after the last one.
    label
        Name of the state.
    confidence
        From 0 to 1; 1 where a person said so.

    Raises
    ------
    InputError
        If a name is empty, the frames are no whole numbers, negative or in the wrong
        order, or the confidence is not from 0 to 1.
    """

    region: str
    start: int
    stop: int
    label: str
    confidence: float = 1.0

    def __post_init__(self) -> None:
        for what in ("region", "label"):
            if not str(getattr(self, what)).strip():
                raise InputError(f"{self} has no {what}; give it a name")
        for what in ("start", "stop"):
            try:
                frame = operator.index(getattr(self, what))
            except TypeError:
                raise InputError(
                    f"{self} has a {what} that is no whole number; count frames from 0"
                ) from None
            object.__setattr__(self, what, frame)  # of Python, also if NumPy's
        if not 0 <= self.start < self.stop:
            raise InputError(
                f"{self} ends before it has begun, or begins before frame 0; stop is "
                "the frame after the last one"
            )
        if not 0 <= self.confidence <= 1:
            raise InputError(f"{self} has a confidence that is not from 0 to 1")

    def __str__(self) -> str:
        """Name it in messages."""
        return (
            f"span {self.label!r} of region {self.region!r}, start {self.start}, stop "
            f"{self.stop},"
        )

    def __len__(self) -> int:
        """Count its frames."""
        return self.stop - self.start


def by_region(spans: Iterable[Span]) -> dict[str, list[Span]]:
    """Spans of each region in the order of time; regions by their first appearance."""
    found: dict[str, list[Span]] = {}
    for span in spans:
        found.setdefault(span.region, []).append(span)
    return {name: sorted(its) for name, its in found.items()}


def check_spans(
    spans: Iterable[Span],
    *,
    n_frames: int | None = None,
    regions: Collection[str] | None = None,
) -> None:
    """Check that spans belong to a movie and do not contradict each other.

    Parameters
    ----------
    spans
        Of any number of regions.
    n_frames
        Of the movie; not checked if None.
    regions
        Names of those that there are; not checked if None.

    Raises
    ------
    InputError
        If two spans of a region overlap, or one reaches beyond the movie or is of a
        region that is not there.
    """
    for name, its in by_region(spans).items():
        if regions is not None and name not in regions:
            there = ", ".join(map(repr, list(regions)[:10]))
            more = f" and {len(regions) - 10} more" if len(regions) > 10 else ""
            raise InputError(
                f"{its[0]} is of a region that is not there; there are {there}{more}: "
                "the labels may be those of another movie"
            )
        if n_frames is not None and (last := max(its, key=_stop)).stop > n_frames:
            raise InputError(
                f"{last} reaches beyond the movie, which has {n_frames} frames: the "
                "labels may be those of another movie"
            )
        for before, after in pairwise(its):
            if after.start < before.stop:
                raise InputError(
                    f"{before} and {after} overlap; a region has one label at a time"
                )


def _stop(span: Span) -> int:
    return span.stop


def sequence_of(spans: Iterable[Span]) -> list[Span]:
    """Spans of one region in the order of time, what touches under one label as one.

    Two spans with the same label that are apart happened twice and stay two.
    """
    joined: list[Span] = []
    for span in sorted(spans):
        last = joined[-1] if joined else None
        if last and (last.label, last.stop) == (span.label, span.start):
            weight = len(last), len(span)
            mean = (last.confidence * weight[0] + span.confidence * weight[1]) / sum(
                weight
            )
            joined[-1] = Span(last.region, last.start, span.stop, last.label, mean)
        else:
            joined.append(span)
    return joined
