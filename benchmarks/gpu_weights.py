"""Training goes on from the shipped weights: learning curves, and weights.

The files that are written have the names of the shipped ones, whose places in
``src/napari_udvd/weights`` they can take.
"""

from __future__ import annotations

import math
import time
from importlib.resources import as_file
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from benchmarks.gpu_corpus import ClipSource, Movies, make_corpus
from benchmarks.gpu_pairs import PairSource
from napari_udvd.formats import ArraySink
from napari_udvd.inference.model_file import read_model_file, write_model_file
from napari_udvd.inference.request import Request
from napari_udvd.inference.scaling import calibrate
from napari_udvd.inference.stream import denoise_stack
from napari_udvd.metrics import psnr
from napari_udvd.models import CenterBlind, LightFlow
from napari_udvd.pretraining import denoiser as pretrain
from napari_udvd.pretraining import flow as pretrain_flow
from napari_udvd.pretraining.denoiser import Pretraining, write_weights
from napari_udvd.simulation import simulate
from napari_udvd.training.optimiser import Adam
from napari_udvd.training.warm_start import FOLDER, checksum

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from benchmarks.gpu_report import Budget, Numbers, Report

__all__ = ["Movies", "go_on_with_fast", "go_on_with_flow", "make_corpus"]

FAST, FLOW = "centerblind-medium.safetensors", "flow-light.safetensors"

RATE, FLOW_RATE = 1e-3, 5e-4
"""Highest learning rates; lower than from scratch."""

LOOKS = 20
"""Points of a learning curve."""

HELD_OUT_SEED = 77_777
MOST_MOVIES, MOST_PICTURES = 3000, 20_000

JUDGE_SEED = 1001
"""Of the pairs that the shipped flow was measured with."""


class Sizes(NamedTuple):
    """How much at a time.

    Attributes
    ----------
    batch, pairs
        Clips and pairs of a step.
    looks
        Batches that are measured with.
    """

    batch: int
    pairs: int
    looks: int


SIZES = {"cpu": Sizes(2, 2, 2), "cuda": Sizes(64, 32, 32)}


def start_from(folder: Path | None, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read weights of an earlier run, or those that are shipped, and what is known."""
    if folder is not None:
        header, tensors = read_model_file(folder / name)
    else:
        with as_file(FOLDER.joinpath(name)) as path:
            header, tensors = read_model_file(path)
    return header["weights"], {key: t.float() for key, t in tensors.items()}


def go_on_with_fast(
    movies: Movies,
    device: torch.device,
    budget: Budget,
    report: Report,
    found: Numbers,
    start: Path | None,
) -> Numbers:
    """Train the centre-blind network; the best average of its weights is written."""
    sizes = SIZES[device.type]
    known, tensors = start_from(start, FAST)
    seed = int(time.time())
    run = Pretraining("medium", device, seed, RATE)
    run.net.load_state_dict(tensors)
    run.average.load_state_dict(tensors)
    context, few = run.net.geometry.context, device.type == "cpu"
    judge = ClipSource(device, HELD_OUT_SEED, len(movies.held_out))
    judge.store.take(movies.held_out)
    held_out = [judge.batch(sizes.batch, context) for _ in range(sizes.looks)]
    source = ClipSource(device, seed, 8 if few else MOST_MOVIES)
    source.store.take(movies.movies)

    def measured() -> float:
        with torch.no_grad():
            return float(np.mean([float(run.loss(b, run.average)) for b in held_out]))

    best = first = measured()
    curve = [{"s": 0.0, "steps": 0, "held out": first, "movies": source.store.count}]
    found |= {"curve": curve, "batch": sizes.batch}
    target = report.folder / FAST
    best_state = {k: t.clone() for k, t in run.average.state_dict().items()}
    end, looked = 0.9 * budget.seconds, 0.0
    began, sum_of_losses, losses = time.monotonic(), 0.0, 0
    over = False
    while not over:  # one step and one look at least, however slow the machine is
        elapsed = time.monotonic() - began
        batch = source.batch(sizes.batch, context)
        sum_of_losses += run.advance(batch, min(elapsed / end, 1.0))
        losses += 1
        over = time.monotonic() - began >= end or budget.left <= 0
        if elapsed - looked < end / LOOKS and not over:
            continue
        looked, loss = elapsed, measured()
        movies.harvest()
        source.store.take(movies.movies)
        curve.append(
            {
                "s": round(elapsed, 1),
                "steps": run.step,
                "held out": loss,
                "training": sum_of_losses / losses,
                "movies": source.store.count,
            }
        )
        sum_of_losses, losses = 0.0, 0
        if loss < best:
            best = loss
            best_state = {k: t.clone() for k, t in run.average.state_dict().items()}
            card = {
                "movies": "simulated (napari_udvd.pretraining.corpus)",
                "recorded": [],
                "photons": pretrain.PHOTONS,
                "read_noise": pretrain.READ_NOISE,
                "batch": sizes.batch,
                "rate": RATE,
                "seed": seed,
                "steps": run.step,
                "seconds": round(elapsed, 1),
                "held_out_before_and_after": [first, loss],
                "start": known,
            }
            write_weights(run.average, target, card)
        report.keep()
    found |= {"held out before": first, "held out after": best, "steps": run.step}
    if not math.isfinite(curve[-1]["held out"]):
        raise AssertionError("the loss on held-out movies is not finite")
    if best < first:
        after = CenterBlind()
        after.load_state_dict(best_state)
        before = CenterBlind()
        before.load_state_dict(tensors)
        found["PSNR before and after, dB"] = on_benchmark_scenes(before, after, device)
        reads_back(target, CenterBlind())
    else:
        found["weights"] = "none are written: those that it started from are better"
    return found


def on_benchmark_scenes(
    before: CenterBlind, after: CenterBlind, device: torch.device
) -> dict[str, list[float]]:
    """PSNR on movies of `simulate`, which no training sees, as the weights are."""
    found = {}
    edge, frames = (48, 8) if device.type == "cpu" else (128, 48)
    for kind in ("nuclei", "calcium", "lattice", "filaments", "vesicles"):
        scene = simulate(kind, frames=frames, shape=(edge, edge), photons=10.0)
        calibration = calibrate([scene.noisy], 0, scene.noise)
        results = []
        for net in (before, after):
            with ArraySink(scene.noisy) as sink:
                for _ in denoise_stack(
                    net,
                    [calibration],
                    scene.noisy,
                    sink,
                    Request(device=device),
                ):
                    pass
            results.append(psnr(scene.truth.read(), sink.array))
        found[kind] = results
    return found


def reads_back(path: Path, net: torch.nn.Module) -> None:
    """Load what was written as a training that starts from it would."""
    header, tensors = read_model_file(path)
    if header["weights"]["checksum"] != checksum(tensors):
        raise AssertionError(f"{path.name} has another checksum than it says")
    net.load_state_dict(tensors)


def go_on_with_flow(
    movies: Movies,
    device: torch.device,
    budget: Budget,
    report: Report,
    found: Numbers,
    start: Path | None,
) -> Numbers:
    """Train the flow network as `pretrain_flow` does, with more pairs at a time."""
    sizes = SIZES[device.type]
    known, tensors = start_from(start, FLOW)
    movies.want_pictures()
    seed = int(time.time())
    source = PairSource(device, seed, 8 if device.type == "cpu" else MOST_PICTURES)
    source.store.take(movies.pictures)
    judge = pretrain_flow.Source(JUDGE_SEED)
    held_out = [
        pretrain_flow.Pairs(*(part.to(device) for part in judge.draw(4)))
        for _ in range(sizes.looks)
    ]
    net, average = LightFlow().to(device), LightFlow().to(device)
    for each in (net, average):
        each.load_state_dict(tensors)
    average.requires_grad_(False)
    parameters = list(net.parameters())
    adam = Adam(parameters, (0.9, 0.999))
    best = first = pretrain_flow._judged(average, held_out)
    curve = [{"s": 0.0, "steps": 0, "held out, px": first}]
    found |= {"curve": curve, "pairs": sizes.pairs}
    end, looked, step, began = 0.95 * budget.left, 0.0, 0, time.monotonic()
    over = False
    while not over:
        elapsed = min(time.monotonic() - began, max(end, 0.0))
        pairs = source.draw(sizes.pairs)
        with torch.autocast(device.type, torch.bfloat16):
            levels = net.levels(pairs.first, pairs.second)
        loss = pretrain_flow._loss(levels, pairs.flow)
        gradients = torch.autograd.grad(loss, parameters)
        warm = min((step + 1) / pretrain_flow.WARM_UP_STEPS, 1.0)
        cosine = (1 + math.cos(math.pi * (elapsed / end if end > 0 else 1.0))) / 2
        adam.step(gradients, FLOW_RATE * warm * (0.02 + 0.98 * cosine))
        decay = min(pretrain_flow.AVERAGE_DECAY, step / (step + 10))
        with torch.no_grad():
            for mean, weight in zip(average.parameters(), parameters, strict=True):
                mean.lerp_(weight, 1 - decay)
        step += 1
        over = time.monotonic() - began >= end
        if elapsed - looked < end / LOOKS and not over:
            continue
        looked, error = elapsed, pretrain_flow._judged(average, held_out)
        movies.harvest()
        source.store.take(movies.pictures)
        curve.append(
            {
                "s": round(elapsed, 1),
                "steps": step,
                "held out, px": error,
                "pictures": source.store.count,
            }
        )
        if error < best:
            best = error
            _write_flow(
                average,
                report.folder / FLOW,
                {
                    "network": net.name,
                    "minutes": elapsed / 60,
                    "seed": seed,
                    "rate": FLOW_RATE,
                    "batch": sizes.pairs,
                    "steps": step,
                    "end_point_error": error,
                    "start": known,
                },
            )
        report.keep()
    found |= {"held out before, px": first, "held out after, px": best, "steps": step}
    if not math.isfinite(curve[-1]["held out, px"]):
        raise AssertionError("the error on held-out pairs is not finite")
    if best < first:
        reads_back(report.folder / FLOW, LightFlow())
    else:
        found["weights"] = "none are written: those that it started from are better"
    return found


def _write_flow(net: LightFlow, path: Path, about: dict[str, Any]) -> None:
    """Write half-precision weights like `pretrain_flow`."""
    half: dict[str, Tensor] = {
        name: tensor.cpu().to(torch.float16)
        for name, tensor in net.state_dict().items()
    }
    header = {"weights": {"checksum": checksum(half), **about}}
    write_model_file(path, half, header)
