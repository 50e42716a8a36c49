"""Run another program within a time, watch its memory, and carry movies to and fro."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt
import tifffile

from benchmarks.watching import PeakMemory

if TYPE_CHECKING:
    from collections.abc import Sequence

Frames = npt.NDArray[np.float32]

INSIDE = Path(__file__).with_name("inside")

TRAINING_SHARE = 0.7
"""Of the wall-clock goes into training where a program must be told when to end."""

PATIENCE = 10.0
"""After so many times its wall-clock a program is stopped for good."""

GREY_LEVELS = 50_000
"""Range of the movie that a program is given: several write whole numbers only."""

UNWANTED = ".git", "__pycache__", "checkpoint", "data", "pth", "result", "results"
"""What of a checkout is not needed to run it."""


class PeerError(RuntimeError):
    """A program failed, took too long, or left no result; the message says which."""


@dataclass(frozen=True)
class Outcome:
    """What a program made of a movie.

    Attributes
    ----------
    frames
        ``(T, Y, X)``, in the movie's grey levels.
    seconds
        Wall-clock of everything that the program did.
    peak
        Largest memory of its processes together, in MB.
    """

    frames: Frames
    seconds: float
    peak: float


@dataclass(frozen=True)
class Levels:
    """How a movie is stretched to whole numbers, and back.

    Attributes
    ----------
    low, step
        Grey level that becomes 0, and grey levels per whole number.
    """

    low: float
    step: float

    @classmethod
    def of(cls, movie: Frames) -> Levels:
        """Choose them for a movie."""
        low, high = float(movie.min()), float(movie.max())
        return cls(low, (high - low) / GREY_LEVELS or 1.0)

    def write(self, path: Path, movie: Frames) -> None:
        """Write a movie as TIFF, one page per frame."""
        whole = np.round((movie - self.low) / self.step).astype(np.uint16)
        path.parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(path, whole, photometric="minisblack")

    def read(self, path: Path) -> Frames:
        """Read what a program wrote, in the movie's grey levels."""
        return np.asarray(tifffile.imread(path) * self.step + self.low, np.float32)


class Peer(ABC):
    """A program that trains on a movie and denoises it.

    Parameters
    ----------
    python
        Interpreter of its environment.
    checkout
        Folder of its source; None where it is installed in the environment.
    """

    name: ClassVar[str]
    option: ClassVar[str]
    has_checkout: ClassVar[bool] = True
    marker: ClassVar[str] = ""
    """A file that every checkout of it has."""

    def __init__(self, python: Path, checkout: Path | None = None) -> None:
        if not python.is_file():
            raise PeerError(f"{self.name}: there is no interpreter {python}")
        if checkout is not None and not (checkout / self.marker).is_file():
            raise PeerError(f"{self.name}: {checkout} has no {self.marker}")
        self.python, self.checkout = python.absolute(), checkout

    def denoise(self, movie: Frames, seconds: float, threads: int) -> Outcome:
        """Train on a movie and denoise it, in about so many seconds.

        Raises
        ------
        PeerError
            If there is no result, or one of another shape.
        """
        with tempfile.TemporaryDirectory(prefix="peer-") as name:
            run = Run(self, Path(name), seconds, threads)
            frames = self.run(run, movie)
        if frames.shape != movie.shape:
            raise PeerError(
                f"{self.name}: the movie is {movie.shape}, the result {frames.shape}"
            )
        return Outcome(frames, run.elapsed, run.peak)

    @abstractmethod
    def run(self, run: Run, movie: Frames) -> Frames:
        """Feed the program, run it, and read what it wrote."""


class Run:
    """One run of a program: its folder, its clock and its memory.

    Attributes
    ----------
    folder
        For movies and results; gone afterwards.
    seconds
        Wall-clock that the program has.
    peak
        Largest memory so far, in MB.
    """

    def __init__(self, peer: Peer, folder: Path, seconds: float, threads: int) -> None:
        self.folder, self.seconds, self.threads = folder, seconds, threads
        self.peak = 0.0
        self._peer = peer
        self._began = time.perf_counter()

    @property
    def elapsed(self) -> float:
        """Seconds since the run began."""
        return time.perf_counter() - self._began

    def source(self) -> Path:
        """Return a copy of the checkout, into which the program may write."""
        copy = self.folder / "source"
        if not copy.exists():
            if self._peer.checkout is None:
                raise PeerError(f"{self._peer.name} is not run from a checkout")
            ignored = shutil.ignore_patterns(*UNWANTED)
            shutil.copytree(self._peer.checkout, copy, ignore=ignored)
        return copy

    def inside(
        self, *words: object, cwd: Path | None = None, until: float | None = None
    ) -> None:
        """Run one of the scripts of :mod:`benchmarks.peers.inside`.

        Parameters
        ----------
        words
            Name of the script, and its arguments.
        cwd
            Folder to run in, which is the first to import from; the run's by default.
        until
            Stop it when so many seconds of the run are over, which is no failure; it
            is one if `PATIENCE` is.

        Raises
        ------
        PeerError
            If it fails or takes too long.
        """
        script, *arguments = map(str, words)
        folder = cwd or self.folder
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join((str(folder), str(INSIDE))),
            "OMP_NUM_THREADS": str(self.threads),
            "MKL_NUM_THREADS": str(self.threads),
            "MPLBACKEND": "agg",
        }
        command = [str(self._peer.python), str(INSIDE / f"{script}.py"), *arguments]
        patience = PATIENCE * self.seconds - self.elapsed
        limit = patience if until is None else min(until - self.elapsed, patience)
        said = _Tail()
        with subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # it may start others, which end with it
        ) as process:
            reading = threading.Thread(target=said.read, args=[process], daemon=True)
            reading.start()
            with PeakMemory(process.pid) as memory:
                try:
                    process.wait(max(limit, 0.1))
                except subprocess.TimeoutExpired:
                    end(process)
                    if until is None:
                        raise PeerError(
                            f"{self._peer.name} took more than {limit:.0f} s"
                        ) from None
                    return
                finally:
                    self.peak = max(self.peak, memory.peak)
            reading.join()
        if process.returncode:
            raise PeerError(
                f"{self._peer.name} ended with code {process.returncode}: {said.text()}"
            )

    def newest(self, pattern: str, folder: Path | None = None) -> list[Path]:
        """Return the files of a pattern, newest first.

        Raises
        ------
        PeerError
            If there is none.
        """
        found = list((folder or self.folder).glob(pattern))
        if not found:
            raise PeerError(
                f"{self._peer.name} left no {pattern} after {self.elapsed:.0f} s"
            )
        return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)


class _Tail:
    """The last lines that a program prints: its training may print without end."""

    LINES = 12

    def __init__(self) -> None:
        self._lines: list[bytes] = []

    def read(self, process: subprocess.Popen[bytes]) -> None:
        if process.stdout is not None:
            for line in process.stdout:
                self._lines = [*self._lines[1 - self.LINES :], line[-500:]]

    def text(self) -> str:
        return b"".join(self._lines).decode("utf-8", "replace").strip()


def end(process: subprocess.Popen[bytes]) -> None:
    """End a program and all that it has started."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


def mirrored(movie: Frames, margins: Sequence[tuple[int, int]]) -> Frames:
    """Add frames, rows and columns at the ends, mirrored as often as it takes."""
    return np.pad(movie, margins, mode="symmetric")
