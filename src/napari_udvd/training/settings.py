"""What a user decides about a training run."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from napari_udvd.noise import NoiseModel

__all__ = ["EXPECTED", "TrainingSettings"]

EXPECTED: Final = {
    "model": "auto, centerblind, udvd, udvd-3, udvd-1 or stbn",
    "preset": "small, medium or large",
    "from_scratch": "True or False",
    "minutes": "a number of minutes above 0, such as 2",
    "steps": "a whole number of steps from 1 on",
    "width": "a whole number of channels from 4 to 256, such as 16",
    "flow": "True or False",
    "flow_weights": "the name of a published PWC-Net checkpoint",
    "noise": "three finite numbers, gain, offset and read noise, such as 2.17, 100 and "
    "3.48; gain and read noise must not be negative, and not both 0",
    "noise_input": "True or False",
    "hole": "two odd numbers, rows and columns, such as 3 and 1",
    "likelihood": "True or False",
    "self_ensemble": "True or False",
    "joint_channels": "True or False",
    "device": "auto, cpu, cuda, cuda:1 or mps",
    "seed": "a whole number from 0 to 2**63 - 1",
    "patch": "a whole number of pixels from 16 on",
    "batch": "a whole number of clips from 1 on",
    "targets": "a whole number of frames from 1 on",
    "learning_rate": "a number above 0, such as 0.001",
    "checkpoint_seconds": "a number of seconds above 0, such as 20",
}
"""What each setting may be, for messages."""


class TrainingSettings(BaseModel):
    """Choices for one training run; the defaults work.

    Raises
    ------
    pydantic.ValidationError
        If a value is out of range; :func:`napari_udvd.jobs.make_settings` says so
        in words for users.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: Literal["auto", "centerblind", "udvd", "udvd-3", "udvd-1", "stbn"] = Field(
        "auto",
        description="network; udvd-3 and udvd-1 see three frames and one",
    )
    preset: Literal["small", "medium", "large"] = Field(
        "medium", description="size of the centre-blind network"
    )
    from_scratch: bool = Field(
        False, description="do not start from the weights that are shipped"
    )
    minutes: float = Field(
        2.0, gt=0, allow_inf_nan=False, description="time budget, min"
    )
    steps: int | None = Field(
        None,
        ge=1,
        description="stop after so many steps instead; such a run can be repeated "
        "exactly on one machine",
    )
    width: int | None = Field(
        None,
        ge=4,
        le=256,
        description="channels of UDVD's first encoder (48 as published) or features "
        "of STBN (64 as published)",
    )
    flow: bool = Field(
        True, description="STBN follows motion with optical flow that it learns"
    )
    flow_weights: str | None = Field(
        None,
        description="published PWC-Net checkpoint that STBN's flow begins with, in "
        "place of the light network that is shipped",
    )
    noise: tuple[float, float, float] | None = Field(
        None,
        description="gain, offset and read noise in grey levels of the camera, for all "
        "channels, where it was measured; estimated from the movie if None",
    )
    noise_input: bool = Field(
        True, description="STBN sees how strong the noise is at every pixel"
    )
    hole: tuple[int, int] | None = Field(
        None, description="rows and columns not seen; from the diagnosis if None"
    )
    likelihood: bool = Field(
        True, description="Gaussian likelihood with posterior, instead of the mean only"
    )
    self_ensemble: bool | None = Field(
        None,
        description="average over mirrored and turned views when denoising; if there "
        "is time for it if None",
    )
    joint_channels: bool = Field(
        False, description="one network for all channels at once"
    )
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, mps")
    seed: int = Field(0, ge=0, lt=2**63, description="seed of weights and patches")
    patch: int = Field(
        64, ge=16, description="rows and columns of a training patch, px"
    )
    batch: int | None = Field(
        None, ge=1, description="clips per step; what suits the network if None"
    )
    targets: int | None = Field(
        None, ge=1, description="output frames per clip; what suits if None"
    )
    learning_rate: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="of Adam, at its peak; what suits if None",
    )
    checkpoint_seconds: float = Field(
        20.0,
        gt=0,
        allow_inf_nan=False,
        description="what a killed run loses at most, s",
    )

    @field_validator("hole")
    @classmethod
    def _odd(cls, hole: tuple[int, int] | None) -> tuple[int, int] | None:
        if hole is not None and any(n < 1 or n % 2 == 0 for n in hole):
            raise ValueError(f"hole is {hole}; rows and columns must be odd numbers")
        return hole

    @field_validator("noise")
    @classmethod
    def _noise(
        cls, noise: tuple[float, float, float] | None
    ) -> tuple[float, float, float] | None:
        if noise is not None:
            NoiseModel(*noise)
        return noise
