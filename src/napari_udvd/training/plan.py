"""Turn settings and movies into a plan: network, noise, hole, course of training.

Everything that can be wrong with the input is found here, before time is spent.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_udvd.errors import InputError
from napari_udvd.inference.scaling import Calibration, calibrate
from napari_udvd.models import Facts, catalogue
from napari_udvd.noise import (
    NoiseModel,
    check_pixels,
    check_time,
    diagnose,
    left_empty,
)
from napari_udvd.planes import middle_plane
from napari_udvd.tasks import DENOISE
from napari_udvd.training.widths import widths_of
from napari_udvd.validity import inspect

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari_udvd.models import Network, NetworkSettings, NetworkSpec
    from napari_udvd.stack import Stack
    from napari_udvd.tasks import Task
    from napari_udvd.training.settings import TrainingSettings

__all__ = ["Plan", "make_plan"]

NOTHING = Calibration(0.0, 1.0, NoiseModel(0.0, 0.0, 1.0))
"""Calibration of a channel in which nothing was measured: it is not looked at."""


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

    def as_built(self, net: Network) -> Plan:
        """Put all that a network is built with into the plan."""
        built = {**net.configuration(), "hole": self.hole}
        return replace(self, network={**self.network, **built})

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the diagnoses and frames held out tell a user, each sentence once."""
        reasons = [s for d in self.diagnoses for s in d["reasons"]]
        return tuple(dict.fromkeys([*reasons, *self.corrections]))

    def to_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps of the plan, as plain JSON values."""
        package = catalogue.package_of(self.name)
        return {
            **({} if package is None else {"package": package}),
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
    *,
    glance: bool = False,
) -> Plan:
    """Diagnose the movies and choose what the settings leave open for a task.

    Parameters
    ----------
    stacks, settings
        Movies, and what the user decided.
    on_cpu
        Whether it is trained there.
    task
        What the network learns.
    glance
        Look at less of the movies, see :func:`napari_udvd.noise.diagnose`.

    Raises
    ------
    InputError
        If the movies cannot be trained on, see the message.
    """
    channels = _common_channels(stacks)
    for stack in stacks:
        check_time(stack)
    shortest = min(stacks, key=lambda stack: stack.n_frames)
    facts = Facts(
        n_frames=shortest.n_frames,
        source=shortest.source or "the movie",
        channels=channels if settings.joint_channels else 1,
        targets=settings.targets,
        on_cpu=on_cpu,
        likelihood=settings.likelihood,
    )
    choice = _choose(settings, facts, task.name)
    for stack in stacks:
        check_pixels(stack)
    stacks = [inspect(stack) for stack in stacks]
    known = None if settings.noise is None else NoiseModel(*settings.noise)
    diagnoses = [
        [
            diagnose(stack, plane, known, glance=glance)
            for stack in stacks
            if (plane := middle_plane(stack, c)) is not None
        ]
        for c in range(channels)
    ]
    flat = [diagnosis for row in diagnoses for diagnosis in row]
    hole, warnings = task.plan(flat, settings.hole)
    if not task.fills:
        warnings += tuple(left_empty(stack) for stack in stacks if stack.is_sparse)
    for stack in stacks:
        height, width = stack.frame_shape
        if height <= hole[0] or width <= hole[1]:
            raise InputError(
                f"frames of {stack.source or 'the movie'!r} are {height} x {width} "
                f"pixels, no larger than the hole of {hole[0]} x {hole[1]}; choose a "
                "smaller hole, or larger frames"
            )
    calibrations = tuple(
        calibrate(
            stacks,
            c,
            known or _pooled([d.noise for d in diagnoses[c]]),
            # published flow networks have learned from grey levels of zero to one
            from_zero=choice.options.published_flow is not None,
        )
        if diagnoses[c]
        else NOTHING
        for c in range(channels)
    )
    facts = facts._replace(
        hole=hole,
        lingers=any(d.blind_neighbours for d in flat),
        widths=widths_of(stacks) if task.fills else None,
    )
    broken = [*warnings, *choice.options.warnings(facts)]
    return Plan(
        choice.spec.name,
        choice.spec.arguments(choice.name, choice.options, facts),
        settings.joint_channels,
        calibrations,
        tuple(
            {"channel": c, **d.to_dict()} for c in range(channels) for d in diagnoses[c]
        ),
        choice.reason,
        tuple(dict.fromkeys(broken)),
        tuple(s for stack in stacks if stack.validity for s in stack.validity.notes),
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


class _Choice(NamedTuple):
    """The network that is trained: its spec, variant, options, and why it was taken."""

    spec: NetworkSpec
    name: str
    options: NetworkSettings
    reason: str = ""


def _choose(settings: TrainingSettings, facts: Facts, task: str) -> _Choice:
    """Choose a network that the movies are long enough for, and say why."""
    fitting = {
        name: spec for name, spec in catalogue.specs().items() if task in spec.tasks
    }
    if settings.model == catalogue.AUTO:
        return _chosen(settings, facts, fitting.values())
    spec = catalogue.find(settings.model)
    if spec.name not in fitting:
        raise InputError(
            f"the network {settings.model!r} cannot {task}; those that can are "
            f"{', '.join(fitting)}"
        )
    unfit = spec.unfit(settings.model, settings.network, facts)
    if unfit is not None:
        raise InputError(unfit.message)
    return _Choice(spec, settings.model, settings.network)


def _chosen(
    settings: TrainingSettings, facts: Facts, specs: Iterable[NetworkSpec]
) -> _Choice:
    """Take the first network that has all options that were given, and fits."""
    given = settings.network.model_fields_set
    able = [spec for spec in specs if spec.automatic]
    lacked, why, refusal = "", "", ""
    for spec in able:
        if lacking := sorted(given - spec.settings.model_fields.keys()):
            lacked = lacked or lacking[0]
            continue
        options = settings.network_as(spec)
        for name in spec.names:
            unfit = spec.unfit(name, options, facts)
            if unfit is None:
                if lacked:
                    why = f"a {lacked} was given, which is {spec.title}'s"
                return _Choice(spec, name, options, why or spec.strength)
            why, refusal = why or unfit.reason, refusal or unfit.message
    if not refusal:  # there is an option that none of them has, which is said
        settings.network_as(
            max(able, key=lambda spec: len(given & spec.settings.model_fields.keys()))
        )
    raise InputError(refusal)


def _pooled(models: Sequence[NoiseModel]) -> NoiseModel:
    """Median of each parameter over the movies of a channel."""
    return NoiseModel(
        gain=float(np.median([m.gain for m in models])),
        offset=float(np.median([m.offset for m in models])),
        read_noise=float(np.median([m.read_noise for m in models])),
    )
