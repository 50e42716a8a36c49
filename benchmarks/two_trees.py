"""Compare two checkouts of the program in one run: speed, memory, starts, results.

    python -m benchmarks.two_trees ../before .
    python -m benchmarks.two_trees ../before . --measures quality --quality 25 60

Each measurement is a process of its own that finds its tree by ``PYTHONPATH`` and knows
the public API only, so that trees far apart can be compared
(:mod:`benchmarks.since` prepares an earlier commit of this one). Both get the same
threads, cores and allocator. The trees take turns, and the order of a turn is the
reverse of that of the turn before. The ratio is the median of those of single turns:
what else the machine does hits both halves of a ratio alike.

What is measured (``--measures``):

- ``starts``: seconds of ``napari-udvd --help`` and of ``import napari_udvd``
- ``training``: steps per second of each of ``--networks``
- ``frames``: denoised frames per second of each, small movies; of *Fast* at 256 x 256
  and 512 x 512 (``--sizes``), as a user gets them and of the network alone
- ``preview``: seconds from the start of the process to the first preview that is 3 dB
  better than the movie
- ``quality``: PSNR of whole trainings on the benchmark movies (``--movies``) in given
  seconds, everything included; two budgets, the new tree's and the old one's
- ``memory``: peak of ``napari-udvd apply`` on ``--frames`` frames of 512 x 512
- ``denoise``: seconds and peak of ``napari-udvd denoise`` on the same movie, default
  settings, all in (minutes)

``--output`` keeps all numbers as JSON; ``--beside`` puts those of an earlier run next
to them.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from benchmarks.builds import ALLOCATORS, Build, Failed, same_cores
from benchmarks.common import DATA, machine, progress, table
from benchmarks.memory import write_movie
from benchmarks.movies import MOVIES, KnownMovie, scene
from benchmarks.quality import psnr
from napari_udvd.simulation import simulate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

NETWORKS = {"Fast": ("centerblind", 40), "UDVD": ("udvd", 6), "STBN": ("stbn", 4)}
"""Name of each network, and steps of its training."""

FIRST_STEPS = 2
"""Of a training that is measured too: what all trainings do once is subtracted."""

STARTS = 3
"""Starts of the program in each turn; the quickest counts."""

LONG_SIZE = 512
"""Rows and columns of the movie for `memory` and `denoise`."""

GAINS = {
    "Fast: training steps per s": 1.5,
    **{
        f"Fast, {size} x {size}: {what} per s": 2.0
        for size in (256, 512)
        for what in ("denoised frames", "network alone, frames")
    },
    "STBN: training steps per s": 2.0,
}
"""How many times better the new tree shall be."""

LIMITS = {
    "start to first useful preview, s": 1.5,
    "apply to 2,000 frames of 512 x 512: peak memory, MB": 700.0,
    "denoise 2,000 frames of 512 x 512: all in, s": 240.0,
}
"""What the new tree shall not exceed. Everything else must not be worse than before."""

TOLERANCE = {"more": 0.97, "less": 0.97, "dB": -0.1}
"""What is worse by no more than the scatter of such measurements is not worse."""


@dataclass(frozen=True)
class Row:
    """A number that both trees have in each turn.

    Attributes
    ----------
    what
        With its unit.
    better
        Whether more of it is better, or less; decibels are subtracted, not divided.
    """

    what: str
    better: Literal["more", "less", "dB"] = "more"

    def gain(self, before: float, after: float) -> float:
        """Return how much better a pair is: a ratio, or a difference in dB."""
        if self.better == "dB":
            return after - before
        return after / before if self.better == "more" else before / after

    def said(self, gain: float) -> str:
        """Write a gain as tables have it."""
        return f"{gain:+.2f} dB" if self.better == "dB" else f"{gain:.3f}"


@dataclass
class Tree:
    """A build, and what was measured of it."""

    build: Build
    is_new: bool
    numbers: dict[Row, list[float]] = field(default_factory=dict)
    facts: dict[str, object] = field(default_factory=dict)

    def note(self, row: Row, number: float) -> None:
        """Keep a number of this turn."""
        self.numbers.setdefault(row, []).append(number)


@dataclass
class Scenes:
    """Movies that are measured on, written where the builds can read them."""

    folder: Path
    options: argparse.Namespace
    known: dict[str, KnownMovie] = field(default_factory=dict)

    def noisy(self, size: int, frames: int) -> Path:
        """Write simulated nuclei as npy, unless they are there."""
        path = self.folder / f"nuclei-{size}-{frames}.npy"
        if not path.exists():
            stack = simulate("nuclei", frames=frames, shape=(size, size)).noisy
            np.save(path, stack.read())
        return path

    def long(self) -> Path:
        """Write the long movie as Zarr, unless it is there."""
        path = self.folder / "long.zarr"
        if not path.exists():
            write_movie(path, self.options.frames, LONG_SIZE)
        return path

    def pair(self, name: str) -> tuple[Path, Path]:
        """Write a movie with known truth, unless it is there: noisy, true."""
        paths = self.folder / f"{name}.npy", self.folder / f"{name}-truth.npy"
        if name not in self.known:
            make = MOVIES[name] if name in MOVIES else lambda data: scene(name, data)
            movie = self.known[name] = make(self.options.data)
            np.save(paths[0], movie.noisy)
            np.save(paths[1], movie.truth)
        return paths


def starts(tree: Tree, scenes: Scenes) -> None:
    """Measure how soon the program and the library are there."""
    helps, imports = [], []
    for _ in range(STARTS):
        start = time.perf_counter()
        tree.build.run("-m", "napari_udvd", "--help")
        helps.append(time.perf_counter() - start)
        imports.append(tree.build.probe("imported"))
    tree.note(Row("`napari-udvd --help`, s", "less"), min(helps))
    quickest = min(float(one["seconds"]) for one in imports)
    tree.note(Row("`import napari_udvd`, s", "less"), quickest)
    tree.facts["`import napari_udvd` loads torch"] = imports[0]["torch"]
    tree.facts["`napari-udvd --help` loads torch"] = tree.build.probe("helped")["torch"]


def training(tree: Tree, scenes: Scenes) -> None:
    """Measure the steps of a training with each network."""
    movie = scenes.noisy(96, 16)
    for network in scenes.options.networks:
        model, steps = NETWORKS[network]
        found = tree.build.probe(
            *("training", movie, "--model", model),
            *("--first", FIRST_STEPS, "--steps", steps),
        )
        tree.note(Row(f"{network}: training steps per s"), found["steps"])
        tree.facts[f"{network}: result"] = found["result"]


def frames(tree: Tree, scenes: Scenes) -> None:
    """Measure denoised frames per second with each network."""
    sizes = {"Fast": scenes.options.sizes}
    for network in scenes.options.networks:
        for size in sizes.get(network, [96]):
            movie = scenes.noisy(size, 16)
            model = NETWORKS[network][0]
            found = tree.build.probe("frames", movie, "--model", model)
            what = f"{network}, {size} x {size}"
            tree.note(Row(f"{what}: denoised frames per s"), found["frames"])
            tree.note(Row(f"{what}: network alone, frames per s"), found["network"])


def preview(tree: Tree, scenes: Scenes) -> None:
    """Measure when the first useful preview is there."""
    noisy, truth = scenes.pair("nuclei")
    found = tree.build.probe("preview", noisy, "--truth", truth)
    row = Row("start to first useful preview, s", "less")
    tree.note(row, found["at"] - found["began"])


def quality(tree: Tree, scenes: Scenes) -> None:
    """Measure PSNR after given seconds, the wall-clock and the peak memory."""
    now, then = scenes.options.quality
    for name in scenes.options.movies:
        noisy, _ = scenes.pair(name)
        result = scenes.folder / "result.npy"
        budget = now if tree.is_new else then
        words = ["--seconds", budget, "--output", result]
        found = tree.build.probe("denoise", noisy, *words)
        reached = psnr(scenes.known[name].truth, np.load(result))
        said = f"{then:g} s before, {now:g} s after"
        tree.note(Row(f"{name}: PSNR ({said}), dB", "dB"), reached)
        tree.note(Row(f"{name}: wall-clock ({said}), s", "less"), found["seconds"])


def memory(tree: Tree, scenes: Scenes) -> None:
    """Measure the peak memory of applying a model to a long movie."""
    model = scenes.folder / f"model-{tree.is_new}.safetensors"
    if not model.exists():
        movie = scenes.noisy(96, 16)
        tree.build.probe("model", movie, "--model", "centerblind", "--output", model)
    found = _command(tree, scenes, "apply", str(model), str(scenes.long()))
    what = f"apply to {scenes.options.frames:,} frames of {LONG_SIZE} x {LONG_SIZE}"
    tree.note(Row(f"{what}: peak memory, MB", "less"), found["peak"])
    tree.note(Row(f"{what}: all in, s", "less"), found["wall"])


def denoise(tree: Tree, scenes: Scenes) -> None:
    """Measure the program with default settings on a long movie."""
    found = _command(tree, scenes, "denoise", str(scenes.long()))
    what = f"denoise {scenes.options.frames:,} frames of {LONG_SIZE} x {LONG_SIZE}"
    tree.note(Row(f"{what}: all in, s", "less"), found["wall"])
    tree.note(Row(f"{what}: peak memory, MB", "less"), found["peak"])


def _command(tree: Tree, scenes: Scenes, *words: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(dir=scenes.folder) as name:
        output = str(Path(name) / "result.ome.zarr")
        # the probe's own options end where the command's words begin
        return tree.build.probe("command", *words, "-o", output, "--axes", "TYX")


MEASURES: Mapping[str, Callable[[Tree, Scenes], None]] = {
    "starts": starts,
    "training": training,
    "frames": frames,
    "preview": preview,
    "memory": memory,
    "quality": quality,
    "denoise": denoise,
}

QUICK = "starts", "training", "frames", "preview"
"""What is measured unless more is asked for: minutes for all turns."""


def verdict(row: Row, before: Sequence[float], after: Sequence[float]) -> str:
    """Say what is asked of a row, and whether it is reached."""
    gain = median(map(row.gain, before, after))
    value = median(after)
    if row.what in GAINS:
        asked, reached = f"{GAINS[row.what]:g} times", gain >= GAINS[row.what]
    elif row.what in LIMITS:
        asked, reached = f"at most {LIMITS[row.what]:g}", value <= LIMITS[row.what]
    else:
        asked, reached = "not worse", gain >= TOLERANCE[row.better]
    return f"{asked}: {'reached' if reached else '**missed**'}"


def comparison(
    before: Mapping[Row, Sequence[float]],
    after: Mapping[Row, Sequence[float]],
    beside: Mapping[str, Mapping[str, Any]] | None = None,
) -> str:
    """Return the table of all numbers.

    Parameters
    ----------
    before, after
        Numbers of every turn.
    beside
        What an earlier run has written, see :func:`record`.
    """
    header = ["", "before", "after", "better", "of single turns", "goal"]
    if beside is not None:
        header += ["then: before", "then: after", "then: better"]
    rows = []
    for row, old in before.items():
        new = after[row]
        gains = [row.gain(a, b) for a, b in zip(old, new, strict=True)]
        cells = [
            row.what,
            f"{median(old):.3g}" if row.better != "dB" else f"{median(old):.2f}",
            f"{median(new):.3g}" if row.better != "dB" else f"{median(new):.2f}",
            row.said(median(gains)),
            f"{row.said(min(gains))} to {row.said(max(gains))}",
            verdict(row, old, new),
        ]
        if beside is not None:
            then = beside.get(row.what)
            cells += (
                ["", "", ""]
                if then is None
                else [
                    f"{median(then['before']):.4g}",
                    f"{median(then['after']):.4g}",
                    row.said(then["gain"]),
                ]
            )
        rows.append(cells)
    return table(header, rows)


def differences(before: Mapping[str, object], after: Mapping[str, object]) -> str:
    """Say of each fact whether it is the same."""
    rows = []
    for name, old in before.items():
        same = old == after[name]
        if isinstance(old, bool):
            rows.append((name, *("yes" if x else "no" for x in (old, after[name]))))
        else:
            rows.append((name, "", "the same" if same else "DIFFERENT"))
    return table(("", "before", "after"), rows)


def record(before: Tree, after: Tree, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return all that was measured, as JSON knows it."""
    numbers = {
        row.what: {
            "better": row.better,
            "before": old,
            "after": after.numbers[row],
            "gain": median(map(row.gain, old, after.numbers[row])),
            "goal": verdict(row, old, after.numbers[row]),
        }
        for row, old in before.numbers.items()
    }
    return {
        "machine": machine(),
        "when": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        "before": before.build.commit(),
        "after": after.build.commit(),
        "options": {name: str(value) for name, value in options.items()},
        "numbers": numbers,
        "facts": {"before": before.facts, "after": after.facts},
    }


def take_turns(trees: tuple[Tree, Tree], scenes: Scenes) -> int:
    """Measure both until turns or minutes are used up; return the number of turns."""
    options = scenes.options
    start, longest = time.perf_counter(), 0.0
    for turn in range(options.turns):
        began = time.perf_counter()
        # the time limit holds for the end of a turn, not for its beginning
        if turn and began - start + longest > 60 * options.minutes:
            return turn
        order = trees if turn % 2 == 0 else trees[::-1]
        for name in options.measures:
            for tree in order:
                MEASURES[name](tree, scenes)
            progress(f"turn {turn + 1}, {name}: {time.perf_counter() - began:.0f} s")
        longest = max(longest, time.perf_counter() - began)
    return int(options.turns)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what a comparison can be told, whoever prepares the trees."""
    parser.add_argument(
        "--measures", nargs="+", choices=MEASURES, default=QUICK, help="see above"
    )
    parser.add_argument("--networks", nargs="*", choices=NETWORKS, default=[*NETWORKS])
    parser.add_argument("--minutes", type=float, default=8.0, help="at most, about")
    parser.add_argument("--turns", type=int, default=5, help="at most")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--allocator", choices=ALLOCATORS, default="kept")
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512])
    parser.add_argument("--frames", type=int, default=2000, help="of the long movie")
    parser.add_argument("--movies", nargs="+", choices=MOVIES, default=[*MOVIES])
    parser.add_argument("--data", type=Path, default=DATA, help="the real movies")
    parser.add_argument(
        "--quality",
        nargs=2,
        type=float,
        default=(25.0, 60.0),
        metavar=("AFTER", "BEFORE"),
        help="seconds of the trainings of both trees (25 60)",
    )
    parser.add_argument("--output", type=Path, help="gets all numbers as JSON")
    parser.add_argument("--beside", type=Path, help="JSON of an earlier run to show")


def compare(before: Build, after: Build, options: argparse.Namespace) -> None:
    """Measure both builds and print the tables."""
    beside = json.loads(options.beside.read_text("utf-8")) if options.beside else None
    same_cores(options.threads)
    trees = Tree(before, is_new=False), Tree(after, is_new=True)
    with tempfile.TemporaryDirectory() as folder:
        try:
            turns = take_turns(trees, Scenes(Path(folder), options))
        except Failed as error:
            sys.exit(str(error))
    old, new = trees
    numbers = beside["numbers"] if beside else None
    print(f"{machine()}; before: {before.commit()}, after: {after.commit()}")
    print(f"turns: {turns}, threads: {options.threads}, memory: {options.allocator}\n")
    print(comparison(old.numbers, new.numbers, numbers))
    if beside:
        print(f"\nthen: {beside['when']}, {beside['before']} and {beside['after']}, on")
        print(beside["machine"])
    if old.facts:
        print(f"\n{differences(old.facts, new.facts)}")
    if options.output:
        content = json.dumps(record(old, new, vars(options)), indent=1)
        options.output.write_text(f"{content}\n", "utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare two folders."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("before", type=Path, help="checkout to compare with")
    parser.add_argument("after", type=Path, help="checkout to be judged")
    parser.add_argument(
        "--python",
        type=Path,
        default=Path(sys.executable),
        help="interpreter of the first checkout, if it needs other libraries",
    )
    add_options(parser)
    options = parser.parse_args(arguments)
    how = options.threads, options.allocator
    try:
        before = Build(options.before, options.python, *how)
        after = Build(options.after, Path(sys.executable), *how)
    except ValueError as error:
        parser.error(str(error))
    compare(before, after, options)


if __name__ == "__main__":
    main()
