"""Who made a model, as it is said on a command line."""

from __future__ import annotations

import re
from typing import NamedTuple, Self

from napari_udvd.errors import InputError

__all__ = ["Author"]

WRITTEN = re.compile(
    r"(?P<name>[^()<>]*?[^()<>\s])\s*(?:\((?P<affiliation>[^()<>]+)\))?"
    r"\s*(?:<(?P<github>[A-Za-z0-9-]+)>)?"
)


class Author(NamedTuple):
    """One author of a model.

    Attributes
    ----------
    name
        In full.
    affiliation
        Where they work.
    github
        Their account at GitHub, by which the collection of bioimage.io reaches them.
    """

    name: str
    affiliation: str | None = None
    github: str | None = None

    @classmethod
    def read(cls, text: str) -> Self:
        """Read ``Ada Lovelace (Analytical Engines) <ada>``, of which the name will do.

        Raises
        ------
        InputError
            If it is not written so.
        """
        found = WRITTEN.fullmatch(text.strip())
        if found is None:
            raise InputError(
                f"author is {text!r}; expected a name, and after it an affiliation in "
                "parentheses and an account at GitHub in angle brackets if there are, "
                "such as 'Ada Lovelace (Analytical Engines) <ada>'"
            )
        return cls(found["name"], found["affiliation"], found["github"])
