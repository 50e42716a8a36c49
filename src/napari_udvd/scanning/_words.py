"""A mask in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_udvd.scanning._compare import WINDOWS
from napari_udvd.scanning._evenness import evenness

if TYPE_CHECKING:
    from napari_udvd.scanning._cost import Cost
    from napari_udvd.scanning._mask import ScanMask

__all__ = ["describe_cost", "describe_mask"]


def describe_mask(mask: ScanMask) -> tuple[str, ...]:
    """Say what is visited and how evenly, a line each."""
    frames, rows, columns = mask.shape
    chosen = ", ".join(
        f"{name} {_legible(value)}"
        for name, value in mask.pattern.settings.items()
        if name != "share"
    )
    few, many = mask.visits.min(), mask.visits.max()
    visits = f"{few:,}" if few == many else f"{few:,} to {many:,}"
    name = mask.pattern.name + (f" ({chosen})" if chosen else "")
    lines = [
        f"{name}: {_percent(mask.share)} of the pixels of {frames} frames of {rows} x "
        f"{columns}, {visits} a frame"
        + (", the same in every frame" if mask.fixed else "")
    ]
    if mask.never_visited > 0:
        lines.append(
            f"{_percent(mask.never_visited)} of the pixels are visited in no frame: "
            "what is there can only be guessed from around it"
        )
    for within in WINDOWS if frames > 1 and not mask.fixed else (0,):
        near = "frame" if within == 0 else f"frame and {within} before and after"
        even = evenness(mask, within)
        lines.append(
            f"nearest visited pixel of the {near}: {even.mean:.2f} px away on average, "
            f"95 % within {even.most:.1f}, all within {even.farthest:.1f}"
        )
    return tuple(lines)


def describe_cost(cost: Cost) -> tuple[str, ...]:
    """Say what dose and time are, beside the full scan, a line each."""
    sweeping = (
        "it is no scan by rows"
        if cost.sweeping is None
        else _beside(cost.sweeping, cost.full)
    )
    return (
        f"dose: {_percent(cost.dose)} of the full scan's with the same dwell time, "
        f"{_percent(1 - cost.dose)} saved; or the full scan's dose with "
        f"{cost.dwell_for_equal_dose:.3g} times the dwell time",
        f"time of a frame, full scan: {_seconds(cost.full)}",
        "time of a frame, beam that jumps to each pixel: "
        + _beside(cost.jumping, cost.full),
        f"time of a frame, beam that sweeps rows and is blanked: {sweeping}",
    )


def _beside(time: float, full: float) -> str:
    saved = 1 - time / full
    tells = f"{_percent(saved)} saved" if saved >= 0 else f"{_percent(-saved)} more"
    return f"{_seconds(time)}, {tells}"


def _seconds(time: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if time >= size:
            return f"{time / size:.4g} {unit}"
    return f"{time * 1e6:.4g} µs"


def _percent(share: float) -> str:
    return f"{share * 100:.3g} %"


def _legible(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, tuple):  # of points
        return " to ".join(f"{y:.4g},{x:.4g}" for y, x in value)
    return str(value)
