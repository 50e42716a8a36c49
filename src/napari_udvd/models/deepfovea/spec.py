"""What DeepFovea++ is when it learns from a sparse movie, and its options."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from napari_udvd.models.spec import Facts, NetworkSettings, NetworkSpec, Recipe

__all__ = ["SPEC", "FoveaOptions"]


class FoveaOptions(NetworkSettings):
    """Options of DeepFovea++."""

    features: int | None = Field(
        None,
        ge=4,
        le=256,
        title="Features",
        description="features of deepfovea's first block (32 as published), which the "
        "others follow; what suits the machine if None",
        json_schema_extra={
            "expected": "a whole number of channels from 4 to 256, such as 16",
            "after": "steps",
        },
    )

    def arguments(self, facts: Facts) -> dict[str, Any]:
        """Return features if they were given, and what suits the movie as average."""
        found = super().arguments(facts)
        return found if facts.widths is None else {**found, "widths": facts.widths}


SPEC = NetworkSpec(
    name="deepfovea",
    title="DeepFovea++",
    network="napari_udvd.models.deepfovea.sparse:SparseFovea",
    summary="fills what was not measured, several frames at once",
    settings=FoveaOptions,
    # of two clips and more, so that it learns what states are worth
    recipe=Recipe(batch=2, targets=14, fewest=6, rate=3e-3, warm_rate=3e-3),
    tasks=("reconstruct",),
    sizes={"cpu": {"features": 16}, "gpu": {"features": 32}},
    strength="it learns from the measured pixels of the movie itself",
)
