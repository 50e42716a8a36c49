"""Whether things begin when they should."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_udvd.errors import InputError
from napari_udvd.spans._span import Span, by_region, sequence_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Starts", "f1_within", "starts_within"]


@dataclass(frozen=True)
class Starts:
    """How many beginnings were found.

    Attributes
    ----------
    hits
        Found within the tolerance, each paired with one of the truth.
    truth, found
        How many there are, and how many were found.
    """

    hits: int
    truth: int
    found: int

    @property
    def precision(self) -> float:
        """Share of what was found that is true; 1 where nothing was found."""
        return self.hits / self.found if self.found else 1.0

    @property
    def recall(self) -> float:
        """Share of the truth that was found; 1 where there is nothing."""
        return self.hits / self.truth if self.truth else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of both; 1 where there is nothing and nothing was found."""
        total = self.truth + self.found
        return 2 * self.hits / total if total else 1.0

    def __add__(self, other: Starts) -> Starts:
        """Join the counts of two regions or labels."""
        return Starts(
            self.hits + other.hits, self.truth + other.truth, self.found + other.found
        )


def starts_within(
    truth: Iterable[Span],
    found: Iterable[Span],
    label: str | None = None,
    *,
    within: int = 1,
) -> Starts:
    """Count the spans that begin where they should, in the region where they should.

    Spans of the same label that touch count as one. Each start of the truth is paired
    with one at most that was found; as many as possible are.

    Parameters
    ----------
    truth, found
        Of any regions.
    label
        Count this one only; all, each for itself, if None.
    within
        Frames that may lie between them.

    Raises
    ------
    InputError
        If the tolerance is negative.
    """
    if within < 0:
        raise InputError(f"within is {within}; expected a number of frames, 0 or more")
    rights, others = _starts(truth, label), _starts(found, label)
    total = Starts(0, 0, 0)
    for key in rights.keys() | others.keys():
        right, other = rights.get(key, []), others.get(key, [])
        total += Starts(_paired(right, other, within), len(right), len(other))
    return total


def f1_within(
    truth: Iterable[Span],
    found: Iterable[Span],
    label: str | None = None,
    within: int = 1,
) -> float:
    """F1 of the frames at which spans begin; parameters as :func:`starts_within`.

    Returns
    -------
    float
        From 0 to 1: 2 hits / (number in the truth + number found).
    """
    return starts_within(truth, found, label, within=within).f1


def _starts(
    spans: Iterable[Span], label: str | None
) -> dict[tuple[str, str], list[int]]:
    """First frames, rising, by region and label."""
    found: dict[tuple[str, str], list[int]] = {}
    for region, its in by_region(spans).items():
        for span in sequence_of(its):
            if label in (None, span.label):
                found.setdefault((region, span.label), []).append(span.start)
    return found


def _paired(right: Sequence[int], other: Sequence[int], within: int) -> int:
    """Pair rising numbers that differ by so much at most, as many as possible.

    With one tolerance for all, the first that can be paired may always be.
    """
    i = k = pairs = 0
    while i < len(right) and k < len(other):
        if abs(right[i] - other[k]) <= within:
            i, k, pairs = i + 1, k + 1, pairs + 1
        elif right[i] < other[k]:
            i += 1
        else:
            k += 1
    return pairs
