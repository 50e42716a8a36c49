"""How a scene moves in front of the camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_udvd.pretraining.corpus._drawing import (
    FINE,
    Floats,
    Random,
    log_uniform,
    noise_field,
    sample,
    wander,
)


@dataclass(frozen=True, eq=False)
class Motion:
    """How the whole scene moves, frame by frame, and how lively its objects are.

    Scenes are periodic, so that whatever leaves the frame comes in again later.

    Attributes
    ----------
    size
        Rows and columns of the frame.
    period
        Rows and columns after which the scene repeats itself.
    tempo
        Typical step in pixels per frame of objects that move on their own.
    shift
        Displacement ``(T, 2)`` in pixels.
    angle
        Rotation ``(T,)`` around the centre, in radians.
    zoom
        Magnification ``(T,)``.
    flows
        Two smooth fields of displacements ``(2, 2, period, period)`` that deform the
        scene; ``(2, 2, 1, 1)`` where nothing deforms it.
    sway
        How much of each flow is in each frame, ``(T, 2)``.
    """

    size: int
    period: int
    tempo: float
    shift: Floats
    angle: Floats
    zoom: Floats
    flows: Floats
    sway: Floats

    @property
    def frames(self) -> int:
        """Number of time points."""
        return len(self.shift)

    @classmethod
    def random(cls, rng: Random, frames: int, size: int) -> Motion:
        """Draw a motion: none, or any of drift, jitter, jumps, turns, breath, flow."""
        t = np.arange(frames, dtype=np.float32)
        tempo = log_uniform(rng, 0.03, 1.2)
        shift = np.zeros((frames, 2), np.float32)
        start = rng.uniform(0, 2 * np.pi) if rng.random() < 0.75 else 0.0
        angle = np.full(frames, start, np.float32)
        zoom = np.ones(frames, np.float32)
        sway = np.zeros((frames, 2), np.float32)
        # Wide enough that no body is in sight on both sides of the seam.
        period = size + max(size // 2, 64)
        flows = np.zeros((2, 2, 1, 1), np.float32)
        if rng.random() < 0.8:
            if rng.random() < 0.45:
                heading = rng.uniform(0, 2 * np.pi)
                speed = log_uniform(rng, 0.02, 3.0)
                way = np.array([np.sin(heading), np.cos(heading)], np.float32)
                shift += speed * t[:, None] * way
            if rng.random() < 0.4:
                shift += wander(rng, 2, frames, log_uniform(rng, 0.03, 1.0)).T
            if rng.random() < 0.25:
                spread = log_uniform(rng, 0.05, 2.5)
                shift += rng.normal(0, spread, shift.shape).astype(np.float32)
            if rng.random() < 0.15:
                for jump in rng.integers(0, frames, rng.integers(1, 4)):
                    shift[jump:] += rng.normal(0, log_uniform(rng, 1.0, 12.0), 2)
            if rng.random() < 0.3:
                angle += rng.choice([-1, 1]) * log_uniform(rng, 1e-3, 0.06) * t
            if rng.random() < 0.2:
                beat = log_uniform(rng, 3.0, 60.0)
                phase = rng.uniform(0, 2 * np.pi)
                depth = rng.uniform(0.01, 0.08)
                zoom *= 1 + depth * np.sin(2 * np.pi * t / beat + phase)
            if rng.random() < 0.35:
                flows = np.stack(
                    [
                        [noise_field(rng, period, rng.uniform(1.5, 6)) for _ in "yx"]
                        for _ in range(2)
                    ]
                )
                sway += wander(rng, 2, frames, log_uniform(rng, 0.05, 0.6)).T
        return cls(size, period, tempo, shift, angle, zoom, flows, sway)

    def of_points(self, at: Floats) -> Floats:
        """Where points of the scene, ``(N, 2)`` or ``(T, N, 2)``, are in each frame."""
        at = np.broadcast_to(at, (self.frames, *at.shape[-2:])).astype(np.float32)
        if self.flows.shape[-1] > 1:
            place = np.mod(at, self.period).astype(np.intp) % self.period
            flow = self.flows[:, :, place[..., 0], place[..., 1]]  # (2, 2, T, N)
            at = at + np.einsum("tf,fdtn->tnd", self.sway, flow)
        middle = self.period / 2
        y, x = at[..., 0] - middle, at[..., 1] - middle
        cos = (np.cos(self.angle) * self.zoom)[:, None]
        sin = (np.sin(self.angle) * self.zoom)[:, None]
        turned = np.stack([cos * y + sin * x, cos * x - sin * y], -1)
        turned += self.shift[:, None] + middle
        margin = (self.period - self.size) / 2
        return np.asarray(np.mod(turned, self.period) - margin, np.float32)

    def of_canvas(self, canvas: Floats) -> Floats:
        """Movie of a periodic canvas ``(Y, X)`` or ``(T, Y, X)``."""
        grid = np.arange(self.size, dtype=np.float32) - self.size / 2
        y = grid[None, :, None] - self.shift[:, :1, None]
        x = grid[None, None, :] - self.shift[:, 1:, None]
        cos = (np.cos(self.angle) / self.zoom)[:, None, None]
        sin = (np.sin(self.angle) / self.zoom)[:, None, None]
        middle = self.period / 2
        y, x = cos * y - sin * x + middle, sin * y + cos * x + middle
        if self.flows.shape[-1] > 1:
            # A flow as good as any other, and known where it is needed.
            part = self.flows[:, :, : self.size, : self.size]
            flow = np.tensordot(self.sway, part, axes=1)
            y, x = y - flow[:, 0], x - flow[:, 1]
        y, x = (np.asarray(FINE * at, np.float32) for at in (y, x))
        return sample(canvas, y, x)


def scatter(rng: Random, motion: Motion, n: int) -> Floats:
    """Points ``(N, 2)`` anywhere in one period of the scene."""
    return rng.uniform(0, motion.period, (n, 2)).astype(np.float32)


def paths(rng: Random, motion: Motion, start: Floats, speed: float) -> Floats:
    """Wandering points ``(T, N, 2)`` that begin at ``(N, 2)``, as the camera sees."""
    walk = wander(rng, 2 * len(start), motion.frames, speed)
    return motion.of_points(start + walk.reshape(2, len(start), -1).transpose(2, 1, 0))


def haze(rng: Random, motion: Motion) -> Floats:
    """Dim glow that moves with the scene."""
    canvas = np.exp(0.6 * noise_field(rng, motion.period * FINE, rng.uniform(2.0, 6.0)))
    return motion.of_canvas(canvas * np.float32(log_uniform(rng, 0.005, 0.15)))
