"""Messages of the library in the words of the command line; knows nothing heavy."""

from __future__ import annotations

import re
import sys

__all__ = ["as_options", "complain"]


def as_options(text: str) -> str:
    """Name the options where the library names the arguments of its functions."""
    return re.sub(r'\baxes="([A-Za-z]+)"', r"--axes \1", text)


def complain(text: str) -> None:
    """Print an error on stderr."""
    print(f"napari-udvd: {as_options(text)}", file=sys.stderr)
