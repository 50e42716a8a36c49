"""What there is to choose from on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Sequence

    from napari_udvd.jobs.states import Cache
    from napari_udvd.models import NetworkSpec

__all__ = ["Choices", "load_core"]


@dataclass(frozen=True)
class Choices:
    """What a user may choose.

    Attributes
    ----------
    networks
        Those that can be trained, in the order in which they are offered; what for,
        their `tasks` say.
    broken
        Why networks of other packages cannot be used, one sentence each.
    devices
        Names of devices, best first.
    improvers
        Names of networks that go on from a sharpened movie.
    """

    networks: Sequence[NetworkSpec]
    broken: Sequence[str]
    devices: Sequence[str]
    improvers: Sequence[str] = ()


def load_core(
    states: Cache, cancel: threading.Event | None = None
) -> Iterator[Choices]:
    """Import what is heavy, say what there is to choose from, tidy the cache."""
    import napari_udvd.jobs.training  # noqa: F401
    from napari_udvd.models.catalogue import broken, specs
    from napari_udvd.models.improvers import improver_names
    from napari_udvd.runtime.device import available_devices

    found = tuple(specs().values()), tuple(broken().values())
    yield Choices(*found, available_devices(), improver_names())
    states.tidy()
