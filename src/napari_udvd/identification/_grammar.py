"""What may follow what, and how long it lasts: learned from labels, used to decode.

A label is a chain of stages that are passed one after the other. How many, and how fast
they are passed, says how long it lasts: one stage gives any length (geometric), several
give lengths around their mean (negative binomial). So the whole is a hidden Markov
model, decoded by Viterbi 1967 and by forward and backward sums.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["UNLABELLED", "Grammar"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

UNLABELLED = -1
"""In place of a label where there is none."""

FLOOR = 1e-4
"""Least probability that a label follows another, also where it was never seen to."""

MOST_STAGES = 3
"""Of a label; a few examples say little of how much its length varies."""

UNENDED = 0.5
"""How often a label that was never seen to end is taken to have ended."""


class Run(NamedTuple):
    """Frames in a row with one label.

    Attributes
    ----------
    label
        Its number.
    frames
        How many.
    whole
        It was seen to begin and to end.
    """

    label: int
    frames: int
    whole: bool


@dataclass(frozen=True, eq=False)
class Grammar:
    """A model of sequences of labels.

    Attributes
    ----------
    follow
        ``(K, K)``: probability that a label is followed by another, once it ends; zero
        on the diagonal, rows sum to 1.
    frames
        ``(K,)``: how long each lasts on average.
    stages
        ``(K,)``: length of each chain, which is the shortest time that it can last.
    """

    follow: Floats
    frames: Floats
    stages: Ints

    @classmethod
    def learn(
        cls, sequences: Sequence[Sequence[int]], n_labels: int, floor: float = FLOOR
    ) -> Grammar:
        """Count what follows what in labelled frames.

        Parameters
        ----------
        sequences
            Labels of the frames of each region, from 0 on; ``UNLABELLED`` where there
            is none: what is beside such a frame has no beginning, or no end.
        n_labels
            Labels that there are.
        floor
            Least probability of a successor.
        """
        follow = np.zeros((n_labels, n_labels))
        frames, ends = np.zeros(n_labels), np.zeros(n_labels)
        shortest = np.full(n_labels, 3 * MOST_STAGES, dtype=np.int64)
        seen_whole = np.zeros(n_labels, dtype=np.bool_)
        for sequence in sequences:
            runs = list(_runs(sequence))
            for run in runs:
                if run.label != UNLABELLED:
                    frames[run.label] += run.frames
                    if run.whole:
                        shortest[run.label] = min(shortest[run.label], run.frames)
                        seen_whole[run.label] = True
            for before, after in pairwise(runs):
                if UNLABELLED not in (before.label, after.label):
                    follow[before.label, after.label] += 1
                    ends[before.label] += 1
        follow /= np.maximum(follow.sum(1, keepdims=True), 1)
        follow = np.maximum(follow, floor)
        np.fill_diagonal(follow, 0.0)
        follow /= follow.sum(1, keepdims=True)
        mean = np.maximum(frames, 1.0) / np.maximum(ends, UNENDED)
        # a third of the shortest that was seen: the next may be much shorter
        stages = np.where(seen_whole, np.clip(shortest // 3, 1, MOST_STAGES), 1)
        return cls(follow, np.maximum(mean, stages + 0.5), stages)

    def viterbi(self, log_probabilities: npt.ArrayLike) -> Ints:
        """Return the most probable labels ``(T,)``.

        Parameters
        ----------
        log_probabilities
            ``(T, K)`` of every frame by itself; zeros where nothing is known.
        """
        seen = self._spread(log_probabilities)
        between = self._chain
        best = seen[0] + self._begin
        came = np.empty((len(seen), len(best)), dtype=np.int64)
        for t in range(1, len(seen)):
            ways = best[:, None] + between
            came[t] = ways.argmax(0)
            best = ways.max(0) + seen[t]
        states = np.empty(len(seen), dtype=np.int64)
        states[-1] = best.argmax()
        for t in range(len(seen) - 1, 0, -1):
            states[t - 1] = came[t, states[t]]
        labels: Ints = self._label[states]
        return labels

    def marginals(self, log_probabilities: npt.ArrayLike) -> Floats:
        """Return the probability of each label in each frame, given all frames.

        Parameters
        ----------
        log_probabilities
            As for :meth:`viterbi`.

        Returns
        -------
        ndarray
            ``(T, K)``; rows sum to 1.
        """
        seen = self._spread(log_probabilities)
        likely = np.exp(seen - seen.max(1, keepdims=True))
        between = np.exp(self._chain)
        forward, backward = np.empty_like(likely), np.ones_like(likely)
        state = np.exp(self._begin)
        for t, here in enumerate(likely):
            state = (state @ between if t else state) * here
            state /= state.sum()
            forward[t] = state
        for t in range(len(likely) - 2, -1, -1):
            state = between @ (likely[t + 1] * backward[t + 1])
            backward[t] = state / state.sum()
        both = forward * backward
        both /= both.sum(1, keepdims=True)
        starts = np.concatenate([[0], np.cumsum(self.stages)[:-1]])
        labels: Floats = np.add.reduceat(both, starts, axis=1)
        return labels

    def _spread(self, log_probabilities: npt.ArrayLike) -> Floats:
        """Give every stage the log probability of its label."""
        spread: Floats = np.asarray(log_probabilities, dtype=np.float64)[:, self._label]
        return spread

    @cached_property
    def _label(self) -> Ints:
        """Label of each state of the chain."""
        return np.repeat(np.arange(len(self.stages)), self.stages)

    @cached_property
    def _begin(self) -> Floats:
        """Log probability of each state in the first frame: any stage of any label."""
        time = self.frames / self.frames.sum()
        begin: Floats = np.log((time / self.stages)[self._label])
        return begin

    @cached_property
    def _chain(self) -> Floats:
        """Log probability of each state after each other."""
        leave = self.stages / self.frames
        first = np.concatenate([[0], np.cumsum(self.stages)[:-1]])
        last = first + self.stages - 1
        chain = np.zeros((len(self._label),) * 2)
        for state, label in enumerate(self._label):
            chain[state, state] = 1 - leave[label]
            if state == last[label]:
                chain[state, first] += leave[label] * self.follow[label]
            else:
                chain[state, state + 1] = leave[label]
        with np.errstate(divide="ignore"):  # what cannot be
            return np.log(chain)


def _runs(sequence: Sequence[int]) -> Iterator[Run]:
    runs = [(label, sum(1 for _ in run)) for label, run in groupby(map(int, sequence))]
    for k, (label, frames) in enumerate(runs):
        around = [runs[j][0] for j in (k - 1, k + 1) if 0 <= j < len(runs)]
        whole = len(around) == 2 and UNLABELLED not in around
        yield Run(label, frames, whole)
