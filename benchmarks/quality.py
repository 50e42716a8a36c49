"""How close each method comes to the truth, and how long it takes.

Every movie has a known truth. Ours is trained on the noisy movie alone and told
nothing of its noise; each budget is a run of its own, as a user would start it. The
filters beside it have strengths chosen with the truth, and BM4D and ND-SAFIR are told
the noise, as no user could do. Other programs get the wall-clock of ours, are run as
their authors run them (:mod:`benchmarks.peers`), and need an interpreter each, most of
them a checkout, too:

    python -m benchmarks.quality --careamics ENV/bin/python \
        --support ENV/bin/python ~/SUPPORT --seconds 60

A method that fails, or has no result in time, is in the tables as "none", and the
reason below them.

PSNR is 10 log10(peak^2 / mean squared error) over all pixels of all frames. SSIM is
the mean of the frames' structural similarities (Wang et al. 2004, as in scikit-image).
For both, the peak is the 99.9th minus the 0.1th percentile of the truth. Wall-clock is
everything between the noisy movie and the denoised one; for ours that is diagnosis,
training and denoising; for a filter also the search for its strength. Peak memory is
that of all processes of a method together; methods that run in this process have it on
top of what the process holds anyway.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from dataclasses import asdict
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from skimage.metrics import structural_similarity

import napari_udvd as nu
from benchmarks import baselines
from benchmarks.common import DATA, chart, machine, progress, set_up
from benchmarks.movies import MOVIES, Frames, KnownMovie
from benchmarks.peers import PEERS, Peer, PeerError
from benchmarks.quality_tables import (
    BM4D,
    GAUSSIAN,
    GOALS,
    ND_SAFIR,
    Score,
    Scores,
    draw_curves,
    gaps,
    ours,
    reasons,
    score_table,
    verdict,
)
from benchmarks.watching import PeakMemory, tree_memory
from napari_udvd import metrics
from napari_udvd.inference.request import Request
from napari_udvd.runtime.memory import return_freed
from napari_udvd.training import Failed, Finished, TrainingSettings, train_events

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

BUDGETS = 3.0, 10.0, 60.0, 300.0
"""Seconds, in the table."""

CURVE_BUDGETS = 3.0, 5.0, 10.0, 20.0, 40.0, 60.0, 120.0, 300.0
"""Seconds, for learning curves."""

PEER_SECONDS = 60.0
"""Wall-clock that other programs get, unless it is said otherwise."""

FOLLOWS = Request(events=None, refine=None, dtype=np.float32)
"""How a movie is denoised after a training, as by ``napari-udvd denoise``."""


def peak(truth: Frames) -> float:
    """Range of the truth without its extremes."""
    low, high = np.percentile(truth, (0.1, 99.9))
    return float(high - low)


def psnr(truth: Frames, estimate: Frames) -> float:
    """PSNR in dB, see above."""
    return metrics.psnr(truth, estimate, peak=peak(truth))


def ssim(truth: Frames, estimate: Frames) -> float:
    """Structural similarity, see above."""
    scale = peak(truth)
    of_frames = [
        structural_similarity(a, b, data_range=scale)
        for a, b in zip(truth, estimate, strict=True)
    ]
    return float(np.mean(of_frames))


def measure(movie: KnownMovie, denoise: Callable[[KnownMovie], Frames]) -> Score:
    """Denoise a movie in this process and compare with the truth."""
    return_freed()  # what was freed before would be used again, and not be seen
    held = tree_memory(os.getpid())
    began = time.perf_counter()
    with PeakMemory(os.getpid()) as memory:
        found = denoise(movie)
    took = time.perf_counter() - began
    return score(movie, found, took, memory.peak - held)


def measure_peer(movie: KnownMovie, peer: Peer, seconds: float, threads: int) -> Score:
    """Let another program denoise a movie; it may fail."""
    began = time.perf_counter()
    try:
        found = peer.denoise(movie.noisy, seconds, threads)
    except PeerError as error:
        took = time.perf_counter() - began
        return Score(math.nan, math.nan, took, reason=str(error))
    return score(movie, found.frames, found.seconds, found.peak)


def score(movie: KnownMovie, found: Frames, seconds: float, peak: float) -> Score:
    """Compare a result with the truth."""
    return Score(
        psnr(movie.truth, found),
        ssim(movie.truth, found),
        seconds,
        len(found) / seconds,
        peak,
    )


def train_and_denoise(
    movie: KnownMovie, seconds: float, model: str, seed: int
) -> Frames:
    """Train on the noisy movie alone, as ``napari-udvd denoise`` does it."""
    stack = nu.Stack.from_array(movie.noisy, "TYX")
    settings = TrainingSettings.model_validate(
        {"model": model, "minutes": seconds / 60, "seed": seed}
    )
    for event in train_events([stack], settings, follows=FOLLOWS):
        if isinstance(event, Failed):
            raise event.error
        if isinstance(event, Finished):
            return np.asarray(event.denoiser.denoise(stack, dtype=np.float32))
    raise RuntimeError("the training ended without a result")


def methods(options: argparse.Namespace) -> dict[str, Callable[[KnownMovie], Score]]:
    """Return every column of the table that was asked for and can be had."""
    threads = options.threads
    found: dict[str, Callable[[KnownMovie], Frames]] = {"noisy": lambda m: m.noisy}
    if options.baselines:
        found["median"] = lambda m: baselines.best_median(m.truth, m.noisy)
        found[GAUSSIAN] = lambda m: baselines.best_gaussian(m.truth, m.noisy)
        found["TV"] = lambda m: baselines.best_total_variation(m.truth, m.noisy)
        told: dict[str, Callable[[KnownMovie], Frames]] = {
            "bm4d": lambda m: baselines.bm4d(
                m.noisy, m.gain, m.offset, m.read_noise, threads
            ),
            "ndsafir": lambda m: baselines.ndsafir(
                m.truth, m.noisy, m.gain, m.offset, m.read_noise, threads
            ),
        }
        for name, package in ((BM4D, "bm4d"), (ND_SAFIR, "ndsafir")):
            if find_spec(package):
                found[name] = told[package]
            else:
                progress(f"{name} is left out: install the group 'benchmark'")
    columns: dict[str, Callable[[KnownMovie], Score]] = {
        name: partial(measure, denoise=do) for name, do in found.items()
    }
    columns |= {
        peer.name: partial(
            measure_peer, peer=peer, seconds=options.peer_seconds, threads=threads
        )
        for peer in options.peers
    }
    for seconds in options.seconds:
        do = partial(
            train_and_denoise, seconds=seconds, model=options.model, seed=options.seed
        )
        columns[ours(seconds)] = partial(measure, denoise=do)
    return columns


def asked_peers(options: argparse.Namespace) -> list[Peer]:
    """Return the other programs that were named.

    Raises
    ------
    PeerError
        If an interpreter or a checkout is not what it should be.
    """
    found = []
    for option, kind in PEERS.items():
        paths = getattr(options, option.replace("-", "_"))
        if paths:
            found.append(kind(*paths))
    return found


def known_movies(named: Sequence[str] | None, data: Path) -> dict[str, KnownMovie]:
    """Return the movies; a missing one ends the program only if it was named."""
    found = {}
    for name in named or MOVIES:
        try:
            found[name] = MOVIES[name](data)
        except SystemExit as missing:
            if named:
                raise
            progress(f"{name} is left out: {missing}")
    return found


def save(path: Path, scores: Scores, options: Mapping[str, object]) -> None:
    """Write all numbers, and what they were measured on and with, as JSON."""
    content = {
        "machine": machine(),
        "options": options,
        "movies": {
            name: {column: asdict(score) for column, score in row.items()}
            for name, row in scores.items()
        },
    }
    path.write_text(json.dumps(content, indent=1, default=str) + "\n", "utf-8")


def main() -> None:
    """Measure every movie with every method, print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--movies", nargs="+", choices=MOVIES, help="all if left out")
    parser.add_argument("--data", type=Path, default=DATA, help="the real movies")
    parser.add_argument(
        "--seconds", type=float, nargs="*", help="budgets of ours (3 10 60 300)"
    )
    parser.add_argument("--model", default="auto", help="of ours")
    parser.add_argument("--seed", type=int, default=0, help="of ours")
    parser.add_argument(
        "--baselines", action=argparse.BooleanOptionalAction, default=True
    )
    for option, peer in PEERS.items():
        words = ("PYTHON", "CHECKOUT") if peer.has_checkout else ("PYTHON",)
        parser.add_argument(
            f"--{option}",
            type=Path,
            nargs=len(words),
            metavar=words if len(words) > 1 else words[0],
            help=f"also {peer.name}: where it is",
        )
    parser.add_argument(
        "--peer-seconds", type=float, default=PEER_SECONDS, help="of others"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--save-json", type=Path, metavar="FILE", help="gets all numbers"
    )
    parser.add_argument(
        "--curve",
        type=chart,
        metavar="FILE",
        help="gets a picture of PSNR against time (more budgets unless --seconds says)",
    )
    options = parser.parse_args()
    if options.seconds is None:
        options.seconds = CURVE_BUDGETS if options.curve else BUDGETS
    if options.curve and not options.seconds:
        parser.error("--curve needs budgets: give some with --seconds")
    try:
        options.peers = asked_peers(options)
    except PeerError as error:
        parser.error(str(error))
    set_up(options.threads)
    columns = methods(options)
    scores: Scores = {}
    for name, movie in known_movies(options.movies, options.data).items():
        scores[name] = {}
        for column, measured in columns.items():
            one = scores[name][column] = measured(movie)
            said = one.reason or f"{one.psnr:.2f} dB, SSIM {one.ssim:.3f}"
            progress(f"{name}, {column}: {said}, {one.seconds:.1f} s")
        if options.save_json:
            save(options.save_json, scores, vars(options))
    if not scores:
        sys.exit("no movie is left to measure on")
    print(machine())
    print(f"\n### PSNR, dB\n\n{score_table(scores, 'psnr', 2)}")
    print(f"\n### SSIM\n\n{score_table(scores, 'ssim', 3)}")
    print(f"\n### Wall-clock, s\n\n{score_table(scores, 'seconds', 1)}")
    print(f"\n### Frames/s, all in\n\n{score_table(scores, 'frames_per_second', 2)}")
    print(f"\n### Peak memory, MB\n\n{score_table(scores, 'peak', 0)}")
    if missing := reasons(scores):
        print("\n".join(["\n### Without a result\n", *missing]))
    for seconds in options.seconds:
        print(f"\n### {ours(seconds)}: dB above others\n")
        print(gaps(scores, ours(seconds)))
    print("\n### Goals\n")
    print("\n".join(verdict(goal, scores) for goal in GOALS))
    if options.curve:
        draw_curves(scores, options.seconds, options.curve)


if __name__ == "__main__":
    main()
