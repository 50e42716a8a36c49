"""What training and inference ask of a task.

A task is what is asked of a network, whatever its architecture: which measurements it
does not get to see and is judged by, what a right answer is worth, and what becomes of
its answers. Training, validation and inference ask the task and know of none by name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from napari_udvd.models import Clip, Prediction
    from napari_udvd.noise import Diagnosis
    from napari_udvd.stack import Layout

__all__ = ["Batch", "Estimate", "Judged", "Task", "Terms", "Verdict"]


class Terms(NamedTuple):
    """What the movies say of how a task can be done.

    Attributes
    ----------
    hole
        Rows and columns around a pixel that its own frame may not show, odd.
    warnings
        What breaks the assumptions of the method, one sentence each.
    """

    hole: tuple[int, int]
    warnings: tuple[str, ...]


class Batch(NamedTuple):
    """What a network sees, and what its answer is compared with.

    Attributes
    ----------
    clip
        Frames ``(N, T, C, H, W)`` that it sees.
    targets
        ``(N, targets, ...)``: the middle ones of the frames, or what else is known of
        them, in network units.
    learned
        bool: which entries of the loss count; broadcasts with what :meth:`Task.loss`
        returns.
    """

    clip: Clip
    targets: Tensor
    learned: Tensor


class Estimate(NamedTuple):
    """What is put out.

    Attributes
    ----------
    mean
        The result, ``(..., C, H, W)``; of a task whose result has frames of another
        shape, see :meth:`Task.layout`, with theirs in place of H and W.
    std
        Its standard deviation, of the same shape; None where it is not known.
    is_light
        Both are in network units, and become grey levels; else they are numbers of
        their own, such as probabilities, and stay what they are.
    """

    mean: Tensor
    std: Tensor | None = None
    is_light: bool = True


class Judged(NamedTuple):
    """A frame held out, and what a network says of it.

    Attributes
    ----------
    prediction
        Mean ``(1, 1, ...)`` and factor, made without any sight of the targets.
    batch
        What the network saw, and what was held out.
    around
        ``(1, 3, C, H, W)``: the frame before, the frame itself, and the frame after.
    """

    prediction: Prediction
    batch: Batch
    around: Tensor


class Verdict(NamedTuple):
    """What frames held out say of a result.

    Attributes
    ----------
    warnings
        One sentence for each way in which it is no better than doing without it.
    noise_removed
        Share of the noise's mean square that it is free of, from 0 to 1; None where
        noise is not what the task is about.
    """

    warnings: tuple[str, ...]
    noise_removed: float | None = None


class Task(Protocol):
    """One job of a network.

    Attributes
    ----------
    name
        What model files, checkpoints and settings call it.
    fills
        What was not measured is predicted, too. Otherwise it stays in the result as it
        is in the movie, but for gaps as short as denoising bridges.
    """

    name: str
    fills: bool

    def plan(
        self, diagnoses: Sequence[Diagnosis], hole: tuple[int, int] | None
    ) -> Terms:
        """Settle on what a network may not see.

        Parameters
        ----------
        diagnoses
            One for each channel of each movie.
        hole
            Rows and columns that the user asks for; chosen if None.
        """

    def hold_out(
        self, n_frames: int, missing: frozenset[int] = frozenset()
    ) -> frozenset[int]:
        """Choose the frames that a network never learns from and is judged by.

        Parameters
        ----------
        n_frames
            Frames of the movie.
        missing
            Those in which nothing was measured.

        Returns
        -------
        frozenset of int
            Their numbers; empty where a movie has none to spare.
        """

    def batch(self, clip: Clip, is_target: Tensor) -> Batch:
        """Split clips into what a network sees and what it is compared with.

        Parameters
        ----------
        clip
            Frames ``(N, T, C, H, W)``, and the mask of what was measured.
        is_target
            ``(N, targets)``, bool: the middle frames of each clip, False for those held
            out.
        """

    def loss(self, prediction: Prediction, batch: Batch) -> Tensor:
        """Tell how far an answer is from what it is compared with.

        Parameters
        ----------
        prediction
            Mean ``(N, targets, ...)`` and factor.
        batch
            What the network saw, and the targets.

        Returns
        -------
        Tensor
            Entry by entry, ``(N, targets, H, W)`` where each pixel has a loss and
            ``(N, targets)`` where each frame has one; the mean of those that are
            learned from is what training makes small.
        """

    def finish(
        self, prediction: Prediction, frames: Clip, *, use_posterior: bool = True
    ) -> Estimate:
        """Turn an answer into what is put out.

        Parameters
        ----------
        prediction
            Mean ``(..., C, H, W)`` and factor.
        frames
            The frames ``(..., C, H, W)`` that were predicted, with their noise and the
            mask of what was measured.
        use_posterior
            Put back what the network did not see, where the task does so.
        """

    def layout(self, movie: Layout) -> Layout:
        """Tell which axes, shape, scale and units the result for a movie has."""

    def verdict(self, judged: Sequence[Judged]) -> Verdict:
        """Say what speaks against a result, judged by frames it never learned from."""
