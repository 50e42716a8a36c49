"""Make the weights that reconstruction starts from.

``python -m napari_udvd.pretraining.reconstruction weights.safetensors`` runs it.

The network for sparse scans is trained on the simulated movies of the denoiser, under
the same noise, of which only some pixels were measured (see `scans`). The truth is
known here and judges what a user gets: the posterior where a pixel was measured, and
the prediction where none was. It begins with the weights of the denoiser, to which it
adds layers (``--start``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch

from napari_udvd.models.base import Clip
from napari_udvd.models.catalogue import specs
from napari_udvd.models.likelihood import posterior_loss, prior_loss
from napari_udvd.pretraining.clips import moved
from napari_udvd.pretraining.denoiser import (
    HELD_OUT_MOVIES,
    MOVIES,
    VALIDATION_SEED,
    Pretraining,
    begun,
    held_out_of,
    parser,
    train,
)
from napari_udvd.pretraining.scans import Scans
from napari_udvd.runtime.device import keep_freed_memory
from napari_udvd.tasks import RECONSTRUCT

if TYPE_CHECKING:
    from torch import Tensor

    from napari_udvd.models import Network
    from napari_udvd.pretraining.scans import Part

__all__ = ["SparsePretraining", "main"]


class SparsePretraining(Pretraining):
    """The same for the network that is told what was measured."""

    network: ClassVar[str] = next(
        spec.name
        for spec in specs(RECONSTRUCT.name).values()
        if spec.weights is not None
    )

    def loss(self, batch: list[Part], net: Network) -> Tensor:
        """Return the expected loss of clips, each few with their hole and widths."""
        count = sum(len(part.measured) for part in batch)
        losses = [len(part.measured) * self._loss(part, net) for part in batch]
        return torch.stack(losses).sum() / count

    def _loss(self, part: Part, net: Network) -> Tensor:
        batch, measured = moved(part.batch, self.device), part.measured.to(self.device)
        masked: Any = self.masked[batch.blind]
        masked.widths = part.widths
        prediction = self.predict(net, masked, Clip(batch.noisy, batch.told, measured))
        context = net.geometry.context
        own = slice(context, context + 1)
        noise = batch.told.variance(prediction.mean.detach())
        seen = posterior_loss(prediction, batch.noisy[:, own], batch.truth, noise)
        unseen = prior_loss(prediction, batch.truth, noise)
        return torch.where(measured[:, own, 0], seen, unseen).mean()


def main() -> None:
    """Train for the given time, saving every few minutes."""
    wanted = parser(
        "reconstruction", "Make the weights that reconstruction starts from."
    )
    options = wanted.parse_args()
    keep_freed_memory()
    run = begun(SparsePretraining, options)
    judge = Scans(np.random.default_rng(VALIDATION_SEED), HELD_OUT_MOVIES)
    held_out = held_out_of(judge, run.net.geometry.context)
    rng = np.random.default_rng([options.seed, run.step])
    card: dict[str, Any] = {
        "movies": "simulated (napari_udvd.pretraining.corpus)",
        "masks": "drawn (napari_udvd.pretraining.scans)",
        "recorded": [],
    }
    train(run, Scans(rng, MOVIES), held_out, options, card)


if __name__ == "__main__":
    main()
