"""What the quality dock asks of the core; heavy imports inside."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_udvd import jobs as _jobs

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

    import numpy as np
    import numpy.typing as npt
    from napari.layers import Image

    from napari_udvd.inference.restorer import Denoiser
    from napari_udvd.inference.stream import Progress
    from napari_udvd.quality import Report
    from napari_udvd.stack import Stack

__all__ = ["Question", "judge", "regions_of"]


@dataclass(frozen=True, eq=False)
class Question:
    """A result to judge.

    Attributes
    ----------
    source
        Layer of the noisy movie.
    noisy, result, std
        The movies; the standard deviation may be None.
    denoiser
        The model that made the result; None without.
    polygons, labels
        Regions: corners in pixels of the movie, or an image of labels.
    names
        Noisy movie, result and model, for people.
    device
        Where the model computes.
    """

    source: Image
    noisy: Stack
    result: Stack
    std: Stack | None
    denoiser: Denoiser | None
    names: tuple[str, str, str]
    device: str
    polygons: list[npt.NDArray[np.float64]] = field(default_factory=list)
    labels: Any = None


def judge(question: Question, cancel: threading.Event) -> Iterator[Progress | Report]:
    """Judge a result; cancelled, it ends early without a report.

    Raises
    ------
    InputError
        If the movies do not belong together, or the model not to them.
    """
    from napari_udvd.inference.request import Request

    yield from _jobs.judge_movies(
        question.noisy,
        question.result,
        question.denoiser,
        std=question.std,
        masks=regions_of(question),
        request=Request(device=question.device),
        names=question.names,
        cancel=cancel,
    )


def regions_of(question: Question) -> dict[str, npt.NDArray[np.bool_]]:
    """Pixels of the regions; empty where there are none."""
    from napari_udvd.traces import masks_of_labels, masks_of_polygons

    shape = question.noisy.frame_shape
    if question.labels is not None:
        return masks_of_labels(question.labels, shape)
    if question.polygons:
        return masks_of_polygons(question.polygons, shape)
    return {}
