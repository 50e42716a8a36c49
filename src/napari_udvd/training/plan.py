"""Turn settings and movies into a plan: network, noise, hole, patches.

Everything that can be wrong with the input is found here, before time is spent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_udvd.calibration import Calibration, calibrate
from napari_udvd.errors import InputError
from napari_udvd.noise import NoiseModel, check_pixels, check_time, diagnose
from napari_udvd.stack import Plane, Stack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_udvd.training.settings import TrainingSettings

__all__ = ["Plan", "make_plan"]

FRAMES = {"udvd": 5, "udvd-3": 3, "udvd-1": 1}

CPU_WIDTH = 16
"""Width that two CPU cores can train in minutes; see the benchmarks."""

GPU_WIDTH = 48
"""The published width."""


@dataclass(frozen=True)
class Plan:
    """What will be trained.

    Attributes
    ----------
    network
        Arguments that build the network.
    joint
        The network takes all channels at once.
    calibrations
        One per channel.
    diagnoses
        What the noise is like, as :meth:`Diagnosis.to_dict` says it, one per channel
        and stack.
    """

    network: dict[str, Any]
    joint: bool
    calibrations: tuple[Calibration, ...]
    diagnoses: tuple[dict[str, Any], ...]

    @property
    def hole(self) -> tuple[int, int]:
        """Rows and columns that the network will not see."""
        rows, columns = self.network["hole"]
        return rows, columns

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the diagnoses say to a user, each sentence once."""
        reasons = [reason for d in self.diagnoses for reason in d["reasons"]]
        return tuple(dict.fromkeys(reasons))

    def to_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps of the plan, as plain JSON values."""
        return {
            "network": {**self.network, "hole": list(self.hole)},
            "joint": self.joint,
            "calibrations": [c.to_dict() for c in self.calibrations],
            "diagnoses": list(self.diagnoses),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Plan:
        """Rebuild from what :meth:`to_dict` returned."""
        network = {**values["network"], "hole": tuple(values["network"]["hole"])}
        calibrations = tuple(Calibration.from_dict(c) for c in values["calibrations"])
        diagnoses = tuple(values["diagnoses"])
        return cls(network, bool(values["joint"]), calibrations, diagnoses)


def make_plan(
    stacks: Sequence[Stack], settings: TrainingSettings, on_cpu: bool
) -> Plan:
    """Diagnose the movies and choose what the settings leave open.

    Raises
    ------
    InputError
        If the movies cannot be trained on, see the message.
    """
    channels = _common_channels(stacks)
    for stack in stacks:
        check_time(stack)
    frames = _frames(stacks, settings)
    for stack in stacks:
        check_pixels(stack)
    diagnoses = [
        [diagnose(stack, Plane(c, stack.n_planes // 2)) for stack in stacks]
        for c in range(channels)
    ]
    flat = [diagnosis for row in diagnoses for diagnosis in row]
    hole = settings.hole or (
        max(d.hole[0] for d in flat),
        max(d.hole[1] for d in flat),
    )
    for stack in stacks:
        height, width = stack.frame_shape
        if height <= hole[0] or width <= hole[1]:
            raise InputError(
                f"frames of {stack.source or 'the movie'!r} are {height} x {width} "
                f"pixels, no larger than the hole of {hole[0]} x {hole[1]}; choose a "
                "smaller hole, or larger frames"
            )
    calibrations = tuple(
        calibrate(stacks, c, _pooled([d.noise for d in diagnoses[c]]))
        for c in range(channels)
    )
    network: dict[str, Any] = {
        "frames": frames,
        "channels": channels if settings.joint_channels else 1,
        "width": settings.width or (CPU_WIDTH if on_cpu else GPU_WIDTH),
        "hole": hole,
        "likelihood": settings.likelihood,
    }
    return Plan(
        network,
        settings.joint_channels,
        calibrations,
        tuple(d.to_dict() for d in flat),
    )


def _common_channels(stacks: Sequence[Stack]) -> int:
    if not stacks:
        raise InputError("no movie was given to train on; give at least one")
    counts = {stack.n_channels for stack in stacks}
    if len(counts) > 1:
        raise InputError(
            f"the movies have different numbers of channels, {sorted(counts)}; train "
            "on movies with the same channels"
        )
    return counts.pop()


def _frames(stacks: Sequence[Stack], settings: TrainingSettings) -> int:
    """Frames the network sees; all movies must be long enough for it."""
    shortest = min(stacks, key=lambda stack: stack.n_frames)
    label, n_frames = shortest.source or "the movie", shortest.n_frames
    fitting = [name for name, frames in FRAMES.items() if n_frames >= frames]
    if settings.model == "auto":
        return FRAMES[fitting[0]]
    if settings.model not in fitting:
        raise InputError(
            f"{label!r} has {n_frames} frames and the model {settings.model} looks at "
            f"{FRAMES[settings.model]}; {fitting[0]} fits"
        )
    return FRAMES[settings.model]


def _pooled(models: Sequence[NoiseModel]) -> NoiseModel:
    """Median of each parameter over the movies of a channel."""
    return NoiseModel(
        gain=float(np.median([m.gain for m in models])),
        offset=float(np.median([m.offset for m in models])),
        read_noise=float(np.median([m.read_noise for m in models])),
    )
