"""What there is to choose from on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Mapping, Sequence

    from napari_udvd.jobs.states import Cache

__all__ = ["Choices", "load_core"]


@dataclass(frozen=True)
class Choices:
    """Networks by name with what users call them, and devices, best first."""

    titles: Mapping[str, str]
    devices: Sequence[str]


def load_core(
    states: Cache, cancel: threading.Event | None = None
) -> Iterator[Choices]:
    """Import what is heavy, say what there is to choose from, tidy the cache."""
    import napari_udvd.jobs.training  # noqa: F401
    from napari_udvd.models.catalogue import specs
    from napari_udvd.runtime.device import available_devices

    titles = {name: spec.title for name, spec in specs().items()}
    yield Choices(titles, available_devices())
    states.tidy()
