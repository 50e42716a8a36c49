"""What became of the movies of a batch, in a small file beside the results.

One line of JSON for each thing that happened, added whole and seen onto the disk, so
that a batch that was killed at any time knows what was done. The file is removed when
nothing is left to go on with.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari_udvd._version import __version__
from napari_udvd.errors import InputError, OutputError, system_reason
from napari_udvd.jobs.events import (
    FileFailed,
    MovieDone,
    MovieSkipped,
    MovieStarted,
    MovieStopped,
)
from napari_udvd.jobs.states import ASKED_ANEW

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from napari_udvd.jobs.events import BatchEvent

__all__ = ["Journal", "settings_of"]

PREFIX: Final = "napari-udvd-batch"

NOT_OF_THE_RESULT: Final = frozenset(
    {
        *ASKED_ANEW,
        "client",
        "overwrite",
        "precision",
        "record",
        "renews",
        "resume",
        "second_stage",
        "single_view",
        "tile",
    }
)
"""What another run may have otherwise, and still go on."""


def settings_of(
    job: Any, leaving_out: frozenset[str] = NOT_OF_THE_RESULT
) -> dict[str, str]:
    """Tell how a job makes results, in words: another one has other words.

    Parameters
    ----------
    job
        The job.
    leaving_out
        Names of what does not matter.

    Returns
    -------
    dict
        What was said, by name; only what is not usual.
    """
    found: dict[str, str] = {"job": type(job).__name__}
    _collect(job, "", found, leaving_out)
    return found


def _collect(
    value: Any, name: str, found: dict[str, str], leaving_out: frozenset[str]
) -> None:
    if hasattr(value, "state_dict"):
        digest = hashlib.sha256()
        for key, tensor in sorted(value.state_dict().items()):
            digest.update(key.encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        found[name] = digest.hexdigest()[:16]
    elif is_dataclass(value):
        for field in fields(value):
            if field.name in leaving_out or field.name.startswith("_"):
                continue
            part = getattr(value, field.name)
            inner = f"{name}.{field.name}" if name else field.name
            _collect(part, inner, found, leaving_out)
    elif isinstance(value, dict):
        for key in sorted(set(value) - leaving_out):
            _collect(value[key], f"{name}.{key}", found, leaving_out)
    elif value is not None:
        found[name] = str(value.absolute() if isinstance(value, Path) else value)


@dataclass(frozen=True)
class Journal:
    """The file of one batch: the same movies to the same folder.

    Attributes
    ----------
    path
        The file, there or not.
    """

    path: Path

    @classmethod
    def of(cls, folder: Path, files: Iterable[Path]) -> Journal:
        """Return that of these movies, in the folder of their results."""
        names = "\n".join(sorted(str(file.absolute()) for file in files))
        key = hashlib.sha256(names.encode()).hexdigest()[:8]
        return cls(folder / f"{PREFIX}-{key}.jsonl")

    def begin(self, settings: Mapping[str, str], **more: Any) -> None:
        """Begin anew.

        Parameters
        ----------
        settings
            See :func:`settings_of`.
        **more
            What else a run that goes on has to know.
        """
        self.path.unlink(missing_ok=True)
        program = f"napari-udvd {__version__}"
        self._add({"program": program, **more, "settings": dict(settings)})

    def go_on(self, settings: Mapping[str, str]) -> dict[str, Any] | None:
        """Read how the batch was begun.

        Returns
        -------
        dict or None
            The first line; None where there is none.

        Raises
        ------
        InputError
            If it was begun with other settings.
        """
        lines = self.lines()
        if not lines:
            return None
        before = lines[0].get("settings", {})
        for name in sorted({*before, *settings}):
            was, is_now = before.get(name), settings.get(name)
            if was != is_now:
                raise InputError(
                    f"the batch that {str(self.path)!r} tells of was begun with "
                    f"{name} {_shown(was)}, and is now to go on with "
                    f"{_shown(is_now)}: results would not be alike. Give the same, or "
                    "leave --resume out and name another folder"
                )
        return lines[0]

    def done(self) -> set[str]:
        """Return the names of the movies that are done."""
        found = set()
        for line in self.lines()[1:]:
            if line.get("state") in ("done", "skipped"):
                found.add(line["movie"])
            elif line.get("state") == "started":
                found.discard(line["movie"])
        return found

    def lines(self) -> list[dict[str, Any]]:
        """Return what is in the file; a line that was cut off is none."""
        try:
            text = self.path.read_text(encoding="utf-8")
        except OSError:
            return []
        found = []
        for line in text.splitlines():
            try:
                found.append(json.loads(line))
            except json.JSONDecodeError:
                break
        return found

    def note(self, event: BatchEvent) -> None:
        """Add what happened, if it is worth remembering.

        Raises
        ------
        OutputError
            If the disk is full or fails.
        """
        line: dict[str, Any] = {"movie": str(event.file)}
        if isinstance(event, MovieStarted):
            line["state"] = "repeated" if event.is_repeated else "started"
            if event.where:
                line["where"] = event.where
        elif isinstance(event, MovieDone):
            line |= {"state": "done", "result": event.result.name}
            line["seconds"] = round(event.seconds, 3)
        elif isinstance(event, MovieSkipped):
            line |= {"state": "skipped", "result": event.result.name}
        elif isinstance(event, FileFailed):
            line |= {"state": "failed", "reason": str(event.error)}
        elif isinstance(event, MovieStopped):
            line["state"] = "stopped"
        else:
            return
        self._add({**line, "time": time.strftime("%Y-%m-%dT%H:%M:%S")})

    def complete(self) -> None:
        """Remove the file: nothing is left to go on with."""
        self.path.unlink(missing_ok=True)

    def _add(self, line: dict[str, Any]) -> None:
        content = (json.dumps(line) + "\n").encode()
        try:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
            descriptor = os.open(self.path, flags, 0o666)
            try:
                os.write(descriptor, content)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            reason = system_reason(error) or "the disk failed"
            raise OutputError(
                f"cannot write {str(self.path)!r} ({reason}), which remembers what of "
                "the batch is done; make room, and go on with --resume"
            ) from error


def _shown(value: str | None) -> str:
    return "left out" if value is None else repr(value)
