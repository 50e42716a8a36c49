"""What a few labelled spans teach: the label of every frame of every region."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from napari_udvd.errors import InputError
from napari_udvd.identification import _file
from napari_udvd.identification._course import Course
from napari_udvd.identification._examples import (
    Example,
    Scaling,
    check_features,
    labels_of,
    number_labels,
)
from napari_udvd.identification._held_out import (
    FOLDS,
    can_hold_out,
    folds,
    score_held_out,
)
from napari_udvd.identification._learning import learn, steps_of
from napari_udvd.identification._suggest import most_doubtful
from napari_udvd.models import find_labeller
from napari_udvd.spans import Span, spans_of_frames

if TYPE_CHECKING:
    import os
    import threading
    from collections.abc import Callable, Mapping, Sequence

    from napari_udvd.identification._course import Progress
    from napari_udvd.identification._grammar import Grammar
    from napari_udvd.identification._held_out import HeldOut
    from napari_udvd.identification._learning import Learned
    from napari_udvd.identification._suggest import Suggestion

__all__ = ["EventFinder", "Timeline"]

HELD_OUT, ALL = "held out", "all labels"
"""The trainings: by turns with some labels held out, then with all of them."""

ON_HELD_OUT = 0.5
"""Share of the time for the first: each of both learns from half of the labels, and has
half of the steps."""


class Timeline(NamedTuple):
    """The labels of one region.

    Attributes
    ----------
    labels
        ``T`` names: the most probable sequence.
    probabilities
        ``(T, K)``: of each label in each frame, given all frames.
    """

    labels: list[str]
    probabilities: npt.NDArray[np.float64]


class EventFinder:
    """Finds events like those that were labelled.

    Made by :meth:`train` or :meth:`load`.

    Parameters
    ----------
    labels
        What spans are called, in the order of the probabilities.
    feature_names
        Of the features that it has to be given, in order.
    scaling
        Of these features.
    learned
        Network and grammar.
    held_out
        Score on labels that were held out; None where there was but one stretch of
        labelled frames.
    kept
        Arrays of numbers by name that travel with it: how its features are made, for
        whoever makes them of another movie.

    Attributes
    ----------
    labels, feature_names, held_out, kept
        As above.
    """

    def __init__(
        self,
        labels: Sequence[str],
        feature_names: Sequence[str],
        scaling: Scaling,
        learned: Learned,
        held_out: HeldOut | None = None,
        kept: Mapping[str, npt.NDArray[np.float32]] | None = None,
    ) -> None:
        self.labels = tuple(labels)
        self.feature_names = tuple(feature_names)
        self.held_out = held_out
        self.kept = dict(kept or {})
        self._scaling, self._learned = scaling, learned

    @property
    def network(self) -> str:
        """Name of the network."""
        return self._learned.name

    @property
    def grammar(self) -> Grammar:
        """What may follow what, and how long it lasts."""
        return self._learned.grammar

    @classmethod
    def train(
        cls,
        features: Mapping[str, npt.ArrayLike],
        spans: Sequence[Span],
        *,
        feature_names: Sequence[str],
        network: str | None = None,
        seconds: float | None = None,
        steps: int | None = None,
        seed: int = 0,
        cancel: threading.Event | None = None,
        report: Callable[[Progress], object] | None = None,
        keep: Mapping[str, npt.NDArray[np.float32]] | None = None,
    ) -> Self:
        """Learn from labelled spans.

        Frames without a span are unlabelled: nothing is learned from them, not even
        that nothing happens.

        Parameters
        ----------
        features
            ``(T, F)`` of each region, by its name; those of regions without a span are
            used to scale them. A frame that was not measured is NaN.
        spans
            What was labelled, at least two labels.
        feature_names
            Of the ``F`` columns.
        network
            One of :func:`napari_udvd.models.labeller_names`; the first if None.
        seconds
            For all trainings together; what is learned then depends on the computer.
        steps
            Of the training with all labels instead, and half of them where labels are
            held out; a number that suits the network if both are None. The same steps
            and seed give the same finder.
        seed
            Of all that is drawn.
        cancel
            Set it to stop soon.
        report
            Told after each step.
        keep
            Arrays that are to travel with it.

        Raises
        ------
        InputError
            If there are fewer than two labels or too few labelled frames; if spans
            overlap, or are of a region that has no features or beyond its end; if
            features are not ``(T, F)`` or there is no such network.
        Cancelled
            If it was stopped.
        """
        name = find_labeller(network).name
        labels = number_labels(spans)
        tables = check_features(features, feature_names)
        numbers = labels_of(spans, tables, labels)
        scaling = Scaling.learn(tables)
        examples = [
            Example(region, scaling(tables[region]), its)
            for region, its in numbers.items()
        ]
        shares = {ALL: 1.0}
        if can_hold_out(examples):
            parts = {f"{HELD_OUT} {k + 1}": ON_HELD_OUT / FOLDS for k in range(FOLDS)}
            shares = {**parts, ALL: 1 - ON_HELD_OUT}
        course = Course(shares, steps or steps_of(name), seconds, cancel, report)
        pairs = []
        if can_hold_out(examples):
            for k, (seen, held) in enumerate(folds(examples)):
                part = course.steps(f"{HELD_OUT} {k + 1}")
                pairs.append((learn(name, seen, len(labels), part, seed), held))
        learned = learn(name, examples, len(labels), course.steps(ALL), seed)
        held_out = score_held_out(pairs) if pairs else None
        return cls(labels, feature_names, scaling, learned, held_out, keep)

    def find(self, features: Mapping[str, npt.ArrayLike]) -> list[Span]:
        """Return the spans of all regions, with how sure they are.

        Parameters
        ----------
        features
            ``(T, F)`` of each region, of this movie or of another.

        Returns
        -------
        list of Span
            Without a gap; the confidence is the mean probability of the label.

        Raises
        ------
        InputError
            If features are not those that it was trained with.
        """
        found = []
        for region, table in check_features(features, self.feature_names).items():
            line = self._timeline(table)
            chosen = [self.labels.index(label) for label in line.labels]
            sure = line.probabilities[np.arange(len(chosen)), chosen]
            found += spans_of_frames(region, line.labels, sure.tolist())
        return found

    def timeline(self, table: npt.ArrayLike) -> Timeline:
        """Return the label of every frame of a region.

        Parameters
        ----------
        table
            Its features ``(T, F)``.

        Raises
        ------
        InputError
            If they are not those that it was trained with.
        """
        (checked,) = check_features({"": table}, self.feature_names).values()
        return self._timeline(checked)

    def suggest(
        self,
        features: Mapping[str, npt.ArrayLike],
        spans: Sequence[Span],
        *,
        frames: int = 30,
    ) -> Suggestion | None:
        """Return the frames whose labels would help most.

        Parameters
        ----------
        features
            ``(T, F)`` of each region.
        spans
            What is labelled already.
        frames
            How many to suggest; fewer where no gap is that long.

        Returns
        -------
        Suggestion or None
            None if every frame has a label.

        Raises
        ------
        InputError
            If features are not those that it was trained with, or spans do not belong
            to them.
        """
        if frames < 1:
            raise InputError(f"at least 1 frame can be suggested, not {frames}")
        tables = check_features(features, self.feature_names)
        names = tuple({span.label: None for span in spans})
        known = labels_of(spans, tables, names)
        doubts = {
            region: self._timeline(table).probabilities
            for region, table in tables.items()
        }
        return most_doubtful(doubts, known, frames)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to a ``.safetensors`` file; over one of the same name.

        Raises
        ------
        OutputError
            If the file cannot be written; nothing is left behind.
        """
        _file.write(
            path,
            _file.Content(
                self.labels,
                self.feature_names,
                self._scaling,
                self._learned,
                self.held_out,
                self.kept,
            ),
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a file that :meth:`save` wrote.

        Raises
        ------
        InputError
            If the file is missing, damaged or of another program.
        """
        return cls(*_file.read(path))

    def _timeline(self, table: npt.ArrayLike) -> Timeline:
        log = self._learned.log_probabilities(self._scaling(table))
        # of frames that were not measured nothing is known, but what is around them
        log[~np.isfinite(table).any(1)] = 0.0
        best = self.grammar.viterbi(log)
        return Timeline([self.labels[k] for k in best], self.grammar.marginals(log))
