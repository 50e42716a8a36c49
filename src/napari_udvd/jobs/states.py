"""Trainings that can go on: where their states are, whose they are, how long they stay.

The state of a training is one file, written while it runs. The rule is one:

- A state belongs to the movies that it was made of, wherever they are kept: their
  fingerprints are in it. That of other movies is never gone on with.
- A training that goes on keeps the settings that it began with, but for what is asked
  for now; what would make another network of it is refused.
- A training that begins anew never takes the place of a state unless that was said.
- A state is removed when nothing is left to go on with.

Two places differ in what that means: :class:`Beside` a result there is one state, which
ends with it; in a :class:`Cache` every training has a file of its own, for some time.
"""

from __future__ import annotations

import time
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from napari_udvd.errors import InputError, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from napari_udvd.stack import Stack

__all__ = ["KEPT_DAYS", "Beside", "Cache", "State", "States", "continued", "read_state"]

KEPT_DAYS = 30
"""Age at which states in a cache are removed."""

SUFFIX: Final = ".checkpoint"

ASKED_ANEW: Final = ("minutes", "device", "steps")
"""Settings of which each run has its own."""

NEARLY: Final = 0.95
"""Share of its time after which a training is as good as complete."""


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
    task
        Name of what the network is trained for.
    """

    path: Path
    network: str
    seconds: float
    saved: float
    task: str

    def describe(self) -> str:
        """Tell it from others: ``Fast (centre-blind), 120 s, saved 28 Nov 14:32``."""
        when = time.strftime("%d %b %H:%M", time.localtime(self.saved))
        return f"{self.network}, {self.seconds:.0f} s, saved {when}"


class States(Protocol):
    """A place where states are kept."""

    def found(self, stacks: Sequence[Stack]) -> tuple[State, ...]:
        """Trainings of these movies that can go on, the newest first."""

    def new_file(self, stacks: Sequence[Stack]) -> Path:
        """File for a training that begins anew.

        Raises
        ------
        OutputError
            If there is no place for it.
        """

    def complete(self) -> None:
        """Do with the state what is to be done once the result is there."""


@dataclass(frozen=True)
class Beside:
    """The state of what becomes one result, next to it.

    Attributes
    ----------
    result
        The file that the training is for, or becomes.
    overwrite
        Whether a training that begins anew may replace an interrupted one.
    """

    result: Path
    overwrite: bool = False

    @property
    def path(self) -> Path:
        """The file, there or not."""
        return self.result.with_name(f"{self.result.name}{SUFFIX}")

    def found(self, stacks: Sequence[Stack]) -> tuple[State, ...]:
        """See :class:`States`."""
        return _newest_first([self.path], stacks)

    def new_file(self, stacks: Sequence[Stack]) -> Path:
        """See :class:`States`."""
        if self.path.exists() and not self.overwrite:
            raise OutputError(
                f"{str(self.path)!r} holds an interrupted training: continue it with "
                "`resume`, or start anew with `overwrite`"
            )
        return self.path

    def complete(self) -> None:
        """Remove it: there is nothing left to resume."""
        self.path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Cache:
    """States of any movies, which are found again by what the movies hold.

    Attributes
    ----------
    folder
        Where they are; made when it is needed.
    """

    folder: Path

    def found(self, stacks: Sequence[Stack]) -> tuple[State, ...]:
        """See :class:`States`."""
        return _newest_first(self.folder.glob(f"{_key(stacks)}*{SUFFIX}"), stacks)

    def new_file(self, stacks: Sequence[Stack]) -> Path:
        """See :class:`States`; none that is there."""
        self.make()
        key, number = _key(stacks), 1
        while (path := self.folder / _name(key, number)).exists():
            number += 1
        return path

    def complete(self) -> None:
        """Keep it: more training may be wanted when the result was seen."""

    def make(self) -> None:
        """Make the folder.

        Raises
        ------
        OutputError
            If it cannot be made.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"the cache folder {str(self.folder)!r} cannot be made "
                f"({error.strerror}); choose another under File > Preferences > UDVD"
            ) from error

    def tidy(self) -> None:
        """Remove the states that are too old."""
        for path in self.folder.glob(f"*{SUFFIX}"):
            if time.time() - path.stat().st_mtime > KEPT_DAYS * 86_400:
                path.unlink(missing_ok=True)


def read_state(path: Path, stacks: Sequence[Stack] | None = None) -> State | None:
    """Read what a file says of its training.

    Parameters
    ----------
    path
        The file.
    stacks
        Movies that it must be of; any if None.

    Returns
    -------
    State or None
        None where it cannot go on.
    """
    from napari_udvd.models.catalogue import specs
    from napari_udvd.training.checkpoint import read_header, task_of

    try:
        header = read_header(path)
        if stacks is not None and header["movies"] != _fingerprints(stacks):
            return None
        title = specs()[header["plan"]["name"]].title
        seconds, saved = float(header["elapsed"]), path.stat().st_mtime
        return State(path, title, seconds, saved, task_of(header))
    except (InputError, OSError, KeyError):
        return None  # damaged, gone meanwhile, or of another version


def continued(
    header: Mapping[str, Any], given: Mapping[str, Any], *, longer: bool = False
) -> dict[str, Any]:
    """Return the settings with which a training goes on.

    Parameters
    ----------
    header
        Of its state.
    given
        What is asked for now, by name; None is as nothing. It goes before what the
        training began with.
    longer
        A training that is complete goes on for ``minutes`` more; else these are of the
        whole training, and there is nothing left to do.
    """
    from napari_udvd.training.settings import make_settings, options

    usual = make_settings().model_dump(mode="json")
    asked = {name: value for name, value in given.items() if value is not None}
    saved = header.get("settings", {})
    # the options of one network say nothing to another one, which is refused later
    is_other = "model" in asked and asked["model"] != saved.get("model")
    before = {
        name: value
        for name, value in saved.items()
        if name in usual
        and value != usual[name]
        and name not in ASKED_ANEW
        and not (is_other and name in options())
    }
    if longer:
        minutes, had = asked["minutes"], float(header["elapsed"]) / 60
        ended = header.get("ended") in ("budget", "converged")
        if ended or had > NEARLY * minutes:
            asked["minutes"] = minutes + had
    return before | asked


def _newest_first(paths: Iterable[Path], stacks: Sequence[Stack]) -> tuple[State, ...]:
    states = [state for path in paths if (state := read_state(path, stacks))]
    return tuple(sorted(states, key=lambda state: state.saved, reverse=True))


def _fingerprints(stacks: Sequence[Stack]) -> list[str]:
    return [stack.fingerprint() for stack in stacks]


def _name(key: str, number: int) -> str:
    return f"{key}{'' if number == 1 else f'-{number}'}{SUFFIX}"


def _key(stacks: Sequence[Stack]) -> str:
    return f"{zlib.crc32(''.join(_fingerprints(stacks)).encode()):08x}"
