"""States of trainings, kept in the cache: each training has a file of its own.

A training that begins anew never takes the file of another one: what was learned
before can be gone on with for as long as the cache keeps it.
"""

from __future__ import annotations

import time
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_udvd.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from napari_udvd.stack import Stack

__all__ = ["State", "new_file", "read_state", "states_of", "tidy"]

KEPT_DAYS = 30
"""Age at which states are removed."""

SUFFIX = ".checkpoint"


@dataclass(frozen=True)
class State:
    """A training that can go on.

    Attributes
    ----------
    path
        Its file.
    network
        What users call the network.
    seconds
        Of training so far.
    saved
        When it was saved, in seconds since the epoch.
    """

    path: Path
    network: str
    seconds: float
    saved: float

    def describe(self) -> str:
        """Tell it from others: ``Fast (centre-blind), 120 s, saved 28 Nov 14:32``."""
        when = time.strftime("%d %b %H:%M", time.localtime(self.saved))
        return f"{self.network}, {self.seconds:.0f} s, saved {when}"


def states_of(stack: Stack, cache: Path) -> tuple[State, ...]:
    """Find the trainings of a movie, wherever that is kept; the newest comes first."""
    found = (read_state(path) for path in cache.glob(f"{_key(stack)}*{SUFFIX}"))
    states = [state for state in found if state is not None]
    return tuple(sorted(states, key=lambda state: state.saved, reverse=True))


def read_state(path: Path) -> State | None:
    """Read what a file says of its training; None where it cannot go on."""
    from napari_udvd.models.catalogue import specs
    from napari_udvd.training.checkpoint import read_header

    try:
        header = read_header(path)
        title = specs()[header["plan"]["name"]].title
        return State(path, title, float(header["elapsed"]), path.stat().st_mtime)
    except (InputError, OSError, KeyError):
        return None  # damaged, gone meanwhile, or of another version


def new_file(stack: Stack, cache: Path) -> Path:
    """Name a file for a training of a movie that begins: none that is there."""
    key, number = _key(stack), 1
    while (path := cache / _name(key, number)).exists():
        number += 1
    return path


def tidy(cache: Path) -> None:
    """Remove the states that are too old."""
    for path in cache.glob(f"*{SUFFIX}"):
        if time.time() - path.stat().st_mtime > KEPT_DAYS * 86_400:
            path.unlink(missing_ok=True)


def _name(key: str, number: int) -> str:
    return f"{key}{'' if number == 1 else f'-{number}'}{SUFFIX}"


def _key(stack: Stack) -> str:
    return f"{zlib.crc32(stack.fingerprint().encode()):08x}"
