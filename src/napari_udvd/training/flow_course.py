"""When a network's flow learns, and whether it is of use.

Flow is of no use where nothing moves, and worse than none where it follows the noise.
A denoiser that has always fetched along its flow would miss it all the same, so at
first every other step does without. Then frames that were held out tell which way is
better, and the training goes on with that one.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
import torch
import torch.nn.functional as F

from napari_udvd.training.flow import FlowLearner

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from napari_udvd.models import ClipFlow
    from napari_udvd.tasks import Batch
    from napari_udvd.training.learner import Learner
    from napari_udvd.training.validation import Validation

__all__ = ["FlowCourse", "FollowsFlow", "movement"]

EVERY = 10
"""Steps of the denoiser for each step of the flow: it has less to learn."""

DENOISED_FROM = 0.15
"""Progress from which the denoised frames are the guide; before, blurred ones are."""

UNTIL = 0.8
"""Progress at which the flow is left as it is, so that the denoiser can settle."""

JUDGED_AT = 0.3
"""Progress at which the results with and without flow are compared."""

WORTH = 8e-4
"""What the flow must take off the loss per pixel to be worth its time. It was 1.2e-3 to
4e-3 on moving scenes with a signal as strong as the noise or half as strong."""

MOVES = 0.1
"""Movement per frame that is worth following, px; less leaves features where they
belong for several frames. Interpolation along a flow that follows the noise blurs,
which helps a denoiser that has only begun: a lower loss alone does not show that things
move."""

SURE = 2.0
"""Standard errors that it must take off at least."""

FRAMES = 8
"""Frames of a clip that the flow learns from; it sees two at a time, and the time is
better spent on the denoiser."""

BLUR = 5
"""Rows and columns that noisy frames are averaged over to be a guide."""


class FollowsFlow(Protocol):
    """A network that fetches along an optical flow.

    Attributes
    ----------
    follows_flow
        False: nothing is taken to move, for the moment.
    """

    follows_flow: bool

    def estimate_flow(self, frames: Tensor, precision: torch.dtype) -> ClipFlow | None:
        """Flow between neighbouring frames ``(N, T, C, H, W)``; None without any."""


class FlowCourse:
    """Teaches the flow of a network beside the denoiser, where it has one.

    Parameters
    ----------
    learner
        That of the denoiser, whose network follows a flow.

    Attributes
    ----------
    remarks
        What a user should know of the flow, one sentence each.
    """

    def __init__(self, learner: Learner) -> None:
        self._learner = learner
        flow_net = learner.net.flow_network()
        self._flow = (
            None if flow_net is None else FlowLearner(flow_net, learner.precision)
        )
        self._judged = self._guided = False
        self.remarks: tuple[str, ...] = ()

    @property
    def steps(self) -> int:
        """Optimiser steps that the flow has taken."""
        return 0 if self._flow is None else self._flow.adam.steps

    def learn(self, batch: Batch, is_target: Tensor, progress: float) -> None:
        """Take a step with the clips that the denoiser has just learned from.

        Parameters
        ----------
        batch
            The clips, in network units.
        is_target
            ``(N, T)``: False for frames held out, from which the flow does not learn
            either.
        progress
            Of the training, from 0 to 1.
        """
        if self._flow is None or progress > UNTIL or self._learner.steps % EVERY:
            return
        frames = _longest_run(is_target.all(dim=0).tolist())
        if frames.stop - frames.start < 2:
            return
        clips, guide = batch.clip.frames, self._learner.predicted
        # once begun it goes on, also where a longer budget sets the progress back
        self._guided |= guide is not None and progress >= DENOISED_FROM
        if guide is None or not self._guided:
            guide = _blurred(clips)
        share = 1 - progress / UNTIL
        self._flow.learn(clips[:, frames], guide[:, frames], share, distil=self._guided)

    def prepare(self) -> None:
        """Say whether the next step of the denoiser follows the flow."""
        if self._flow is not None:
            net = cast("FollowsFlow", self._learner.net)
            # steps that the flow learns from do
            net.follows_flow = self._judged or (self._learner.steps + 1) % 2 == 0

    def is_due(self, progress: float) -> bool:
        """Tell whether the flow should be judged now."""
        return self._flow is not None and not self._judged and progress >= JUDGED_AT

    def helps(self, validation: Validation) -> bool:
        """Compare held-out frames with and without flow.

        Returns
        -------
        bool
            False if the flow is to be switched off; a remark says so.
        """
        self._judged = True
        average = self._learner.average
        without = copy.deepcopy(average)
        without.drop_flow()
        gain, error = validation.advantage(average, without)
        moves = movement(
            cast("FollowsFlow", average), validation.clips(), self._learner.precision
        )
        if moves >= MOVES and gain > WORTH and gain > SURE * error:
            return True
        self._flow = None
        self.remarks = (
            "optical flow was switched off: nothing moves that could be told from the "
            "noise, or frames that were held out are predicted as well without it",
        )
        return False

    def give_up(self) -> None:
        """Do without the flow: there is no time to find out whether it helps."""
        self._judged, self._flow = True, None
        self.remarks = (
            "optical flow was switched off: there was no time to see whether it helps; "
            "train longer to have it tried",
        )

    def state(self) -> dict[str, Any]:
        """Return the numbers that :meth:`restore` needs, for a checkpoint's header."""
        if self._flow is not None:
            self._flow.adam.settle()
        numbers = {
            "steps": self.steps,
            "judged": self._judged,
            "guided": self._guided,
            "remarks": list(self.remarks),
        }
        return {"flow": numbers}

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        """Return the tensors that :meth:`restore` needs, for a checkpoint."""
        return {} if self._flow is None else self._flow.adam.tensors("flow_")

    def restore(
        self, tensors: Mapping[str, Mapping[str, Tensor]], header: Mapping[str, Any]
    ) -> None:
        """Continue from what :meth:`tensors` and :meth:`state` returned."""
        state = header["flow"]
        self._judged, self._guided = state["judged"], state["guided"]
        self.remarks = tuple(state["remarks"])
        if self._flow is not None:
            self._flow.adam.restore(tensors, state["steps"], "flow_")


def movement(
    net: FollowsFlow, clips: Sequence[Tensor], precision: torch.dtype
) -> float:
    """Tell how far things move per frame by the flow of a network, px.

    Noise makes flow, too, but not the same between frames 1 and 2 as between 3 and 4,
    nor the same everywhere. So this is the root mean square of what lasts from frame to
    frame, or of what all pixels have in common, whichever is larger.

    Parameters
    ----------
    net
        Its flow is asked.
    clips
        Frames ``(1, T, C, H, W)``, in network units.
    precision
        Floating-point type of its convolutions.
    """
    lasting, common = [], []
    for clip in clips:
        with torch.inference_mode():
            flow = net.estimate_flow(clip, precision)
        if flow is None:
            return 0.0
        to_next = flow.to_next[0]  # (T - 1, 2, h, w)
        common.append(float(to_next.mean(dim=(2, 3)).square().sum(dim=1).mean()))
        if len(to_next) > 2:
            products = (to_next[:-2] * to_next[2:]).sum(dim=1)
            lasting.append(float(products.mean()))
    square = max(np.mean(common), np.mean(lasting) if lasting else 0.0)
    return float(np.sqrt(max(square, 0.0)))


def _longest_run(wanted: list[bool]) -> slice:
    """First of the longest runs of neighbours that are wanted, `FRAMES` at most."""
    best = slice(0, 0)
    start = 0
    for stop, is_wanted in enumerate(wanted, start=1):
        if not is_wanted:
            start = stop
        elif best.stop - best.start < stop - start <= FRAMES:
            best = slice(start, stop)
    return best


def _blurred(clips: Tensor) -> Tensor:
    images = F.pad(clips.flatten(0, 2)[:, None], [BLUR // 2] * 4, mode="replicate")
    return F.avg_pool2d(images, BLUR, stride=1).view_as(clips)
