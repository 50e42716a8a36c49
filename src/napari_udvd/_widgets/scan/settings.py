"""What can be chosen of a scan, for the forms of the dock."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["ScanSettings", "ScanTimes"]


class ScanSettings(BaseModel):
    """Arguments of :func:`~napari_udvd.scanning.make_mask`."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    share: float = Field(
        0.2,
        gt=0,
        le=1,
        title="Share",
        description="of the pixels that are visited: 0.2 is one in five. Not used "
        "where Every, or Outside, says it",
    )
    seed: int = Field(
        0, ge=0, title="Seed", description="the same one gives the same mask"
    )
    fixed: bool = Field(
        False,
        title="The same pixels in every frame",
        description="the others are then never seen: only where the microscope cannot "
        "do otherwise",
    )
    every: int | None = Field(
        None, ge=1, title="Every", description="one row in so many is visited"
    )
    shift: int | None = Field(
        None,
        ge=0,
        title="Shift",
        description="how far the rows move down from frame to frame; automatic: all in "
        "turn, neighbours far apart in time",
    )
    centre: tuple[float, float] | None = Field(
        None,
        title="Centre",
        description="row and column, px; or press Pick and click in the picture",
        json_schema_extra={
            "expected": "row and column, such as 64 100, or nothing for the middle"
        },
    )
    inner: float | None = Field(
        None,
        ge=0,
        le=1,
        title="Inside",
        description="probability that a pixel near the centre is visited; 0.98 if open",
    )
    outer: float | None = Field(
        None,
        ge=0,
        le=1,
        title="Outside",
        description="probability far from the centre; follows from the share if open",
    )
    inner_radius: float | None = Field(
        None,
        ge=0,
        title="Inner radius",
        description="px; from there on the probability falls; a tenth of the shorter "
        "side if open",
    )
    outer_radius: float | None = Field(
        None,
        gt=0,
        title="Outer radius",
        description="px; there it has fallen; a fifth of the shorter side if open",
    )


class ScanTimes(BaseModel):
    """Arguments of :func:`~napari_udvd.scanning.scan_cost`, in microseconds."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    dwell: float = Field(1.0, gt=0, title="Dwell, µs", description="time at a pixel")
    flyback: float = Field(
        0.0, ge=0, title="Flyback, µs", description="time between two rows"
    )
    settle: float = Field(
        0.0,
        ge=0,
        title="Settle, µs",
        description="time that a jump within a row takes",
    )
