"""Learning what happens when from a few labelled spans.

A network sees a few numbers for each frame of a region and says what each frame might
be; a grammar of the labels, learned with it, decides. Nothing here knows of movies.
"""

from __future__ import annotations

from napari_udvd.identification._course import Cancelled, Progress
from napari_udvd.identification._examples import number_labels
from napari_udvd.identification._finder import EventFinder, Timeline
from napari_udvd.identification._grammar import UNLABELLED, Grammar
from napari_udvd.identification._held_out import HeldOut
from napari_udvd.identification._suggest import Suggestion

__all__ = [
    "UNLABELLED",
    "Cancelled",
    "EventFinder",
    "Grammar",
    "HeldOut",
    "Progress",
    "Suggestion",
    "Timeline",
    "number_labels",
]
