"""Errors a user can act on.

Every message quotes the offending value, says what was expected and what to do.
The command line prints them as one paragraph and exits with code 2; anything else
that escapes is a bug and keeps its traceback.
"""

from __future__ import annotations

import os

__all__ = [
    "InputError",
    "OutputError",
    "TrainingFailed",
    "WorkersLost",
    "system_reason",
]


class InputError(ValueError):
    """The movie, model file or setting handed in cannot be used as it is."""


class OutputError(OSError):
    """The result cannot be written where it was asked to go."""


class TrainingFailed(RuntimeError):
    """A training cannot go on; the message says why and what to do."""


class WorkersLost(RuntimeError):
    """Processes that computed are gone; what they had completed is there."""


def system_reason(error: BaseException) -> str:
    """Return what the operating system says, such as ``No space left on device``.

    Returns
    -------
    str
        Empty where the error is not one of the system: what a library says of its own
        insides is not for users.
    """
    # by the number, since libraries put words of their own beside it
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno)
    return ""
