"""Train a network on the noisy movie itself."""

from __future__ import annotations

import copy
import math
import threading
import time
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from napari_udvd.calibration import Scaler
from napari_udvd.denoiser import Denoiser
from napari_udvd.denoising import is_out_of_memory
from napari_udvd.device import choose_device, choose_precision
from napari_udvd.errors import InputError
from napari_udvd.models import UDVD, build_network
from napari_udvd.series import series_of
from napari_udvd.training.checkpoint import read_checkpoint, write_checkpoint
from napari_udvd.training.events import (
    Checkpoint,
    Failed,
    Finished,
    Preview,
    Started,
    Step,
    TrainingEvent,
)
from napari_udvd.training.loss import pixel_loss
from napari_udvd.training.plan import FRAMES, Plan, make_plan
from napari_udvd.training.sampling import ClipSampler, Movie
from napari_udvd.training.validation import Validation, hold_out

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from napari_udvd.stack import Stack
    from napari_udvd.training.settings import TrainingSettings

__all__ = ["train_events"]

WARM_UP_STEPS = 20
"""Steps over which the learning rate rises."""

FINAL_RATE = 0.03
"""Learning rate at the end of the budget, as a fraction of its peak."""

AVERAGE_DECAY = 0.98
"""Decay of the moving average of the weights; shorter at the beginning."""

SMOOTHING = 0.95
"""Decay of the average loss that is shown."""

LARGEST_GRADIENT = 1.0
"""Norm that a gradient is clipped to."""

VALIDATION_SHARE = 0.08
"""Share of the time that measuring the validation loss may take."""

VALIDATIONS = 40
"""How often the validation loss is measured at most."""

PATIENCE = 0.4
"""Share of the budget without a better validation loss after which to stop ..."""

PATIENT_VALIDATIONS = 8
"""... provided that it was measured so many times meanwhile."""

NOT_FINITE_IN_A_ROW = 10
"""Steps with a loss that is not finite after which training has failed."""


def train_events(
    stacks: Sequence[Stack],
    settings: TrainingSettings,
    *,
    checkpoint: Path | None = None,
    resume: bool = False,
    cancel: threading.Event | None = None,
) -> Iterator[TrainingEvent]:
    """Train on one or more movies and tell how it goes.

    Blind-spot training as in Sheth et al. 2021, with the Poisson-Gaussian noise of
    the movie in the likelihood, a moving average of the weights, and the weights of
    the best loss on held-out frames as the result.

    Parameters
    ----------
    stacks
        Movies with the same channels.
    settings
        What the user decided.
    checkpoint
        File for the state of the run; none is written if None.
    resume
        Continue from `checkpoint`.
    cancel
        Set it to end after the current step; the state is saved first.

    Yields
    ------
    TrainingEvent
        `Started`, then `Step`, `Preview` and `Checkpoint`, and `Finished` or `Failed`
        at the end.

    Raises
    ------
    InputError
        Before anything is trained, if a movie or a setting cannot be used.
    """
    began = time.monotonic()
    device = choose_device(settings.device)
    state = _resumed_state(checkpoint, stacks) if resume else None
    if state is None:
        plan = make_plan(stacks, settings, on_cpu=device.type == "cpu")
        run = _Run(stacks, settings, plan, device, began)
    else:
        try:
            run = _Run(stacks, settings, state.plan(settings), device, began)
            run.restore(state)
        except (KeyError, TypeError, RuntimeError, StopIteration) as error:
            raise InputError(
                f"the checkpoint {str(checkpoint)!r} is damaged or of another version "
                f"({error}); start anew"
            ) from error
    try:
        yield from run.events(checkpoint, cancel or threading.Event())
    except (RuntimeError, MemoryError, OSError, InputError) as error:
        yield Failed(_explained(error, device))


class _State(NamedTuple):
    """A checkpoint that was read."""

    header: dict[str, Any]
    tensors: dict[str, dict[str, torch.Tensor]]

    def plan(self, settings: TrainingSettings) -> Plan:
        """Return the plan of the interrupted run; settings must not contradict it."""
        plan = Plan.from_dict(self.header["plan"])
        before = {**plan.network, "joint_channels": plan.joint, "model": _name(plan)}
        for name in ("model", "width", "hole", "likelihood", "joint_channels"):
            asked, was = getattr(settings, name), before[name]
            if name in settings.model_fields_set and asked not in (None, "auto", was):
                raise InputError(
                    f"the checkpoint was made with {name} {was}, not {asked}; leave it "
                    "out to resume, or start anew"
                )
        return plan


def _name(plan: Plan) -> str:
    return next(n for n, frames in FRAMES.items() if frames == plan.network["frames"])


def _resumed_state(checkpoint: Path | None, stacks: Sequence[Stack]) -> _State | None:
    if checkpoint is None or not checkpoint.exists():
        raise InputError(
            f"there is no checkpoint {str(checkpoint)!r} to resume; leave resume out "
            "to start anew"
        )
    header, tensors = read_checkpoint(checkpoint)
    before, now = header.get("movies"), _signature(stacks)
    if before != now:
        raise InputError(
            f"the checkpoint {str(checkpoint)!r} is of another training: its movies "
            f"are {before}, these are {now} (axes, shape, type and a checksum)"
        )
    return _State(header, tensors)


def _signature(stacks: Sequence[Stack]) -> list[str]:
    """Tell movies apart, wherever their files are moved to."""
    return [
        f"{stack.axes} {stack.shape} {stack.dtype} "
        f"{zlib.crc32(stack.read(stack.n_frames // 2).tobytes()):08x}"
        for stack in stacks
    ]


class _Run:
    """Everything that changes while training."""

    def __init__(
        self,
        stacks: Sequence[Stack],
        settings: TrainingSettings,
        plan: Plan,
        device: torch.device,
        began: float,
    ) -> None:
        self._settings, self._plan, self._device = settings, plan, device
        self._stacks = stacks
        self._precision = choose_precision(device)
        with torch.random.fork_rng(devices=[]):  # leaves the caller's seed alone
            torch.manual_seed(settings.seed)
            self._net = build_network(UDVD.name, plan.network).to(device)
        self._average = copy.deepcopy(self._net).eval().requires_grad_(False)
        self._best = copy.deepcopy(self._average)
        # Adam needs no more than its two moments to resume: fused is not needed
        self._adam = torch.optim.Adam(
            self._net.parameters(), lr=settings.learning_rate, betas=(0.9, 0.99)
        )
        self._rng = np.random.default_rng(settings.seed)
        movies = [
            Movie(stack, series, hold_out(stack.n_frames))
            for stack in stacks
            for series in series_of(stack, plan.joint)
        ]
        self._sampler = ClipSampler(
            movies,
            context=self._net.context,
            targets=settings.targets,
            patch=settings.patch,
            transpose=plan.hole[0] == plan.hole[1],
            rng=self._rng,
        )
        self._validation = Validation(
            movies,
            plan.calibrations,
            context=self._net.context,
            device=device,
            precision=self._precision,
        )
        self._began = began
        self._resumed_at = 0.0
        self._step = 0
        self._step_seconds = self._validation_seconds = 0.0
        self._loss = math.nan
        self._best_step, self._best_loss = 0, math.inf
        self._best_at = 0.0
        self._history: list[tuple[int, float]] = []

    def events(
        self, checkpoint: Path | None, cancel: threading.Event
    ) -> Iterator[TrainingEvent]:
        yield Started(self._summary(), self._plan.remarks, self._resumed_at)
        next_validation = self._elapsed() + self._budget / VALIDATIONS
        next_checkpoint = self._elapsed() + self._settings.checkpoint_seconds
        not_finite = 0
        reason = "budget"
        while not self._is_over():
            before = self._elapsed()
            loss = self._train_step()
            self._step_seconds = self._elapsed() - before
            not_finite = 0 if math.isfinite(loss) else not_finite + 1
            if not_finite >= NOT_FINITE_IN_A_ROW:
                raise RuntimeError(
                    f"the loss is not finite since step {self._step - not_finite}; "
                    "try a lower learning rate"
                )
            yield Step(
                self._step,
                self._progress(),
                self._elapsed(),
                self._loss,
                self._history[-1][1] if self._history else None,
            )
            if self._validation_is_due(next_validation):
                before = self._elapsed()
                self._validate()
                yield Preview(self._step, *self._validation.preview(self._average))
                cost = self._elapsed() - before
                next_validation = self._elapsed() + max(
                    cost / VALIDATION_SHARE, self._budget / VALIDATIONS
                )
            stop = cancel.is_set()
            if checkpoint is not None and (stop or self._elapsed() > next_checkpoint):
                self._save(checkpoint)
                yield Checkpoint(self._step, checkpoint)
                next_checkpoint = self._elapsed() + self._settings.checkpoint_seconds
            if stop:
                reason = "cancelled"
                break
            if self._has_converged():
                reason = "converged"
                break
        measured = self._history[-1][0] if self._history else 0
        if measured == 0 or (reason != "cancelled" and measured < self._step):
            self._validate()
        if not math.isfinite(self._best_loss):
            raise RuntimeError(
                "the validation loss is not finite; try a lower learning rate"
            )
        yield Finished(
            self._denoiser(reason),
            reason,
            self._best_step,
            self._best_loss,
            tuple(self._history),
        )

    def restore(self, state: _State) -> None:
        """Continue where the checkpoint was written."""
        header, tensors = state.header, state.tensors
        self._net.load_state_dict(tensors["net"])
        self._average.load_state_dict(tensors["average"])
        self._best.load_state_dict(tensors["best"])
        for name, parameter in self._net.named_parameters():
            if name in tensors.get("adam_first", {}):
                self._adam.state[parameter] = {
                    "step": torch.tensor(header["adam_steps"]),
                    "exp_avg": tensors["adam_first"][name].to(self._device),
                    "exp_avg_sq": tensors["adam_second"][name].to(self._device),
                }
        self._rng.bit_generator.state = header["rng"]
        self._step, self._loss = header["step"], header["loss"]
        self._best_step, self._best_loss = header["best_step"], header["best_loss"]
        self._best_at = header["best_at"]
        self._history = [(step, loss) for step, loss in header["history"]]
        self._resumed_at = header["elapsed"]

    def _save(self, path: Path) -> None:
        named = dict(self._net.named_parameters())
        moments = {
            n: self._adam.state[p] for n, p in named.items() if p in self._adam.state
        }
        adam_steps = max((float(m["step"]) for m in moments.values()), default=0.0)
        header = {
            "adam_steps": adam_steps,
            "movies": _signature(self._stacks),
            "settings": self._settings.model_dump(),
            "plan": self._plan.to_dict(),
            "step": self._step,
            "elapsed": self._elapsed(),
            "loss": self._loss,
            "best_step": self._best_step,
            "best_loss": self._best_loss,
            "best_at": self._best_at,
            "history": self._history,
            "rng": self._rng.bit_generator.state,
        }
        tensors = {
            "net": self._net.state_dict(),
            "average": self._average.state_dict(),
            "best": self._best.state_dict(),
            "adam_first": {n: m["exp_avg"] for n, m in moments.items()},
            "adam_second": {n: m["exp_avg_sq"] for n, m in moments.items()},
        }
        write_checkpoint(path, tensors, header)

    def _train_step(self) -> float:
        draw = self._sampler.draw(self._settings.batch)
        scaler = Scaler(
            [self._plan.calibrations[c] for c in draw.series.channels], self._device
        )
        clips = scaler.normalise(torch.from_numpy(draw.clips).to(self._device))
        is_target = torch.from_numpy(draw.is_target).to(self._device)
        context = self._net.context
        for group in self._adam.param_groups:
            group["lr"] = self._rate()
        prediction = self._net(clips.to(self._precision))
        noisy = clips[:, context : clips.shape[1] - context]
        loss = pixel_loss(prediction, noisy, scaler)[is_target].mean()
        self._step += 1
        value = float(loss.detach())
        # a clip of held-out frames only has no target and nothing to teach
        if is_target.any() and math.isfinite(value):
            self._adam.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self._net.parameters(), LARGEST_GRADIENT)
            self._adam.step()
            self._update_average()
            self._smooth_loss(value)
        return value if is_target.any() else 0.0

    def _smooth_loss(self, value: float) -> None:
        """Average over the last steps; few at first, where the loss falls fast."""
        share = max(1 - SMOOTHING, 1 / (1 + self._step / 4))
        before = self._loss if math.isfinite(self._loss) else value
        self._loss = before + share * (value - before)

    def _update_average(self) -> None:
        decay = min(AVERAGE_DECAY, self._step / (self._step + 10))
        with torch.no_grad():
            pairs = zip(self._average.parameters(), self._net.parameters(), strict=True)
            for average, parameter in pairs:
                average.lerp_(parameter, 1 - decay)

    def _rate(self) -> float:
        warm = min((self._step + 1) / WARM_UP_STEPS, 1.0)
        cosine = (1 + math.cos(math.pi * self._progress())) / 2
        fall = FINAL_RATE + (1 - FINAL_RATE) * cosine
        return self._settings.learning_rate * warm * fall

    def _validate(self) -> None:
        before = self._elapsed()
        loss = self._validation.loss(self._average)
        self._validation_seconds = self._elapsed() - before
        self._history.append((self._step, loss))
        if loss < self._best_loss:
            self._best.load_state_dict(self._average.state_dict())
            self._best_step, self._best_loss = self._step, loss
            self._best_at = self._progress()

    def _validation_is_due(self, at: float) -> bool:
        steps = self._settings.steps
        if steps is not None:
            return self._step % max(steps // VALIDATIONS, 1) == 0
        return self._elapsed() >= at

    def _has_converged(self) -> bool:
        since_best = sum(step > self._best_step for step, _ in self._history)
        waited = self._progress() - self._best_at
        return since_best >= PATIENT_VALIDATIONS and waited > PATIENCE

    def _is_over(self) -> bool:
        if self._settings.steps is not None:
            return self._step >= self._settings.steps
        # one more step and the last validation must still fit
        needed = self._step_seconds + self._validation_seconds
        return self._step > 0 and self._elapsed() + needed > self._budget

    def _progress(self) -> float:
        steps = self._settings.steps
        if steps is not None:
            return self._step / steps
        return min(self._elapsed() / self._budget, 1.0)

    def _elapsed(self) -> float:
        return time.monotonic() - self._began + self._resumed_at

    @property
    def _budget(self) -> float:
        return 60 * self._settings.minutes

    def _summary(self) -> str:
        net = self._net
        kind = {torch.bfloat16: "bfloat16"}.get(self._precision, "float32")
        return (
            f"UDVD, {net.frames} frames, width {net.width}, hole {net.hole[0]}x"
            f"{net.hole[1]}, on {self._device} in {kind}"
        )

    def _denoiser(self, reason: str) -> Denoiser:
        record = {
            "settings": self._settings.model_dump(mode="json"),
            "movies": [
                {"source": stack.source, "axes": stack.axes, "shape": list(stack.shape)}
                for stack in self._stacks
            ],
            "diagnoses": self._plan.to_dict()["diagnoses"],
            "seconds": round(self._elapsed(), 1),
            "steps": self._step,
            "ended": reason,
            "best_step": self._best_step,
            "best_validation": self._best_loss,
        }
        net = copy.deepcopy(self._best).cpu().eval()
        return Denoiser(net, self._plan.calibrations, self._plan.joint, record)


def _explained(error: Exception, device: torch.device) -> Exception:
    if is_out_of_memory(error):
        explained = MemoryError(
            f"training ran out of memory on {device}; choose a smaller width or patch, "
            "or another device"
        )
        explained.__cause__ = error
        return explained
    return error
