"""What a user is told of each task."""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["DENOISE", "RECONSTRUCT", "WORDS", "Words"]

DENOISE: Final = "denoise"
RECONSTRUCT: Final = "reconstruct"
"""Names of tasks, as jobs take them; the module of the tasks brings torch along."""


class Words(NamedTuple):
    """A task in words.

    Attributes
    ----------
    title
        On buttons and in lists.
    doing
        While it goes on.
    done
        Of the movie, then.
    result
        What comes out.
    tip
        What it is, in a sentence.
    """

    title: str
    doing: str
    done: str
    result: str
    tip: str


WORDS: Final = {
    DENOISE: Words(
        "Denoise",
        "denoising",
        "denoised",
        "denoised movie",
        "Remove the noise; pixels that were not measured stay as they are",
    ),
    RECONSTRUCT: Words(
        "Reconstruct",
        "reconstructing",
        "reconstructed",
        "reconstruction",
        "Fill what was not measured from what was, and remove the noise: sparse scans, "
        "borders that registration left, lost rows and frames",
    ),
}
"""Those of each task, by name."""
