"""Restore a movie, from file to file: train on it first, or apply a model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_udvd.errors import InputError
from napari_udvd.formats import (
    check_output,
    check_small_output,
    create,
    open_stack,
    output_kind,
    write_small,
)
from napari_udvd.inference.fits import check_fits
from napari_udvd.inference.flashes import flash_table
from napari_udvd.inference.remote import SharedMovie, facts_of
from napari_udvd.inference.request import Request
from napari_udvd.jobs.crew import train_there
from napari_udvd.jobs.events import Begun, Note, Opened, Stopped, Warned, Written
from napari_udvd.jobs.files import check_holes, check_new_model
from napari_udvd.jobs.made import made_of
from napari_udvd.jobs.sharing import write_shared
from napari_udvd.jobs.states import Beside
from napari_udvd.jobs.training import trained
from napari_udvd.noise import check_pixels
from napari_udvd.runtime.cluster import Cluster
from napari_udvd.runtime.workers import check_paths
from napari_udvd.tasks import DENOISE, find_task
from napari_udvd.training.settings import make_settings

if TYPE_CHECKING:
    import threading
    from collections.abc import Generator, Iterator, Mapping
    from pathlib import Path

    from napari_udvd.inference.flashes import Flash
    from napari_udvd.inference.remote import Facts
    from napari_udvd.inference.restorer import Denoiser
    from napari_udvd.jobs.events import Event
    from napari_udvd.jobs.sharing import Target
    from napari_udvd.stack import Stack

__all__ = ["ApplyModel", "Restoration", "TrainAndRestore"]

_WITHOUT_EVENTS = (
    "events of a single frame are not looked for: that takes a network with a "
    "likelihood that denoises one channel at a time"
)


@dataclass(frozen=True, kw_only=True)
class Restoration(ABC):
    """Restore one file; subclasses say where the model comes from.

    Attributes
    ----------
    request
        How to restore.
    axes, dark, mask, unmeasured
        As for :func:`~napari_udvd.formats.open_stack`.
    std
        File for the standard deviation of the result; none if None.
    events_table
        File (.csv) for a list of the events that were put back; none if None.
    overwrite
        Whether earlier results may be replaced.
    renews
        Whether a resumed batch makes results anew that were made of another movie, or
        otherwise. Their names alone count if not.
    client
        Of dask.distributed: its workers share the movie out; this process if None.
    """

    request: Request = field(default_factory=Request)
    axes: str | None = None
    dark: Path | None = None
    mask: Path | None = None
    unmeasured: float | None = None
    std: Path | None = None
    events_table: Path | None = None
    overwrite: bool = False
    renews: bool = False
    client: Any = field(default=None, repr=False, compare=False)

    @property
    @abstractmethod
    def likelihood(self) -> bool:
        """Whether the network predicts a standard deviation."""

    @property
    @abstractmethod
    def joint(self) -> bool:
        """Whether the network takes all channels together."""

    @abstractmethod
    def denoiser_for(
        self, stack: Stack, output: Path, cancel: threading.Event | None
    ) -> Generator[Event, None, Denoiser | None]:
        """Train or take the model; None if that was cancelled."""

    @abstractmethod
    def finish(self, output: Path) -> None:
        """Clean up once the result is complete."""

    def resumed(self, output: Path) -> Restoration | None:
        """Return what is left to do for one file of a batch; None if it is done."""
        return self

    def run(
        self, file: Path, output: Path, cancel: threading.Event | None = None
    ) -> Iterator[Event]:
        """Restore one file.

        Parameters
        ----------
        file
            The movie.
        output
            OME-TIFF or OME-Zarr, see :func:`~napari_udvd.formats.create`.
        cancel
            Set it to stop; a training saves its state first.

        Yields
        ------
        Event
            ``Written`` or ``Stopped`` last.

        Raises
        ------
        InputError, OutputError
            Before time is spent, where that can be known; nothing is left behind.
        MemoryError, RuntimeError
            If training or restoring fails.
        """
        stack = open_stack(
            file,
            self.axes,
            dark=self.dark,
            mask=self.mask,
            unmeasured=self.unmeasured,
        )
        yield Opened(str(file), stack)
        self._check(stack, output)
        shared = None
        if self.client is None:
            denoiser = yield from self.denoiser_for(stack, output, cancel)
            if denoiser is None:
                return
            facts = facts_of(denoiser, stack, self.request)
        else:
            cluster = Cluster.of(self.client)
            self._check_there(file, output)
            denoiser = yield from self.denoiser_there(stack, output, cancel)
            if denoiser is None:
                return
            asked = replace(self.request, with_std=self.std is not None)
            shared = SharedMovie(cluster, denoiser, stack, asked)
            facts = shared.facts
        yield from map(Note, facts.match.notes)
        yield from map(Warned, facts.match.warnings)
        loss = facts.loss
        if loss and facts.dtype.kind in "ui":
            yield Warned(f"{loss.sentence}; leave `dtype` out, or ask for float32")
        elif loss and self.request.chooses_dtype:
            yield Note(f"the result is float32: {loss.sentence}")
        wanted = self.request.events is not False and self.request.use_posterior
        if wanted and not facts.looks_for_events:
            yield Note(_WITHOUT_EVENTS)
        flashes: list[Flash] = []
        if shared is None:
            way = self._write(denoiser, stack, facts, output, flashes, cancel)
        else:
            way = self._share(denoiser, shared, stack, output, flashes, cancel)
        if (yield from way):
            if (table := self.events_table) is not None:
                write_small(table, flash_table(flashes), overwrite=self.overwrite)
            self.finish(output)
            yield Written(output)

    def _check(self, stack: Stack, output: Path) -> None:
        """See that results can be written where they were asked to go."""
        if self.events_table is not None:
            check_small_output(self.events_table, (".csv",), overwrite=self.overwrite)
            if self.request.events is False or not self.request.use_posterior:
                raise InputError(
                    "there is no `events_table` without `events` and `posterior`"
                )
            if not self.likelihood or (self.joint and stack.n_channels > 1):
                raise InputError(f"there is no `events_table`: {_WITHOUT_EVENTS}")
        dtype = self.request.dtype_of(stack.dtype)
        check_output(output, like=stack, dtype=dtype, overwrite=self.overwrite)
        if self.std is None:
            return
        if self.std.resolve() == output.resolve():
            raise InputError(
                f"`std` and `output` are the same file, {str(output)!r}; name two"
            )
        check_output(self.std, like=stack, dtype="float32", overwrite=self.overwrite)
        if not self.likelihood:
            raise InputError(
                "a model trained on the mean only has no standard deviation to write; "
                "leave `std` out, or train without `mean_only`"
            )

    def _write(
        self,
        denoiser: Denoiser,
        stack: Stack,
        facts: Facts,
        output: Path,
        flashes: list[Flash],
        cancel: threading.Event | None,
    ) -> Generator[Event, None, bool]:
        """Restore block by block; False if that was cancelled."""
        targets = self._targets(facts, stack, output)
        yield self._begun(facts)
        with ExitStack() as open_sinks:
            sinks = [
                open_sinks.enter_context(
                    create(
                        path,
                        like=facts.layout,
                        dtype=kind,
                        record=told,
                        overwrite=self.overwrite,
                    )
                )
                for path, kind, told in targets
            ]
            yield from denoiser.restore(
                stack,
                sinks[0],
                self.request,
                std_sink=sinks[1] if len(sinks) > 1 else None,
                flashes=flashes,
                cancel=cancel,
            )
            if cancel is not None and cancel.is_set():
                for sink in sinks:
                    sink.discard()
                yield Stopped(self.state_of(output))
                return False
        return True

    def _share(
        self,
        denoiser: Denoiser,
        shared: SharedMovie,
        stack: Stack,
        output: Path,
        flashes: list[Flash],
        cancel: threading.Event | None,
    ) -> Generator[Event, None, bool]:
        """Let workers restore; False if that was cancelled."""
        targets = self._targets(shared.facts, stack, output)
        yield self._begun(shared.facts)
        way = write_shared(
            shared,
            denoiser,
            targets,
            flashes,
            cancel,
            overwrite=self.overwrite,
            # what was put back into parts that are done is not known any longer
            resume=self.goes_on and self.events_table is None,
            state=self.state_of(output),
        )
        return (yield from way)

    def _check_there(self, file: Path, output: Path) -> None:
        """See that workers find what they read and where they write."""
        used = [p for p in (file, self.dark, self.mask) if p is not None]
        writes = output_kind(output) == "zarr" or self.state_of(output) is not None
        check_paths(self.client, used, output.parent if writes else None)

    def _targets(self, facts: Facts, stack: Stack, output: Path) -> list[Target]:
        """List what is written."""
        record = {**facts.record, **made_of(self, stack)}
        if self.dark is not None:
            record["dark"] = str(self.dark)
        targets = [(output, facts.dtype, record)]
        if self.std is not None:
            told = {**record, "quantity": "standard deviation"}
            targets.append((self.std, np.dtype(np.float32), told))
        return targets

    def _begun(self, facts: Facts) -> Begun:
        is_one = facts.layout.n_channels * facts.layout.n_planes == 1
        return Begun("denoising", "frames" if is_one else "pictures")

    @property
    def goes_on(self) -> bool:
        """Whether what an interrupted run left is gone on with."""
        return False

    def denoiser_there(
        self, stack: Stack, output: Path, cancel: threading.Event | None
    ) -> Generator[Event, None, Denoiser | None]:
        """Do what :meth:`denoiser_for` does on a worker."""
        return (yield from train_there(self, stack, output, cancel))

    def state_of(self, output: Path) -> Path | None:
        """Return the file of the training that goes on after an interruption."""
        return None


@dataclass(frozen=True, kw_only=True)
class TrainAndRestore(Restoration):
    """Train on the file itself.

    Attributes
    ----------
    values
        Settings by name; None is as nothing.
    save
        Model file to write too; none if None.
    resume
        Go on with an interrupted training.
    task
        Name of what the network is trained for.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    save: Path | None = None
    resume: bool = False
    task: str = DENOISE.name

    def __post_init__(self) -> None:
        make_settings(**self.values)

    @property
    def likelihood(self) -> bool:
        """Whether the training has a likelihood."""
        return make_settings(**self.values).likelihood

    @property
    def joint(self) -> bool:
        """Whether channels are trained together."""
        return make_settings(**self.values).joint_channels

    @property
    def goes_on(self) -> bool:
        """Whether an interrupted training, and its result, are gone on with."""
        return self.resume

    def denoiser_for(
        self, stack: Stack, output: Path, cancel: threading.Event | None
    ) -> Generator[Event, None, Denoiser | None]:
        """Train on the movie."""
        if find_task(self.task).fills:
            check_holes(stack)
        if self.save is not None:
            inputs = getattr(stack.data, "files", ())
            check_new_model(self.save, self.overwrite, [*inputs, output])
        outcome = yield from trained(
            [stack],
            self.values,
            self._states(output),
            resume=self.resume,
            follows=self.request,
            cancel=cancel,
            task=self.task,
        )
        if outcome is None:
            return None
        if self.save is not None:
            outcome.denoiser.save(self.save)
        return outcome.denoiser

    def resumed(self, output: Path) -> Restoration | None:
        """Skip results of before the interruption, begin what was not begun."""
        if not self.resume:
            return self
        if output.exists() and not self.overwrite:
            return None
        is_begun = self._states(output).path.exists()
        return self if is_begun else replace(self, resume=False)

    def finish(self, output: Path) -> None:
        """Remove the state: there is nothing left to resume."""
        self._states(output).complete()

    def state_of(self, output: Path) -> Path | None:
        """Return the file beside the result."""
        return self._states(output).path

    def _states(self, output: Path) -> Beside:
        return Beside(output, self.overwrite)


@dataclass(frozen=True, kw_only=True)
class ApplyModel(Restoration):
    """Use a model that was trained before.

    Attributes
    ----------
    denoiser
        The model.
    resume
        Go on with a result that was not completed, and skip those of a batch that were.
    """

    denoiser: Denoiser
    resume: bool = False

    @property
    def goes_on(self) -> bool:
        """Whether what an interrupted run left is gone on with."""
        return self.resume

    def resumed(self, output: Path) -> Restoration | None:
        """Skip results of before the interruption."""
        is_done = self.resume and output.exists() and not self.overwrite
        return None if is_done else self

    @property
    def likelihood(self) -> bool:
        """Whether the model was trained with a likelihood."""
        return self.denoiser.net.likelihood

    @property
    def joint(self) -> bool:
        """Whether the model takes all channels together."""
        return self.denoiser.joint

    def denoiser_for(
        self, stack: Stack, output: Path, cancel: threading.Event | None
    ) -> Generator[Event, None, Denoiser | None]:
        """Check that the model fits the movie."""
        check_pixels(stack)
        check_fits(self.denoiser, stack)
        yield from ()  # there is nothing to tell
        return self.denoiser

    def denoiser_there(
        self, stack: Stack, output: Path, cancel: threading.Event | None
    ) -> Generator[Event, None, Denoiser | None]:
        """Take the model; whoever restores looks at the movie first."""
        yield from ()  # there is nothing to tell
        return self.denoiser

    def finish(self, output: Path) -> None:
        """Nothing was left behind."""
