"""From grey levels to the numbers a network works with, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from napari_udvd.cutting import spread
from napari_udvd.models import CameraNoise, Prediction
from napari_udvd.noise import NoiseModel
from napari_udvd.planes import Series, read_measured

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_udvd.stack import Stack

__all__ = ["Calibration", "Scaler", "calibrate"]

FRAMES_READ = 32
"""Frames that the intensity range is measured on, spread evenly over the movie."""


PLANES_READ = 8
"""Depth planes that it is measured on."""

LEVELS = (1, 10, 50, 90, 99.9)
"""Percentiles of the average of frames that are remembered."""

MOST_NOISES = 100.0
"""Grey levels of one network unit, in standard deviations of the noise, at most."""


@dataclass(frozen=True)
class Calibration:
    """Normalisation and noise of one channel; one for the whole movie.

    Attributes
    ----------
    offset, scale
        A network sees ``(grey level - offset) / scale``.
    noise
        Noise model in grey levels.
    levels
        Grey levels that occur: percentiles 1, 10, 50, 90 and 99.9 of the average of
        frames, which has little noise. Guessed from offset and scale if left out.
    std_factors
        By what the standard deviations that a network predicts are multiplied, of
        pixels that were measured and of those that were not: measured where it fills
        what was not.
    """

    offset: float
    scale: float
    noise: NoiseModel
    levels: tuple[float, ...] = ()
    std_factors: tuple[float, float] = (1.0, 1.0)

    def __post_init__(self) -> None:
        if not self.levels:
            guessed = (-1.0, -0.5, 0.0, 0.5, 1.0)
            # nothing is darker than without light
            least = min(self.noise.offset, self.offset)
            levels = [max(self.offset + k * self.scale, least) for k in guessed]
            object.__setattr__(self, "levels", tuple(levels))

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "offset": self.offset,
            "scale": self.scale,
            "noise": self.noise.to_dict(),
            "levels": list(self.levels),
            **self._factors(),
        }

    def _factors(self) -> dict[str, list[float]]:
        """Return what is kept of the factors: nothing where they change nothing."""
        if self.std_factors == (1.0, 1.0):
            return {}
        return {"std_factors": list(self.std_factors)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Calibration:
        """Rebuild from what :meth:`to_dict` returned."""
        noise = NoiseModel.from_dict(values["noise"])
        levels = tuple(float(level) for level in values.get("levels", ()))
        seen, unseen = values.get("std_factors", (1.0, 1.0))
        return cls(
            float(values["offset"]),
            float(values["scale"]),
            noise,
            levels,
            (float(seen), float(unseen)),
        )


def calibrate(
    stacks: Sequence[Stack],
    channel: int,
    noise: NoiseModel,
    *,
    from_zero: bool = False,
) -> Calibration:
    """Measure offset and scale of a channel over all stacks and depth planes.

    The offset is the mean grey level and the scale the range between the 1st and the
    99.9th percentile, so that networks see numbers around zero of order one; but at
    most `MOST_NOISES` times the noise at the median, so that something bright does not
    make numbers of order nothing of all that is dim. With `from_zero` the offset is the
    1st percentile and the scale the range, and they see numbers from zero to one, as
    published networks have learned.
    """
    samples, averages = [], []
    for stack in stacks:
        planes = spread(stack.n_planes, PLANES_READ, nearest=True)
        frames = spread(
            stack.n_frames, max(FRAMES_READ // len(planes), 2), nearest=True
        )
        for z in planes:
            series = Series((channel,), z)
            total = np.zeros([-(-n // 2) for n in stack.frame_shape])
            count = np.zeros(total.shape, np.intp)
            for t in frames:
                clip, measured = read_measured(stack, series, [t])
                part = clip[0, 0, ::2, ::2]
                known = np.ones(part.shape, bool)
                if measured is not None:
                    known &= measured[0, 0, ::2, ::2]
                samples.append(part[known])
                total[known] += part[known]
                count += known
            averages.append(total[count > 0] / count[count > 0])
    values = np.concatenate(samples)
    if not values.size:  # nothing was measured in this channel
        return Calibration(0.0, 1.0, noise)
    found = np.percentile(np.concatenate(averages), LEVELS)
    levels = tuple(float(level) for level in found)
    low, middle, high = np.percentile(values, (1, 50, 99.9))
    scale = high - low
    if from_zero:
        one = float(scale) if scale > 0 else 1.0
        return Calibration(float(low), one, noise, levels)
    variance = float(noise.variance(middle)) or noise.gain**2
    most = MOST_NOISES * float(np.sqrt(variance))
    # counts can be so rare that both percentiles are zero
    scale = min(scale, most) if scale > 0 else most
    return Calibration(float(values.mean()), float(scale), noise, levels)


class Scaler:
    """Calibrations of the channels of a series, as tensors on a device.

    Every method takes and returns ``(..., C, H, W)``.

    Attributes
    ----------
    scale
        Grey levels per network unit, ``(C, 1, 1)``.
    noise
        In network units.
    """

    def __init__(
        self, calibrations: Sequence[Calibration], device: torch.device | str = "cpu"
    ) -> None:
        def column(values: list[float]) -> Tensor:
            return torch.tensor(values, dtype=torch.float32, device=device)[
                :, None, None
            ]

        self._std_factors = [
            column([c.std_factors[k] for c in calibrations]) for k in (0, 1)
        ]
        self._is_adjusted = any(c.std_factors != (1.0, 1.0) for c in calibrations)
        self._offset = column([c.offset for c in calibrations])
        self.scale = column([c.scale for c in calibrations])
        self.noise = CameraNoise(
            gain=column([c.noise.gain / c.scale for c in calibrations]),
            dark=column([(c.noise.offset - c.offset) / c.scale for c in calibrations]),
            read_variance=column(
                [(c.noise.read_noise / c.scale) ** 2 for c in calibrations]
            ),
        )

    def noise_of(self, channel: int) -> CameraNoise:
        """Noise of one channel, for its frames ``(H, W)``."""
        return CameraNoise(*(each[channel] for each in self.noise))

    def adjusted(self, prediction: Prediction, measured: Tensor | None) -> Prediction:
        """Multiply the standard deviations of a prediction by their factors.

        Parameters
        ----------
        prediction
            Mean ``(..., C, H, W)`` and factor.
        measured
            Which pixels were; broadcasts with the mean. None where all were.
        """
        if prediction.factor is None or not self._is_adjusted:
            return prediction
        seen, unseen = self._std_factors
        by = seen if measured is None else torch.where(measured, seen, unseen)
        # the columns of the factor belong to the channels
        return prediction._replace(factor=prediction.factor * by.unsqueeze(-4))

    def normalise(self, grey: Tensor) -> Tensor:
        """Turn grey levels into network units."""
        return (grey - self._offset) / self.scale

    def normalise_(self, grey: Tensor) -> Tensor:
        """Do what :meth:`normalise` does, in place."""
        return grey.sub_(self._offset).div_(self.scale)

    def restore(self, value: Tensor) -> Tensor:
        """Turn network units into grey levels."""
        return value * self.scale + self._offset

    def restore_std(self, std: Tensor) -> Tensor:
        """Turn a standard deviation in network units into grey levels."""
        return std * self.scale
