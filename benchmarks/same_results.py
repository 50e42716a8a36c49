"""Whether two versions of the source compute the same, bit for bit.

    python -m benchmarks.same_results OLD NEW
    python -m benchmarks.same_results --make    # the files in tests/fixtures, anew
    python -m benchmarks.same_results --make-results fast   # only what this one gives

OLD and NEW are two checkouts, or the `src` folders in them. Either computes what
`old_files.py` says, one after the other, on one thread of this machine in float32:
models and checkpoints of an earlier version in `tests/fixtures`, filters, motion, new
trainings and commands. The exit code is 1 if anything differs.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from benchmarks.common import REPOSITORY, machine, progress, table

PARTS = ("models", "checkpoints", "closer", "new", "commands")

ALIKE = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    # bfloat16 is never the faster one then, which a clock decides
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "ATEN_CPU_CAPABILITY": "avx2",
    "PYTHONDONTWRITEBYTECODE": "1",
}
"""Environment in which the order of sums and the precision are always the same."""


class Line(NamedTuple):
    """One result of both.

    Attributes
    ----------
    name, what
        Network or command, and what it computed.
    verdict
        "same", "different", or whose it is, where the other has none.
    difference
        Largest one of two numbers; empty for text.
    """

    name: str
    what: str
    verdict: str
    difference: str = ""


def compute(source: Path, folder: Path, *parts: str) -> None:
    """Let a checkout or a `src` folder compute, in a process of its own.

    Raises
    ------
    subprocess.CalledProcessError
        If that fails.
    """
    run_with(source, folder.resolve(), "--parts", *(parts or PARTS))


def run_with(source: Path, *arguments: str | Path) -> None:
    """Run `old_files.py` with a checkout or a `src` folder."""
    source = source.resolve()
    if (source / "src").is_dir():
        source /= "src"
    if not (source / "napari_udvd").is_dir():
        sys.exit(f"{str(source)!r} is neither a checkout nor its folder src")
    subprocess.run(
        [sys.executable, "-m", "benchmarks.old_files", *arguments],
        check=True,
        cwd=REPOSITORY,
        env={**os.environ, **ALIKE, "PYTHONPATH": str(source)},
    )


def compare(old: Path, new: Path) -> list[Line]:
    """Compare all files of two folders of results."""
    files = {
        folder: {path.relative_to(folder) for path in folder.rglob("*.*")}
        for folder in (old, new)
    }
    lines = []
    for file in sorted(files[old] | files[new]):
        if file not in files[new]:
            verdict, difference = "only in OLD", ""
        elif file not in files[old]:
            verdict, difference = "only in NEW", ""
        elif _checksum(old / file) == _checksum(new / file):
            verdict, difference = "same", ""
        else:
            verdict, difference = "different", _difference(old / file, new / file)
        lines.append(Line(file.parent.name, file.stem, verdict, difference))
    return lines


def _checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _difference(old: Path, new: Path) -> str:
    if old.suffix != ".npy":
        return ""
    a, b = np.load(old), np.load(new)
    if a.shape != b.shape or a.dtype != b.dtype:
        return f"{a.dtype} {a.shape}, {b.dtype} {b.shape}"
    return f"{largest_difference(a, b):.3g}"


def largest_difference(a: np.ndarray, b: np.ndarray) -> float:
    """Return it, or infinity where a number is missing in one of them alone."""
    if (np.isnan(a) != np.isnan(b)).any():
        return np.inf
    apart = np.abs(np.subtract(a, b, dtype=np.float64))
    return float(np.nanmax(np.where(a == b, 0, apart), initial=0))


def main() -> None:
    """Compute with both, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("old", type=Path, nargs="?")
    parser.add_argument("new", type=Path, nargs="?")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--make", action="store_true", help="make tests/fixtures anew")
    parser.add_argument(
        "--make-results",
        nargs="+",
        metavar="NAME",
        help="only what the files of these networks give, where that changes by design",
    )
    options = parser.parse_args()
    if options.make:
        run_with(REPOSITORY, "--make")
        return
    if options.make_results:
        run_with(REPOSITORY, "--make-results", *options.make_results)
        return
    if options.new is None:
        parser.error("name two checkouts, or their folders src")
    with TemporaryDirectory() as name:
        folders = [Path(name, which) for which in ("old", "new")]
        for source, folder in zip((options.old, options.new), folders, strict=True):
            progress(f"--- {source}")
            compute(source, folder, *options.parts)
        lines = compare(*folders)
    print(machine())
    print()
    print(table(("model", "what", "bits", "largest difference"), lines))
    differ = sum(line.verdict != "same" for line in lines)
    print(f"\n{len(lines)} results, {differ} differ")
    sys.exit(1 if differ else 0)


if __name__ == "__main__":
    main()
