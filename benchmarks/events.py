"""Events found from a few labelled spans, in movies of which it is known what happens.

    python -m benchmarks.events
    python -m benchmarks.events --parts divisions --networks tcn

A draw is a movie, and a few stretches of frames in it that are labelled, each around an
event: of nuclei that divide, of neurons that begin to fire. What is found in all other
regions of this movie is compared with the truth. Movies are of seeds from 20000 on,
which nothing was tuned with. Times are CPU seconds of one thread.

Beside it: a linear classifier of single frames with the same features and labels, and
for neurons a threshold on the trace, which the truth chooses.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass
from functools import cache
from itertools import product
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import optimize

import napari_udvd as nu
from benchmarks.common import machine, progress, set_up, table
from napari_udvd.features import features_of, regions_of_labels, regions_of_tracks
from napari_udvd.identification import EventFinder
from napari_udvd.jobs import label_frames, untrained
from napari_udvd.jobs.watching import numbers_of
from napari_udvd.spans import (
    Span,
    by_region,
    f1_within,
    labels_per_frame,
    score,
    spans_of_frames,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy.typing as npt

    from napari_udvd.features import FeatureTable, Regions
    from napari_udvd.simulation import EventMovie

    Tables = Mapping[str, FeatureTable]

FIRST_SEED = 20000
EVENT = {"divisions": "separation", "onsets": "onset"}
"""The label whose starts count."""

WINDOW = 30
"""Frames in a row that are labelled."""


class Setting(NamedTuple):
    """How large the movies are, and how they are recorded.

    Attributes
    ----------
    frames, side
        Of the movies, px.
    photons
        Of the brightest pixels, for divisions.
    steps
        Of a training; those that suit the network if None.
    """

    frames: int
    side: int
    photons: float
    steps: int | None


@dataclass(frozen=True, eq=False)
class Scene:
    """A movie, its truth, and what was measured.

    Attributes
    ----------
    movie
        With its truth.
    tables
        Features by how they were made: ``noisy`` and ``denoised``.
    traces
        Mean grey level of each region in every frame, likewise.
    """

    movie: EventMovie
    tables: dict[str, Tables]
    traces: dict[str, dict[str, npt.NDArray[np.float64]]]


class Outcome(NamedTuple):
    """What was found, against the truth.

    Attributes
    ----------
    f1
        Of the starts of the event, at one frame.
    error_rate
        Action error rate, of all labels.
    seconds
        CPU, of the training.
    """

    f1: float
    error_rate: float
    seconds: float = math.nan


@cache
def scene(kind: str, seed: int, setting: Setting, snr: str) -> Scene:
    """Simulate a movie and measure its regions, before and after denoising."""
    photons = setting.photons if kind == "divisions" else _photons(seed, setting, snr)
    movie = _simulated(kind, seed, setting, photons)
    stack = movie.noisy
    if movie.tracks is not None:
        regions: Regions = regions_of_tracks(movie.tracks, stack)
    else:
        assert movie.labels is not None
        regions = regions_of_labels(movie.labels, stack)
    (finished,) = untrained(stack, "cpu")
    assert finished.denoiser is not None
    clean = finished.denoiser.denoise(stack, dtype=np.float32)
    tables: dict[str, Mapping[str, FeatureTable]] = {
        "noisy": features_of(stack, regions),
        "denoised": features_of(stack, regions, denoised=clean),
    }
    traces = {
        "noisy": _traces(np.asarray(stack.data), movie),
        "denoised": _traces(clean, movie),
    }
    progress(
        f"{kind}, seed {seed}: {len(regions.names)} regions, {photons:.3g} photons"
    )
    return Scene(movie, tables, traces)


def _simulated(kind: str, seed: int, setting: Setting, photons: float) -> EventMovie:
    return nu.simulate_events(
        kind,
        frames=setting.frames,
        shape=(setting.side, setting.side),
        seed=seed,
        photons=photons,
    )


def _photons(seed: int, setting: Setting, snr: str) -> float:
    """Photons at which a median transient is twice as high as the noise.

    That is the noise of a pixel, or of the mean of a region, as `snr` says.
    """
    movie = _simulated("onsets", seed, setting, 1.0)
    assert movie.labels is not None
    noise, clean = movie.noise, np.asarray(movie.truth.data, float)
    traces = _traces((clean - noise.offset) / noise.gain, movie)
    heights, levels = [], []
    for span in movie.spans:
        if span.label == "onset" and span.start:
            its = traces[span.region]
            heights.append(its[span.stop - 1] - its[span.start - 1])
            levels.append(its[span.start - 1])
    area = np.median(np.bincount(movie.labels.ravel())[1:]) if snr == "trace" else 1.0
    height, level = float(np.median(heights)), float(np.median(levels))
    # height p / sqrt((level p + read²) / area) = 2
    read = (noise.read_noise / noise.gain) ** 2
    a, b, c = height**2 * area, -4 * level, -4 * read
    return (-b + math.sqrt(b * b - 4 * a * c)) / (2 * a)


def _traces(
    pixels: npt.NDArray[np.generic], movie: EventMovie
) -> dict[str, npt.NDArray[np.float64]]:
    if movie.labels is None:
        return {}
    names = sorted({span.region for span in movie.spans}, key=int)
    return {
        name: np.asarray(pixels[:, movie.labels == int(name)].mean(axis=1), float)
        for name in names
    }


def draw(place: Scene, kind: str, frames: int, rng: np.random.Generator) -> list[Span]:
    """Label some frames, 30 in a row or fewer, each stretch around an event.

    All labels that there are in the movie are in every stretch.
    """
    spans, length = place.movie.spans, min(frames, WINDOW)
    every = {span.label for span in spans}
    starts = [span for span in spans if span.label == EVENT[kind]]
    chosen: dict[str, list[Span]] = {}
    for at in rng.permutation(len(starts)):
        event = starts[int(at)]
        if event.region in chosen:
            continue
        first = event.start - length // 2 + int(rng.integers(-3, 4))
        first = min(max(first, 0), place.movie.noisy.n_frames - length)
        labelled = cut(spans, event.region, first, first + length)
        if {span.label for span in labelled} == every and sum(
            map(len, labelled)
        ) == length:
            chosen[event.region] = labelled
        if len(chosen) * length >= frames:
            break
    return [span for its in chosen.values() for span in its]


def cut(spans: Sequence[Span], region: str, start: int, stop: int) -> list[Span]:
    """Spans of a region between two frames."""
    return [
        Span(region, max(span.start, start), min(span.stop, stop), span.label)
        for span in spans
        if span.region == region and span.start < stop and span.stop > start
    ]


def judged(
    place: Scene, kind: str, found: Sequence[Span], but: set[str], seconds: float
) -> Outcome:
    """Compare what was found with the truth, in regions that nothing is known of."""
    truth = [span for span in place.movie.spans if span.region not in but]
    found = [span for span in found if span.region not in but]
    scores = score(truth, found, within=1)
    f1 = f1_within(truth, found, EVENT[kind], 1)
    return Outcome(f1, scores.edits.error_rate, seconds)


def trained(
    tables: Tables, spans: Sequence[Span], network: str, setting: Setting, seed: int
) -> tuple[EventFinder, float]:
    """Learn from labels; the seconds are those of everything that `train` does."""
    began = time.process_time()
    finder = EventFinder.train(
        numbers_of(tables),
        spans,
        feature_names=next(iter(tables.values())).names,
        network=network,
        steps=setting.steps,
        seed=seed,
    )
    return finder, time.process_time() - began


def by_network(network: str) -> Callable[..., tuple[list[Span], float]]:
    """Return what finds events with one of our networks."""

    def find(
        tables: Tables, spans: Sequence[Span], setting: Setting, seed: int
    ) -> tuple[list[Span], float]:
        finder, seconds = trained(tables, spans, network, setting, seed)
        return label_frames(finder, tables), seconds

    return find


def linear(
    tables: Tables, spans: Sequence[Span], setting: Setting, seed: int
) -> tuple[list[Span], float]:
    """Multinomial logistic regression of single frames, labels weighted alike."""
    began = time.process_time()
    names = sorted({span.label for span in spans})
    rows, wanted = [], []
    for span in spans:
        rows.append(tables[span.region].values[span.start : span.stop])
        wanted += [names.index(span.label)] * len(span)
    inputs = np.concatenate(rows).astype(float)
    inputs = np.hstack([inputs, np.ones((len(inputs), 1))])
    target = np.eye(len(names))[wanted]
    weight = (1 / target.sum(axis=0))[wanted] / len(names)

    def loss(flat: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        matrix = flat.reshape(inputs.shape[1], -1)
        said = inputs @ matrix
        said -= np.logaddexp.reduce(said, axis=1, keepdims=True)
        slope = inputs.T @ (weight[:, None] * (np.exp(said) - target))
        value = -(weight[:, None] * target * said).sum()
        return value + 5e-3 * (flat @ flat), (slope + 1e-2 * matrix).ravel()

    start = np.zeros(inputs.shape[1] * len(names))
    matrix = optimize.minimize(loss, start, jac=True, method="L-BFGS-B").x
    matrix = matrix.reshape(inputs.shape[1], -1)
    found = []
    for region, its in tables.items():
        best = (its.values @ matrix[:-1] + matrix[-1]).argmax(axis=1)
        labels = [
            names[k] if there else None
            for k, there in zip(best, its.measured, strict=True)
        ]
        found += spans_of_frames(region, labels)
    return found, time.process_time() - began


def threshold(place: Scene, traces: str) -> float:
    """Best F1 of a threshold that all traces share, and how a trace is looked at.

    The trace is scaled by its own median and spread, smoothed or not, and either the
    level counts or what it rises by in two frames. An event is where it comes above.
    """
    best = 0.0
    truth = [s for s in place.movie.spans if s.label == EVENT["onsets"]]
    for rises, width in product((False, True), (1, 2, 3)):
        looked = {}
        for region, trace in place.traces[traces].items():
            smooth = np.convolve(
                np.pad(trace, (width - 1, 0), mode="edge"), np.full(width, 1 / width)
            )[width - 1 : width - 1 + len(trace)]
            if rises:
                smooth = smooth - np.concatenate([smooth[:1], smooth[:1], smooth[:-2]])
            away = smooth - np.median(smooth)
            looked[region] = away / (1.4826 * np.median(np.abs(away)) + 1e-9)
        for level, shift in product(np.arange(0.5, 12, 0.25), (0, 1, 2)):
            found = []
            for region, trace in looked.items():
                above = np.concatenate([[False], trace > level])
                for t in np.flatnonzero(above[1:] & ~above[:-1]):
                    at = max(int(t) - shift, 0)
                    found.append(Span(region, at, at + 1, EVENT["onsets"]))
            best = max(best, f1_within(truth, found, EVENT["onsets"], 1))
    return best


def second_span(place: Scene, setting: Setting, seed: int) -> tuple[float, float]:
    """F1 after a second stretch of labels: as suggested, and at random.

    Both are compared in the regions that neither of them is of.
    """
    rng = np.random.default_rng(seed)
    spans, tables = place.movie.spans, place.tables["denoised"]
    first = draw(place, "divisions", WINDOW, rng)
    finder, _ = trained(tables, first, "tcn", setting, seed)
    asked = finder.suggest(numbers_of(tables), first, frames=WINDOW)
    assert asked is not None
    others = [name for name in by_region(spans) if name != first[0].region]
    seconds = [cut(spans, asked.region, asked.start, asked.stop)]
    while len(seconds) < 2:
        region = others[int(rng.integers(len(others)))]
        start = int(rng.integers(0, setting.frames - WINDOW + 1))
        labelled = cut(spans, region, start, start + WINDOW)
        if sum(map(len, labelled)) == WINDOW:
            seconds.append(labelled)
    but = {span.region for span in (*first, *seconds[0], *seconds[1])}
    found = []
    for second in seconds:
        labels = merged([*first, *second])
        finder, _ = trained(tables, labels, "tcn", setting, seed)
        result = judged(place, "divisions", label_frames(finder, tables), but, 0.0)
        found.append(result.f1)
    return found[0], found[1]


def merged(spans: Sequence[Span]) -> list[Span]:
    """Spans without overlap: two stretches of a region may have frames in common."""
    whole: list[Span] = []
    for region, its in by_region(spans).items():
        labels: list[str | None] = [None] * max(span.stop for span in its)
        for span in its:
            own = labels_per_frame([span], len(labels))
            labels = [
                b if b is not None else a for a, b in zip(labels, own, strict=True)
            ]
        whole += spans_of_frames(region, labels)
    return whole


def shown(outcomes: Sequence[Outcome]) -> tuple[str, str, str]:
    """Medians, with the lowest and the highest F1, and CPU seconds."""
    f1 = sorted(outcome.f1 for outcome in outcomes)
    rates = median(outcome.error_rate for outcome in outcomes)
    seconds = median(outcome.seconds for outcome in outcomes)
    return (
        f"{median(f1):.2f} ({f1[0]:.2f} to {f1[-1]:.2f})",
        f"{rates:.2f}",
        f"{seconds:.1f}",
    )


def places(
    kind: str, draws: int, movies: int, setting: Setting, snr: str = ""
) -> list[tuple[int, Scene]]:
    """Return seed and movie of each draw."""
    return [
        (FIRST_SEED + k, scene(kind, FIRST_SEED + k % movies, setting, snr))
        for k in range(draws)
    ]


def compare(kind: str, frames: int, options: argparse.Namespace, snr: str = "") -> None:
    """Print the table of all ways to find events with so many labelled frames."""
    ways = {name: by_network(name) for name in options.networks}
    ways = {**ways, "linear, frame by frame": linear}
    setting: Setting = options.setting
    rows = []
    drawn = places(kind, options.draws, options.movies, setting, snr)
    for name, features in product(ways, options.features):
        outcomes = []
        for seed, place in drawn:
            spans = draw(place, kind, frames, np.random.default_rng(seed))
            tables = place.tables[features]
            found, seconds = ways[name](tables, spans, setting, seed)
            but = {span.region for span in spans}
            outcomes.append(judged(place, kind, found, but, seconds))
        rows.append((name, features, *shown(outcomes)))
        progress(" | ".join(rows[-1]))
    if kind == "onsets":
        for features in options.features:
            best = [threshold(place, features) for _, place in drawn[: options.movies]]
            f1 = f"{median(best):.2f} ({min(best):.2f} to {max(best):.2f})"
            rows.append(("threshold, by the truth", features, f1, "", ""))
            progress(" | ".join(rows[-1]))
    where = f", SNR 2 of the {snr}" if snr else ""
    print(f"\n{kind}{where}, {frames} labelled frames, {options.draws} draws\n")
    head = ("", "features", "F1 at ±1 frame", "error rate", "training, CPU s")
    print(table(head, rows), flush=True)


def compare_suggestions(options: argparse.Namespace) -> None:
    """Print what the second labelled stretch is worth, suggested and at random."""
    pairs = []
    for seed, place in places(
        "divisions", options.draws, options.movies, options.setting
    ):
        pairs.append(second_span(place, options.setting, seed))
        progress(
            f"second span: {pairs[-1][0]:.2f} suggested, {pairs[-1][1]:.2f} random"
        )
    rows = [
        (name, f"{median(values):.2f}", f"{np.mean(values):.3f}")
        for name, values in zip(
            ("suggested", "at random"), np.transpose(pairs).tolist(), strict=True
        )
    ]
    print(f"\nsecond stretch of {WINDOW} frames, {options.draws} draws\n")
    print(table(("", "F1, median", "F1, mean"), rows), flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parts = ("divisions", "second", "onsets")
    parser.add_argument("--parts", nargs="+", default=parts, choices=parts)
    parser.add_argument("--networks", nargs="+", default=["tcn", "seq2seq"])
    made = ("denoised", "noisy")
    parser.add_argument("--features", nargs="+", default=made, choices=made)
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--movies", type=int, default=3)
    parser.add_argument("--frames", type=int, default=72)
    parser.add_argument("--side", type=int, default=160)
    parser.add_argument("--photons", type=float, default=8.0, help="of divisions")
    parser.add_argument("--steps", type=int, help="of a training")
    parser.add_argument("--labelled", nargs="+", type=int, default=[60, 18])
    options = parser.parse_args()
    set_up(1)
    options.setting = Setting(
        options.frames, options.side, options.photons, options.steps
    )
    print(machine(), flush=True)
    if "divisions" in options.parts:
        for frames in options.labelled:
            compare("divisions", frames, options)
    if "second" in options.parts:
        compare_suggestions(options)
    if "onsets" in options.parts:
        for snr in ("pixel", "trace"):
            compare("onsets", options.labelled[0], options, snr)


if __name__ == "__main__":
    main()
