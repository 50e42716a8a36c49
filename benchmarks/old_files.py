"""Results of one source tree, to be compared with those of another.

    PYTHONPATH=src python -m benchmarks.old_files results

Models and interrupted trainings that an earlier version wrote are in `tests/fixtures`:
here they are applied and resumed, filters and motion of the models are computed,
networks are trained anew for a few steps, and commands are run. Every result becomes a
file of its own. Only what the documentation shows of the package is used, so that
earlier and later versions run it alike; `same_results.py` compares two of them, and
sees to it that both compute alike.
"""

from __future__ import annotations

import argparse
import json
import lzma
import math
import shutil
import subprocess
import sys
import threading
import warnings
from inspect import signature
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors
import torch
from safetensors.torch import save

import napari_udvd as nu
from benchmarks.common import REPOSITORY, machine, progress
from napari_udvd.filters import adaptive_filter
from napari_udvd.motion import estimated_motion, implied_motion, learned_motion
from napari_udvd.training import (
    Failed,
    Finished,
    Started,
    Step,
    TrainingSettings,
    train_events,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor

FIXTURES = REPOSITORY / "tests" / "fixtures"
MOVIE = FIXTURES / "movie.npy"
"""Frames, rows and columns; uint16."""

PIXEL = (5, 11, 13)
"""Frame, row and column whose filter is computed."""

KNOWN = signature(nu.Denoiser.denoise).parameters
ALONE: dict[str, Any] = {how: False for how in ("events", "refine") if how in KNOWN}
"""The network alone: what later stages make of it is no matter of old files."""

QUICK: dict[str, Any] = {"device": "cpu", "patch": 16, "batch": 2, "steps": 16}

SETTINGS: dict[str, dict[str, Any]] = {
    "fast": {"model": "centerblind", "preset": "small"},
    "fast-joint": {
        "model": "centerblind",
        "preset": "small",
        "joint_channels": True,
        "self_ensemble": True,
    },
    "udvd": {"model": "udvd", "width": 4},
    "stbn": {
        "model": "stbn",
        "width": 4,
        "targets": 8,
        "learning_rate": 1e-3,
        "steps": 80,
    },
}
"""How the networks in `tests/fixtures` are trained."""

MODELS = (*SETTINGS, "udvd-imported")
"""The last knows no movie, as if it came from a published checkpoint."""

STOP = {"fast": 4, "fast-joint": 4, "udvd": 4, "stbn": 10}
"""Steps after which the trainings in `tests/fixtures` were interrupted."""

RESUMED = {"fast": None, "udvd": None, "stbn": 20}
"""Until which step they are resumed; None: to the end. The flow of STBN learns in every
tenth step; a few steps later it would be found to be of no use, and dropped."""

FRAMES = (0, 5, 11)
"""Of the denoised movies, those that are stored in `tests/fixtures`."""

KEPT = ("denoised.npy", "pixel-prediction.npy", "pixel-posterior.npy", "end.txt")
"""Results that are stored there."""

NEW: dict[str, dict[str, Any]] = {
    "fast": {**SETTINGS["fast"], "seed": 1},
    "fast-shipped": {"model": "centerblind", "steps": 3},
    "fast-hole": {**SETTINGS["fast"], "hole": (3, 1)},
    "fast-joint": SETTINGS["fast-joint"],
    "udvd": SETTINGS["udvd"],
    "udvd-mean": {"model": "udvd-3", "width": 4, "likelihood": False},
    "stbn": {**SETTINGS["stbn"], "steps": 6},
    "stbn-still": {**SETTINGS["stbn"], "steps": 6, "flow": False},
    "camera": {**SETTINGS["udvd"], "noise": (2.0, 100.0, 3.0)},
    "auto": {"model": "auto", "steps": 2},
}
"""Networks that are trained anew."""


class Results:
    """A folder with a folder for every network, and in it a file for every result."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def numbers(self, name: str, what: str, values: Any) -> None:
        """Keep numbers."""
        np.save(self._path(name, f"{what}.npy"), values)

    def words(self, name: str, what: str, value: Any) -> None:
        """Keep text, or what JSON can say."""
        text = value if isinstance(value, str) else json.dumps(value, indent=1) + "\n"
        self._path(name, f"{what}.txt").write_text(text, encoding="utf-8")

    def _path(self, name: str, file: str) -> Path:
        folder = self._folder / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder / file


def movie_for(name: str) -> nu.Stack:
    """Return the movie that a network is for; two channels where it is joint."""
    movie = nu.open(MOVIE, "TYX")
    if "joint" not in name:
        return movie
    frames = np.load(MOVIE)
    return nu.Stack.from_array(np.stack([frames, frames[::-1]], axis=1), "TCYX")


def unpack(name: str, folder: Path) -> Path:
    """Unpack a file of `tests/fixtures`."""
    path = folder / f"{name}.safetensors"
    path.write_bytes(lzma.decompress((FIXTURES / f"{path.name}.xz").read_bytes()))
    return path


def apply_models(results: Results, folder: Path) -> None:
    """Denoise with every model, and look at what it does."""
    for name in MODELS:
        progress(name)
        stack, model = movie_for(name), nu.load(unpack(name, folder))

        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            found = model.denoise(stack, device="cpu", dtype=np.float32, **ALONE)
        results.numbers(name, "denoised", found)
        results.words(name, "warnings", [str(each.message) for each in said])
        for is_posterior in (False, True):
            found = adaptive_filter(model, stack, *PIXEL, posterior=is_posterior)
            what = "posterior" if is_posterior else "prediction"
            values = [found.prediction, found.bias, found.std]
            results.numbers(name, f"pixel-{what}", values)
            results.numbers(name, f"filter-{what}", found.by_channel)


def look_closer(results: Results, folder: Path) -> None:
    """Compute what is not stored in `tests/fixtures`."""
    for name in MODELS:
        progress(f"{name}: tiles and motion")
        stack, model = movie_for(name), nu.load(unpack(name, folder))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # said and kept before
            for what, how in (
                ("prediction", {"use_posterior": False}),
                ("tiles", {"tile": 16}),
                ("own-dtype", {"dtype": None}),
            ):
                how = {"dtype": np.float32, **ALONE, **how}
                results.numbers(name, what, model.denoise(stack, device="cpu", **how))
        motion = implied_motion(model, stack, PIXEL[0], spacing=8)
        _keep_motion(results, name, motion)
        if name == "stbn":
            _keep_motion(results, name, learned_motion(model, stack, PIXEL[0]))
    for method in ("tvl1", "ilk"):
        motion = estimated_motion(movie_for(""), PIXEL[0], method)
        _keep_motion(results, "movie", motion)


def _keep_motion(results: Results, name: str, motion: Any) -> None:
    for what in ("to_next", "to_previous", "confidence"):
        results.numbers(name, f"motion-{motion.method}-{what}", getattr(motion, what))


def resume(results: Results, folder: Path) -> None:
    """Continue every interrupted training, and denoise."""
    for name in RESUMED:
        progress(f"{name}: resumed")
        stack, path = movie_for(name), unpack(f"{name}-checkpoint", folder)
        settings = TrainingSettings(**{**QUICK, **SETTINGS[name]})
        end = _trained(
            stack, settings, checkpoint=path, resume=True, until=RESUMED[name]
        )
        told = {"remarks": end.remarks, "warnings": end.warnings}
        results.words(f"{name}-resumed", "told", told)
        ended = {"reason": end.reason, "steps": end.steps, "best step": end.best_step}
        results.words(f"{name}-resumed", "end", ended)
        losses = np.array(end.history)
        results.numbers(f"{name}-resumed", "validation-losses", losses)
        _keep_model(results, f"{name}-resumed", end.denoiser)
        denoised = end.denoiser.denoise(stack, device="cpu", dtype=np.float32, **ALONE)
        results.numbers(f"{name}-resumed", "denoised", denoised)


def train_anew(results: Results, folder: Path) -> None:
    """Train networks for a few steps."""
    for name, settings in NEW.items():
        progress(f"{name}: trained anew")
        stack = movie_for(name)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            model = nu.train(stack, **{**QUICK, "steps": 6, **settings})
            denoised = model.denoise(stack, device="cpu", dtype=np.float32, **ALONE)
        messages = [str(each.message) for each in said]
        results.words(f"{name}-anew", "warnings", messages)
        results.numbers(f"{name}-anew", "denoised", denoised)
        _keep_model(results, f"{name}-anew", model)
    # with a flow that has learned and is still there
    progress("stbn: interrupted")
    model = _interrupted("stbn", folder / "checkpoint.safetensors")
    _keep_model(results, "stbn-interrupted", model)


def _keep_model(results: Results, name: str, model: nu.Denoiser) -> None:
    """Keep weights and header of a model file, without what differs each time."""
    with TemporaryDirectory() as folder:
        header, tensors = _read(_saved(model, Path(folder)))
    tensors = dict(sorted(tensors.items()))
    results.numbers(name, "weights", torch.cat([t.flatten() for t in tensors.values()]))
    shapes = {key: list(tensor.shape) for key, tensor in tensors.items()}
    results.words(name, "shapes", shapes)
    content = json.loads(header["napari_udvd"])
    del content["version"]
    content["record"].pop("seconds", None)  # of trainings that were timed
    content.setdefault("task", "denoise")  # as every reader takes it
    results.words(name, "header", dict(sorted(content.items())))


def _saved(model: nu.Denoiser, folder: Path) -> Path:
    model.save(folder / "model.safetensors")
    return folder / "model.safetensors"


def run_commands(results: Results, folder: Path) -> None:
    """Run what users run at a prompt."""
    model = unpack("fast", folder)
    of_model = (model, MOVIE, "--axes", "TYX", "-o")
    mean, std = folder / "mean.ome.tif", folder / "std.ome.tif"
    how = ("--std", std, "--dtype", "float32", "--device", "cpu")
    place = ",".join(map(str, PIXEL))
    weights, tracks = folder / "weights.csv", folder / "tracks.csv"
    said = _command("diagnose", MOVIE, "--axes", "TYX", "--json")
    results.words("command", "diagnose", said)
    _command("apply", *of_model, mean, *how)
    for path in (mean, std):
        results.numbers("command", f"apply-{path.name}", nu.open(path).read())
    _command("filter", *of_model, weights, "--at", place)
    _command("motion", *of_model, tracks, "--method", "tvl1")
    for path in (weights, tracks):
        results.words("command", path.stem, path.read_text(encoding="utf-8"))


def _command(*arguments: str | Path) -> str:
    progress(f"napari-udvd {arguments[0]}")
    return subprocess.run(
        [sys.executable, "-m", "napari_udvd", *map(str, arguments)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout


def _trained(
    stack: nu.Stack,
    settings: TrainingSettings,
    *,
    checkpoint: Path,
    resume: bool = False,
    until: int | None,
) -> Finished:
    """Train in float32 until this step."""
    cancel = threading.Event()
    for event in train_events(
        [stack], settings, checkpoint=checkpoint, resume=resume, cancel=cancel
    ):
        if isinstance(event, Started) and "bfloat16" in event.summary:
            sys.exit("networks train in bfloat16 here; same_results.py prevents that")
        if isinstance(event, Step) and event.step == until:
            cancel.set()
        if isinstance(event, Failed):
            raise event.error
        if isinstance(event, Finished):
            return event
    raise RuntimeError("the training ended without a result")


def _interrupted(kind: str, checkpoint: Path) -> nu.Denoiser:
    """Begin a training of `tests/fixtures`."""
    settings = TrainingSettings(**{**QUICK, **SETTINGS[kind]})
    stack = movie_for(kind)
    return _trained(stack, settings, checkpoint=checkpoint, until=STOP[kind]).denoiser


PARTS: dict[str, Callable[[Results, Path], None]] = {
    "models": apply_models,
    "checkpoints": resume,
    "closer": look_closer,
    "new": train_anew,
    "commands": run_commands,
}


# --- the files in tests/fixtures ------------------------------------------------------


def make_files() -> None:
    """Draw the movie, write models and checkpoints, and what they give."""
    FIXTURES.mkdir(exist_ok=True)
    np.save(MOVIE, nu.simulate("nuclei", frames=12, shape=(24, 28)).noisy.read())
    with TemporaryDirectory() as name:
        folder = Path(name)
        for kind in SETTINGS:
            progress(kind)
            checkpoint = folder / "checkpoint.safetensors"
            model = _interrupted(kind, checkpoint)
            _pack(kind, _saved(model, folder))
            if kind in RESUMED:
                _pack(f"{kind}-checkpoint", checkpoint)
            if kind == "udvd":
                record = {"imported": "published.pth"}
                imported = nu.Denoiser(model.net, (), record=record)
                _pack("udvd-imported", _saved(imported, folder))
    make_results(MODELS)


def make_results(names: Sequence[str]) -> None:
    """Write what the files of these networks give, where that changes by design."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        apply_models(Results(folder / "results"), folder)
        resume(Results(folder / "results"), folder)
        for path in (folder / "results").rglob("*.*"):
            if path.name not in KEPT:
                continue
            if path.parent.name.removesuffix("-resumed") not in names:
                continue
            kept = FIXTURES / path.relative_to(folder)
            kept.parent.mkdir(parents=True, exist_ok=True)
            if path.stem == "denoised":
                np.save(kept, np.load(path)[list(FRAMES)])
            else:
                shutil.copyfile(path, kept)


def _pack(name: str, path: Path) -> None:
    """Write a small copy of a file: numbers rounded to few values can be packed."""
    header, tensors = _read(path)
    rounded = {key: _rounded(key, tensor) for key, tensor in tensors.items()}
    packed = lzma.compress(save(rounded, metadata=dict(header)), preset=9)
    (FIXTURES / f"{name}.safetensors.xz").write_bytes(packed)
    progress(f"{name}: {len(packed) / 1e3:.0f} kB")


def _rounded(name: str, tensor: Tensor) -> Tensor:
    """Round a tensor to multiples of its spread, or nearly: of a power of two.

    Weights, their average and the best ones are then alike.
    """
    spread = float(tensor.square().mean().sqrt())
    if tensor.ndim < 2 or spread == 0:
        return tensor
    if "_second/" not in name:
        step = 2.0 ** math.ceil(math.log2(spread))
        step *= 2 if "_first/" in name else 1
        return (tensor / step).round() * step
    # Adam divides by its root, which must not become smaller
    step = 2 * math.sqrt(spread)
    return ((tensor.sqrt() / step).ceil() * step).square()


def _read(path: Path) -> tuple[Mapping[str, str], dict[str, Tensor]]:
    with safetensors.safe_open(path, framework="pt") as file:
        return file.metadata(), {name: file.get_tensor(name) for name in file.keys()}


def main() -> None:
    """Compute, or make the files anew."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?", help="gets the results")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--make", action="store_true", help="make tests/fixtures anew")
    parser.add_argument(
        "--make-results",
        nargs="+",
        choices=MODELS,
        help="only what the files of these networks give",
    )
    options = parser.parse_args()
    print(machine(), flush=True)
    if options.make:
        make_files()
    elif options.make_results:
        make_results(options.make_results)
    elif options.folder is None:
        parser.error("name a folder for the results")
    else:
        results = Results(options.folder)
        with TemporaryDirectory() as folder:
            for part in options.parts:
                PARTS[part](results, Path(folder))


if __name__ == "__main__":
    main()
