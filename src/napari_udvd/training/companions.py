"""What learns beside a network, from the same clips.

The spec of a network names its companion by the place of its class, which is imported
on use. Most networks have none.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from napari_udvd.models.catalogue import specs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from napari_udvd.tasks import Batch
    from napari_udvd.training.learner import Learner
    from napari_udvd.training.validation import Validation

__all__ = ["Companion", "find_companion"]


class Companion(Protocol):
    """Learns beside a network; is made with its learner.

    Attributes
    ----------
    remarks
        What a user should know of it, one sentence each.
    """

    remarks: tuple[str, ...]

    def prepare(self) -> None:
        """Make the network ready for its next step."""

    def learn(self, batch: Batch, is_target: Tensor, progress: float) -> None:
        """Take a step with the clips that the network has just learned from.

        Parameters
        ----------
        batch
            The clips, in network units.
        is_target
            ``(N, targets)``: False for frames held out, from which a companion does not
            learn either.
        progress
            Share of the training that is over, from 0 to 1.
        """

    def is_due(self, progress: float) -> bool:
        """Tell whether it should be judged now."""

    def helps(self, validation: Validation) -> bool:
        """Judge it by frames held out; False if the network is to do without it."""

    def give_up(self) -> None:
        """Do without it: there is no time to find out whether it helps."""

    def state(self) -> dict[str, Any]:
        """Return entries of a checkpoint's header, which :meth:`restore` needs."""

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        """Return groups of tensors of a checkpoint, which :meth:`restore` needs."""

    def restore(
        self, tensors: Mapping[str, Mapping[str, Tensor]], header: Mapping[str, Any]
    ) -> None:
        """Continue from a checkpoint."""


class _Nobody:
    """A network learns by itself."""

    remarks: tuple[str, ...] = ()

    def prepare(self) -> None:
        pass

    def learn(self, batch: Batch, is_target: Tensor, progress: float) -> None:
        pass

    def is_due(self, progress: float) -> bool:
        return False

    def helps(self, validation: Validation) -> bool:
        return True

    def give_up(self) -> None:
        pass

    def state(self) -> dict[str, Any]:
        return {}

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        return {}

    def restore(
        self, tensors: Mapping[str, Mapping[str, Tensor]], header: Mapping[str, Any]
    ) -> None:
        pass


def find_companion(learner: Learner) -> Companion:
    """Make the companion of a learner's network."""
    known = specs().get(learner.net.name)
    if known is None or known.companion is None:
        return _Nobody()
    module, _, name = known.companion.partition(":")
    companion: Companion = getattr(import_module(module), name)(learner)
    return companion
