"""How a movie is to be restored: said once, by whoever asks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import numpy as np
import torch

from napari_udvd.errors import InputError
from napari_udvd.models import count_views
from napari_udvd.runtime.device import choose_device, choose_devices, choose_precision

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_udvd.inference.rounding import Loss
    from napari_udvd.models import Network

__all__ = ["EXACT", "Place", "Request"]


class Place(NamedTuple):
    """Where to compute, and in which floating-point type."""

    device: torch.device
    precision: torch.dtype


@dataclass(frozen=True, kw_only=True)
class Request:
    """How to restore a movie; the defaults are what most users want.

    Attributes
    ----------
    device
        ``"auto"`` (the best there is), ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
        Several with commas between share the frames out, as do ``"all"`` cards.
    precision
        Floating-point type of the network; ``"auto"`` is the fastest that is good
        enough on the device.
    use_posterior
        Put the noisy pixel back in, weighted by what is known of its noise. Needs a
        likelihood head; without one the prediction is the result.
    self_ensemble
        Average over all mirrored and turned views of the movie, four or eight, instead
        of the fewest that the network needs (one or two): a little better, and so many
        times slower. As the model was made if None.
    single_view
        One view, where the network needs two: a little worse, and twice as fast. Not
        where a self-ensemble is asked for. If None, where the training that was just
        done had no time for more.
    events
        Look for events that last a single frame, which no prediction can know of, and
        put them back. Needs a likelihood head and the noisy pixel (`use_posterior`).
        If None, unless the training that was just done had no time for it.
    refine
        Let the shipped refiner look at the result once more, as far as a copy of the
        movie with more noise says that it helps. Needs the same, and noise that is
        independent from pixel to pixel. None as above.
    with_std
        Compute the standard deviation of the result too; needs a likelihood head.
    tile
        Rows and columns processed at a time; chosen by the device if None. It is halved
        as often as memory runs out.
    dtype
        Of the result: a data type, ``"input"`` for the movie's own (integers are
        rounded), or ``"auto"`` for that, or float32 where rounding to whole grey levels
        would cost more than the noise that is left.

    Raises
    ------
    InputError
        If the tile is not positive.
    """

    device: str | torch.device = "auto"
    precision: torch.dtype | Literal["auto"] = "auto"
    use_posterior: bool = True
    self_ensemble: bool | None = None
    single_view: bool | None = None
    events: bool | None = True
    refine: bool | None = True
    with_std: bool = False
    tile: int | None = None
    dtype: npt.DTypeLike | Literal["auto", "input"] = "auto"

    def __post_init__(self) -> None:
        if self.tile is not None and self.tile < 1:
            raise InputError(
                f"tile is {self.tile}; it must be a positive number of pixels"
            )

    def check(self, net: Network) -> None:
        """Check what is asked of a network, before anything is computed.

        Raises
        ------
        InputError
            If a standard deviation is asked of a network that has none, or there is no
            such device.
        """
        if self.with_std and not net.likelihood:
            raise InputError(
                "a network trained on the mean only has no standard deviation to write"
            )
        self.place()

    def completed(self, **otherwise: bool) -> Request:
        """Answer what was left open, by name; what was said stays."""
        left = {k: v for k, v in otherwise.items() if getattr(self, k) is None}
        return replace(self, **left)  # type: ignore[arg-type]

    def views(self, net: Network) -> int:
        """Count the views that a result is averaged over."""
        if self.single_view and not self.self_ensemble:
            return 1
        return count_views(net, bool(self.self_ensemble))

    def place(self) -> Place:
        """Choose what was left to the machine.

        Raises
        ------
        InputError
            If there is no such device.
        """
        device = self.device
        if not isinstance(device, torch.device):
            device = choose_device(device)
        if isinstance(self.precision, torch.dtype):
            return Place(device, self.precision)
        return Place(device, choose_precision(device))

    def devices(self) -> tuple[torch.device, ...]:
        """Return all devices that share the work; :meth:`place` names the first.

        Raises
        ------
        InputError
            If one of them is not there.
        """
        if isinstance(self.device, torch.device):
            return (self.device,)
        return choose_devices(self.device)

    @property
    def chooses_dtype(self) -> bool:
        """Whether the data type depends on what rounding costs."""
        return isinstance(self.dtype, str) and self.dtype == "auto"

    def dtype_of(self, movie: np.dtype[Any], loss: Loss | None = None) -> np.dtype[Any]:
        """Return the data type of the result.

        Parameters
        ----------
        movie
            Data type of the movie.
        loss
            What rounding to whole grey levels costs; None where that does not matter,
            or is not known yet.
        """
        if self.chooses_dtype:
            rounds = movie.kind in "ui" and loss is not None
            return np.dtype(np.float32) if rounds else movie
        if isinstance(self.dtype, str) and self.dtype == "input":
            return movie
        return np.dtype(self.dtype)


EXACT: Final = Request(device="cpu", precision=torch.float32)
"""On the CPU in float32: the same numbers on every machine, nearly."""
