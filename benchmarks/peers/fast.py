"""FAST (Wang et al. 2025): neighbouring frames and pixels, with a light network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.peers.running import TRAINING_SHARE, Frames, Levels, Peer, Run

if TYPE_CHECKING:
    from typing import ClassVar


class FAST(Peer):
    """A checkout of FAST; all but time and folders is as its ``params.json`` says."""

    name: ClassVar[str] = "FAST"
    option: ClassVar[str] = "fast"
    marker: ClassVar[str] = "params.json"

    def run(self, run: Run, movie: Frames) -> Frames:
        """Train until its share is over, then denoise with the last weights."""
        levels = Levels.of(movie)
        source = run.source()
        levels.write(source / "movie" / "noisy.tif", movie)
        run.inside("fast", "train", cwd=source, until=TRAINING_SHARE * run.seconds)
        models = run.newest("checkpoint/*/*.pth", source)
        run.inside("fast", "denoise", *models[:2], cwd=source)
        return levels.read(run.newest("result/**/*.tif", source)[0])
