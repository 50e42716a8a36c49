"""Filters as pictures: one small panel per frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from napari_udvd.filters._filter import AdaptiveFilter

__all__ = ["diverging_colours", "draw_filter"]

Picture = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]

ANCHORS = np.array(
    [(24, 48, 110), (74, 130, 196), (255, 255, 255), (222, 102, 78), (124, 14, 36)]
)
"""Colours of -1, -1/2, 0, 1/2 and 1."""

SMALLEST, LARGEST = 9, 41
"""Rows and columns of a panel, in pixels of the movie."""

ENERGY = 0.99
"""Part of the sum of squared weights that a panel shows at least, if it can."""

FINE = 4
"""Marks are drawn so much larger and then made smaller, so that they are smooth."""

PAPER: Colour = (255, 255, 255)
INK: Colour = (40, 40, 44)
FAINT_INK: Colour = (112, 112, 120)
FRAME: Colour = (196, 196, 202)
NOT_SEEN: Colour = (233, 233, 236)
GOLD: Colour = (255, 200, 0)
CROSSHAIR = (*INK, 80)


def diverging_colours(values: npt.NDArray[np.floating]) -> Picture:
    """Colour numbers from -1 (blue) over 0 (white) to 1 (red), ``(..., 3)``."""
    at = np.clip(values, -1, 1)
    places = np.linspace(-1, 1, len(ANCHORS))
    parts = [np.interp(at, places, anchors) for anchors in ANCHORS.T]
    return np.asarray(np.rint(np.stack(parts, axis=-1)), dtype=np.uint8)


def draw_filter(
    found: AdaptiveFilter,
    *,
    frames: int = 5,
    panel: int = 132,
    zoom: int | None = None,
) -> Picture:
    """Draw the weights of the frames around the pixel's own, side by side.

    As in figure 5 of Sheth et al. 2021: red weights add, blue ones take off, on one
    scale for all panels. Thin lines point at the pixel; a golden dot is the centroid
    of the frame's weights, so its way from panel to panel is the motion that the
    filter follows. What the network does not see is grey. A posterior's weight of the
    noisy pixel itself is much larger than the others and may be off the scale.

    Parameters
    ----------
    found
        The filter; the weights of the pixel's own channel are drawn.
    frames
        Largest number of panels.
    panel
        Rows and columns of a panel in the picture, about: weights are squares of
        whole pixels.
    zoom
        Rows and columns of such a square; follows from `panel` if None.

    Returns
    -------
    ndarray
        ``(H, W, 3)``.
    """
    own = found.pixel[0] - found.origin[0]
    count = len(found.frames)
    first = int(np.clip(own - frames // 2, 0, max(count - frames, 0)))
    shown = range(first, min(first + frames, count))
    weights, limit = _crop(found, shown)
    edge = weights.shape[-1]
    zoom = max(round(panel / edge), 1) if zoom is None else zoom
    size = edge * zoom
    pad = max(size // 16, 4)
    text = max(size // 10, 9)
    bar_width = max(size // 14, 6)
    font = ImageFont.load_default(text)
    labels = _scale_labels(limit)
    label_width = max(round(font.getlength(label)) for label in labels)
    width = pad + len(shown) * (size + pad) + bar_width + pad // 2 + label_width + pad
    height = pad + size + pad // 2 + round(1.4 * text) + pad // 2
    picture = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(picture)
    for i, k in enumerate(shown):
        left = pad + i * (size + pad)
        shift = found.shifts[k]
        picture.paste(_panel(weights[i], limit, shift, zoom, k == own), (left, pad))
        base = pad + size + pad // 2
        step = k - own
        name = "t" if step == 0 else f"t {'+' if step > 0 else '-'} {abs(step)}"
        share = f"{found.shares[k]:.0%}".replace("%", " %")
        draw.text((left + 1, base), name, fill=INK, font=font)
        right = left + size - 1
        draw.text((right, base), share, fill=FAINT_INK, font=font, anchor="ra")
    left = pad + len(shown) * (size + pad)
    _draw_scale(picture, (left, pad), (bar_width, size), labels, pad // 2, text)
    return np.asarray(picture)


def _crop(found: AdaptiveFilter, shown: range) -> tuple[npt.NDArray[np.float64], float]:
    """Cut ``(n, edge, edge)`` around the pixel; NaN where the network does not see.

    Also returns the largest absolute weight, that of the noisy pixel itself apart.
    """
    row, column = (found.pixel[3 + k] - found.origin[1 + k] for k in range(2))
    reach = LARGEST // 2
    height, width = found.weights.shape[-2:]
    above, aside = max(reach - row, 0), max(reach - column, 0)
    padded = np.pad(
        found.weights[shown.start : shown.stop].astype(float),
        (
            (0, 0),
            (above, max(row + reach + 1 - height, 0)),
            (aside, max(column + reach + 1 - width, 0)),
        ),
        constant_values=np.nan,
    )
    top, left = row + above - reach, column + aside - reach
    around = padded[:, top : top + LARGEST, left : left + LARGEST]
    others = np.nan_to_num(around)
    if found.pixel[0] - found.origin[0] in shown:
        others[found.pixel[0] - found.origin[0] - shown.start, reach, reach] = 0
    energy = np.square(others).sum(axis=0)
    place = np.abs(np.arange(LARGEST) - reach)
    distance = np.maximum(place[:, None], place)
    inside = np.cumsum(np.bincount(distance.ravel(), energy.ravel()))
    enough = int(np.searchsorted(inside, ENERGY * inside[-1]))
    keep = int(np.clip(enough, SMALLEST // 2, reach))
    part = slice(reach - keep, reach + keep + 1)
    return around[:, part, part], float(np.abs(others).max())


def _panel(
    weights: npt.NDArray[np.float64],
    limit: float,
    shift: npt.NDArray[np.float64],
    zoom: int,
    is_own: bool,
) -> Image.Image:
    """Draw one frame: squares, frame, lines that point at the pixel, centroid."""
    seen = np.isfinite(weights)
    squares = diverging_colours(np.nan_to_num(weights) / (limit or 1.0))
    squares[~seen] = NOT_SEEN
    size = len(weights) * zoom
    picture = Image.fromarray(squares).resize((size, size), Image.Resampling.NEAREST)
    fine = size * FINE
    marks = Image.new("RGBA", (fine, fine))
    draw = ImageDraw.Draw(marks)
    middle, thin = fine / 2, FINE
    gap = max(1.5 * zoom, size / 12) * FINE
    low, high = middle - thin / 2, middle + thin / 2 - 1
    for start, stop in ((0, middle - gap), (middle + gap, fine)):
        draw.rectangle((start, low, stop, high), CROSSHAIR)
        draw.rectangle((low, start, high, stop), CROSSHAIR)
    if np.isfinite(shift).all() and np.abs(shift).max() <= len(weights) / 2:
        y, x = middle + np.asarray(shift) * zoom * FINE
        radius = max(size / 36, 2.5) * FINE
        edge = round(1.2 * FINE)
        box = (x - radius, y - radius, x + radius, y + radius)
        draw.ellipse(box, fill=GOLD, outline=INK, width=edge)
    border = (*(FAINT_INK if is_own else FRAME), 255)
    draw.rectangle((0, 0, fine - 1, fine - 1), outline=border, width=FINE)
    marks = marks.resize((size, size), Image.Resampling.BOX)
    picture.paste(marks, mask=marks)
    return picture


def _scale_labels(limit: float) -> tuple[str, str, str]:
    digits = max(1 - int(np.floor(np.log10(limit))), 0) if limit > 0 else 0
    value = f"{limit:.{digits}f}"
    return f"+{value}", "0", f"-{value}"


def _draw_scale(
    picture: Image.Image,
    corner: tuple[int, int],
    size: tuple[int, int],
    labels: tuple[str, str, str],
    gap: int,
    text: int,
) -> None:
    left, top = corner
    width, height = size
    column = diverging_colours(np.linspace(1, -1, height))
    bar = Image.fromarray(np.repeat(column[:, None], width, axis=1))
    picture.paste(bar, corner)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((left, top, left + width - 1, top + height - 1), outline=FRAME)
    font = ImageFont.load_default(text)
    places = zip(labels, (0.0, 0.5, 1.0), ("la", "lm", "ld"), strict=True)
    for label, fraction, anchor in places:
        at = (left + width + gap, top + fraction * (height - 1))
        draw.text(at, label, fill=FAINT_INK, font=font, anchor=anchor)
