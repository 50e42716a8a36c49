"""What a command raises when the user stopped it and nothing is lost."""

from __future__ import annotations

__all__ = ["Stopped"]


class Stopped(Exception):
    """The user stopped a training, which was saved; the message says how to go on.

    Not a KeyboardInterrupt: typer ends the program on that without a word.
    """
