"""A model that denoises a movie and sharpens the result."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_udvd.inference.request import Request
from napari_udvd.inference.restorer import Denoiser
from napari_udvd.sharpening._assess import Assessment, assess
from napari_udvd.sharpening._blocks import SharpenedBlocks
from napari_udvd.sharpening._clock import DEFAULT, Effort
from napari_udvd.sharpening._network import Improvement, Learned, learn_to_improve
from napari_udvd.sharpening._stop import Choice, choose_iterations

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from napari_udvd.inference.block_denoiser import Blocks
    from napari_udvd.inference.scaling import Calibration
    from napari_udvd.inference.survey import Surveys
    from napari_udvd.models import Network
    from napari_udvd.sharpening._optics import Optics
    from napari_udvd.stack import Layout, Stack
    from napari_udvd.tasks import Task

__all__ = ["Sharpener"]


@dataclass(frozen=True, eq=False)
class Sharpener(Denoiser):
    """A model whose results are sharpened.

    Attributes
    ----------
    optics
        What blurred the movie.
    choices
        Iterations of each channel, and what was found of them.
    assessments
        Of each channel, None where nothing was measured; empty where none were asked
        for.
    improvements
        What goes on from there in each channel; empty where nothing does.
    """

    optics: Optics = field(default=None)  # type: ignore[assignment]  # after defaults
    choices: tuple[Choice, ...] = ()
    assessments: tuple[Assessment | None, ...] = ()
    improvements: tuple[Improvement, ...] = ()

    @classmethod
    def of(
        cls,
        denoiser: Denoiser,
        optics: Optics,
        choices: Sequence[Choice],
        assessments: Sequence[Assessment | None] = (),
        improvements: Sequence[Improvement] = (),
    ) -> Sharpener:
        """Make one of a model that denoises."""
        known = {f.name: getattr(denoiser, f.name) for f in fields(Denoiser) if f.init}
        return cls(
            **known,
            optics=optics,
            choices=tuple(choices),
            assessments=tuple(assessments),
            improvements=tuple(improvements),
        )

    @classmethod
    def fitted(
        cls,
        denoiser: Denoiser,
        stack: Stack,
        optics: Optics,
        request: Request,
        iterations: int | None = None,
        *,
        network: str | None = None,
        effort: Effort = DEFAULT,
    ) -> Generator[Learned | None, None, Sharpener]:
        """Find how often to iterate for each channel of a movie, with pauses.

        Parameters
        ----------
        denoiser
            Trained on the movie.
        stack
            The movie.
        optics
            What blurred it.
        request
            How it is denoised.
        iterations
            That somebody asks for; found out if None.
        network
            Name of one that learns to go on from there, see
            :func:`~napari_udvd.models.improver_names`; none if None.
        effort
            What it may cost for each channel.

        Yields
        ------
        Learned or None
            After each step of the network, and wherever it can be left.

        Raises
        ------
        InputError
            If that many iterations cannot be made, the point spread function is larger
            than the frames, or there is no such network.
        """
        if isinstance(denoiser, Sharpener):  # not sharpened twice
            denoiser = denoiser.plain
        asked = None if iterations is None else Choice.asked(iterations)
        surveys = denoiser.survey(stack, request)
        choices, assessments, improvements = [], [], []
        for channel in range(stack.n_channels):
            choice = asked or (
                yield from choose_iterations(
                    denoiser, stack, channel, optics, request, surveys
                )
            )
            choices.append(choice)
            how = (stack, channel, optics, choice.iterations, request, surveys)
            improvement = None
            if network is not None:
                improvement = yield from learn_to_improve(
                    network, denoiser, *how, effort
                )
                improvements.append(improvement)
            assessments.append((yield from assess(denoiser, *how, improvement)))
        return cls.of(denoiser, optics, choices, assessments, improvements)

    @property
    def plain(self) -> Denoiser:
        """The model that only denoises."""
        known = {f.name: getattr(self, f.name) for f in fields(Denoiser) if f.init}
        return Denoiser(**known)

    def layout(self, stack: Stack) -> Layout:
        """Return axes, shape, scale and units of the result for a movie."""
        return super().layout(stack).zoomed(self.optics.zoom)

    def dtype_for(self, stack: Stack, request: Request = Request()) -> np.dtype[Any]:
        """Return the data type of a result: brighter than the movie, where it is."""
        if request.chooses_dtype:
            return np.dtype(np.float32)
        return super().dtype_for(stack, request)

    def provenance(
        self, stack: Stack, request: Request | None = None, **more: Any
    ) -> dict[str, Any]:
        """Return what a result records of how it was made."""
        assessed = [each and each.to_dict() for each in self.assessments]
        sharpening = {
            "blur": self.optics.describe(),
            "zoom": self.optics.zoom,
            "channels": [choice.to_dict() for choice in self.choices],
            "assessed": assessed,
            "networks": [each.to_dict() for each in self.improvements],
        }
        return super().provenance(stack, request, sharpening=sharpening, **more)

    def _blocks(
        self,
        surveys: Surveys,
        net: Network,
        calibrations: Sequence[Calibration],
        stack: Stack,
        request: Request,
        *,
        joint: bool,
        task: Task,
    ) -> Blocks:
        inner = super()._blocks(
            surveys, net, calibrations, stack, request, joint=joint, task=task
        )
        return SharpenedBlocks(
            inner,
            stack,
            self.optics,
            [choice.iterations for choice in self.choices],
            [each.noise.offset for each in calibrations],
            request.place().device,
            task.fills,
            self.improvements,
        )
