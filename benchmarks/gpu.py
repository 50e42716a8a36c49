"""Everything worth knowing about one CUDA GPU, in at most eight minutes.

    python benchmarks/gpu.py

Needs no installation: PyTorch for CUDA and the libraries of the package are enough.
Three parts, each on disk as it goes, in $OUT or ./gpu:

- *right*: whether the device computes what a CPU does, and behaves when memory ends;
- *fast*: frames and training steps per second, and what graphs or a compiler add;
- *weights*: training goes on from the shipped weights; learning curves and weights.

The exit code is 1 if a check failed. ``--device cpu --seconds 60`` does all of it in
small. ``--make-corpus`` draws clean movies ahead, where a GPU would wait for them.
"""

from __future__ import annotations

import argparse
import faulthandler
import os
import sys
import time
import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

REPOSITORY = Path(__file__).resolve().parents[1]
# nothing is installed where it runs
sys.path[:0] = [str(REPOSITORY / "src"), str(REPOSITORY)]

import numpy as np  # noqa: E402
import torch  # noqa: E402

from benchmarks.common import machine  # noqa: E402
from benchmarks.gpu_report import Budget, Report  # noqa: E402
from napari_udvd.errors import InputError  # noqa: E402
from napari_udvd.runtime.device import choose_device, choose_precision  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.gpu_report import Numbers

PARTS = ("right", "fast", "weights")

SHARES = {"right": 1 / 6, "fast": 1 / 4}
"""Of the whole time; training the weights gets the rest."""

SECONDS = 450.0
"""Time for everything; with what is under way when it ends, eight minutes."""

GRACE = 25.0
"""Seconds after which a program that does not end is ended."""


def right(device: torch.device, report: Report, budget: Budget) -> None:
    """Run every check that there is time for."""
    from benchmarks.gpu_checks import CHECKS

    for name, check in CHECKS.items():
        if budget.left <= 0:
            report.skip("right", name, "no time")
        else:
            report.run("right", name, partial(_without_notes, check, device))


def _without_notes(
    check: Callable[[torch.device], Numbers], device: torch.device, _: Numbers
) -> Numbers:
    return check(device)


def fast(device: torch.device, report: Report, budget: Budget) -> None:
    """Measure as much as there is time for."""
    from benchmarks.gpu_speed import MEASUREMENTS, Case

    small = device.type == "cpu"
    for name, (share, measure) in MEASUREMENTS.items():
        if budget.left <= 0:
            report.skip("fast", name, "no time")
            continue
        case = Case(device, small, budget.share(share))
        report.run("fast", name, partial(measure, case))


def weights(
    device: torch.device, report: Report, budget: Budget, options: argparse.Namespace
) -> None:
    """Go on from the weights that are shipped, or from those of an earlier run."""
    from benchmarks.gpu_weights import Movies, go_on_with_fast, go_on_with_flow

    with Movies(options.corpus, device.type == "cpu") as movies:
        for name, share, work in (
            ("fast", 0.65, go_on_with_fast),
            ("flow", 1.0, go_on_with_flow),
        ):
            if budget.left <= 0:
                report.skip("weights", name, "no time")
                continue

            own = budget.share(share)

            def train(found: Numbers, work: Any = work, own: Budget = own) -> Numbers:
                done: Numbers = work(movies, device, own, report, found, options.start)
                return done

            report.run("weights", name, train)


def about(device: torch.device) -> dict[str, Any]:
    """Say what the numbers were measured on and with."""
    facts: dict[str, Any] = {
        "machine": machine(),
        "device": str(device),
        "precision": str(choose_precision(device)).removeprefix("torch."),
        "numpy": np.__version__,
    }
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        facts |= {
            "card": properties.name,
            "memory, GB": round(properties.total_memory / 1e9, 1),
            "CUDA": torch.version.cuda,
            "cuDNN": torch.backends.cudnn.version(),
            "cards": torch.cuda.device_count(),
        }
    return facts


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what was asked for; return the exit code."""
    began = time.monotonic()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1, cpu")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for everything")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path(os.environ.get("OUT") or "gpu"),
        help="folder for the results; $OUT, or ./gpu",
    )
    parser.add_argument(
        "--corpus",
        type=Path,
        default=REPOSITORY / "benchmarks" / "corpus" / "movies.npz",
        help="clean movies drawn ahead",
    )
    parser.add_argument(
        "--make-corpus", action="store_true", help="draw them, and do nothing else"
    )
    parser.add_argument(
        "--movies", type=int, default=1000, help="to draw at most; 48 MiB end it, too"
    )
    parser.add_argument(
        "--start",
        type=Path,
        help="folder of weights to go on from; those that are shipped if not given",
    )
    options = parser.parse_args(arguments)
    if options.make_corpus:
        from benchmarks.gpu_weights import make_corpus

        make_corpus(options.corpus, options.movies)
        return 0
    # some calls want the number of the card
    name = "cuda:0" if options.device == "cuda" else options.device
    try:
        device = choose_device(name)
    except InputError as error:
        parser.error(str(error))
    if device.type == "cuda":  # whatever hangs must not take what is known along
        faulthandler.dump_traceback_later(options.seconds + GRACE, exit=True)
    # what is odd about the movies of a check is of no use to anybody
    warnings.simplefilter("ignore", UserWarning)
    report = Report(options.output, about(device))
    everything = Budget(options.seconds - (time.monotonic() - began))
    for part in options.parts:
        last = part == options.parts[-1]
        limit = everything.left if last else SHARES[part] * options.seconds
        budget = everything.at_most(limit)
        try:
            if part == "right":
                right(device, report, budget)
            elif part == "fast":
                fast(device, report, budget)
            else:
                weights(device, report, budget, options)
        except Exception as error:  # such as a module that cannot be imported
            report.run(part, "all", partial(_raise, error))
    faulthandler.cancel_dump_traceback_later()
    report.say(
        f"{time.monotonic() - began:.0f} s; "
        + (f"failed: {', '.join(report.failed)}" if report.failed else "nothing failed")
    )
    return 1 if report.failed else 0


def _raise(error: Exception, _: Numbers) -> None:
    raise error


if __name__ == "__main__":
    sys.exit(main())
