"""Compare two checkouts of the program in one run: speed, starts, results.

    python -m benchmarks.two_trees ../before .

Each measurement is a process of its own that finds its tree by ``PYTHONPATH`` and knows
the public API only, so that trees far apart can be compared. The trees take turns, and
the order of a turn is the reverse of that of the turn before. The ratio is the median
of those of single turns: what else the machine does hits both halves of a ratio alike.

Prints a table of training steps and denoised frames per second for each network, of the
seconds that ``napari-udvd --help`` and ``import napari_udvd`` take, and says whether
either loads torch and whether both trees give the same result, bit for bit.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from benchmarks.common import machine, progress, table
from napari_udvd.simulation import simulate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NETWORKS = {"Fast": ("centerblind", 40), "UDVD": ("udvd", 6), "STBN": ("stbn", 4)}
"""Name of each network, and steps of its training."""

FIRST_STEPS = 2
"""Of a training that is measured too: what all trainings do once is subtracted."""

STARTS = 3
"""Starts of the program in each turn; the quickest counts."""

RUN = """
import hashlib, json, sys, time, warnings
import numpy as np
import napari_udvd as nu
warnings.simplefilter("ignore")
movie, model = sys.argv[1:3]
first, steps = map(int, sys.argv[3:])
stack = nu.Stack.from_array(np.load(movie), "TYX")
def seconds(do):
    start = time.perf_counter()
    result = do()
    return time.perf_counter() - start, result
def train(steps):
    return nu.train(stack, model=model, steps=steps, seed=0, device="cpu")
train(1)
before, _ = seconds(lambda: train(first))
after, denoiser = seconds(lambda: train(first + steps))
denoiser.denoise(stack)
spent = []
while sum(spent) < 2 or len(spent) < 3:
    one, result = seconds(lambda: denoiser.denoise(stack))
    spent.append(one)
print(json.dumps({
    "from": nu.__file__,
    "steps": steps / (after - before),
    "frames": len(result) / min(spent),
    "result": hashlib.sha256(np.ascontiguousarray(result)).hexdigest(),
}))
"""

IMPORT = """
import json, sys, time
start = time.perf_counter()
import napari_udvd
print(json.dumps({
    "from": napari_udvd.__file__,
    "seconds": time.perf_counter() - start,
    "torch": "torch" in sys.modules,
}))
"""

HELP = """
import contextlib, io, json, sys
import napari_udvd
from napari_udvd.cli import main
sys.argv = ["napari-udvd", "--help"]
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main()
print(json.dumps({"from": napari_udvd.__file__, "torch": "torch" in sys.modules}))
"""


class Row(NamedTuple):
    """A number that both trees have in each turn."""

    what: str
    more_is_better: bool


class Tree:
    """A checkout, and what was measured of it."""

    def __init__(self, path: Path, threads: int) -> None:
        self.source = path.resolve() / "src"
        if not (self.source / "napari_udvd").is_dir():
            sys.exit(f"{path} is no checkout: it has no src/napari_udvd")
        self._environment = {
            **os.environ,
            "PYTHONPATH": str(self.source),
            "PYTHONWARNINGS": "ignore",
            "OMP_NUM_THREADS": str(threads),
            "MKL_NUM_THREADS": str(threads),
        }
        self.numbers: dict[Row, list[float]] = {}
        self.facts: dict[str, object] = {}

    def measure(self, code: str, *arguments: object) -> dict[str, Any]:
        """Run code in a process of its own, and return what it printed."""
        printed = self._python("-c", code, *map(str, arguments))
        said: dict[str, Any] = json.loads(printed.splitlines()[-1])
        if not Path(said["from"]).is_relative_to(self.source):
            sys.exit(f"measured {said['from']} in place of {self.source}")
        return said

    def seconds_of_help(self) -> float:
        """Time ``napari-udvd --help``, from the start of Python to its end."""
        start = time.perf_counter()
        self._python("-m", "napari_udvd", "--help")
        return time.perf_counter() - start

    def note(self, row: Row, number: float) -> None:
        """Keep a number of this turn."""
        self.numbers.setdefault(row, []).append(number)

    def _python(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            sys.exit(f"in {self.source}:\n{done.stderr}")
        return done.stdout


def measure_starts(tree: Tree) -> None:
    """Measure how soon the program and the library are there."""
    helped = [tree.seconds_of_help() for _ in range(STARTS)]
    imported = [tree.measure(IMPORT) for _ in range(STARTS)]
    tree.note(Row("`napari-udvd --help`, s", False), min(helped))
    tree.note(
        Row("`import napari_udvd`, s", False), min(one["seconds"] for one in imported)
    )
    tree.facts["`import napari_udvd` loads torch"] = imported[0]["torch"]
    tree.facts["`napari-udvd --help` loads torch"] = tree.measure(HELP)["torch"]


def measure_network(tree: Tree, network: str, movie: Path) -> None:
    """Measure training and denoising with one network."""
    model, steps = NETWORKS[network]
    said = tree.measure(RUN, movie, model, FIRST_STEPS, steps)
    tree.note(Row(f"{network}: training steps per s", True), said["steps"])
    tree.note(Row(f"{network}: denoised frames per s", True), said["frames"])
    tree.facts[f"{network}: result"] = said["result"]


def comparison(before: Tree, after: Tree) -> str:
    """Return the table of all numbers."""
    rows = []
    for row, old in before.numbers.items():
        new = after.numbers[row]
        ratios = [
            b / a if row.more_is_better else a / b
            for a, b in zip(old, new, strict=True)
        ]
        rows.append(
            (
                row.what,
                f"{median(old):.3g}",
                f"{median(new):.3g}",
                f"{median(ratios):.3f}",
                f"{min(ratios):.3f} to {max(ratios):.3f}",
            )
        )
    return table(("", "before", "after", "faster", "of single turns"), rows)


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


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("before", type=Path, help="checkout to compare with")
    parser.add_argument("after", type=Path, help="checkout to be judged")
    parser.add_argument("--networks", nargs="*", choices=NETWORKS, default=[*NETWORKS])
    parser.add_argument("--minutes", type=float, default=5.0, help="at most, about")
    parser.add_argument("--turns", type=int, default=5, help="at most")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--size", type=int, default=96, help="rows and columns")
    options = parser.parse_args(arguments)
    trees = [Tree(path, options.threads) for path in (options.before, options.after)]
    with tempfile.TemporaryDirectory() as folder:
        movie = Path(folder) / "movie.npy"
        shape = (options.size, options.size)
        stack = simulate("nuclei", frames=options.frames, shape=shape).noisy
        np.save(movie, stack.read())
        start, longest = time.perf_counter(), 0.0
        for turn in range(options.turns):
            began = time.perf_counter()
            # the time limit holds for the end of a turn, not for its beginning
            if turn and began - start + longest > 60 * options.minutes:
                break
            order = trees if turn % 2 == 0 else trees[::-1]
            for tree in order:
                measure_starts(tree)
            for network in options.networks:
                for tree in order:
                    measure_network(tree, network, movie)
            longest = max(longest, time.perf_counter() - began)
            progress(f"turn {turn + 1}: {time.perf_counter() - began:.0f} s")
    before, after = trees
    print(comparison(before, after), differences(before.facts, after.facts), sep="\n\n")
    turns = len(next(iter(before.numbers.values())))
    print(f"\n{machine()}. --turns {turns} --threads {options.threads}")


if __name__ == "__main__":
    main()
