"""Noise2Void (Krull et al. 2019) as CAREamics does it, frame by frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.peers.running import TRAINING_SHARE, Frames, Levels, Peer, Run

if TYPE_CHECKING:
    from typing import ClassVar


class CAREamics(Peer):
    """CAREamics, which is a library: it is installed, not checked out.

    Its environment needs ``careamics``; a ``torchvision`` that cannot be imported does
    no harm, since Noise2Void uses none of it.
    """

    name: ClassVar[str] = "CAREamics N2V"
    option: ClassVar[str] = "careamics"
    has_checkout: ClassVar[bool] = False

    def run(self, run: Run, movie: Frames) -> Frames:
        """Train for a share of the time, and predict."""
        levels = Levels.of(movie)
        noisy, result = run.folder / "noisy.tif", run.folder / "denoised.tif"
        levels.write(noisy, movie)
        training = TRAINING_SHARE * run.seconds
        run.inside("careamics_n2v", noisy, result, training, run.threads)
        return levels.read(run.newest(result.name)[0])
