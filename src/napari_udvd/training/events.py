"""What a training run tells while it goes on.

The command line prints these events, the plugin draws them, tests assert on them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from napari_udvd.inference.live_view import View
    from napari_udvd.inference.restorer import Denoiser

__all__ = [
    "Checkpoint",
    "Failed",
    "Finished",
    "LivePreview",
    "Preview",
    "Started",
    "Step",
    "TrainingEvent",
]


@dataclass(frozen=True)
class Started:
    """The movie is read, the network built.

    Attributes
    ----------
    summary
        Network, hole, device and precision in one sentence.
    remarks
        What the diagnosis of the noise says to a user, one sentence each.
    warnings
        Those of the remarks for which the result must not be trusted: the noise
        breaks what the method assumes.
    resumed_at
        Seconds of training already done by the run that is being continued.
    training_seconds
        Time that training will take at most; None where steps are counted instead.
    denoising_seconds
        Estimate for denoising the movies afterwards; None if that does not follow.
    """

    summary: str
    remarks: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    resumed_at: float = 0.0
    training_seconds: float | None = None
    denoising_seconds: float | None = None


@dataclass(frozen=True)
class Step:
    """One optimiser step.

    Attributes
    ----------
    step
        Number of steps so far.
    progress
        Share of the budget that is used, 0 to 1.
    elapsed
        Seconds of training so far.
    loss
        Negative log likelihood (or scaled squared error) per pixel, smoothed.
    validation
        The same on frames held out in time, when it was last measured.
    """

    step: int
    progress: float
    elapsed: float
    loss: float
    validation: float | None


@dataclass(frozen=True)
class Preview:
    """Held-out crop denoised with the current weights, in the movie's units."""

    step: int
    noisy: npt.NDArray[np.float32]
    denoised: npt.NDArray[np.float32]


@dataclass(frozen=True)
class LivePreview:
    """The place that the user looks at, denoised with the current weights.

    Attributes
    ----------
    step
        Number of steps so far.
    view
        Which part of the movie.
    denoised
        ``(C, Y, X)``, in the movie's units.
    """

    step: int
    view: View
    denoised: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Checkpoint:
    """The state was written; a killed run continues from here."""

    step: int
    path: Path


@dataclass(frozen=True)
class Finished:
    """Training is over; the denoiser holds the best weights.

    Attributes
    ----------
    denoiser
        Network with the weights of the best validation loss.
    reason
        ``"budget"``, ``"converged"`` or ``"cancelled"``.
    best_step, best_validation
        When the chosen weights were measured and how good they were.
    warnings
        What held-out frames say against the result, one sentence each; empty where
        it is better than the noisy movie and than a plain average.
    remarks
        What is good to know of how it went, one sentence each.
    noise_removed
        Share of the noise's mean square that the prediction is free of, on frames held
        out: 1 is a perfect result, 0 the noisy movie; None if it was not measured.
    history
        ``(step, validation loss)`` of every measurement.
    steps
        Number of steps in all; 0 where there was no time for one.
    """

    denoiser: Denoiser
    reason: str
    best_step: int
    best_validation: float
    warnings: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    noise_removed: float | None = None
    history: tuple[tuple[int, float], ...] = field(default=(), repr=False)
    steps: int | None = None


@dataclass(frozen=True)
class Failed:
    """Training ended by an error (out of memory, a loss that is not finite)."""

    error: Exception


TrainingEvent = Started | Step | Preview | LivePreview | Checkpoint | Finished | Failed
