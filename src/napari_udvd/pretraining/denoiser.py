"""Make the weights that training starts from.

``python -m napari_udvd.pretraining.denoiser weights.safetensors`` runs it.

A centre-blind network is trained on simulated movies of many kinds (see `corpus`)
under Poisson-Gaussian noise of the whole practical range, with the hole, and noise as
correlated as the hole allows, drawn anew in every step. Recorded movies with little
noise can be added. The truth is known here and judges the posterior; training on the
movie itself goes on from there with the likelihood of noisy pixels.
"""

from __future__ import annotations

import argparse
import copy
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import product, starmap
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol, get_args

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call

from napari_udvd.errors import InputError
from napari_udvd.formats import open_stack
from napari_udvd.inference.model_file import read_model_file, write_model_file
from napari_udvd.models.base import Clip
from napari_udvd.models.catalogue import build_network, specs
from napari_udvd.models.likelihood import Prediction, posterior_loss
from napari_udvd.pretraining.clips import (
    HOLES,
    LEAST_FRAMES,
    PATCH,
    PHOTONS,
    READ_NOISE,
    Blind,
    Source,
    moved,
)
from napari_udvd.runtime.device import (
    choose_device,
    choose_precision,
    keep_freed_memory,
)
from napari_udvd.training.checkpoint import read_checkpoint, write_checkpoint
from napari_udvd.training.optimiser import NamedAdam, follow, rate_at
from napari_udvd.training.warm_start import checksum

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_udvd.models import Network
    from napari_udvd.pretraining.clips import Movie

MOVIES = 200
"""Simulated movies held at a time; one is replaced every `STEPS_PER_MOVIE` steps."""

WARM_UP_STEPS = 100
FINAL_RATE = 0.01
"""Learning rate at the end, as a fraction of the highest."""

AVERAGE_DECAY = 0.998
SAVE_SECONDS = 120.0
VALIDATION_SEED = 77_777
HELD_OUT_MOVIES, HELD_OUT_CLIPS = 48, 96
"""Of what it is judged by, and compared with what was made before."""

HELD_OUT_BATCH = 8

SHIPPED: Final = next(spec for spec in specs().values() if spec.weights is not None)
"""The network whose weights are made."""


def presets() -> tuple[str, ...]:
    """Names of its sizes."""
    return tuple(get_args(SHIPPED.settings.model_fields["preset"].annotation))


def build(preset: str, name: str = SHIPPED.name, **arguments: Any) -> Network:
    """Build the network, or another, in one of its sizes."""
    return build_network(name, {"preset": preset, **arguments})


class Pretraining:
    """Network, its average, the optimiser and the clock."""

    network: ClassVar[str] = SHIPPED.name

    def __init__(
        self, preset: str, device: torch.device, seed: int, rate: float
    ) -> None:
        torch.manual_seed(seed)
        self.device, self.rate = device, rate
        self.precision = choose_precision(device)
        self.net = build(preset, self.network).to(device)
        self.average = copy.deepcopy(self.net).requires_grad_(False)
        # one set of weights serves all holes: it is masked, and padded for large ones
        self.masked = {
            blind: build(preset, self.network, **blind._asdict()).to(device)
            for blind in starmap(Blind, product(HOLES, (0, 1)))
        }
        self.adam = NamedAdam(dict(self.net.named_parameters()))
        self.step, self.elapsed = 0, 0.0
        self.started_from: dict[str, str] | None = None

    def advance(self, batch: Any, progress: float) -> float:
        """Take one step; returns the loss."""
        self.step += 1
        rate = rate_at(
            self.rate,
            self.step,
            min(progress, 1.0),
            warm_up=WARM_UP_STEPS,
            final=FINAL_RATE,
        )
        loss = self.loss(batch, self.net)
        self.adam.step(torch.autograd.grad(loss, self.adam.parameters), rate)
        follow(self.average, self.net, self.step, AVERAGE_DECAY, at_once=False)
        return float(loss.detach())

    def loss(self, batch: Any, net: Network) -> Tensor:
        """Return the expected loss of a batch, with its own hole."""
        batch = moved(batch, self.device)
        clip = Clip(batch.noisy, batch.told)
        prediction = self.predict(net, self.masked[batch.blind], clip)
        context = net.geometry.context
        return posterior_loss(
            prediction,
            batch.noisy[:, context : context + 1],
            batch.truth,
            batch.told.variance(prediction.mean.detach()),
        ).mean()

    def predict(self, net: Network, masked: Network, clip: Clip) -> Prediction:
        """Predict with the weights of one network and the hole of another."""
        weights = masked.fitted(dict(net.named_parameters()))
        found: Prediction = functional_call(masked, weights, (clip, self.precision))
        return found

    def save(self, path: Path) -> None:
        """Write everything needed to go on."""
        tensors = {
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            **self.adam.tensors(),
        }
        header = {
            "preset": self.net.configuration()["preset"],
            "step": self.step,
            "elapsed": self.elapsed,
            "start": self.started_from,
        }
        write_checkpoint(path, tensors, header)

    def start(self, path: Path) -> None:
        """Begin with weights that :func:`write_weights` wrote.

        Raises
        ------
        InputError
            If the file cannot be read, or holds weights of another size.
        """
        header, tensors = read_model_file(path)
        have = header.get("weights", {}).get("preset")
        want = self.net.configuration()["preset"]
        shapes = {name: t.shape for name, t in self.net.state_dict().items()}
        fitted = self.net.fitted({name: t.float() for name, t in tensors.items()})
        if any(name not in fitted for name in shapes):
            raise InputError(
                f"{str(path)!r} holds weights of the preset {have!r}, which lacks "
                f"layers of {want!r}"
            )
        # a preset may be another one with blocks left out
        fitted = {name: fitted[name] for name in shapes}
        if any(t.shape != shapes[name] for name, t in fitted.items()):
            raise InputError(
                f"{str(path)!r} holds weights of the preset {have!r}, not of {want!r}"
            )
        for net in (self.net, self.average):
            net.load_state_dict(fitted)
        self.started_from = {
            "name": path.name,
            "checksum": header["weights"]["checksum"],
        }

    def restore(self, path: Path) -> None:
        """Go on from what :meth:`save` wrote."""
        header, tensors = read_checkpoint(path)
        self.net.load_state_dict(tensors["net"])
        self.average.load_state_dict(tensors["average"])
        self.step, self.elapsed = header["step"], header["elapsed"]
        self.started_from = header["start"]
        self.adam.restore(tensors, self.step)


def write_weights(net: Network, path: Path, card: dict[str, Any]) -> None:
    """Write half-precision weights with their configuration and how they were made."""
    half = {name: t.cpu().to(torch.float16) for name, t in net.state_dict().items()}
    about = {"network": net.name, **net.configuration(), "card": card}
    header = {"weights": {**about, "checksum": checksum(half)}}
    write_model_file(path, half, header)


def _recorded_movies(paths: Sequence[Path]) -> Iterator[Movie]:
    """Read recorded movies with little noise, and scale them like simulated ones."""
    for path in paths:
        stack = open_stack(path)
        if stack.n_frames < LEAST_FRAMES or min(stack.frame_shape) < PATCH:
            raise InputError(
                f"{str(path)!r} has {stack.describe()}; movies to train on have at "
                f"least {LEAST_FRAMES} frames of {PATCH} x {PATCH} pixels"
            )
        for plane in stack.planes():
            movie = stack.read(slice(None), plane).astype(np.float32)
            low, high = np.percentile(movie, (0.1, 99.9))
            yield np.clip((movie - low) / max(high - low, 1e-6), 0, None)


class Draws(Protocol):
    """What batches come from."""

    def batch(self, size: int, context: int) -> Any:
        """Draw a batch for :meth:`Pretraining.loss`."""


def parser(module: str, description: str) -> argparse.ArgumentParser:
    """Options that all weights are made with."""
    found = argparse.ArgumentParser(
        prog=f"python -m napari_udvd.pretraining.{module}", description=description
    )
    found.add_argument("output", type=Path, help="weights to write, .safetensors")
    found.add_argument("--minutes", type=float, default=60.0)
    found.add_argument("--preset", choices=presets(), default="medium")
    found.add_argument("--batch", type=int, default=16)
    found.add_argument("--rate", type=float, default=2e-3)
    found.add_argument("--device", default="auto")
    found.add_argument("--seed", type=int, default=0)
    beginning = found.add_mutually_exclusive_group()
    beginning.add_argument(
        "--resume", action="store_true", help="go on from the checkpoint beside output"
    )
    beginning.add_argument(
        "--start", type=Path, help="weights to begin with, such as the shipped ones"
    )
    return found


def begun(kind: type[Pretraining], options: argparse.Namespace) -> Pretraining:
    """Begin, or go on, as the options say."""
    run = kind(
        options.preset, choose_device(options.device), options.seed, options.rate
    )
    if options.resume:
        run.restore(options.output.with_suffix(".checkpoint"))
    elif options.start:
        run.start(options.start)
    return run


def held_out_of(source: Draws, context: int) -> list[Any]:
    """Draw what weights are judged by."""
    count = HELD_OUT_CLIPS // HELD_OUT_BATCH
    return [source.batch(HELD_OUT_BATCH, context) for _ in range(count)]


def train(
    run: Pretraining,
    source: Draws,
    held_out: Sequence[Any],
    options: argparse.Namespace,
    card: dict[str, Any],
) -> None:
    """Train for the given time, saving every few minutes."""
    context = run.net.geometry.context
    card = {
        **card,
        "photons": PHOTONS,
        "read_noise": READ_NOISE,
        "batch": options.batch,
        "rate": options.rate,
        "seed": options.seed,
        "start": run.started_from,
    }

    def keep() -> None:
        """Tell how good it is and write everything."""
        with torch.no_grad():
            losses = [float(run.loss(b, run.average)) for b in held_out]
        print(
            f"{run.elapsed / 60:6.1f} min  step {run.step:7d}  held-out loss "
            f"{np.mean(losses):.5f}",
            flush=True,
        )
        run.save(options.output.with_suffix(".checkpoint"))
        write_weights(run.average, options.output, {**card, "steps": run.step})

    before, saved = run.elapsed, run.elapsed
    began = time.monotonic()
    drawing = ThreadPoolExecutor(1)  # draws the next batch meanwhile
    batch = drawing.submit(source.batch, options.batch, context)
    while run.elapsed < 60 * options.minutes:
        current = batch.result()
        batch = drawing.submit(source.batch, options.batch, context)
        run.advance(current, run.elapsed / (60 * options.minutes))
        run.elapsed = before + time.monotonic() - began
        if run.elapsed - saved > SAVE_SECONDS:
            saved = run.elapsed
            keep()
    drawing.shutdown()
    keep()


def main() -> None:
    """Train for the given time, saving every few minutes."""
    wanted = parser("denoiser", "Make the weights that training starts from.")
    wanted.add_argument(
        "--movie", type=Path, nargs="*", default=[], help="recorded, little noise"
    )
    options = wanted.parse_args()
    keep_freed_memory()
    run = begun(Pretraining, options)
    # what cannot be used is refused before movies are drawn, which takes minutes
    recorded = list(_recorded_movies(options.movie))
    judge = Source(np.random.default_rng(VALIDATION_SEED), [], HELD_OUT_MOVIES)
    held_out = held_out_of(judge, run.net.geometry.context)
    rng = np.random.default_rng([options.seed, run.step])
    card = {
        "movies": "simulated (napari_udvd.pretraining.corpus)",
        "recorded": [path.name for path in options.movie],
    }
    train(run, Source(rng, recorded, MOVIES), held_out, options, card)


if __name__ == "__main__":
    main()
