"""What STBN is, and its options."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from napari_udvd.models.spec import (
    Facts,
    NetworkSettings,
    NetworkSpec,
    Paper,
    Recipe,
    Unfit,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SPEC", "STBNSettings"]


class STBNSettings(NetworkSettings):
    """Options of STBN."""

    width: int | None = Field(
        None,
        ge=4,
        le=256,
        title="Width",
        description="features of stbn (64 as published), an even number; what suits "
        "the machine if None",
        json_schema_extra={
            "expected": "a whole number of channels from 4 to 256, such as 16",
            "after": "steps",
        },
    )
    flow: bool = Field(
        True,
        title="Follow what moves by optical flow",
        description="let stbn follow what moves by optical flow, where it helps",
        json_schema_extra={"after": "width"},
    )
    flow_weights: str | None = Field(
        None,
        title="Weights of the flow",
        description="published PWC-Net checkpoint that the flow of stbn begins with; "
        "light network if None",
        json_schema_extra={
            "format": "path",
            "expected": "the name of a published PWC-Net checkpoint",
            "after": "flow",
        },
    )
    noise_input: bool = Field(
        True,
        title="See the noise",
        description="let stbn see how strong the noise is at every pixel",
        json_schema_extra={"after": "noise"},
    )

    def arguments(self, facts: Facts) -> dict[str, Any]:
        """Return flow network and noise input, and features where they were given."""
        light = "light" if self.flow else "none"
        return {
            "flow": light if self.flow_weights is None else "pwc",
            "noise_input": self.noise_input,
            **({} if self.width is None else {"features": self.width}),
        }

    @classmethod
    def as_built(cls, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return width and noise input; what became of the flow says nothing."""
        return {
            "width": arguments["features"],
            "noise_input": arguments["noise_input"],
        }

    def unfit(self, facts: Facts) -> Unfit | None:
        """Refuse odd widths, clips of one frame, and weights that cannot be used."""
        message = self._objection(facts)
        return Unfit(message, message) if message else None

    def _objection(self, facts: Facts) -> str:
        if (self.width or 2) % 2:
            return f"width is {self.width}; STBN's must be even"
        if facts.targets == 1:
            return (
                "targets is 1; STBN carries features from frame to frame and needs "
                "clips of two frames or more"
            )
        if self.flow_weights is None:
            return ""
        if not self.flow:
            return (
                f"flow_weights is {self.flow_weights!r} while flow is switched off; "
                "leave one of them out"
            )
        if not Path(self.flow_weights).is_file():
            return f"flow_weights is {self.flow_weights!r}, but there is no such file"
        if facts.channels not in (1, 3):
            return (
                f"PWC-Net sees red, green and blue or one channel, not "
                f"{facts.channels}; leave flow_weights or joint_channels out"
            )
        return ""

    def warnings(self, facts: Facts) -> tuple[str, ...]:
        """Warn of noise that it would take for signal."""
        if not facts.lingers:
            return ()
        return (
            "the noise of a pixel lives on in the next frame, which STBN sees in full; "
            "it will be taken for signal: choose udvd, which never sees that pixel",
        )

    @property
    def published_flow(self) -> str | None:
        """Path of a published checkpoint of PWC-Net."""
        return self.flow_weights


SPEC = NetworkSpec(
    name="stbn",
    title="STBN",
    network="napari_udvd.models.stbn.network:STBN",
    summary="carries features along the movie, and follows motion by optical flow",
    settings=STBNSettings,
    # Frames carry features to one another: long clips are worth more than many. What
    # travels depends on how far it has come: trained on clips of one length, the
    # network is good at that length alone.
    recipe=Recipe(batch=1, targets=24, fewest=8, rate=2e-3, warm_rate=2e-3),
    # what two CPU cores can train in minutes, see the benchmarks; what is published
    sizes={
        "cpu": {"features": 16, "modules": 3, "blocks": 2},
        "gpu": {"features": 64, "modules": 5, "blocks": 8},
    },
    published="napari_udvd.models.stbn.published",
    companion="napari_udvd.training.flow_course:FlowCourse",
    papers=(
        Paper(
            "Chen et al., Spatiotemporal Blind-Spot Network with Calibrated Flow "
            "Alignment for Self-Supervised Video Denoising, AAAI 2025",
            "https://arxiv.org/abs/2412.11820",
        ),
    ),
)
