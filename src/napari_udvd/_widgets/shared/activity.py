"""Progress in the viewer's own activity area."""

from __future__ import annotations

from napari.utils import progress

__all__ = ["Activity"]

STEPS = 1000


class Activity:
    """One bar of the activity area, from 0 to 1."""

    def __init__(self, text: str) -> None:
        self._bar = progress(total=STEPS, desc=text)
        self._share = 0

    def update(self, share: float) -> None:
        """Set how much is done."""
        now = round(STEPS * min(max(share, 0.0), 1.0))
        if now > self._share:
            self._bar.update(now - self._share)
            self._share = now

    def close(self) -> None:
        """Take the bar away."""
        self._bar.close()
