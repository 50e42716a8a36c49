"""Ways to find motion, and what users call them; knows nothing heavy."""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["WAYS", "Way"]


class Way(NamedTuple):
    """A way to find motion.

    Attributes
    ----------
    title
        What users call it.
    needs_model
        A trained network is asked; else the frames themselves are compared.
    """

    title: str
    needs_model: bool


WAYS: Final = {
    "implied": Way("Implied by the filters", needs_model=True),
    "learned": Way("Learned optical flow", needs_model=True),
    "tvl1": Way("TV-L1 optical flow", needs_model=False),
    "ilk": Way("Lucas-Kanade optical flow", needs_model=False),
}
"""By the name that options and files have."""
