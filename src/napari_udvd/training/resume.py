"""A training that was interrupted, as its checkpoint tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from napari_udvd.errors import InputError
from napari_udvd.tasks import DENOISE
from napari_udvd.training.checkpoint import check_task, read_checkpoint
from napari_udvd.training.plan import UDVD_FRAMES, Plan

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import torch

    from napari_udvd.stack import Stack
    from napari_udvd.training.settings import TrainingSettings

__all__ = ["SavedRun", "read_saved_run"]


class SavedRun(NamedTuple):
    """What a checkpoint says of an interrupted training.

    Attributes
    ----------
    header
        Numbers, settings and plan.
    tensors
        Weights and moments, by what they belong to.
    """

    header: dict[str, Any]
    tensors: dict[str, dict[str, torch.Tensor]]

    def plan(self, settings: TrainingSettings) -> Plan:
        """Return the plan of the interrupted run.

        Raises
        ------
        InputError
            If settings that were given contradict it.
        """
        plan = Plan.from_dict(self.header["plan"])
        before = {**plan.network, "joint_channels": plan.joint, "model": _model(plan)}
        if "features" in before:  # as a user calls it
            before["width"] = before["features"]
        # of these the plan says what became of them, not what was asked for
        asked_then = self.header["settings"]
        before |= {name: asked_then[name] for name in ("flow", "flow_weights")}
        before["noise"] = asked_then["noise"] and tuple(asked_then["noise"])
        for name in (
            "model", "preset", "width", "hole", "likelihood", "joint_channels",
            "flow", "flow_weights", "noise", "noise_input",
        ):  # fmt: skip
            asked, was = getattr(settings, name), before.get(name)
            if name in settings.model_fields_set and asked not in (None, "auto", was):
                raise InputError(
                    f"the checkpoint was made with {name} {was}, not {asked}; leave it "
                    "out to resume, or start anew"
                )
        return plan


def read_saved_run(
    checkpoint: Path | None, stacks: Sequence[Stack], task: str = DENOISE.name
) -> SavedRun:
    """Read the checkpoint of an interrupted training of these movies for a task.

    Raises
    ------
    InputError
        If there is none, or it is of other movies or of another task.
    """
    if checkpoint is None or not checkpoint.exists():
        raise InputError(
            f"there is no checkpoint {str(checkpoint)!r} to resume; leave resume out "
            "to start anew"
        )
    header, tensors = read_checkpoint(checkpoint)
    check_task(checkpoint, header, task)
    before, now = header.get("movies"), [stack.fingerprint() for stack in stacks]
    if before != now:
        raise InputError(
            f"the checkpoint {str(checkpoint)!r} is of another training: its movies "
            f"are {before}, these are {now} (axes, shape, type and a checksum)"
        )
    return SavedRun(header, tensors)


def _model(plan: Plan) -> str:
    """Name of the network as a user chooses it."""
    frames = plan.network.get("frames")
    return next((n for n, count in UDVD_FRAMES.items() if count == frames), plan.name)
