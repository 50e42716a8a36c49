"""What UDVD is, and its options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from napari_udvd.models.spec import NetworkSettings, NetworkSpec, Paper, Recipe

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SPEC", "UDVDSettings"]


class UDVDSettings(NetworkSettings):
    """Options of UDVD."""

    width: int | None = Field(
        None,
        ge=4,
        le=256,
        title="Width",
        description="channels of udvd's first encoder (48 as published); what suits "
        "the machine if None",
        json_schema_extra={
            "expected": "a whole number of channels from 4 to 256, such as 16",
            "after": "steps",
        },
    )

    def least_frames(self, fixed: Mapping[str, Any]) -> int:
        """Return how many frames it looks at."""
        return int(fixed["frames"])


SPEC = NetworkSpec(
    name="udvd",
    title="UDVD",
    network="napari_udvd.models.udvd.network:UDVD",
    summary="is as published, udvd-3 and udvd-1 look at three frames and at one",
    settings=UDVDSettings,
    # frames of one clip share the work of the first stage
    recipe=Recipe(batch=1, targets=2, fewest=2, rate=4e-3, warm_rate=4e-3),
    # what two CPU cores can train in minutes, see the benchmarks; what is published
    sizes={"cpu": {"width": 16}, "gpu": {"width": 48}},
    variants={
        "udvd": {"frames": 5},
        "udvd-3": {"frames": 3},
        "udvd-1": {"frames": 1},
    },
    automatic=True,
    published="napari_udvd.models.udvd.published",
    papers=(
        Paper(
            "Sheth et al., Unsupervised Deep Video Denoising, ICCV 2021",
            "https://arxiv.org/abs/2011.15045",
        ),
    ),
)
