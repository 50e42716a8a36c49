"""Whether events that last a single frame survive.

Flashes and spikes of known amplitude are put into the truth of simulated movies, far
from each other. The network is trained on such a movie, as a user's would have been.
Then it denoises the movie with other events and without any, both with the same noise:
an event's photons are counted apart (Poisson as well) and added. The difference of the
two results at the event's centre, over its amplitude, is the share that is kept.
Amplitudes are in units of the noise of the pixel at the centre, before the event.

No blind-spot network can know of a spike in a single pixel; its posterior keeps the
share prior variance / (prior variance + noise variance) of it, whatever its amplitude.
A larger flash is also seen in the pixels around, of the same frame. What is kept is
measured with the search for events and without. With ``--price`` it is measured what
the search costs on movies in which there are none: the difference in PSNR.
"""

from __future__ import annotations

import argparse
from itertools import product
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

import napari_udvd as nu
from benchmarks import quality
from benchmarks.common import DATA, chart, machine, progress, set_up, table
from benchmarks.movies import MOVIES, Frames, KnownMovie, scene
from napari_udvd.formats import ArraySink
from napari_udvd.inference.request import Request

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from napari_udvd import Denoiser
    from napari_udvd.inference.flashes import Flash

KINDS = ("calcium", "nuclei")
"""Simulated movies."""

STRENGTHS = 0.5, 1.0, 2.0, 3.0, 5.0, 8.0
"""Amplitudes, in standard deviations of the noise."""

APART = 24
"""Rows or columns between events, at least ..."""

FRAMES_APART = 17
"""... or frames, more than the default network sees on each side."""

MARGIN = 4
"""Pixels between an event's centre and the edge of the frame."""

TRIES = 4000
"""How often a place for another event is looked for."""

SEED = 77
"""Of places and photons of the events."""

GOALS = {
    "square, 3 x 3 px": {2.0: 0.70, 3.0: 0.95, 5.0: 1.0},
    "spot, sigma 1 px": {5.0: 0.75, 8.0: 0.90},
    "single pixel": {5.0: 0.35, 8.0: 0.70},
}
"""Shares of the amplitude that should be kept."""

MOST_PRICE = 0.02
"""dB that the search may cost where there is no event."""

WAYS: Final[dict[str, dict[str, Any]]] = {
    "events": {},
    "posterior": {"events": False},
    "prediction": {"use_posterior": False},
}
"""What a movie is denoised with."""

Curves = dict[tuple[str, str, float], list[float]]
"""Shares kept, by shape, way and strength."""


def _psf() -> Frames:
    rows = np.exp(-(np.arange(-MARGIN, MARGIN + 1) ** 2) / 2)
    return np.outer(rows, rows).astype(np.float32)


SHAPES = {
    "spot, sigma 1 px": _psf(),
    "square, 3 x 3 px": np.ones((3, 3), np.float32),
    "single pixel": np.ones((1, 1), np.float32),
}
"""Events of amplitude one."""


class Event(NamedTuple):
    """One event.

    Attributes
    ----------
    shape
        One of :data:`SHAPES`.
    strength
        In standard deviations of the noise.
    centre
        Frame, row and column.
    amplitude
        In grey levels.
    """

    shape: str
    strength: float
    centre: tuple[int, int, int]
    amplitude: float


def places(
    shape: tuple[int, ...], rng: np.random.Generator
) -> list[tuple[int, int, int]]:
    """Find random places that are far from each other."""
    frames, height, width = shape
    low = (0, MARGIN, MARGIN)
    high = (frames, height - MARGIN, width - MARGIN)
    found: list[tuple[int, int, int]] = []
    for t, y, x in rng.integers(low, high, (TRIES, 3)).tolist():
        if all(
            abs(t - u) >= FRAMES_APART or max(abs(y - v), abs(x - w)) >= APART
            for u, v, w in found
        ):
            found.append((t, y, x))
    return found


def rounds(
    movie: KnownMovie, count: int, rng: np.random.Generator
) -> Iterator[list[Event]]:
    """Deal the events out, as many to a movie as find a place.

    Parameters
    ----------
    movie
        Gives the noise at every place.
    count
        Events of each shape and strength.
    rng
        Chooses the places.
    """
    wanted = list(product(SHAPES, STRENGTHS)) * count
    while wanted:
        events = []
        for centre in places(movie.truth.shape, rng)[: len(wanted)]:
            shape, strength = wanted.pop()
            events.append(Event(shape, strength, centre, strength * std(movie, centre)))
        yield events


def std(movie: KnownMovie, centre: tuple[int, int, int]) -> float:
    """Noise of a pixel, in grey levels."""
    light = float(movie.truth[centre]) - movie.offset
    return float(np.sqrt(movie.gain * light + movie.read_noise**2))


def with_events(
    movie: KnownMovie, events: Sequence[Event], rng: np.random.Generator
) -> Frames:
    """Return the noisy movie with the photons of the events added."""
    light = np.zeros(movie.truth.shape)
    for event in events:
        t, y, x = event.centre
        spot = SHAPES[event.shape]
        r = spot.shape[0] // 2
        light[t, y - r : y + r + 1, x - r : x + r + 1] += event.amplitude * spot
    photons = rng.poisson(light / movie.gain)
    return (movie.noisy + movie.gain * photons).astype(np.float32)


def measure(
    denoiser: Denoiser, movie: KnownMovie, dealt: Sequence[Sequence[Event]]
) -> Curves:
    """Denoise with and without events, and see what is left of them."""
    rng = np.random.default_rng([SEED, 2])
    kept: Curves = {}
    without = {way: denoiser.denoise(movie.noisy, "TYX", **WAYS[way]) for way in WAYS}
    for k, events in enumerate(dealt):
        progress(f"movie {k + 1} of {len(dealt)}: {len(events)} events")
        noisy = with_events(movie, events, rng)
        for way, base in without.items():
            found = denoiser.denoise(noisy, "TYX", **WAYS[way]) - base
            for event in events:
                share = float(found[event.centre]) / event.amplitude
                key = event.shape, way, event.strength
                kept.setdefault(key, []).append(share)
    return kept


def train(
    movie: KnownMovie, events: Sequence[Event], options: argparse.Namespace
) -> Denoiser:
    """Train on the noisy movie with events in it."""
    noisy = with_events(movie, events, np.random.default_rng([SEED, 1]))
    return nu.train(
        noisy,
        "TYX",
        model=options.model,
        minutes=options.minutes,
        steps=options.steps,
        seed=options.seed,
    )


def mean_and_error(shares: Sequence[float]) -> tuple[float, float]:
    """Mean and its standard error."""
    error = np.std(shares, ddof=1) / np.sqrt(len(shares)) if len(shares) > 1 else np.nan
    return float(np.mean(shares)), float(error)


def curve_table(curves: Curves) -> str:
    """Return a row for each shape and way."""
    rows = []
    for shape, way in product(SHAPES, WAYS):
        cells = [mean_and_error(curves[shape, way, k]) for k in STRENGTHS]
        name = f"{shape}, {way}"
        rows.append((name, *(f"{100 * m:.0f} ± {100 * e:.0f}" for m, e in cells)))
    return table(("kept, % of the amplitude", *(f"{k:g} std" for k in STRENGTHS)), rows)


def verdict(movie: str, shape: str, strength: float, curves: Curves) -> str:
    """Say in one line whether a goal is reached and what it is missed by."""
    goal = GOALS[shape][strength]
    mean, error = mean_and_error(curves[shape, "events", strength])
    reached = (
        "reached" if mean >= goal else f"**missed by {100 * (goal - mean):.0f} %**"
    )
    return (
        f"- {movie}, {shape}: {100 * mean:.0f} ± {100 * error:.0f} % kept at "
        f"{strength:g} times the noise, goal {100 * goal:.0f} %: {reached}"
    )


def price(movie: KnownMovie, options: argparse.Namespace) -> tuple[str, ...]:
    """Train on a movie without events and compare the search with doing without it."""
    stack = nu.Stack.from_array(movie.noisy, "TYX")
    denoiser = train(movie, (), options)
    results = {}
    flashes: list[Flash] = []
    for way in ("events", "posterior"):
        request = Request(device="cpu", dtype=np.dtype(np.float32), **WAYS[way])
        with ArraySink(stack, np.dtype(np.float32)) as sink:
            for _ in denoiser.restore(stack, sink, request, flashes=flashes):
                pass
        results[way] = quality.psnr(movie.truth, sink.array)
    (found,) = denoiser.survey(stack, Request(device="cpu"))
    cost = results["posterior"] - results["events"]
    said = "reached" if cost <= MOST_PRICE else "**missed**"
    return (
        f"{results['posterior']:.3f}",
        f"{cost:.3f}",
        f"{len(flashes)}",
        " / ".join(f"{odds:.1f}" for odds in found.odds),
        said,
    )


def draw(found: dict[str, Curves], path: Path) -> None:
    """Draw what is kept against the amplitude, a panel for each movie."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.5), layout="constrained")
    panels = figure.subplots(1, len(found), sharey=True, squeeze=False)[0]
    for axes, (movie, curves) in zip(panels, found.items(), strict=True):
        _draw_curves(axes, curves)
        axes.set_title(movie)
    panels[0].set_ylabel("share of the amplitude that is kept")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center",
                  ncols=3, fontsize="small")  # fmt: skip
    figure.savefig(path, dpi=100)


def _draw_curves(axes: Axes, curves: Curves) -> None:
    for k, shape in enumerate(SHAPES):
        for way, line in zip(WAYS, ("-", "--", ":"), strict=True):
            cells = [mean_and_error(curves[shape, way, s]) for s in STRENGTHS]
            axes.errorbar(
                STRENGTHS,
                [mean for mean, _ in cells],
                [error for _, error in cells],
                color=f"C{k}",
                linestyle=line,
                marker="o" if way == "events" else None,
                label=f"{shape}, {way}",
            )
        goals = GOALS[shape]
        axes.plot(list(goals), list(goals.values()), f"C{k}*", markersize=12)
    axes.axhline(1, color="grey", linewidth=0.5)
    axes.axhline(0, color="grey", linewidth=0.5)
    axes.set_xlabel("amplitude, standard deviations of the noise")
    axes.grid(alpha=0.3)


def main() -> None:
    """Measure every movie, print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--movies", nargs="*", choices=KINDS, default=KINDS)
    parser.add_argument("--minutes", type=float, default=1.0, help="of training")
    parser.add_argument("--steps", type=int, help="of training, instead of minutes")
    parser.add_argument("--model", default="auto")
    parser.add_argument("--seed", type=int, default=0, help="of the training")
    parser.add_argument(
        "--events", type=int, default=100, help="of each shape and amplitude"
    )
    parser.add_argument(
        "--price", nargs="*", choices=list(MOVIES), help="movies without events; all"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--picture", type=chart, metavar="FILE", help="gets the curves, as PNG"
    )
    options = parser.parse_args()
    set_up(options.threads)
    print(machine())
    found: dict[str, Curves] = {}
    for name in options.movies:
        movie = scene(name, DATA)
        dealt = list(rounds(movie, options.events, np.random.default_rng([SEED, 0])))
        progress(f"{name}: training")
        denoiser = train(movie, dealt[0], options)
        found[name] = measure(denoiser, movie, dealt)
        hole = "x".join(map(str, denoiser.net.hole))
        print(
            f"\n### {name}\n\n{denoiser.net.title}, hole {hole}, "
            f"{denoiser.record['steps']} steps\n"
        )
        print(curve_table(found[name]))
    print("\n### Goals\n")
    for name, shape in product(found, GOALS):
        for strength in GOALS[shape]:
            print(verdict(name, shape, strength, found[name]))
    if options.price is not None:
        head = ("price", "without, dB", "costs, dB", "found", "log odds", "goal")
        rows = []
        for name, movie in quality.known_movies(options.price, DATA).items():
            progress(f"{name}: without events")
            rows.append((name, *price(movie, options)))
        print("\n### Price where there are no events\n")
        print(table(head, rows))
    if options.picture:
        draw(found, options.picture)


if __name__ == "__main__":
    main()
