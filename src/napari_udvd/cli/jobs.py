"""What the commands do, from file to file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_udvd.cli.console import Report, interruptible
from napari_udvd.cli.messages import complain, out_of_memory
from napari_udvd.cli.stopped import Stopped
from napari_udvd.errors import InputError, OutputError, TrainingFailed
from napari_udvd.formats import check_output, create, movie_name, open_stack
from napari_udvd.inference.restorer import Denoiser, check_fits, load_published
from napari_udvd.inference.stream import denoise_stack
from napari_udvd.noise import (
    Diagnosis,
    check_finite,
    check_pixels,
    check_varies,
    diagnose,
)
from napari_udvd.planes import middle_planes
from napari_udvd.runtime.device import (
    choose_device,
    choose_precision,
    keep_freed_memory,
)
from napari_udvd.training import TrainingSettings, train_events
from napari_udvd.validity import inspect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_udvd.stack import Stack

__all__ = [
    "ApplyJob",
    "DenoiseJob",
    "diagnoses_of",
    "exit_code",
    "import_checkpoint",
    "run_batch",
    "train_model",
]

SUFFIXES = (".ome.tif", ".ome.tiff", ".tif", ".tiff", ".ome.zarr", ".zarr")


@dataclass(frozen=True, kw_only=True)
class Job(ABC):
    """Denoise one file; subclasses say where the denoiser comes from."""

    axes: str | None
    dark: Path | None
    std: Path | None
    use_posterior: bool
    dtype: Literal["auto", "input", "float32"]
    tile: int | None
    overwrite: bool
    strict: bool
    quiet: bool

    @property
    @abstractmethod
    def device_name(self) -> str:
        """Device to denoise on."""

    @property
    @abstractmethod
    def likelihood(self) -> bool:
        """Whether the network predicts a standard deviation."""

    @abstractmethod
    def denoiser_for(self, stack: Stack, output: Path, report: Report) -> Denoiser:
        """Train or take the denoiser."""

    @abstractmethod
    def finish(self, output: Path) -> None:
        """Clean up once the result is complete."""

    def resumed(self, output: Path) -> Job | None:
        """Return what is left to do for one file of a batch; None if it is done."""
        return self

    def run(self, file: Path, output: Path) -> bool:
        """Denoise one file.

        Returns
        -------
        bool
            Whether a warning was said that the result cannot be trusted.

        Raises
        ------
        InputError, OutputError
            Before anything is written.
        """
        report = Report(self.quiet, self.strict, about=str(file))
        stack = open_stack(file, self.axes, dark=self.dark)
        for note in stack.notes:
            report.say(f"note: {note}")
        report.say(f"{file}: {stack.describe()}")
        float32 = np.dtype(np.float32)
        dtype = float32 if self.dtype == "float32" else stack.dtype
        check_output(output, like=stack, dtype=dtype, overwrite=self.overwrite)
        if self.std is not None:
            if self.std.resolve() == output.resolve():
                raise InputError(
                    f"--std and --output are the same file, {str(output)!r}; name two"
                )
            check_output(
                self.std, like=stack, dtype="float32", overwrite=self.overwrite
            )
        if self.std is not None and not self.likelihood:
            raise InputError(
                "a model trained on the mean only has no standard deviation to write; "
                "leave --std out, or train without --mean-only"
            )
        denoiser = self.denoiser_for(stack, output, report)
        matched = denoiser.match(stack)
        for note in matched.notes:
            report.say(f"note: {note}")
        for warning in matched.warnings:
            report.warn(warning)
        loss = denoiser.rounding_loss(stack) if dtype.kind in "ui" else None
        if loss and self.dtype == "auto":
            dtype = float32
            report.say(f"note: the result is float32: {loss.sentence}")
        elif loss:
            report.warn(f"{loss.sentence}; leave --dtype out, or ask for float32")
        self._write(denoiser, stack, dtype, output, report)
        self.finish(output)
        print(output)
        return report.warned

    def _write(
        self,
        denoiser: Denoiser,
        stack: Stack,
        dtype: np.dtype[Any],
        output: Path,
        report: Report,
    ) -> None:
        calibrations = denoiser.calibrations_for(stack)
        record = denoiser.provenance(stack, posterior=self.use_posterior)
        if self.dark is not None:
            record["dark"] = str(self.dark)
        device = choose_device(self.device_name)
        with ExitStack() as open_sinks:
            sink = open_sinks.enter_context(
                create(
                    output,
                    like=stack,
                    dtype=dtype,
                    record=record,
                    overwrite=self.overwrite,
                )
            )
            std_sink = None
            if self.std is not None:
                std_sink = open_sinks.enter_context(
                    create(
                        self.std,
                        like=stack,
                        dtype=np.float32,
                        record={**record, "quantity": "standard deviation"},
                        overwrite=self.overwrite,
                    )
                )
            report.denoising(
                denoise_stack(
                    denoiser.net,
                    calibrations,
                    stack,
                    sink,
                    joint=denoiser.joint,
                    device=device,
                    precision=choose_precision(device),
                    use_posterior=self.use_posterior,
                    self_ensemble=denoiser.self_ensemble,
                    std_sink=std_sink,
                    tile=self.tile,
                ),
                what="frames" if len(list(stack.planes())) == 1 else "pictures",
            )


@dataclass(frozen=True, kw_only=True)
class DenoiseJob(Job):
    """Train on the file itself."""

    settings: TrainingSettings
    save: Path | None
    resume: bool

    @property
    def likelihood(self) -> bool:
        """As the training."""
        return self.settings.likelihood

    @property
    def device_name(self) -> str:
        """As the training."""
        return self.settings.device

    def denoiser_for(self, stack: Stack, output: Path, report: Report) -> Denoiser:
        """Train on the movie."""
        if self.save is not None:
            inputs = getattr(stack.data, "files", ())
            _check_new(self.save, self.overwrite, [*inputs, output])
        denoiser = _train(
            [stack],
            self.settings,
            _checkpoint_of(output),
            overwrite=self.overwrite,
            resume=self.resume,
            report=report,
            denoising_follows=True,
        )
        if self.save is not None:
            denoiser.save(self.save)
        return denoiser

    def resumed(self, output: Path) -> Job | None:
        """Skip results of before the interruption, begin what was not begun."""
        if not self.resume:
            return self
        if output.exists() and not self.overwrite:
            return None
        return self if _checkpoint_of(output).exists() else replace(self, resume=False)

    def finish(self, output: Path) -> None:
        """Remove the checkpoint: there is nothing left to resume."""
        _checkpoint_of(output).unlink(missing_ok=True)


@dataclass(frozen=True, kw_only=True)
class ApplyJob(Job):
    """Use a model that was trained before."""

    denoiser: Denoiser
    device: str

    @property
    def likelihood(self) -> bool:
        """As the model was trained."""
        return self.denoiser.net.likelihood

    @property
    def device_name(self) -> str:
        """As asked for."""
        return self.device

    def denoiser_for(self, stack: Stack, output: Path, report: Report) -> Denoiser:
        """Check that the model fits the movie."""
        check_pixels(stack)
        check_fits(self.denoiser, stack)
        return self.denoiser

    def finish(self, output: Path) -> None:
        """Nothing was left behind."""


def run_batch(files: Sequence[Path], output: Path, job: Job) -> int:
    """Run a job on every file; one bad file does not stop the others.

    Returns
    -------
    int
        Exit code: 1 if some of several files failed, else 3 if the job is strict and
        a result cannot be trusted, else 0.

    Raises
    ------
    InputError, OutputError
        If the only file cannot be processed.
    """
    if len(files) == 1:
        warned = job.run(files[0], _single_output(files[0], output))
        return exit_code(job.strict and warned)
    if output.name.endswith(SUFFIXES):
        raise InputError(
            f"output {str(output)!r} is one file for {len(files)} movies; name a "
            "folder, which gets one result per movie"
        )
    for option in ("std", "save"):
        if getattr(job, option, None) is not None:
            raise InputError(f"--{option} is for a single movie, not {len(files)}")
    results = [output / _result_name(file) for file in files]
    for file, result in zip(files, results, strict=True):
        if results.count(result) > 1:
            raise InputError(
                f"several movies would be written to {str(result)!r}, one of them "
                f"{str(file)!r}; denoise them into different folders"
            )
    is_new = not output.exists()
    _make_folder(output)
    failed = warned = False
    for file, result in zip(files, results, strict=True):
        try:
            if (resumed := job.resumed(result)) is not None:
                warned |= resumed.run(file, result)
        except (InputError, OutputError, TrainingFailed) as error:
            failed = True
            complain(f"{file}: {error}")
        except MemoryError as error:
            failed = True
            complain(f"{file}: {out_of_memory(error)}")
        except RuntimeError:
            failed = True
            complain(
                f"{file}: an error that this program does not know; run the command "
                "with this movie alone to see it whole, and report it"
            )
    if is_new and not any(output.iterdir()):
        output.rmdir()
    return 1 if failed else exit_code(job.strict and warned)


def exit_code(distrusted: bool) -> int:
    """Exit code of a command that did its job: 3 if its result cannot be trusted."""
    return 3 if distrusted else 0


def train_model(
    files: Sequence[Path],
    save: Path,
    axes: str | None,
    dark: Path | None,
    settings: TrainingSettings,
    overwrite: bool,
    resume: bool,
    quiet: bool,
    strict: bool,
) -> bool:
    """Train one model on several files.

    Returns
    -------
    bool
        Whether a warning was said that the model cannot be trusted.
    """
    report = Report(quiet, strict)
    _check_new(save, overwrite, [*files, dark])
    stacks = [open_stack(file, axes, dark=dark) for file in files]
    for stack in stacks:
        for note in stack.notes:
            report.say(f"note: {note}")
        report.say(f"{stack.source}: {stack.describe()}")
    checkpoint = _checkpoint_of(save)
    denoiser = _train(
        stacks,
        settings,
        checkpoint,
        overwrite=overwrite,
        resume=resume,
        report=report,
        denoising_follows=False,
    )
    denoiser.save(save)
    checkpoint.unlink(missing_ok=True)
    print(save)
    return report.warned


def diagnoses_of(
    file: Path, axes: str | None, dark: Path | None = None
) -> tuple[list[Diagnosis], tuple[str, ...]]:
    """Diagnose every channel of a file, in its middle plane.

    Returns
    -------
    tuple
        The diagnoses, and what else there is to know: how the file was read, and what
        was not measured in other planes than those.
    """
    stack = open_stack(file, axes, dark=dark)
    check_finite(stack)
    found = _diagnose(stack)
    told = {reason for diagnosis in found for reason in diagnosis.reasons}
    validity = inspect(stack).validity
    missing = validity.notes if validity is not None else ()
    return found, (*stack.notes, *(note for note in missing if note not in told))


def _diagnose(stack: Stack) -> list[Diagnosis]:
    check_varies(stack)
    stack = inspect(stack)
    return [diagnose(stack, plane) for plane in middle_planes(stack)]


def import_checkpoint(
    checkpoint: Path, output: Path, hole: tuple[int, int] | None, overwrite: bool
) -> None:
    """Turn a published checkpoint into a model file."""
    _check_new(output, overwrite, [checkpoint])
    load_published(checkpoint, hole).save(output)
    print(output)


def _train(
    stacks: Sequence[Stack],
    settings: TrainingSettings,
    checkpoint: Path,
    *,
    overwrite: bool,
    resume: bool,
    report: Report,
    denoising_follows: bool,
) -> Denoiser:
    if checkpoint.exists() and not (resume or overwrite):
        raise OutputError(
            f"{str(checkpoint)!r} holds an interrupted training: continue it with "
            "--resume, or start anew with --overwrite"
        )
    keep_freed_memory()
    with interruptible() as stop:
        events = train_events(
            stacks,
            settings,
            checkpoint=checkpoint,
            resume=resume,
            cancel=stop,
            denoising_follows=denoising_follows,
        )
        outcome = report.training(events)
    if outcome.reason == "cancelled":
        raise Stopped(
            f"training stopped and saved in {str(checkpoint)!r}; the same command with "
            "--resume continues it"
        )
    return outcome.denoiser


def _checkpoint_of(output: Path) -> Path:
    return output.with_name(f"{output.name}.checkpoint")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot make the folder {str(folder)!r} ({error.strerror}); name another"
        ) from error


def _check_new(path: Path, overwrite: bool, used: Sequence[Any]) -> None:
    """Check that a model file can be written, before time is spent on it."""
    for other in used:
        if other is not None and path.resolve() == Path(other).resolve():
            raise OutputError(
                f"--save {str(path)!r} is the movie, checkpoint or result of this "
                "command; choose another name for the model"
            )
    if path.is_dir() or not path.parent.is_dir():
        raise OutputError(
            f"cannot write the model {str(path)!r}: it is a folder, or its folder does "
            "not exist"
        )
    if path.exists() and not overwrite:
        raise OutputError(f"{str(path)!r} exists; --overwrite replaces it")


def _single_output(file: Path, output: Path) -> Path:
    """Name of the result: `output`, or inside it where it is a folder."""
    if output.is_dir() and not output.name.endswith(SUFFIXES):
        return output / _result_name(file)
    return output


def _result_name(file: Path) -> str:
    return f"{movie_name(file)}.denoised.ome.tif"
