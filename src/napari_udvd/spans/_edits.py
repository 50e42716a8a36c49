"""How many edits turn one sequence into another.

Definitions as Kaku et al. 2021 (arXiv 2111.02521) give them for sequences of actions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

__all__ = [
    "Edits",
    "action_error_rate",
    "collapse",
    "edit_score",
    "edits_between",
    "insertion_deletion_rate",
]


@dataclass(frozen=True)
class Edits:
    """The fewest edits that turn what was found into the truth.

    Attributes
    ----------
    missed
        Are in the truth and were not found: insertions.
    extra
        Were found and are not in the truth: deletions.
    wrong
        Were found as something else: substitutions.
    truth, found
        Lengths of the sequences.
    longer
        Length of the longer one.
    """

    missed: int
    extra: int
    wrong: int
    truth: int
    found: int
    longer: int

    @property
    def distance(self) -> int:
        """Levenshtein distance: edits of all three kinds, each counts one."""
        return self.missed + self.extra + self.wrong

    @property
    def error_rate(self) -> float:
        """Action error rate: edits for each item of the truth; may exceed 1."""
        return _share(self.distance, self.truth)

    @property
    def edit_score(self) -> float:
        """From 0 (nothing in common) to 100 (the same)."""
        return 100.0 * (1.0 - _share(self.distance, self.longer))

    @property
    def false_discovery_rate(self) -> float:
        """Share of what was found that is extra or wrong."""
        return _share(self.extra + self.wrong, self.found)

    @property
    def true_positive_rate(self) -> float:
        """Share of the truth that was neither missed nor taken for something else."""
        return 1.0 - _share(self.missed + self.wrong, self.truth)

    def __add__(self, other: Edits) -> Edits:
        """Join the edits of two pairs of sequences: longer ones count more."""
        return Edits(
            self.missed + other.missed,
            self.extra + other.extra,
            self.wrong + other.wrong,
            self.truth + other.truth,
            self.found + other.found,
            self.longer + other.longer,
        )


def _share(part: int, whole: int) -> float:
    if whole:
        return part / whole
    return math.inf if part else 0.0


def collapse(items: Iterable[Hashable]) -> list[Hashable]:
    """Leave out what repeats the item before it."""
    return [item for item, _ in groupby(items)]


def edits_between(truth: Sequence[Hashable], found: Sequence[Hashable]) -> Edits:
    """Find the fewest edits that turn one sequence into another.

    Nothing is left out before: see :func:`collapse`. Of several ways with as few edits,
    the one is taken that, from the end on, matches where it can, else substitutes, else
    inserts, else deletes.
    """
    n, m = len(truth), len(found)
    distance = [
        [i + k if not (i and k) else 0 for k in range(m + 1)] for i in range(n + 1)
    ]
    for i, right in enumerate(truth, start=1):
        above, here = distance[i - 1], distance[i]
        for k, other in enumerate(found, start=1):
            here[k] = min(
                above[k - 1] + (right != other), above[k] + 1, here[k - 1] + 1
            )
    missed = extra = wrong = 0
    i, k = n, m
    while i or k:
        left = distance[i][k]
        if i and k and truth[i - 1] == found[k - 1]:
            i, k = i - 1, k - 1
        elif i and k and distance[i - 1][k - 1] == left - 1:
            i, k, wrong = i - 1, k - 1, wrong + 1
        elif i and distance[i - 1][k] == left - 1:
            i, missed = i - 1, missed + 1
        else:
            k, extra = k - 1, extra + 1
    return Edits(missed, extra, wrong, truth=n, found=m, longer=max(n, m))


def action_error_rate(truth: Sequence[Hashable], found: Sequence[Hashable]) -> float:
    """Edits for each item of the truth, after repeats were left out.

    Insertions, deletions and substitutions count one each, as the paper defines the
    rate. The published program for videos leaves substitutions out, so that a wrong
    label costs two and its numbers are higher: see :func:`insertion_deletion_rate`.

    Returns
    -------
    float
        0 where both are the same; may exceed 1, and is infinite where something was
        found and there is nothing.
    """
    return edits_between(collapse(truth), collapse(found)).error_rate


def edit_score(truth: Sequence[Hashable], found: Sequence[Hashable]) -> float:
    """Similarity of two sequences, after repeats were left out.

    Returns
    -------
    float
        100 (1 - edits / length of the longer one), substitutions included: 100 where
        both are the same.
    """
    return edits_between(collapse(truth), collapse(found)).edit_score


def insertion_deletion_rate(
    truth: Sequence[Hashable], found: Sequence[Hashable]
) -> float:
    """Count insertions and deletions for each item of the truth, without repeats.

    What the published program for videos prints as its action error rate: it has no
    substitutions. Only for comparison with such numbers; else take
    :func:`action_error_rate`.
    """
    truth, found = collapse(truth), collapse(found)
    common = [0] * (len(found) + 1)  # length of the longest common subsequence
    for right in truth:
        diagonal = 0
        for k, other in enumerate(found, start=1):
            above = common[k]
            common[k] = diagonal + 1 if right == other else max(above, common[k - 1])
            diagonal = above
    return _share(len(truth) + len(found) - 2 * common[-1], len(truth))
