"""Nuclei that divide: they round up, form a plate, and separate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_udvd.simulation._drawing import (
    EventDrawing,
    field,
    scatter,
    wander,
    window,
)
from napari_udvd.simulation._nuclei import Shape, chromatin, nucleus
from napari_udvd.spans import spans_of_frames

if TYPE_CHECKING:
    from napari_udvd.simulation._drawing import Random
    from napari_udvd.spans import Span

__all__ = ["PHASES", "draw_divisions"]

Floats = npt.NDArray[np.float64]

PHASES = ("interphase", "rounding", "plate", "separation")
"""Labels, in the order in which they follow one another."""

SPACING = 34.0
"""Typical distance of nuclei, px: their daughters need room."""
PAUSE = 10
"""Least number of frames between two divisions of a nucleus."""
EDGE = 3.0
"""A nucleus whose centre comes closer to the border, px, is drawn and not tracked."""
CONDENSED = 0.6
"""Radius of the chromosomes in the plate, in radii of the nucleus."""
NEWBORN, GROWN = 0.5, 0.88
"""Radius of a daughter at first and in the end, in radii of its mother."""


class Division(NamedTuple):
    """First frames of its phases, and the frame after the last one."""

    rounding: int
    plate: int
    separation: int
    stop: int


class Phase(NamedTuple):
    """Where in its cycle a nucleus is.

    Attributes
    ----------
    name
        One of :data:`PHASES`.
    done
        Share of the phase that has passed, above 0 and up to 1; 1 in interphase.
    since
        Frames since the last division ended; infinite before the first.
    """

    name: str
    done: float
    since: float


@dataclass(eq=False)
class Cell:
    """A nucleus through the movie.

    Attributes
    ----------
    radius, light
        Of the grown nucleus: px, and brightness.
    birth
        First frame, and first one after the division that it is born in.
    divisions
        In the order of time.
    centre
        ``(T, 2)`` where it is, or the middle between its daughters.
    angle, stretch, glow
        ``(T,)`` orientation of its long axis, shape, and change of brightness.
    texture, knots
        Chromatin of the interphase, and condensed.
    slim
        Long axis of the plate divided by its short one: seen from the side or tilted.
    """

    radius: float
    light: float
    birth: int
    divisions: tuple[Division, ...]
    angle: Floats
    stretch: Floats
    glow: Floats
    texture: Floats
    knots: Floats
    slim: float
    centre: Floats

    def phase(self, t: int) -> Phase:
        """Say where in its cycle it is."""
        since = float(t - self.birth) if self.birth else np.inf
        for division in self.divisions:
            if t >= division.stop:
                since = float(t - division.stop)
            elif t >= division.rounding:
                starts = (*division,)
                k = max(k for k in range(3) if t >= starts[k])
                done = (t + 1 - starts[k]) / (starts[k + 1] - starts[k])
                return Phase(PHASES[k + 1], done, since)
        return Phase(PHASES[0], 1.0, since)

    def size(self, phase: Phase) -> float:
        """Radius in interphase, px: a daughter grows for some ten frames."""
        left = np.exp(-(phase.since + 1) / 6.0)
        has_divided = np.isfinite(phase.since)
        grown = GROWN if has_divided else 1.0
        return self.radius * float(grown - (grown - NEWBORN) * left)

    def track(self, t: int) -> Floats:
        """Where it is followed: while it separates, from the middle to a daughter."""
        return np.asarray(self.centre[t] + self.phase(t).done * self.apart(t))

    def apart(self, t: int) -> Floats:
        """Way from the middle of a separating nucleus to its first daughter."""
        phase = self.phase(t)
        if phase.name != "separation":
            return np.zeros(2)
        # across the plate, from where the chromosomes just part to beside each other
        across = np.array([np.cos(self.angle[t]), -np.sin(self.angle[t])])
        return self.size(phase) * (0.25 + 0.65 * phase.done) * across


def draw_divisions(frames: int, height: int, width: int, rng: Random) -> EventDrawing:
    """Nuclei that migrate, push one another, and divide up to two times.

    The track of a nucleus follows one of its daughters; the other one has a track of
    its own from the end of the division on.
    """
    mothers = [
        _cell(frames, rng, _divisions(frames, rng), tuple(place))
        for place in scatter(rng, height, width, SPACING)
    ]
    cells = _moved(mothers, frames, rng)
    clean = np.zeros((frames, height, width), np.float32)
    for cell in cells:
        for t in range(cell.birth, frames):
            _draw(clean[t], cell, t)
    haze = np.exp(0.5 * field(rng, (height, width), 25.0))
    clean += (0.03 * haze).astype(np.float32)
    clean = ndimage.gaussian_filter(clean, (0.0, 1.1, 1.1))
    tracks: list[Floats] = []
    spans: list[Span] = []
    inside = np.array([height, width]) - 1 - EDGE
    for cell in cells:
        times = np.arange(cell.birth, frames)
        way = np.array([cell.track(t) for t in range(cell.birth, frames)])
        if ((way >= EDGE) & (way <= inside)).all():
            name = len(tracks) + 1
            tracks.append(np.column_stack([np.full(len(way), name), times, way]))
            labels = [
                cell.phase(t).name if t >= cell.birth else None for t in range(frames)
            ]
            spans += spans_of_frames(str(name), labels)
    return EventDrawing(
        clean=clean,
        spans=tuple(spans),
        tracks=np.concatenate(tracks) if tracks else np.empty((0, 4)),
    )


def _divisions(frames: int, rng: Random) -> tuple[Division, ...]:
    """Draw when a nucleus divides: never, once or twice."""
    number = rng.choice(3, p=[0.3, 0.45, 0.25])
    lengths = rng.integers(2, 7, (number, 3))
    while number and lengths[:number].sum() + PAUSE * number > frames:
        number -= 1
    lengths = lengths[:number]
    slack = frames - int(lengths.sum()) - PAUSE * number
    starts = np.sort(rng.integers(0, slack + 1, number))
    found: list[Division] = []
    for start, length, passed in zip(
        starts, lengths, np.cumsum(lengths.sum(axis=1)), strict=True
    ):
        first = int(start + passed - length.sum()) + PAUSE * len(found) + PAUSE // 2
        found.append(Division(*(first + np.cumsum([0, *length])).tolist()))
    return tuple(found)


def _cell(
    frames: int,
    rng: Random,
    divisions: tuple[Division, ...],
    place: tuple[float, ...],
    birth: int = 0,
) -> Cell:
    return Cell(
        radius=rng.uniform(8.0, 12.0),
        light=rng.lognormal(-0.5, 0.35),
        birth=birth,
        divisions=divisions,
        angle=rng.uniform(0, np.pi) + wander(rng, frames, speed=0.03),
        stretch=rng.uniform(1.1, 1.5) + 0.1 * np.sin(wander(rng, frames, speed=0.1)),
        glow=np.exp(0.15 * np.sin(wander(rng, frames, speed=0.08))),
        texture=chromatin(rng),
        knots=np.exp(0.4 * field(rng, (64, 64), 3.0)),
        slim=rng.uniform(2.2, 3.6),
        centre=np.tile(place, (frames, 1)),
    )


def _moved(mothers: list[Cell], frames: int, rng: Random) -> list[Cell]:
    """Let nuclei migrate and push one another; add the daughters that are born."""
    stage = np.stack([wander(rng, frames, speed=0.1) for _ in "yx"], axis=1)
    drift = np.diff(stage, axis=0, prepend=0.0)
    cells: list[Cell] = []
    ways: list[Floats] = []
    places: list[Floats] = []

    def join(cell: Cell, place: Floats) -> None:
        cells.append(cell)
        way = np.stack([wander(rng, frames, speed=0.25) for _ in "yx"], axis=1)
        ways.append(np.diff(way, axis=0, prepend=0.0))
        places.append(place)

    for mother in mothers:
        join(mother, mother.centre[0])
    for t in range(frames):
        for k, cell in enumerate(tuple(cells)):
            if any(t == division.stop for division in cell.divisions):
                # what was one in the middle is two, where the daughters had come to
                apart = cell.apart(t - 1)
                sister = _cell(frames, rng, (), (np.nan, np.nan), birth=t)
                sister.radius, sister.light = cell.radius, cell.light
                join(sister, places[k] - apart)
                places[k] = places[k] + apart
        sizes = np.array([cell.size(cell.phase(t)) for cell in cells])
        pushed = _pushed(np.array(places), sizes)
        for k, cell in enumerate(cells):
            places[k] = places[k] + pushed[k]
            if t:
                places[k] = places[k] + ways[k][t] + drift[t]
            cell.centre[t] = places[k]
    return cells


def _pushed(places: Floats, sizes: Floats) -> Floats:
    """Part nuclei that come too close to one another: steps ``(N, 2)``."""
    gaps = places[:, None] - places[None]
    distance = np.hypot(*np.moveaxis(gaps, -1, 0)) + np.eye(len(places))
    close = np.clip(0.95 * (sizes[:, None] + sizes[None]) - distance, 0.0, None)
    close[np.diag_indices(len(places))] = 0.0
    return np.asarray((0.12 * (close / distance)[..., None] * gaps).sum(axis=1))


def _draw(frame: npt.NDArray[np.float32], cell: Cell, t: int) -> None:
    """Draw a nucleus, or both of its daughters, into a frame."""
    phase = cell.phase(t)
    size = cell.size(phase)
    # a daughter has half of the chromatin at first and doubles it until it divides
    content = 1.0 - 0.5 * float(np.exp(-(phase.since + 1) / 12.0))
    shape, knotted = _shape(cell, t, phase, size)
    texture = (1.0 - knotted) * cell.texture + knotted * cell.knots
    places = [cell.centre[t]]
    if phase.name == "separation":
        places = [cell.centre[t] + sign * cell.apart(t) for sign in (1, -1)]
        content /= 2
    # as much light on less area
    light = cell.light * cell.glow[t] * content * (cell.radius / shape.radius) ** 2
    for place in places:
        part = window(place, int(2.0 * size), *frame.shape)
        if part is not None:
            its = light * nucleus(part.dy, part.dx, shape, texture)
            frame[part.rows, part.columns] += its.astype(np.float32)


def _shape(cell: Cell, t: int, phase: Phase, size: float) -> tuple[Shape, float]:
    """Outline of a nucleus or a daughter, and how far its chromatin is condensed."""
    if phase.name == "rounding":
        round_, knotted = phase.done, phase.done
        stretch = 1.0 + (cell.stretch[t] - 1.0) * (1.0 - round_)
        radius = size * (1.0 - (0.9 - CONDENSED) * round_)
    elif phase.name == "plate":
        ready, knotted = min(1.0, 0.4 + phase.done), 1.0
        stretch = 1.0 + (cell.slim - 1.0) * ready
        radius = size * CONDENSED
    elif phase.name == "separation":
        knotted = 1.0
        stretch = cell.slim + (1.4 - cell.slim) * phase.done
        radius = size * CONDENSED / np.sqrt(2.0)
    else:
        knotted = float(np.exp(-(phase.since + 1) / 3.0))
        stretch, radius = cell.stretch[t], size
    return Shape(cell.angle[t], radius, stretch), knotted
