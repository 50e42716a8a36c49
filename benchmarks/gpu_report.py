"""Results that are on disk as soon as they are known, and the time that is left.

Whatever ends the program early (an error, a limit on its time) loses only the part
that was running. One measurement that fails does not keep others from being made.
"""

from __future__ import annotations

import json
import math
import time
import traceback
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

__all__ = ["Budget", "NotHere", "Report"]

Numbers = dict[str, Any]
"""What a measurement found, as plain JSON values."""


class NotHere(Exception):
    """What a check needs is missing on this machine; says what."""


class Budget:
    """Seconds that may be used, from the moment it is made."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds left, not negative."""
        return max(self._end - time.monotonic(), 0.0)

    def share(self, part: float) -> Budget:
        """Return a part of what is left."""
        return Budget(part * self.left)

    def at_most(self, seconds: float) -> Budget:
        """Return so much of what is left."""
        return Budget(min(seconds, self.left))


class Report:
    """Writes ``results.json`` and ``report.txt`` into a folder as things come to pass.

    Parameters
    ----------
    folder
        Made if it is not there.
    about
        Machine and versions, written first.

    Attributes
    ----------
    failed
        Names of what failed so far.
    """

    def __init__(self, folder: Path, about: Mapping[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.failed: list[str] = []
        self._results: dict[str, Any] = {"about": dict(about), "results": {}}
        self._text = folder / "report.txt"
        self._text.write_text("")
        self.say("; ".join(f"{key}: {value}" for key, value in about.items()))
        self._write()

    def say(self, line: str) -> None:
        """Print a line and keep it."""
        print(line, flush=True)
        with self._text.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")

    def run(
        self, part: str, name: str, work: Callable[[Numbers], Mapping[str, Any] | None]
    ) -> None:
        """Do one measurement and record how it ended.

        Parameters
        ----------
        part, name
            Where the numbers go in the results.
        work
            Is given a dictionary to fill, which is kept also if it raises, and may
            return more. :class:`NotHere` is no failure.
        """
        found: Numbers = {}
        entry: dict[str, Any] = {"state": "running", "found": found}
        self._results["results"].setdefault(part, {})[name] = entry
        self._write()
        began = time.monotonic()
        try:
            found.update(work(found) or {})
            entry["state"] = "done"
        except NotHere as missing:
            entry |= {"state": "not here", "reason": str(missing)}
        except Exception as error:  # whatever it is, the others go on
            self.failed.append(f"{part}: {name}")
            why = f"{type(error).__name__}: {error}"
            entry |= {"state": "failed", "reason": why}
            entry["traceback"] = traceback.format_exc()
        entry["seconds"] = round(time.monotonic() - began, 2)
        self._write()
        self.say(_told(part, name, entry))

    def skip(self, part: str, name: str, reason: str) -> None:
        """Record that something was left out."""
        entry = {"state": "left out", "reason": reason, "found": {}, "seconds": 0.0}
        self._results["results"].setdefault(part, {})[name] = entry
        self._write()
        self.say(_told(part, name, entry))

    def keep(self) -> None:
        """Write what a measurement that still runs has found so far."""
        self._write()

    def _write(self) -> None:
        path = self.folder / "results.json"
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(_plain(self._results), indent=1))
        partial.replace(path)


def _told(part: str, name: str, entry: Mapping[str, Any]) -> str:
    """One line: state, numbers, and the last words of what went wrong."""
    pieces = [f"{part}: {name}: {entry['state']} ({entry['seconds']:.1f} s)"]
    if reason := entry.get("reason"):
        pieces.append(str(reason).strip())
    pieces += [f"{key} {_short(value)}" for key, value in entry["found"].items()]
    return "; ".join(pieces)


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k} {_short(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        if len(value) > 6:
            return f"{len(value)} entries, the last {_short(value[-1])}"
        return "[" + ", ".join(map(_short, value)) + "]"
    return str(value)


def _plain(value: Any) -> Any:
    """Values that JSON has a word for."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, str | bool | int | float):
        return value
    return value.item() if hasattr(value, "item") else str(value)
