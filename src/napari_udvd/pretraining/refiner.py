"""Make the weights of the refiner.

``python -m napari_udvd.pretraining.refiner lessons FOLDER`` draws simulated movies and
keeps what the first stage says of them; ``python -m napari_udvd.pretraining.refiner
train FOLDER refiner.safetensors`` learns from them. The first may go on while the
second runs: lessons that are new are read now and then.

One movie in :data:`HELD_OUT` is kept apart, to tell how much better refined frames are
and how many errors are within the standard deviation that is said.
"""

from __future__ import annotations

import argparse
import copy
import time
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from napari_udvd.inference.model_file import read_model_file, write_model_file
from napari_udvd.models.refiner import Evidence, Refiner, refined
from napari_udvd.models.refiner.inputs import inputs_of, posterior_of
from napari_udvd.pretraining.denoiser import build
from napari_udvd.pretraining.evidence import Lesson, draw_lessons
from napari_udvd.runtime.device import keep_freed_memory
from napari_udvd.training.checkpoint import read_checkpoint, write_checkpoint
from napari_udvd.training.optimiser import NamedAdam, follow, rate_at
from napari_udvd.training.warm_start import warm_start

if TYPE_CHECKING:
    from torch import Tensor

    Random = np.random.Generator

HELD_OUT = 12
TUNED = 0.1
"""Share of the movies that the first stage has learned from."""

PATCH = 64
WARM_UP_STEPS = 50
FINAL_RATE = 0.03
AVERAGE_DECAY = 0.995
LARGEST_ERROR = 30.0
"""In posterior standard deviations; larger ones count as if they were as large."""

NEW_LESSONS_STEPS = 250
SAVE_STEPS = 250


class Sample(NamedTuple):
    """What a step learns from, in units of the posterior standard deviation."""

    inputs: Tensor  # (N, 12, H, W)
    error: Tensor  # of the posterior mean, (N, H, W)


def sample(evidence: Evidence, truth: Tensor) -> Sample:
    """Prepare three frames ``(3, N, H, W)`` and the truth of the middle one."""
    posterior = posterior_of(evidence)
    error = (truth - posterior.mean[1]) / posterior.std[1]
    return Sample(
        inputs_of(evidence, posterior), error.clamp(-LARGEST_ERROR, LARGEST_ERROR)
    )


def loss_of(output: Tensor, error: Tensor) -> Tensor:
    """Negative log likelihood of the truth, without the constant."""
    step, widening = output.unbind(1)
    return ((error - step).square() * (-2 * widening).exp() / 2 + widening).mean()


class Lessons:
    """Lessons of a folder, and clips drawn from them."""

    def __init__(self, folder: Path, *, held_out: bool) -> None:
        self._folder, self._held_out = folder, held_out
        self._names: set[str] = set()
        self.lessons: list[Lesson] = []
        self.read_new()

    def read_new(self) -> None:
        """Read what came since."""
        for path in sorted(self._folder.glob("*.safetensors")):
            number = int(path.stem.split("-")[-1])
            if path.name in self._names or (number % HELD_OUT == 0) != self._held_out:
                continue
            self._names.add(path.name)
            tensors = read_model_file(path)[1]
            self.lessons += [
                Lesson(Evidence(*t[:4].unbind()), t[4])
                for _, t in sorted(tensors.items())
            ]

    def batch(self, rng: Random, size: int) -> Sample:
        """Draw clips, mirrored, turned and reversed at random."""
        drawn = [self._draw(rng) for _ in range(size)]
        clips = torch.stack(drawn, dim=2)  # (5, 3, N, H, W)
        return sample(Evidence(*clips[:4].unbind()), clips[4, 1])

    def _draw(self, rng: Random) -> Tensor:
        lesson = self.lessons[int(rng.integers(len(self.lessons)))]
        frames, height, width = lesson.truth.shape
        t = int(rng.integers(frames))
        y, x = (int(rng.integers(n - PATCH + 1)) for n in (height, width))
        clip = _three(lesson, t, slice(y, y + PATCH), slice(x, x + PATCH))
        if rng.random() < 0.5:
            clip = clip.flip(1)
        clip = clip.flip([axis for axis in (2, 3) if rng.random() < 0.5])
        return clip.transpose(2, 3) if rng.random() < 0.5 else clip


def _three(lesson: Lesson, t: int, rows: slice, columns: slice) -> Tensor:
    """Cut frames ``t - 1, t, t + 1``, at the ends the other side: ``(5, 3, H, W)``."""
    last = len(lesson.truth) - 1
    frames = [t - 1 if t > 0 else 1, t, t + 1 if t < last else last - 1]
    return torch.stack(
        [part[frames, rows, columns] for part in (*lesson.evidence, lesson.truth)]
    )


class Score(NamedTuple):
    """How good a refiner is on lessons that it has not learned from.

    Attributes
    ----------
    loss
        Mean negative log likelihood.
    gains
        By how many dB the refined frames of each lesson are closer to the truth.
    before, after
        Share of the errors within one posterior, and one refined, standard deviation.
    """

    loss: float
    gains: list[float]
    before: float
    after: float

    def __str__(self) -> str:
        gains = np.array(self.gains)
        return (
            f"held-out loss {self.loss:.4f}  gain {gains.mean():+.3f} dB, median "
            f"{np.median(gains):+.3f}, worst {gains.min():+.2f}, worse "
            f"{100 * np.mean(gains < -0.02):.0f} %  coverage {self.before:.3f} -> "
            f"{self.after:.3f}"
        )


@torch.inference_mode()
def score(net: Refiner, lessons: list[Lesson]) -> Score:
    """Refine two frames of every lesson, one of them at its end."""
    losses, gains, before, after = [], [], [], []
    whole = slice(None)
    for lesson in lessons:
        clips = torch.stack([_three(lesson, t, whole, whole) for t in (0, 3)], dim=2)
        evidence = Evidence(*clips[:4].unbind())
        inputs, error = sample(evidence, clips[4, 1])
        output = net(inputs, torch.bfloat16)
        losses.append(float(loss_of(output, error)))
        posterior = posterior_of(evidence)
        mean, std = refined(net, evidence, precision=torch.bfloat16)
        wrong, left = posterior.mean[1] - clips[4, 1], mean - clips[4, 1]
        gains.append(float(10 * (wrong.square().mean() / left.square().mean()).log10()))
        before.append(float((wrong.abs() <= posterior.std[1]).float().mean()))
        after.append(float((left.abs() <= std).float().mean()))
    return Score(
        float(np.mean(losses)), gains, float(np.mean(before)), float(np.mean(after))
    )


def make_lessons(folder: Path, minutes: float, seed: int) -> None:
    """Draw movies until the time is over; each makes one file."""
    folder.mkdir(parents=True, exist_ok=True)
    net = build("medium")
    start = warm_start(net)
    if not start.done:
        raise SystemExit(start.remark)
    net.eval()
    until = time.monotonic() + 60 * minutes
    for number in count():
        path = folder / f"{seed}-{number:05d}.safetensors"
        if time.monotonic() > until:
            return
        if path.exists():
            continue
        rng = np.random.default_rng([seed, number])
        lessons = draw_lessons(net, rng, tuned=rng.random() < TUNED)
        tensors = {
            f"{k:02d}": torch.stack([*lesson.evidence, lesson.truth])
            for k, lesson in enumerate(lessons)
        }
        write_model_file(path, tensors, {})


def train(options: argparse.Namespace) -> None:
    """Learn for a number of steps, saving now and then."""
    torch.manual_seed(options.seed)
    net = Refiner()
    average = copy.deepcopy(net).requires_grad_(False)
    adam = NamedAdam(dict(net.named_parameters()))
    checkpoint = options.output.with_suffix(".checkpoint")
    if options.resume:
        header, tensors = read_checkpoint(checkpoint)
        net.load_state_dict(tensors["net"])
        average.load_state_dict(tensors["average"])
        adam.restore(tensors, header["step"])
    lessons = Lessons(options.folder, held_out=False)
    judge = Lessons(options.folder, held_out=True)
    rng = np.random.default_rng([options.seed, adam.steps])
    card = {
        "movies": "simulated (napari_udvd.pretraining.corpus)",
        "batch": options.batch,
        "rate": options.rate,
        "seed": options.seed,
    }
    for step in range(adam.steps + 1, options.steps + 1):
        if step % NEW_LESSONS_STEPS == 0:
            lessons.read_new()
            judge.read_new()
        batch = lessons.batch(rng, options.batch)
        loss = loss_of(net(batch.inputs, torch.bfloat16), batch.error)
        rate = rate_at(
            options.rate,
            step,
            step / options.steps,
            warm_up=WARM_UP_STEPS,
            final=FINAL_RATE,
        )
        adam.step(torch.autograd.grad(loss, adam.parameters), rate)
        follow(average, net, step, AVERAGE_DECAY, at_once=False)
        if step % SAVE_STEPS == 0 or step == options.steps:
            found = score(average, judge.lessons)
            print(f"step {step:6d} of {len(lessons.lessons)}  {found}", flush=True)
            states = {"net": net.state_dict(), "average": average.state_dict()}
            write_checkpoint(checkpoint, states | adam.tensors(), {"step": step})
            write_weights(average, options.output, {**card, "steps": step})


def write_weights(net: Refiner, path: Path, card: dict[str, Any]) -> None:
    """Write half-precision weights, and how they were made."""
    half = {name: t.to(torch.float16) for name, t in net.state_dict().items()}
    write_model_file(path, half, {"refiner": {"card": card}})


def main() -> None:
    """Draw lessons, or learn from them."""
    parser = argparse.ArgumentParser(
        prog="python -m napari_udvd.pretraining.refiner",
        description="Make the weights of the refiner.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    drawing = commands.add_parser("lessons", help="predict simulated movies")
    drawing.add_argument("folder", type=Path)
    drawing.add_argument("--minutes", type=float, default=60.0)
    drawing.add_argument("--seed", type=int, default=0)
    training = commands.add_parser("train", help="learn from the predictions")
    training.add_argument("folder", type=Path)
    training.add_argument("output", type=Path, help="weights to write, .safetensors")
    training.add_argument("--steps", type=int, default=8000)
    training.add_argument("--batch", type=int, default=12)
    training.add_argument("--rate", type=float, default=2e-3)
    training.add_argument("--seed", type=int, default=0)
    training.add_argument(
        "--resume", action="store_true", help="go on from the checkpoint beside output"
    )
    options = parser.parse_args()
    keep_freed_memory()
    if options.command == "lessons":
        make_lessons(options.folder, options.minutes, options.seed)
    else:
        train(options)


if __name__ == "__main__":
    main()
