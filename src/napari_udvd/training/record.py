"""What a training says of itself: in a sentence, and for ever in the model."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import torch

from napari_udvd.inference.matching import pixel_sizes
from napari_udvd.inference.restorer import Denoiser

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_udvd.models import Network
    from napari_udvd.stack import Stack
    from napari_udvd.training.best import Best
    from napari_udvd.training.plan import Plan

__all__ = ["movie_records", "summary", "trained"]


def summary(
    net: Network,
    device: torch.device,
    precision: torch.dtype,
    *,
    clips: int | None,
    is_warm: bool,
    reason: str,
) -> str:
    """Tell network, hole, device and precision in one sentence.

    Parameters
    ----------
    net, device, precision
        What is trained, where, and in which floating-point type.
    clips
        Clips of a step, where they were tried out; else None.
    is_warm
        It starts from the shipped weights.
    reason
        Why this network; empty where the user chose it.
    """
    kind = {torch.bfloat16: "bfloat16"}.get(precision, "float32")
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
            "axes": stack.axes,
            "shape": list(stack.shape),
            "pixel": pixel_sizes(stack),
            "fingerprint": stack.fingerprint(),
        }
        for stack in stacks
    ]


def trained(
    best: Best,
    plan: Plan,
    record: dict[str, Any],
    *,
    task: str,
    self_ensemble: bool,
) -> Denoiser:
    """Put the best weights and the record of a training together.

    Parameters
    ----------
    best
        Weights of the training.
    plan
        Says how its network is calibrated.
    record
        What is kept of how it went.
    task
        Name of what was learned.
    self_ensemble
        See :class:`~napari_udvd.inference.restorer.Denoiser`.
    """
    return Denoiser(
        copy.deepcopy(best.net).cpu().eval(),
        plan.calibrations,
        plan.joint,
        self_ensemble,
        record,
        task,
    )
