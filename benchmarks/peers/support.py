"""SUPPORT (Eom et al. 2023): blind-spot network over 61 frames, for voltage imaging."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.peers.running import (
    TRAINING_SHARE,
    Frames,
    Levels,
    Peer,
    Run,
    mirrored,
)

if TYPE_CHECKING:
    from typing import ClassVar

INPUT_FRAMES = 61
"""That its network sees at once, as its training script has it."""

PATCH = 128
"""Rows and columns of its patches, or as many as the movie has."""


class SUPPORT(Peer):
    """A checkout of SUPPORT; its results have 30 frames less at both ends.

    The movie is mirrored there first, so that all of its frames come back.
    """

    name: ClassVar[str] = "SUPPORT"
    option: ClassVar[str] = "support"
    marker: ClassVar[str] = "src/train.py"

    def run(self, run: Run, movie: Frames) -> Frames:
        """Train until its share is over, then denoise with the last weights."""
        levels = Levels.of(movie)
        noisy, result = run.folder / "noisy.tif", run.folder / "denoised.tif"
        half = INPUT_FRAMES // 2
        levels.write(noisy, mirrored(movie, [(half, half), (0, 0), (0, 0)]))
        patch = min(PATCH, *movie.shape[1:])
        source = run.source()
        run.inside(
            *("support_train", noisy, patch, run.threads),
            cwd=source,
            until=TRAINING_SHARE * run.seconds,
        )
        models = run.newest("results/saved_models/peer/model_*.pth", source)
        # the newest may have been cut off while it was written
        run.inside("support_denoise", noisy, result, patch, *models[:2], cwd=source)
        return levels.read(run.newest(result.name)[0])
