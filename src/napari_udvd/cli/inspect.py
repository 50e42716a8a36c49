"""What the commands that look into a network do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from napari_udvd._version import __version__
from napari_udvd.cli.console import Report
from napari_udvd.errors import InputError
from napari_udvd.filters import adaptive_filter, check_filter_output, save_filter
from napari_udvd.formats import open_stack
from napari_udvd.inference.restorer import Denoiser, check_fits, load
from napari_udvd.motion import (
    METHODS,
    check_motion_output,
    estimated_motion,
    flow_network,
    implied_motion,
    learned_motion,
    write_motion,
)
from napari_udvd.noise import check_finite
from napari_udvd.runtime.device import choose_device

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_udvd.motion import Motion
    from napari_udvd.stack import Stack

__all__ = ["FilterJob", "MotionJob", "parse_place"]


@dataclass(frozen=True, kw_only=True)
class FilterJob:
    """Save the filter of one pixel."""

    model: Path
    file: Path
    axes: str | None
    place: tuple[int, int, int]
    channel: int
    plane: int
    posterior: bool
    output: Path
    overwrite: bool

    def run(self) -> None:
        """Print what the filter does, and write it.

        Raises
        ------
        InputError, OutputError
            Before anything is written.
        """
        check_filter_output(self.output, overwrite=self.overwrite)
        denoiser = load(self.model)
        stack = open_stack(self.file, self.axes)
        check_fits(denoiser, stack)
        t, y, x = self.place
        context = denoiser.net.geometry.context
        seen = slice(max(t - context, 0), min(t + context + 1, stack.n_frames))
        if 0 <= t < stack.n_frames:
            check_finite(stack.crop(seen))
        found = adaptive_filter(
            denoiser,
            stack,
            t,
            y,
            x,
            c=self.channel,
            z=self.plane,
            posterior=self.posterior,
        )
        print(found.describe())
        if found.reflected:
            print(
                f"{found.reflected} of the {2 * context + 1} frames that the network "
                "looks at lie beyond the ends of the movie; others of it stood in for "
                "them"
            )
        save_filter(found, self.output, overwrite=self.overwrite)
        print(self.output)


@dataclass(frozen=True, kw_only=True)
class MotionJob:
    """Find the motion of every frame of a movie."""

    model: Path
    file: Path
    axes: str | None
    method: Literal["implied", "learned", "tvl1", "ilk"]
    spacing: int
    channel: int
    plane: int
    confidence: float
    device: str
    output: Path
    overwrite: bool
    quiet: bool

    def run(self) -> None:
        """Write it.

        Raises
        ------
        InputError, OutputError
            Then nothing is left behind.
        """
        if not 0 <= self.confidence <= 1:
            raise InputError(
                f"--confidence is {self.confidence:g}; choose a number from 0 (keep "
                "all) to 1"
            )
        report = Report(self.quiet)
        stack = open_stack(self.file, self.axes)
        for note in stack.notes:
            report.say(f"note: {note}")
        report.say(f"{self.file}: {stack.describe()}")
        check_motion_output(self.output, stack, overwrite=self.overwrite)
        record: dict[str, Any] = {"method": self.method, "spacing": self.spacing}
        if self.method in ("implied", "learned"):
            denoiser = self._denoiser_for(stack)
            motions = self._seen_by_model(denoiser, stack)
            record = denoiser.provenance(stack, **record)
        else:
            check_finite(stack)
            motions = self._estimated(stack)
            record |= {"program": "napari-udvd", "version": __version__}
            record |= {"method": METHODS[self.method], "source": stack.source}
        frames = write_motion(
            self.output,
            stack,
            motions,
            overwrite=self.overwrite,
            least_confidence=self.confidence,
            record=record,
        )
        report.frame_by_frame("motion", frames, stack.n_frames)
        print(self.output)

    def _denoiser_for(self, stack: Stack) -> Denoiser:
        denoiser = load(self.model)
        check_fits(denoiser, stack)
        if self.method == "learned":
            flow_network(denoiser)  # says so if there is none
        check_finite(stack)
        denoiser.net.to(choose_device(self.device))
        return denoiser

    def _seen_by_model(self, denoiser: Denoiser, stack: Stack) -> Iterator[Motion]:
        find = learned_motion if self.method == "learned" else implied_motion
        for t in range(stack.n_frames):
            yield find(denoiser, stack, t, self.spacing, c=self.channel, z=self.plane)

    def _estimated(self, stack: Stack) -> Iterator[Motion]:
        for t in range(stack.n_frames):
            yield estimated_motion(
                stack, t, self.method, self.spacing, c=self.channel, z=self.plane
            )


def parse_place(text: str) -> tuple[int, int, int]:
    """Read frame, row and column.

    Raises
    ------
    InputError
        If the text is not three whole numbers.
    """
    parts = [part.strip() for part in text.split(",")]
    try:
        t, y, x = map(int, parts)
    except ValueError as error:
        raise InputError(
            f"--at {text!r} is not understood; write frame,row,column as three whole "
            "numbers counted from 0, such as 12,100,64"
        ) from error
    return t, y, x
