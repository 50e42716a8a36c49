"""DeepCAD-RT (Li et al. 2023): learns one half of the frames from the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.peers.running import TRAINING_SHARE, Frames, Levels, Peer, Run

if TYPE_CHECKING:
    from typing import ClassVar

PATCH = 150
"""Rows, columns and frames of its patches in its demonstration."""


class DeepCADRT(Peer):
    """A checkout of DeepCAD-RT, of which the Python part is used.

    Its patches need twice their frames, so that short movies get shorter patches.
    """

    name: ClassVar[str] = "DeepCAD-RT"
    option: ClassVar[str] = "deepcad-rt"
    marker: ClassVar[str] = "DeepCAD_RT_pytorch/deepcad/train_collection.py"

    def run(self, run: Run, movie: Frames) -> Frames:
        """Train until its share is over, then denoise with the last weights."""
        levels = Levels.of(movie)
        # it takes every file of a folder, and calls its results after that
        folder = run.folder / "movie"
        levels.write(folder / "noisy.tif", movie)
        side, depth = min(PATCH, *movie.shape[1:]), min(PATCH, len(movie) // 3)
        source = run.source() / "DeepCAD_RT_pytorch"
        run.inside(
            *("deepcad_rt", "train", folder, side, depth),
            cwd=source,
            until=TRAINING_SHARE * run.seconds,
        )
        models = run.newest("pth/*/*.pth", source)
        run.inside(
            *("deepcad_rt", "denoise", folder, side, depth, *models[:2]), cwd=source
        )
        return levels.read(run.newest("results/**/*_output.tif", source)[0])
