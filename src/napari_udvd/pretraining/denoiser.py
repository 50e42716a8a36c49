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
import math
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import product, starmap
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, get_args

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.func import functional_call

from napari_udvd.cutting import window
from napari_udvd.errors import InputError
from napari_udvd.formats import open_stack
from napari_udvd.inference.model_file import read_model_file, write_model_file
from napari_udvd.models.base import Clip
from napari_udvd.models.camera import CameraNoise
from napari_udvd.models.catalogue import build_network, specs
from napari_udvd.models.likelihood import posterior_loss
from napari_udvd.pretraining.corpus import clean_movie
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

    import numpy.typing as npt

    from napari_udvd.models import Network

    Movie = npt.NDArray[np.float32]
    Random = np.random.Generator

HOLES = {
    (1, 1): 0.5,
    (1, 3): 0.14,
    (3, 1): 0.14,
    (3, 3): 0.1,
    (1, 5): 0.04,
    (5, 1): 0.04,
    (5, 5): 0.04,
}
"""How often each hole is drawn."""

HIDDEN = 0.1
"""How often the neighbours in time may not show the hole either, since noise lasts."""

STILL = 0.08
"""How often nothing moves at all, so that all frames can be averaged."""

PHOTONS = 0.3, 500.0
"""Range of the photons of the 99.9th percentile, drawn on a log scale."""

DIM = 0.05, 5.0
"""The same where nothing moves: much dimmer movies can be seen then."""

READ_NOISE = 0.05, 20.0
"""Range of the read noise in photons, on a log scale; none in a quarter of draws."""

NOISE_ERROR = 0.05
"""Relative error of the noise model that the network is told."""

MOVIES = 200
"""Simulated movies held at a time; one is replaced every `STEPS_PER_MOVIE` steps."""

STEPS_PER_MOVIE = 2
FRAMES, SIZE = 48, 96
LEAST_FRAMES = 5
PATCH = 64
WARM_UP_STEPS = 100
FINAL_RATE = 0.01
"""Learning rate at the end, as a fraction of the highest."""

AVERAGE_DECAY = 0.998
SAVE_SECONDS = 120.0
VALIDATION_SEED = 77_777
HELD_OUT_MOVIES, HELD_OUT_CLIPS = 48, 96
"""Of what it is judged by, and compared with what was made before."""

HELD_OUT_BATCH = 8


class Blind(NamedTuple):
    """What the network may not see.

    Attributes
    ----------
    hole
        Rows and columns around the pixel.
    hidden
        Frames before and after that may not show the hole either.
    """

    hole: tuple[int, int]
    hidden: int = 0


class Batch(NamedTuple):
    """Noisy clips, the truth of their middle frames, and their noise."""

    noisy: Tensor  # (N, 2 context + 1, 1, H, W)
    truth: Tensor  # (N, 1, 1, H, W)
    noise: CameraNoise  # (N, 1, 1, 1, 1) each
    told: CameraNoise
    blind: Blind


class Source:
    """A pool of clean movies that is slowly replaced by new ones."""

    def __init__(self, rng: Random, recorded: Sequence[Movie], size: int) -> None:
        self._rng = rng
        self._recorded = list(recorded)
        self._movies = [clean_movie(rng, FRAMES, SIZE) for _ in range(size)]
        self._drawn = 0

    def batch(self, size: int, context: int) -> Batch:
        """Draw noisy clips; every one of another movie and with noise of its own."""
        rng = self._rng
        self._drawn += 1
        if self._drawn % STEPS_PER_MOVIE == 0:
            which = int(rng.integers(len(self._movies)))
            self._movies[which] = clean_movie(rng, FRAMES, SIZE)
        holes = list(HOLES)
        hole = holes[int(rng.choice(len(holes), p=list(HOLES.values())))]
        blind = Blind(hole, int(rng.random() < HIDDEN))
        clips = [self._clip(context, blind) for _ in range(size)]
        noisy, truth, noises = zip(*clips, strict=True)
        noise = np.array(noises, np.float32)
        told = noise * np.exp(rng.normal(0, NOISE_ERROR, noise.shape))
        return Batch(
            torch.from_numpy(np.stack(noisy))[:, :, None],
            torch.from_numpy(np.stack(truth))[:, None, None],
            _camera(noise),
            _camera(told.astype(np.float32)),
            blind,
        )

    def _clip(
        self, context: int, blind: Blind
    ) -> tuple[Movie, Movie, tuple[float, float]]:
        rng = self._rng
        use_recorded = self._recorded and rng.random() < 0.25
        pool = self._recorded if use_recorded else self._movies
        movie = pool[int(rng.integers(len(pool)))]
        y, x = (int(rng.integers(n - PATCH + 1)) for n in movie.shape[1:])
        # movies are of any length: the ends of short ones must be known as well
        length = int(rng.integers(LEAST_FRAMES, len(movie) + 1))
        first = int(rng.integers(len(movie) - length + 1))
        movie = movie[first : first + length, y : y + PATCH, x : x + PATCH]
        photons = PHOTONS
        if rng.random() < STILL:
            movie, photons = np.repeat(movie[:1], length, axis=0), DIM
        movie = _turned(movie, rng) * np.float32(_log_uniform(rng, *photons))
        read_noise = 0.0 if rng.random() < 0.25 else _log_uniform(rng, *READ_NOISE)
        frames = window(int(rng.integers(length)), context, length)
        # a frame that stands in for several has the same noise in all of them
        seen = sorted(set(frames))
        clean = movie[seen]
        counted = rng.poisson(clean) + rng.normal(0, read_noise, clean.shape)
        noise = _correlated((counted - clean).astype(np.float32), blind, rng)
        places = [seen.index(t) for t in frames]
        return (clean + noise)[places], movie[frames[context]], (1.0, read_noise**2)


def _turned(clip: Movie, rng: Random) -> Movie:
    flips = rng.random(4) < 0.5
    clip = clip[:: -1 if flips[0] else 1, :: -1 if flips[1] else 1]
    clip = clip[:, :, :: -1 if flips[2] else 1]
    return clip.swapaxes(1, 2) if flips[3] else clip


def _correlated(noise: Movie, blind: Blind, rng: Random) -> Movie:
    """Correlate noise between neighbours, as far as they are hidden."""
    for axis, far in enumerate((blind.hidden, *(n // 2 for n in blind.hole))):
        if far:
            taps = rng.uniform(0, 0.25, far + 1)
            # correlated with pixels so far away, and with none further away
            taps[0] = 1 - taps[1]
            kernel = taps / np.linalg.norm(taps)
            # the middle of an even number of taps does not matter to what is random
            noise = ndimage.convolve1d(noise, kernel, axis=axis, mode="reflect")
    return noise


def _log_uniform(rng: Random, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(math.log(low), math.log(high))))


def _camera(noise: Movie) -> CameraNoise:
    gain, read_variance = torch.from_numpy(noise)[:, :, None, None, None, None].unbind(
        1
    )
    return CameraNoise(gain, torch.zeros_like(gain), read_variance)


SHIPPED: Final = next(spec for spec in specs().values() if spec.weights is not None)
"""The network whose weights are made."""


def presets() -> tuple[str, ...]:
    """Names of its sizes."""
    return tuple(get_args(SHIPPED.settings.model_fields["preset"].annotation))


def build(preset: str, **arguments: Any) -> Network:
    """Build the network in one of its sizes."""
    return build_network(SHIPPED.name, {"preset": preset, **arguments})


class Pretraining:
    """Network, its average, the optimiser and the clock."""

    def __init__(
        self, preset: str, device: torch.device, seed: int, rate: float
    ) -> None:
        torch.manual_seed(seed)
        self.device, self.rate = device, rate
        self.precision = choose_precision(device)
        self.net = build(preset).to(device)
        self.average = copy.deepcopy(self.net).requires_grad_(False)
        # one set of weights serves all holes: it is masked, and padded for large ones
        self._masked = {
            blind: build(preset, **blind._asdict()).to(device)
            for blind in starmap(Blind, product(HOLES, (0, 1)))
        }
        self.adam = NamedAdam(dict(self.net.named_parameters()))
        self.step, self.elapsed = 0, 0.0

    def advance(self, batch: Batch, progress: float) -> float:
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

    def loss(self, batch: Batch, net: Network) -> Tensor:
        """Return the expected loss of a batch, with its own hole."""
        batch = _moved(batch, self.device)
        masked = self._masked[batch.blind]
        prediction = functional_call(
            masked,
            masked.fitted(dict(net.named_parameters())),
            (Clip(batch.noisy, batch.told), self.precision),
        )
        context = net.geometry.context
        return posterior_loss(
            prediction,
            batch.noisy[:, context : context + 1],
            batch.truth,
            batch.told.variance(prediction.mean.detach()),
        ).mean()

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
        if have != want:
            raise InputError(
                f"{str(path)!r} holds weights of the preset {have!r}, not of {want!r}"
            )
        for net in (self.net, self.average):
            net.load_state_dict({name: t.float() for name, t in tensors.items()})

    def restore(self, path: Path) -> None:
        """Go on from what :meth:`save` wrote."""
        header, tensors = read_checkpoint(path)
        self.net.load_state_dict(tensors["net"])
        self.average.load_state_dict(tensors["average"])
        self.step, self.elapsed = header["step"], header["elapsed"]
        self.adam.restore(tensors, self.step)


def write_weights(net: Network, path: Path, card: dict[str, Any]) -> None:
    """Write half-precision weights with their configuration and how they were made."""
    half = {name: t.cpu().to(torch.float16) for name, t in net.state_dict().items()}
    about = {"network": net.name, **net.configuration(), "card": card}
    header = {"weights": {**about, "checksum": checksum(half)}}
    write_model_file(path, half, header)


def _moved(batch: Batch, device: torch.device) -> Batch:
    return Batch(
        batch.noisy.to(device),
        batch.truth.to(device),
        CameraNoise(*(t.to(device) for t in batch.noise)),
        CameraNoise(*(t.to(device) for t in batch.told)),
        batch.blind,
    )


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


def main() -> None:
    """Train for the given time, saving every few minutes."""
    parser = argparse.ArgumentParser(
        prog="python -m napari_udvd.pretraining.denoiser",
        description="Make the weights that training starts from.",
    )
    parser.add_argument("output", type=Path, help="weights to write, .safetensors")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--preset", choices=presets(), default="medium")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--movie", type=Path, nargs="*", default=[], help="recorded, little noise"
    )
    beginning = parser.add_mutually_exclusive_group()
    beginning.add_argument(
        "--resume", action="store_true", help="go on from the checkpoint beside output"
    )
    beginning.add_argument(
        "--start", type=Path, help="weights to begin with, such as the shipped ones"
    )
    options = parser.parse_args()
    keep_freed_memory()
    run = Pretraining(
        options.preset, choose_device(options.device), options.seed, options.rate
    )
    checkpoint = options.output.with_suffix(".checkpoint")
    if options.resume:
        run.restore(checkpoint)
    elif options.start:
        run.start(options.start)
    context = run.net.geometry.context
    # what cannot be used is refused before movies are drawn, which takes minutes
    recorded = list(_recorded_movies(options.movie))
    judge = Source(np.random.default_rng(VALIDATION_SEED), [], HELD_OUT_MOVIES)
    held_out = [
        judge.batch(HELD_OUT_BATCH, context)
        for _ in range(HELD_OUT_CLIPS // HELD_OUT_BATCH)
    ]
    rng = np.random.default_rng([options.seed, run.step])
    source = Source(rng, recorded, MOVIES)
    card = {
        "movies": "simulated (napari_udvd.pretraining.corpus)",
        "recorded": [path.name for path in options.movie],
        "photons": PHOTONS,
        "read_noise": READ_NOISE,
        "batch": options.batch,
        "rate": options.rate,
        "seed": options.seed,
        "start": options.start.name if options.start else None,
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
        run.save(checkpoint)
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


if __name__ == "__main__":
    main()
