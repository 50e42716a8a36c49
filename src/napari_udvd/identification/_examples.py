"""Features and labels as what networks learn from: numbers of order one, windows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_udvd.errors import InputError
from napari_udvd.identification._grammar import UNLABELLED
from napari_udvd.spans import by_region, check_spans

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from napari_udvd.spans import Span

__all__ = [
    "LEAST_FRAMES",
    "Example",
    "Scaling",
    "check_features",
    "labels_of",
    "number_labels",
    "stretches",
]

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

LEAST_FRAMES = 8
"""Labelled frames without which nothing is learned."""

FARTHEST = 8.0
"""Standard deviations beyond which a feature is cut: an outlier is only that."""


@dataclass(frozen=True, eq=False)
class Example:
    """A region that a network learns from.

    Attributes
    ----------
    region
        Its name.
    features
        ``(T, inputs)``, scaled.
    labels
        ``(T,)``: numbers of the labels, ``UNLABELLED`` where there is none.
    """

    region: str
    features: Floats
    labels: Ints

    def cut(self, frames: slice) -> Example:
        """Return a part of it."""
        return Example(self.region, self.features[frames], self.labels[frames])


@dataclass(frozen=True, eq=False)
class Scaling:
    """Features to numbers of order one; each also relative to its region's median.

    What a region is like most of the time (its brightness, its neighbours) says little
    of what happens in it.

    Attributes
    ----------
    mean, scale
        ``(F,)``: of all frames of all regions that were learned from.
    """

    mean: Floats
    scale: Floats

    @classmethod
    def learn(cls, features: Mapping[str, npt.ArrayLike]) -> Scaling:
        """Measure the features; frames that were not measured (NaN) do not count."""
        everything = np.concatenate(
            [np.asarray(table, dtype=np.float64) for table in features.values()]
        )
        everything[~np.isfinite(everything)] = np.nan
        known = np.isfinite(everything)
        count = np.maximum(known.sum(0), 1)
        mean = np.where(known, everything, 0.0).sum(0) / count
        off = np.where(known, everything - mean, 0.0)
        spread = np.sqrt((off**2).sum(0) / count)
        # what never changes says nothing, and must not be divided by rounding errors
        flat = spread <= 1e-6 * np.maximum(np.abs(mean), 1e-6)
        return cls(
            mean.astype(np.float32), np.where(flat, 1.0, spread).astype(np.float32)
        )

    @property
    def inputs(self) -> int:
        """Numbers for each frame that come out."""
        return 2 * len(self.mean)

    def __call__(self, table: npt.ArrayLike) -> Floats:
        """Scale the features ``(T, F)`` of a region; what is not finite becomes 0."""
        raw = (np.asarray(table, dtype=np.float32) - self.mean) / self.scale
        known = np.isfinite(raw)
        scaled = np.clip(np.where(known, raw, 0.0), -FARTHEST, FARTHEST)
        usual = np.zeros(len(self.mean), dtype=np.float32)
        for k in range(len(usual)):
            if known[:, k].any():
                usual[k] = np.median(scaled[known[:, k], k])
        relative = np.where(known, scaled - usual, 0.0)
        return np.concatenate([scaled, relative], axis=1).astype(np.float32)


def check_features(
    features: Mapping[str, npt.ArrayLike], names: Sequence[str]
) -> dict[str, npt.NDArray[np.float32]]:
    """Return the features as arrays ``(T, F)``.

    Raises
    ------
    InputError
        If there are none, or a table has not as many columns as there are names, or no
        frame with a number in it.
    """
    if not features:
        raise InputError("there is no region with features; choose what to watch first")
    tables = {}
    for region, values in features.items():
        table = np.asarray(values, dtype=np.float32)
        if table.ndim != 2 or table.shape[1] != len(names):
            raise InputError(
                f"the features of region {region!r} have the shape {table.shape}, but "
                f"there are {len(names)} features ({_some(names)}): expected (frames, "
                f"{len(names)}). They may be those of another movie; compute them anew"
            )
        if not np.isfinite(table).any():
            raise InputError(
                f"region {region!r} has no frame with a feature that is a number "
                f"({len(table)} frames); leave it out"
            )
        tables[str(region)] = table
    return tables


def labels_of(
    spans: Iterable[Span], tables: Mapping[str, Floats], labels: Sequence[str]
) -> dict[str, Ints]:
    """Return the number of the label of each frame, for regions with spans.

    Raises
    ------
    InputError
        If a span is of a region that has no features, reaches beyond its last frame or
        overlaps another.
    """
    number = {label: k for k, label in enumerate(labels)}
    found = {}
    spans = list(spans)
    check_spans(spans, regions=tables)
    for region, its in by_region(spans).items():
        check_spans(its, n_frames=len(tables[region]))
        found[region] = np.full(len(tables[region]), UNLABELLED, dtype=np.int64)
        for span in its:
            found[region][span.start : span.stop] = number[span.label]
    return found


def number_labels(spans: Iterable[Span]) -> tuple[str, ...]:
    """Return the labels in the order of the alphabet.

    Raises
    ------
    InputError
        If there are none, only one, or too few frames have one.
    """
    frames: dict[str, int] = {}
    for span in spans:
        frames[span.label] = frames.get(span.label, 0) + len(span)
    if not frames:
        raise InputError(
            "there is no labelled span; mark a few in which something happens, and a "
            "few in which nothing does"
        )
    if len(frames) == 1:
        (only,) = frames
        raise InputError(
            f"all spans have the label {only!r}: at least two are needed to tell them "
            "apart. Mark also spans in which something else happens; quiet time is a "
            "label of its own, and frames without a span are not taken for it"
        )
    if (count := sum(frames.values())) < LEAST_FRAMES:
        raise InputError(
            f"only {count} frames are labelled, too few to learn from; mark at least "
            f"{LEAST_FRAMES}, better 30 around what happens"
        )
    return tuple(sorted(frames))


def stretches(labels: Ints) -> Iterator[slice]:
    """Yield the frames in a row that have labels, whatever they are."""
    known = np.concatenate([[False], labels != UNLABELLED, [False]])
    ends = np.flatnonzero(known[1:] != known[:-1])
    for start, stop in zip(ends[::2], ends[1::2], strict=True):
        yield slice(int(start), int(stop))


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
