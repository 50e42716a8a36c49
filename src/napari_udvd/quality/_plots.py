"""Plots as SVG and pictures as PNG, to be put into a page.

A few lines of SVG do for curves: no plotting library is needed where results are made,
no display, and text stays sharp and can be searched.
"""

from __future__ import annotations

import base64
import io
from html import escape
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Line", "diverging", "grey", "plot"]

WIDTH, HEIGHT = 420, 260
LEFT, RIGHT, TOP, BOTTOM = 58, 12, 14, 46

COLOURS = ("#1f5fa8", "#c4561d", "#3a8a3a", "#7a4fa0")

LARGEST = 512
"""Rows and columns of a picture; larger ones are averaged down."""


class Line(NamedTuple):
    """A curve.

    Attributes
    ----------
    label
        Its name; empty for one that needs none.
    x, y
        Points; those that are not finite are left out.
    """

    label: str
    x: Sequence[float]
    y: Sequence[float]


def plot(
    lines: Sequence[Line],
    x_label: str,
    y_label: str,
    *,
    guides: Sequence[tuple[float, str]] = (),
    y_range: tuple[float, float] | None = None,
) -> str:
    """Draw curves as SVG.

    Parameters
    ----------
    lines
        The curves.
    x_label, y_label
        What is along the axes, with units.
    guides
        Heights of dashed lines, and what they mean.
    y_range
        Least that is shown along y; as far as the curves reach if None.
    """
    xs = _finite(np.concatenate([np.asarray(line.x, float) for line in lines]))
    ys = _finite(np.concatenate([np.asarray(line.y, float) for line in lines]))
    ys = np.concatenate([ys, [height for height, _ in guides], y_range or ()])
    x0, x1 = _limits(xs)
    y0, y1 = _limits(ys)

    def at(x: float, y: float) -> tuple[float, float]:
        right = LEFT + (x - x0) / (x1 - x0) * (WIDTH - LEFT - RIGHT)
        down = HEIGHT - BOTTOM - (y - y0) / (y1 - y0) * (HEIGHT - TOP - BOTTOM)
        return round(right, 1), round(down, 1)

    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(y_label)} against {escape(x_label)}">'
    ]
    for tick in _ticks(y0, y1):
        _, y = at(x0, tick)
        parts.append(f'<path class="grid" d="M{LEFT} {y}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4}" class="end">{tick:.4g}</text>')
    for tick in _ticks(x0, x1):
        x, _ = at(tick, y0)
        parts.append(
            f'<text x="{x}" y="{HEIGHT - BOTTOM + 16}" class="mid">{tick:.4g}</text>'
        )
    for height, meaning in guides:
        _, y = at(x0, height)
        parts.append(f'<path class="guide" d="M{LEFT} {y}H{WIDTH - RIGHT}"/>')
        parts.append(
            f'<text x="{WIDTH - RIGHT - 2}" y="{y - 4}" class="end soft">'
            f"{escape(meaning)}</text>"
        )
    for k, line in enumerate(lines):
        colour = COLOURS[k % len(COLOURS)]
        points = [
            at(float(x), float(y))
            for x, y in zip(line.x, line.y, strict=True)
            if np.isfinite(x) and np.isfinite(y)
        ]
        path = " ".join(f"{x},{y}" for x, y in points)
        parts.append(f'<polyline points="{path}" style="stroke:{colour}"/>')
        if len(points) <= 16:
            parts += [
                f'<circle cx="{x}" cy="{y}" r="2.5" fill="{colour}"/>'
                for x, y in points
            ]
        if line.label:
            parts.append(
                f'<text x="{WIDTH - RIGHT - 4}" y="{TOP + 10 + 14 * k}" class="end" '
                f'fill="{colour}">'
                f"{escape(line.label)}</text>"
            )
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(
        f'<text x="{middle}" y="{HEIGHT - 8}" class="mid">{escape(x_label)}</text>'
    )
    along = (TOP + HEIGHT - BOTTOM) / 2
    parts.append(
        f'<text transform="translate(13 {along}) rotate(-90)" class="mid">'
        f"{escape(y_label)}</text></svg>"
    )
    return "".join(parts)


def grey(image: npt.NDArray[np.float32], low: float, high: float) -> str:
    """Draw an image from black (`low`) to white, as a data URI."""
    scaled = np.clip((_smaller(image) - low) / max(high - low, 1e-12), 0, 1)
    return _uri(np.nan_to_num(scaled * 255).astype(np.uint8))


def diverging(image: npt.NDArray[np.float32], middle: float, reach: float) -> str:
    """Draw an image from blue over white (`middle`) to red, as a data URI.

    What is NaN is grey.
    """
    shown = _smaller(image)
    s = np.clip((shown - middle) / reach, -1, 1)
    blue, red = np.array([33, 82, 158.0]), np.array([178, 40, 40.0])
    end = np.where(s[..., None] < 0, blue, red)
    colours = 255 + (end - 255) * np.abs(s)[..., None]
    colours[~np.isfinite(shown)] = 128
    return _uri(colours.astype(np.uint8))


def _uri(pixels: npt.NDArray[np.uint8]) -> str:
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"


def _smaller(image: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Average blocks of pixels, so that the image is not larger than it is shown."""
    factor = -(-max(image.shape) // LARGEST)
    height, width = (n // factor * factor for n in image.shape)
    blocks = image[:height, :width].astype(np.float64)
    shape = (height // factor, factor, width // factor, factor)
    return np.asarray(blocks.reshape(shape).mean(axis=(1, 3)))


def _finite(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return values[np.isfinite(values)]


def _limits(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    if not values.size:
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    margin = 0.05 * (high - low) or max(abs(high), 1.0) * 0.05
    return low - margin, high + margin


def _ticks(low: float, high: float) -> list[float]:
    """Four to nine round numbers in a range."""
    rough = (high - low) / 5
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(power * k for k in (1, 2, 5, 10) if power * k >= rough)
    first = int(np.ceil(low / step))
    last = int(np.floor(high / step))
    return [float(k * step) for k in range(first, last + 1)]
