"""A movie in the list, and what is known of it in words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_udvd._widgets.restore.words import DENOISE, WORDS
from napari_udvd._widgets.shared.messages import said

if TYPE_CHECKING:
    from pathlib import Path

    from napari.layers import Image

    from napari_udvd.jobs import MovieStatus

__all__ = ["Row", "duration", "in_words", "warnings_of"]

RUNS = ("training", "denoising")
"""States of a movie that is being worked on."""

IN_WORDS = {
    "leave --resume out and name another folder": "name another folder, or choose "
    "Replace results",
    "and the same command with --resume goes on": "and Resume goes on",
    "replace results with `overwrite`, or name another folder": "name another folder, "
    "or choose Replace results",
    "Start workers with more memory, and --resume": "Start workers with more memory, "
    "and press Resume",
}
"""What messages advise those who type commands, and what it is here."""

SHARE_SHOWN = 0.005
"""Least progress that is worth a number."""


@dataclass(eq=False)
class Row:
    """One movie.

    Attributes
    ----------
    name
        What it is called in the list.
    file
        Its file; None for a layer, until it is known which file holds it.
    layer
        The layer that it was taken from; None where a file was chosen.
    status
        What a batch has told of it; None until one did.
    trains
        Whether a network is trained on it, in that batch.
    task
        What is done with it there.
    reason
        Why it failed.
    warnings
        Why its result cannot be trusted.
    """

    name: str
    file: Path | None = None
    layer: Image | None = None
    status: MovieStatus | None = None
    trains: bool = True
    task: str = DENOISE
    reason: str = ""
    warnings: list[str] = field(default_factory=list)

    @property
    def state(self) -> str:
        """What is done with it, or how it ended."""
        return "waiting" if self.status is None else self.status.state

    @property
    def waits(self) -> bool:
        """Whether nobody has begun it, so that it can be moved and removed."""
        return self.state not in RUNS

    @property
    def share(self) -> float:
        """How much of what is done now is done, 0 to 1; 0 where nothing is."""
        is_running = self.status is not None and self.state in RUNS
        return self.status.progress if is_running and self.status is not None else 0.0

    @property
    def whole(self) -> float:
        """How much of all that is to be done with it is done, 0 to 1."""
        if not self.trains:
            return self.share if self.state == "denoising" else 0.0
        return self.share / 2 + (0.5 if self.state == "denoising" else 0.0)

    @property
    def is_done(self) -> bool:
        """Whether its result is there."""
        return self.state in ("done", "skipped")

    @property
    def text(self) -> str:
        """Its state, short enough for a cell."""
        status = self.status
        if status is None:
            return "waiting"
        if status.state in RUNS:
            doing = "training" if status.state == "training" else WORDS[self.task].doing
            if status.state == "training" and not self.trains:
                doing = "opening"
            share = f" {status.progress:.0%}" if status.progress > SHARE_SHOWN else " …"
            return f"{doing}{share}"
        if status.state == "failed":
            return f"failed: {self.reason}"
        if status.state == "skipped":
            return "skipped: done before"
        if status.state == "done" and self.warnings:
            return "done, with a warning"
        if status.state == "done" and status.anew:
            return "done anew"
        return status.state

    @property
    def is_explained(self) -> bool:
        """Whether there is more to say of how it ended than the state."""
        status = self.status
        return status is not None and (status.state == "skipped" or bool(status.anew))

    @property
    def told(self) -> str:
        """All there is to say of it, a line each."""
        status = self.status
        lines = [str(self.file) if self.layer is None else f"layer {self.name!r}"]
        if self.layer is not None and self.file is not None:
            lines.append(f"in the file {self.file}")
        if status is None:
            return "\n".join(lines)
        if status.state == "failed":
            lines.append(f"Failed: {self.reason}")
        if status.state == "skipped":
            lines.append(
                "Skipped: its result was there already, of this movie and made as is "
                "asked now."
            )
        if status.anew:
            lines.append(f"The result that was there was replaced: {status.anew}.")
        if status.where:
            lines.append(f"worker {status.where}")
        if status.repeats:
            lines.append("Begun again, since its worker was lost.")
        if status.result is not None:
            lines.append(f"result: {status.result}")
            lines.append("Double click opens both as layers.")
        return "\n".join([*lines, *self.warnings])

    def take(self, event: Any, status: MovieStatus) -> None:
        """Take account of what a batch tells."""
        from napari_udvd.jobs.events import FileFailed, MovieStarted, MovieTold

        self.status = status
        if isinstance(event, MovieStarted):
            self.reason = ""
            self.warnings.clear()
        elif isinstance(event, FileFailed):
            self.reason = in_words(event.error)
        elif isinstance(event, MovieTold):
            self.warnings += warnings_of(event.event)


def in_words(error: BaseException) -> str:
    """Return what an error says to whoever uses the dock."""
    text = said(error)
    for typed, here in IN_WORDS.items():
        text = text.replace(typed, here)
    return text


def warnings_of(event: Any) -> list[str]:
    """Return what speaks against a result, as an event of its movie tells."""
    from napari_udvd.jobs.events import Warned
    from napari_udvd.training import Finished

    if isinstance(event, Warned):
        return [event.text]
    return list(event.warnings) if isinstance(event, Finished) else []


def duration(seconds: float) -> str:
    """Return a time that has passed, in words."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, seconds = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {seconds} s"
    return f"{minutes // 60} h {minutes % 60} min"
