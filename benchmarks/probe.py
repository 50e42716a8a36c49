"""What is measured inside one build of the program, in a process of its own.

    PYTHONPATH=CHECKOUT/src python -P benchmarks/probe.py training MOVIE --model udvd

Knows the public API alone, and that of old builds, too; nothing of it is imported from
the other benchmarks, which belong to the newest build. Every probe prints one line of
JSON at the end, with the file that the package was imported from.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import inspect
import io
import json
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

LEAST_SECONDS, LEAST_RUNS = 2.0, 3
"""Denoising is repeated until both are reached; the quickest run counts."""

USEFUL_DB = 3.0
"""How much better than the noisy movie a preview is that helps anybody."""

CLOSE = 1e-3
"""Of the movie's range: how near a preview's noisy pixels are to those of the file."""


def seconds(do: Callable[[], Any]) -> tuple[float, Any]:
    """Time a call; return what it returned, too."""
    start = time.perf_counter()
    result = do()
    return time.perf_counter() - start, result


def training(options: argparse.Namespace) -> dict[str, Any]:
    """Measure steps per second, without what every training does once."""
    import napari_udvd as nu

    stack = nu.Stack.from_array(np.load(options.movie), "TYX")

    def train(steps: int) -> Any:
        return nu.train(
            stack, model=options.model, steps=steps, seed=0, device=options.device
        )

    train(1)
    before, _ = seconds(lambda: train(options.first))
    after, denoiser = seconds(lambda: train(options.first + options.steps))
    result = denoiser.denoise(stack)
    return {
        "steps": options.steps / (after - before),
        "result": hashlib.sha256(result.tobytes()).hexdigest(),
    }


def frames(options: argparse.Namespace) -> dict[str, Any]:
    """Frames per second, as a user gets them and of the network alone."""
    import napari_udvd as nu

    movie = np.load(options.movie)
    corner = np.ascontiguousarray(movie[:, :96, :96])
    small = nu.Stack.from_array(corner, "TYX")
    denoiser = nu.train(
        small, model=options.model, steps=1, seed=0, device=options.device
    )
    stack = nu.Stack.from_array(movie, "TYX")
    single = replace(denoiser, self_ensemble=False)
    # the stages behind the network came after the oldest builds
    known = inspect.signature(denoiser.denoise).parameters
    off: dict[str, Any] = {
        name: False for name in ("events", "refine") if name in known
    }
    return {
        "frames": len(movie) / _quickest(lambda: denoiser.denoise(stack)),
        "network": len(movie) / _quickest(lambda: single.denoise(stack, **off)),
    }


def _quickest(do: Callable[[], Any]) -> float:
    do()
    spent: list[float] = []
    while sum(spent) < LEAST_SECONDS or len(spent) < LEAST_RUNS:
        spent.append(seconds(do)[0])
    return min(spent)


def model(options: argparse.Namespace) -> dict[str, Any]:
    """Write a model that was hardly trained: speed and memory do not depend on it."""
    import napari_udvd as nu

    stack = nu.Stack.from_array(np.load(options.movie), "TYX")
    denoiser = nu.train(stack, model=options.model, steps=2, seed=0)
    denoiser.save(options.output)
    return {}


def command(options: argparse.Namespace) -> dict[str, Any]:
    """Run the command line in this process; return its seconds and its peak in MB."""
    from napari_udvd.cli import main as run

    sys.argv = ["napari-udvd", *options.words]
    with contextlib.redirect_stdout(sys.stderr):
        took, code = seconds(lambda: _ended(run))
    if code:
        sys.exit(f"napari-udvd {' '.join(options.words)} ended with {code}")
    return {"seconds": took, "peak": peak_memory()}


def _ended(run: Callable[[], object]) -> object:
    try:
        run()
    except SystemExit as end:  # every command ends with one
        return end.code
    return 0


def peak_memory() -> float:
    """Return the largest resident memory of this process so far, in MB."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1000
    import resource  # not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)


def preview(options: argparse.Namespace) -> dict[str, Any]:
    """Say when the first preview came that is better than the movie by some dB."""
    import napari_udvd as nu
    from napari_udvd.training import Failed, Preview, TrainingSettings, train_events

    noisy, truth = np.load(options.movie), np.load(options.truth)
    settings = TrainingSettings.model_validate({"minutes": options.seconds / 60})
    stack = nu.Stack.from_array(noisy, "TYX")
    gains = []
    for event in train_events([stack], settings):
        if isinstance(event, Failed):
            raise event.error
        if isinstance(event, Preview):
            now = time.time()
            gains.append(preview_gain(event.noisy, event.denoised, noisy, truth))
            if gains[-1] >= USEFUL_DB:
                return {"at": now, "gain": gains[-1], "number": len(gains)}
    sys.exit(f"no preview was better by {USEFUL_DB} dB; the gains were {gains}")


def preview_gain(
    crop: np.ndarray, denoised: np.ndarray, noisy: np.ndarray, truth: np.ndarray
) -> float:
    """Return by how many dB a preview is nearer to the truth than the noisy movie.

    Parameters
    ----------
    crop, denoised
        ``(..., Y, X)``, what a preview shows: one frame.
    noisy, truth
        ``(T, Y, X)``, in which the place of the crop is looked for.

    Raises
    ------
    ValueError
        If the crop is no part of the movie.
    """
    height, width = crop.shape[-2:]
    crop, denoised = (x.reshape(-1, height, width)[0] for x in (crop, denoised))
    near = CLOSE * float(np.ptp(noisy))
    places = np.argwhere(
        np.abs(noisy[:, : -height + 1 or None, : -width + 1 or None] - crop[0, 0])
        <= near
    )
    for t, y, x in places:
        part = np.s_[t, y : y + height, x : x + width]
        if np.abs(noisy[part] - crop).max() <= near:
            errors = [np.mean((a - truth[part]) ** 2.0) for a in (crop, denoised)]
            return float(10 * np.log10(errors[0] / errors[1]))
    raise ValueError("the preview shows no part of the movie")


def denoise(options: argparse.Namespace) -> dict[str, Any]:
    """Train for some seconds, everything included, and write the denoised movie."""
    import napari_udvd as nu

    stack = nu.Stack.from_array(np.load(options.movie), "TYX")
    took, found = seconds(
        lambda: nu.denoise(stack, minutes=options.seconds / 60, seed=options.seed)
    )
    np.save(options.output, np.asarray(found, np.float32))
    return {"seconds": took, "peak": peak_memory()}


def imported(options: argparse.Namespace) -> dict[str, Any]:
    """Seconds of importing the package."""
    took, _ = seconds(lambda: __import__("napari_udvd"))
    return {"seconds": took, "torch": "torch" in sys.modules}


def helped(options: argparse.Namespace) -> dict[str, Any]:
    """Whether ``napari-udvd --help`` needs torch."""
    from napari_udvd.cli import main as run

    sys.argv = ["napari-udvd", "--help"]
    with contextlib.redirect_stdout(io.StringIO()):
        _ended(run)
    return {"torch": "torch" in sys.modules}


PROBES = {
    "training": training,
    "frames": frames,
    "model": model,
    "command": command,
    "preview": preview,
    "denoise": denoise,
    "imported": imported,
    "helped": helped,
}


def main() -> None:
    """Run one probe and print what it found as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    probes = parser.add_subparsers(dest="probe", required=True)
    for name in ("imported", "helped"):
        probes.add_parser(name)
    words = probes.add_parser("command")
    words.add_argument("words", nargs=argparse.REMAINDER)
    for name in ("training", "frames", "model", "preview", "denoise"):
        of_movie = probes.add_parser(name)
        of_movie.add_argument("movie", type=Path, help="npy file, (T, Y, X)")
        of_movie.add_argument("--truth", type=Path, help="npy file, (T, Y, X)")
        of_movie.add_argument("--output", type=Path)
        of_movie.add_argument("--model", default="auto")
        of_movie.add_argument("--device", default="cpu")
        of_movie.add_argument("--seconds", type=float, default=60.0)
        of_movie.add_argument("--first", type=int, default=2)
        of_movie.add_argument("--steps", type=int, default=40)
        of_movie.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    found = PROBES[options.probe](options)
    source = sys.modules["napari_udvd"].__file__
    print(json.dumps({"from": source, **found}))


if __name__ == "__main__":
    main()
