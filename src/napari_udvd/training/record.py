"""What a training says of itself: in a sentence, and for ever in the model."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import torch

from napari_udvd.inference.matching import pixel_sizes
from napari_udvd.inference.restorer import Denoiser
from napari_udvd.training.batches import Batches
from napari_udvd.training.events import Started
from napari_udvd.training.short import too_few_steps

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_udvd.inference.scaling import Calibration
    from napari_udvd.stack import Stack
    from napari_udvd.training.best import Best
    from napari_udvd.training.budget import Budget, Reserve
    from napari_udvd.training.estimate import Pace
    from napari_udvd.training.learner import Learner
    from napari_udvd.training.lessons import Lessons
    from napari_udvd.training.plan import Plan
    from napari_udvd.training.settings import TrainingSettings
    from napari_udvd.training.start import Start

__all__ = ["course", "movie_records", "started", "trained"]


def started(
    learner: Learner,
    plan: Plan,
    start: Start,
    budget: Budget,
    batches: Batches | Lessons,
    after: Reserve,
    pace: Pace | None = None,
) -> Started:
    """Tell how a training begins.

    Parameters
    ----------
    learner, plan, start, budget, batches
        Of the training.
    after
        What is done when it is over.
    pace
        Of predictions; None where nobody measured it.
    """
    remarks = [*plan.remarks, *start.remarks]
    if start.is_warm and budget.is_over(True):
        remarks.append(
            f"{_time(budget.whole)} are too short to train; the shipped weights are "
            "used as they are"
        )
    if not start.is_warm and isinstance(batches, Batches):
        short = too_few_steps(learner, batches, pace, budget)
        remarks += [short] if short else []
    return Started(
        _summary(
            learner,
            clips=batches.size if batches.was_found else None,
            is_warm=start.is_warm,
            reason=plan.reason,
        ),
        tuple(remarks),
        plan.warnings,
        budget.resumed_at,
        budget.left,
        after.seconds,
    )


def _time(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds < 600 else f"{seconds / 60:.0f} min"


def _summary(
    learner: Learner,
    *,
    clips: int | None,
    is_warm: bool,
    reason: str,
) -> str:
    """Tell network, hole, device and precision in one sentence.

    Parameters
    ----------
    learner
        What is trained, where, and in which floating-point type.
    clips
        Clips of a step, where they were tried out; else None.
    is_warm
        It starts from the shipped weights.
    reason
        Why this network; empty where the user chose it.
    """
    net, device = learner.net, next(learner.net.parameters()).device
    kind = {torch.bfloat16: "bfloat16"}.get(learner.precision, "float32")
    start = ", from the shipped weights" if is_warm else ""
    at_once = f", {clips} clips at once" if clips else ""
    why = f" (chosen because {reason})" if reason else ""
    return (
        f"{net.title}, {net.size}, hole {net.hole[0]}x{net.hole[1]}, on "
        f"{device} in {kind}{at_once}{start}{why}"
    )


def movie_records(stacks: Sequence[Stack]) -> list[dict[str, Any]]:
    """Tell by what the movies of a training are known again."""
    return [
        {
            "source": stack.source,
            **stack.mask_record,
            "axes": stack.axes,
            "shape": list(stack.shape),
            "pixel": pixel_sizes(stack),
            "fingerprint": stack.fingerprint(),
        }
        for stack in stacks
    ]


def course(
    best: Best,
    budget: Budget,
    reason: str,
    noise_removed: float | None,
    distillation: Mapping[str, Any],
) -> dict[str, Any]:
    """Tell how a training went.

    Parameters
    ----------
    best
        Weights that are put out.
    budget
        What it took.
    reason, noise_removed
        Why it ended, and what frames held out say of the result.
    distillation
        What is kept of it; empty where there was none.
    """
    taught = {"distillation": dict(distillation)} if distillation else {}
    # steps that were counted make the same model in any time, and the same file of it
    took = {"seconds": round(budget.elapsed, 1)} if budget.is_timed else {}
    return {
        **took,
        "steps": budget.step,
        "ended": reason,
        "best_step": best.step,
        "best_validation": best.loss,
        "noise_removed": noise_removed,
        **taught,
    }


def trained(
    best: Best,
    plan: Plan,
    calibrations: tuple[Calibration, ...],
    settings: TrainingSettings,
    stacks: Sequence[Stack],
    told: Mapping[str, Any],
    *,
    task: str,
    after: Reserve,
) -> Denoiser:
    """Put the best weights and the record of a training together.

    Parameters
    ----------
    best
        Weights of the training.
    plan
        Says what its network takes.
    calibrations
        One for each channel.
    settings, stacks
        What was asked for, and of what movies.
    told
        How it went.
    task
        Name of what was learned.
    after
        What there is time for when movies are denoised.
    """
    record = {
        "settings": settings.model_dump(mode="json"),
        "movies": movie_records(stacks),
        "diagnoses": plan.to_dict()["diagnoses"],
        **told,
    }
    return Denoiser(
        copy.deepcopy(best.net).cpu().eval(),
        calibrations,
        plan.joint,
        after.self_ensemble,
        record,
        task,
        after.second_stage,
        after.single_view,
    )
