"""Messages of the library in the words of the command line; knows nothing heavy."""

from __future__ import annotations

import re
import sys

__all__ = ["as_options", "complain", "out_of_memory"]


def as_options(text: str) -> str:
    """Name the options where the library names the arguments of its functions."""
    text = re.sub(r'\baxes="([A-Za-z]+)"', r"--axes \1", text)
    text = re.sub(r"`([a-z_]+)`", lambda name: _option(name[1]), text)
    # learning_rate is -1.0; expected ... / width is 8, which is a setting of ...
    return re.sub(
        r"(?:^|(?<=; ))[a-z_]+(?= is [^;]+(?:; expected |, which is a setting of ))",
        lambda name: _option(name[0]),
        text,
    )


def _option(argument: str) -> str:
    return f"--{argument.replace('_', '-')}"


def out_of_memory(error: MemoryError) -> str:
    """Say what did not fit into memory, and what to do."""
    # a kind of its own is a library's, which tells of its arrays
    own = str(error) if type(error) is MemoryError else ""
    advice = "close other programs, or take a smaller --tile or network"
    return f"out of memory: {own or advice}"


def complain(text: str) -> None:
    """Print an error on stderr."""
    print(f"napari-udvd: {as_options(text)}", file=sys.stderr)
