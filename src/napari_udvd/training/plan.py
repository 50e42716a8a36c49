"""Turn settings and movies into a plan: network, noise, hole, course of training.

Everything that can be wrong with the input is found here, before time is spent.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_udvd.errors import InputError
from napari_udvd.inference.scaling import Calibration, calibrate
from napari_udvd.models import STBN, UDVD, CenterBlind, LightFlow, PWCNet
from napari_udvd.noise import (
    Diagnosis,
    NoiseModel,
    check_pixels,
    check_time,
    diagnose,
)
from napari_udvd.planes import middle_plane
from napari_udvd.tasks import DENOISE
from napari_udvd.validity import inspect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_udvd.stack import Stack
    from napari_udvd.tasks import Task
    from napari_udvd.training.settings import TrainingSettings

__all__ = ["Course", "Plan", "default_network", "make_plan"]

UDVD_FRAMES = {"udvd": 5, "udvd-3": 3, "udvd-1": 1}

CPU_WIDTH = 16
"""Width of UDVD that two CPU cores can train in minutes; see the benchmarks."""

GPU_WIDTH = 48
"""The published width."""

CPU_STBN = {"features": 16, "modules": 3, "blocks": 2}
"""Size of STBN that two CPU cores can train in minutes; see the benchmarks."""

GPU_STBN = {"features": 64, "modules": 5, "blocks": 8}
"""The published size."""


class Course(NamedTuple):
    """How a network is trained.

    Attributes
    ----------
    batch, targets
        Clips of a step, output frames of a clip. Frames of one clip share the work of
        UDVD's first stage. Those of STBN carry features to one another: long clips are
        worth more than many. The centre-blind network has nothing to share.
    fewest
        Output frames of the shortest clip. What travels through STBN depends on how far
        it has come: trained on clips of one length, it is good at that length alone.
    rate
        Peak learning rate of Adam.
    warm_rate
        The same where training starts from shipped weights, which are nearly right.
    """

    batch: int
    targets: int
    fewest: int
    rate: float
    warm_rate: float


COURSES = {
    UDVD.name: Course(batch=1, targets=2, fewest=2, rate=4e-3, warm_rate=4e-3),
    STBN.name: Course(batch=1, targets=24, fewest=8, rate=2e-3, warm_rate=2e-3),
    CenterBlind.name: Course(batch=8, targets=1, fewest=1, rate=3e-3, warm_rate=3e-3),
}


NOTHING = Calibration(0.0, 1.0, NoiseModel(0.0, 0.0, 1.0))
"""Of a channel in which nothing was measured: it is not looked at."""


@dataclass(frozen=True)
class Plan:
    """What will be trained.

    Attributes
    ----------
    name
        Which network.
    network
        Arguments that build it.
    joint
        The network takes all channels at once.
    calibrations
        One per channel.
    diagnoses
        What the noise is like, as :meth:`Diagnosis.to_dict` says it, one per channel
        and stack in which something was measured, with the ``channel``.
    reason
        Why this network, in one sentence; empty where the user chose it.
    warnings
        What breaks the assumptions of the method, one sentence each.
    corrections
        What was not measured, and what frames held out say of the noise model, one
        sentence each.
    """

    name: str
    network: dict[str, Any]
    joint: bool
    calibrations: tuple[Calibration, ...]
    diagnoses: tuple[dict[str, Any], ...]
    reason: str = ""
    warnings: tuple[str, ...] = ()
    corrections: tuple[str, ...] = ()

    @property
    def hole(self) -> tuple[int, int]:
        """Rows and columns that the network will not see."""
        rows, columns = self.network["hole"]
        return rows, columns

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the diagnoses and frames held out tell a user, each sentence once."""
        reasons = [s for d in self.diagnoses for s in d["reasons"]]
        return tuple(dict.fromkeys([*reasons, *self.corrections]))

    def to_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps of the plan, as plain JSON values."""
        return {
            **asdict(self),
            "network": {**self.network, "hole": list(self.hole)},
            "calibrations": [c.to_dict() for c in self.calibrations],
            "diagnoses": list(self.diagnoses),
            "warnings": list(self.warnings),
            "corrections": list(self.corrections),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Plan:
        """Rebuild from what :meth:`to_dict` returned."""
        return cls(
            name=values["name"],
            network={**values["network"], "hole": tuple(values["network"]["hole"])},
            joint=bool(values["joint"]),
            calibrations=tuple(
                Calibration.from_dict(c) for c in values["calibrations"]
            ),
            diagnoses=tuple(values["diagnoses"]),
            reason=values["reason"],
            warnings=tuple(values["warnings"]),
            corrections=tuple(values.get("corrections", ())),
        )


def make_plan(
    stacks: Sequence[Stack],
    settings: TrainingSettings,
    on_cpu: bool,
    task: Task = DENOISE,
) -> Plan:
    """Diagnose the movies and choose what the settings leave open for a task.

    Raises
    ------
    InputError
        If the movies cannot be trained on, see the message.
    """
    channels = _common_channels(stacks)
    for stack in stacks:
        check_time(stack)
    name, reason = _choose(stacks, settings)
    for stack in stacks:
        check_pixels(stack)
    stacks = [inspect(stack) for stack in stacks]
    diagnoses = [
        [
            diagnose(stack, plane)
            for stack in stacks
            if (plane := middle_plane(stack, c)) is not None
        ]
        for c in range(channels)
    ]
    flat = [diagnosis for row in diagnoses for diagnosis in row]
    hole, warnings = task.plan(flat, settings.hole)
    for stack in stacks:
        height, width = stack.frame_shape
        if height <= hole[0] or width <= hole[1]:
            raise InputError(
                f"frames of {stack.source or 'the movie'!r} are {height} x {width} "
                f"pixels, no larger than the hole of {hole[0]} x {hole[1]}; choose a "
                "smaller hole, or larger frames"
            )
    known = None if settings.noise is None else NoiseModel(*settings.noise)
    calibrations = tuple(
        calibrate(
            stacks,
            c,
            known or _pooled([d.noise for d in diagnoses[c]]),
            # PWC-Net has learned from grey levels between zero and one
            from_zero=settings.flow_weights is not None,
        )
        if diagnoses[c]
        else NOTHING
        for c in range(channels)
    )
    common: dict[str, Any] = {
        "channels": channels if settings.joint_channels else 1,
        "hole": hole,
        "likelihood": settings.likelihood,
    }
    if name == CenterBlind.name:
        shortest = min(stack.n_frames for stack in stacks)
        network = common | _center_blind(settings, flat, shortest)
    elif name == STBN.name:
        network = common | (CPU_STBN if on_cpu else GPU_STBN)
        network["flow"] = _flow_network(settings, common["channels"])
        network["noise_input"] = settings.noise_input
        if settings.width is not None:
            network["features"] = settings.width
    else:
        network = common | {
            "frames": UDVD_FRAMES[name],
            "width": settings.width or (CPU_WIDTH if on_cpu else GPU_WIDTH),
        }
        name = UDVD.name
    broken = list(warnings)
    if name == STBN.name and any(d.blind_neighbours for d in flat):
        broken.append(
            "the noise of a pixel lives on in the next frame, which STBN sees in full; "
            "it will be taken for signal: choose udvd, which never sees that pixel"
        )
    return Plan(
        name,
        network,
        settings.joint_channels,
        calibrations,
        tuple(
            {"channel": c, **d.to_dict()} for c in range(channels) for d in diagnoses[c]
        ),
        reason,
        tuple(dict.fromkeys(broken)),
        tuple(s for stack in stacks if stack.validity for s in stack.validity.notes),
    )


def default_network(name: str, hole: tuple[int, int], on_cpu: bool) -> dict[str, Any]:
    """Arguments that build a network as large as one gets without asking for a size."""
    network: dict[str, Any] = {"channels": 1, "hole": hole, "likelihood": True}
    if name == STBN.name:
        network |= CPU_STBN if on_cpu else GPU_STBN
    if name == UDVD.name:
        network["width"] = CPU_WIDTH if on_cpu else GPU_WIDTH
    return network


def _flow_network(settings: TrainingSettings, channels: int) -> str:
    if settings.flow_weights is None:
        return LightFlow.name if settings.flow else "none"
    if not settings.flow:
        raise InputError(
            f"flow_weights is {settings.flow_weights!r} while flow is switched off; "
            "leave one of them out"
        )
    if not Path(settings.flow_weights).is_file():
        raise InputError(
            f"flow_weights is {settings.flow_weights!r}, but there is no such file"
        )
    if channels not in (1, 3):
        raise InputError(
            f"PWC-Net sees red, green and blue or one channel, not {channels}; leave "
            "flow_weights or joint_channels out"
        )
    return PWCNet.name


def _center_blind(
    settings: TrainingSettings, diagnoses: Sequence[Diagnosis], n_frames: int
) -> dict[str, Any]:
    # noise that lives on in the next frame must not be seen there; a movie of three
    # frames has no others, and the user is warned
    hidden = int(n_frames > 3 and any(d.blind_neighbours for d in diagnoses))
    return {"preset": settings.preset, "hidden": hidden}


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


def _choose(stacks: Sequence[Stack], settings: TrainingSettings) -> tuple[str, str]:
    """Choose a network, and say why; all movies must be long enough for it."""
    shortest = min(stacks, key=lambda stack: stack.n_frames)
    label, n_frames = shortest.source or "the movie", shortest.n_frames
    fitting = [name for name, frames in UDVD_FRAMES.items() if n_frames >= frames]
    for setting in ("flow", "flow_weights", "noise_input"):
        value = getattr(settings, setting)
        if settings.model != STBN.name and value not in (None, True):
            raise InputError(
                f"{setting} is {value!r}, which is a setting of STBN; leave it out, or "
                f"choose the model {STBN.name}"
            )
    if settings.model == "auto":
        if settings.width is not None:
            return fitting[0], "a width was given, which is UDVD's"
        if (settings.targets or 1) > 1:
            return fitting[0], "several targets per clip were asked for"
        return CenterBlind.name, (
            "it was better than UDVD after the same time in the benchmarks"
        )
    if settings.model in UDVD_FRAMES and settings.model not in fitting:
        raise InputError(
            f"{label!r} has {n_frames} frames and the model {settings.model} looks at "
            f"{UDVD_FRAMES[settings.model]}; {fitting[0]} fits"
        )
    if settings.model != CenterBlind.name and "preset" in settings.model_fields_set:
        raise InputError(
            f"preset is {settings.preset!r}, which is a setting of the centre-blind "
            f"network; the size of {settings.model} is its width"
        )
    if settings.model == STBN.name and (settings.width or 2) % 2:
        raise InputError(f"width is {settings.width}; STBN's must be even")
    if settings.model == STBN.name and settings.targets == 1:
        raise InputError(
            "targets is 1; STBN carries features from frame to frame and needs clips "
            "of two frames or more"
        )
    if settings.model == CenterBlind.name and settings.width is not None:
        raise InputError(
            f"width is {settings.width}, which is a setting of UDVD; the centre-blind "
            "network has presets: small, medium, large"
        )
    if settings.model == CenterBlind.name and (settings.targets or 1) > 1:
        # neighbouring targets would be seen as neighbours at the ends of the movie
        raise InputError(
            f"targets is {settings.targets}; the centre-blind network takes one per "
            "clip: choose a larger batch instead"
        )
    return settings.model, ""


def _pooled(models: Sequence[NoiseModel]) -> NoiseModel:
    """Median of each parameter over the movies of a channel."""
    return NoiseModel(
        gain=float(np.median([m.gain for m in models])),
        offset=float(np.median([m.offset for m in models])),
        read_noise=float(np.median([m.read_noise for m in models])),
    )
