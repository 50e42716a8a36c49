"""The weights of the best loss on frames held out, and when to wait no longer."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_udvd.models import Network

__all__ = ["Best"]

PATIENCE = 0.4
"""Share of the budget without a better validation loss after which to stop ..."""

PATIENT_VALIDATIONS = 8
"""... provided that it was measured so many times meanwhile."""

CALM = 0.7
"""Share of the budget before which nobody gives up: at a high rate, weights that were
good get worse before they get better."""


class Best:
    """Keeps the best weights.

    Parameters
    ----------
    net
        Its weights are the first, until they are measured.

    Attributes
    ----------
    net
        Network with the best weights.
    step, loss
        When they were measured, and how good they were.
    history
        ``(step, validation loss)`` of every measurement.
    """

    def __init__(self, net: Network) -> None:
        self.net = copy.deepcopy(net)
        self.step, self.loss = 0, math.inf
        self.history: list[tuple[int, float]] = []
        self._at = 0.0

    @property
    def latest(self) -> float | None:
        """Loss that was measured last."""
        return self.history[-1][1] if self.history else None

    def consider(self, net: Network, step: int, loss: float, progress: float) -> None:
        """Take note of a measurement, and keep the weights if they are the best."""
        self.history.append((step, loss))
        if loss < self.loss:
            self.net.load_state_dict(net.state_dict())
            self.step, self.loss, self._at = step, loss, progress

    def note(self, step: int, loss: float) -> None:
        """Take note of a measurement of weights that are judged in another way."""
        self.history.append((step, loss))

    def forget(self) -> None:
        """Let the next weights be the best: the network is another."""
        self.loss = math.inf

    def is_final(self, progress: float) -> bool:
        """Whether no better weights are to be expected."""
        since_best = sum(step > self.step for step, _ in self.history)
        waited = progress - self._at
        return (
            progress > CALM and since_best >= PATIENT_VALIDATIONS and waited > PATIENCE
        )

    def state(self) -> dict[str, Any]:
        """Return entries of a checkpoint's header, which :meth:`restore` needs."""
        return {
            "best_step": self.step,
            "best_loss": self.loss,
            "best_at": self._at,
            "history": self.history,
        }

    def restore(self, weights: Mapping[str, Any], header: Mapping[str, Any]) -> None:
        """Continue from weights and what :meth:`state` returned."""
        self.net.load_state_dict(weights)
        self.step, self.loss = header["best_step"], header["best_loss"]
        self._at = header["best_at"]
        self.history = [(step, loss) for step, loss in header["history"]]
