"""How good it is on labels that it has not seen: whole stretches, never single frames.

Frames beside each other are alike: one that is held out between two that are not is
found by all that can remember.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_udvd.identification._examples import stretches
from napari_udvd.identification._grammar import UNLABELLED
from napari_udvd.spans import Edits, collapse, edits_between

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_udvd.identification._examples import Example
    from napari_udvd.identification._learning import Learned

__all__ = ["FOLDS", "HeldOut", "can_hold_out", "folds", "score_held_out"]

FOLDS = 2
"""Trainings, each of which is scored on what the others learn from."""


@dataclass(frozen=True)
class HeldOut:
    """A score on labelled stretches of frames that were not learned from.

    Each stretch was held out once, by a network that learned from about half of the
    labels. The one that learned from all of them can be expected to be better.

    Attributes
    ----------
    stretches, frames
        How many.
    accuracy
        Share of the frames with the right label.
    edits
        Between the sequences of labels.
    """

    stretches: int
    frames: int
    accuracy: float
    edits: Edits

    @property
    def error_rate(self) -> float:
        """Action error rate, with substitutions."""
        return self.edits.error_rate


def can_hold_out(examples: Sequence[Example]) -> bool:
    """Tell whether there are as many stretches as are needed."""
    return sum(1 for e in examples for _ in stretches(e.labels)) >= FOLDS


def folds(
    examples: Sequence[Example],
) -> Iterator[tuple[list[Example], list[Example]]]:
    """Yield what to learn from, and what to hold out meanwhile.

    Stretches are dealt in turn, region by region.
    """
    places = [(k, run) for k, e in enumerate(examples) for run in stretches(e.labels)]
    for fold in range(FOLDS):
        split = []
        for held in (False, True):
            parts = []
            for k, example in enumerate(examples):
                labels = np.full_like(example.labels, UNLABELLED)
                for turn, (owner, run) in enumerate(places):
                    if owner == k and (turn % FOLDS == fold) == held:
                        labels[run] = example.labels[run]
                if (labels != UNLABELLED).any():
                    parts.append(replace(example, labels=labels))
            split.append(parts)
        yield split[0], split[1]


def score_held_out(pairs: Sequence[tuple[Learned, Sequence[Example]]]) -> HeldOut:
    """Score what was learned on what was held out."""
    count = frames = right = 0
    edits = Edits(0, 0, 0, 0, 0, 0)
    for learned, held in pairs:
        for example in held:
            log = learned.log_probabilities(example.features)
            found = learned.grammar.viterbi(log)
            for run in stretches(example.labels):
                truth, said = example.labels[run].tolist(), found[run].tolist()
                count, frames = count + 1, frames + len(truth)
                right += sum(a == b for a, b in zip(truth, said, strict=True))
                edits += edits_between(collapse(truth), collapse(said))
    return HeldOut(count, frames, right / frames, edits)
