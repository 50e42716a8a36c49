"""A training that was interrupted, as its checkpoint tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from napari_udvd.errors import InputError
from napari_udvd.models import catalogue
from napari_udvd.tasks import DENOISE
from napari_udvd.training.checkpoint import check_task, read_checkpoint
from napari_udvd.training.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import torch
    from pydantic import BaseModel

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
        spec = catalogue.find(plan.name, self.header["plan"].get("package"))
        # of some settings the plan says what became of them, not what was asked for
        was = {
            **self.header["settings"],
            **spec.settings.as_built(plan.network),
            "model": spec.variant_of(plan.network),
            "hole": plan.hole,
            "likelihood": plan.network["likelihood"],
            "joint_channels": plan.joint,
        }
        was["noise"] = was["noise"] and tuple(was["noise"])
        self._compare(settings, ("model",), was)
        options = settings.network_as(spec)
        self._compare(options, spec.settings.model_fields, was)
        self._compare(settings, ("hole", "likelihood", "joint_channels", "noise"), was)
        return plan

    def _compare(
        self, asked: BaseModel, names: Iterable[str], was: Mapping[str, Any]
    ) -> None:
        for name in names:
            value = getattr(asked, name)
            if name not in asked.model_fields_set or value in (None, catalogue.AUTO):
                continue
            if value != was.get(name):
                raise InputError(
                    f"the checkpoint was made with {name} {was.get(name)}, not "
                    f"{value}; leave it out to resume, or start anew"
                )


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
