"""What is measured of the regions of a movie, to find events in it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_udvd.errors import InputError
from napari_udvd.features import (
    Components,
    Regions,
    feature_names,
    features_of,
    read_regions,
    regions_of_labels,
    regions_of_tracks,
    whole_frame,
)
from napari_udvd.inference.stream import Progress
from napari_udvd.jobs.telling import told_while
from napari_udvd.stack import Plane

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Collection, Generator, Mapping

    import numpy.typing as npt

    from napari_udvd.features import FeatureTable
    from napari_udvd.identification import EventFinder
    from napari_udvd.stack import Stack

__all__ = ["Watching", "components_in", "numbers_of", "regions_in", "to_keep"]


@dataclass(frozen=True, kw_only=True)
class Watching:
    """What is measured of the regions of a movie.

    Attributes
    ----------
    denoised, std
        The denoised movie and its standard deviation, see
        :func:`~napari_udvd.features.features_of`.
    flow
        Whether speed and divergence of the optical flow are measured.
    plane
        Channel and depth.
    """

    denoised: Any = None
    std: Any = None
    flow: bool = False
    plane: Plane = Plane()

    def __post_init__(self) -> None:
        if self.std is not None and self.denoised is None:
            raise InputError(
                "a standard deviation belongs to a denoised movie; give that one too, "
                "as `denoised`"
            )

    @property
    def names(self) -> tuple[str, ...]:
        """Of the features."""
        return feature_names(
            denoised=self.denoised is not None,
            std=self.std is not None,
            flow=self.flow,
        )

    def check_fits(self, finder: EventFinder) -> None:
        """Check that a finder looks at what is measured.

        Raises
        ------
        InputError
            If it was trained with other features; says what to give or leave out.
        """
        wanted, there = set(finder.feature_names), set(self.names)
        for argument, names in (
            ("denoised", feature_names(denoised=True)),
            ("std", feature_names(std=True)),
            ("flow", feature_names(flow=True)),
        ):
            own = set(names) - set(feature_names())
            if own & wanted and not own & there:
                raise InputError(
                    f"the model looks at {_quoted(own)}, which take a movie like those "
                    f"that it was trained with; give `{argument}`"
                )
            if own & there and not own & wanted:
                raise InputError(
                    f"the model was trained without {_quoted(own)}; leave "
                    f"`{argument}` out, or train another one"
                )
        if tuple(finder.feature_names) != self.names:
            raise InputError(
                "the model looks at features that this program does not measure: "
                f"{_quoted(wanted ^ there)}; train another one"
            )

    def measured(
        self,
        stack: Stack,
        regions: Regions,
        components: Components | None = None,
        cancel: threading.Event | None = None,
    ) -> Generator[Progress, None, dict[str, FeatureTable] | None]:
        """Measure them; yield after each frame, and return None if cancelled."""

        def work(
            tell: Callable[[Progress], None], stop: threading.Event
        ) -> dict[str, FeatureTable] | None:
            try:
                tables = features_of(
                    stack,
                    regions,
                    denoised=self.denoised,
                    std=self.std,
                    flow=self.flow,
                    plane=self.plane,
                    components=components,
                    report=lambda done, total: tell(Progress(done, total)),
                    cancel=stop,
                )
            except InputError:
                if not stop.is_set():  # else nothing was measured before it stopped
                    raise
            return None if stop.is_set() else tables

        return (yield from told_while(work, cancel))


def regions_in(
    stack: Stack,
    regions: Regions | npt.ArrayLike | str | os.PathLike[str] | None = None,
    tracks: npt.ArrayLike | None = None,
    radius: float | None = None,
) -> Regions:
    """Return what is watched in a movie.

    Parameters as for :func:`~napari_udvd.jobs.finding.find_events`.

    Raises
    ------
    InputError
        If they do not fit the movie, or there are both regions and tracks.
    """
    if regions is not None and tracks is not None:
        raise InputError("give either `regions` or `tracks`, not both")
    if tracks is not None:
        rows = np.asarray(tracks, float)
        if radius is None:
            return regions_of_tracks(rows, stack)
        return regions_of_tracks(rows, stack, radius=radius)
    if regions is None:
        return whole_frame(stack)
    if isinstance(regions, str | os.PathLike):
        return read_regions(regions, stack, radius=radius)
    if isinstance(regions, Regions):
        return regions
    return regions_of_labels(np.asarray(regions), stack)


MEAN, AXES = "components.mean", "components.axes"
"""Names under which a finder keeps the components of its small pictures."""


def to_keep(components: Components) -> dict[str, npt.NDArray[np.float32]]:
    """Return components as a finder keeps them, for other movies."""
    return {MEAN: components.mean, AXES: components.axes}


def components_in(finder: EventFinder) -> Components:
    """Return the components of the features that a finder learned from.

    Raises
    ------
    InputError
        If it has none: it learned from features that were made in another way.
    """
    kept = finder.kept
    if not {MEAN, AXES} <= set(kept):
        raise InputError(
            "the model does not say how its features were made; save one that this "
            "program trained on a movie"
        )
    return Components(kept[MEAN], kept[AXES])


def numbers_of(
    tables: Mapping[str, FeatureTable],
) -> dict[str, npt.NDArray[np.float32]]:
    """Return features as a finder takes them: NaN in frames that were not measured.

    Regions that were measured in no frame are left out.
    """
    return {
        name: np.where(table.measured[:, None], table.values, np.nan)
        for name, table in tables.items()
        if table.measured.any()
    }


def _quoted(names: Collection[str]) -> str:
    return ", ".join(map(repr, sorted(names)))
