"""Whole grey levels may be too coarse for a result.

A result keeps a few percent of the noise. Where the noise was no larger than a grey
level or two (photon counts, 8-bit movies), rounding adds more error than that again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_udvd.inference.scaling import Calibration

__all__ = ["Loss", "rounding_loss"]

ROUNDING = 1 / 12
"""Variance of the error of rounding, in squared grey levels."""

LEFT = (0.01, 0.05)
"""Share of the noise (mean square) that is left in a good result, least and most."""


class Loss(NamedTuple):
    """What rounding costs, as standard deviations in grey levels.

    Attributes
    ----------
    added
        Error of rounding.
    left
        What is left of the noise without.
    noise
        Noise of the movie where it is dark.
    """

    added: float
    left: float
    noise: float

    @property
    def sentence(self) -> str:
        """What it is, in words."""
        return (
            f"rounding to whole grey levels adds an error of {self.added:.2f}; where "
            f"the movie is dark, about {self.left:.2g} is left of a noise of "
            f"{self.noise:.2g}"
        )


def rounding_loss(
    calibrations: Sequence[Calibration], record: Mapping[str, Any]
) -> Loss | None:
    """Find out whether rounding costs more than the noise that is left.

    Parameters
    ----------
    calibrations
        One for each channel; judged where a channel is dim, in its darkest tenth.
    record
        Of the training: its ``noise_removed`` is what frames held out say.

    Returns
    -------
    Loss or None
        Of the channel where it costs most; None where it does not matter.
    """
    removed = record.get("noise_removed")
    share = np.clip(1 - removed if removed is not None else LEFT[1], *LEFT)
    noise = min(
        (float(c.noise.variance(c.levels[1])) for c in calibrations), default=np.inf
    )
    if ROUNDING <= share * noise:
        return None
    return Loss(ROUNDING**0.5, float(share * noise) ** 0.5, noise**0.5)
