"""What happens when: spans of frames with a label, and how two tables of them compare.

A *span* says that a *region* (a cell, a track, the whole frame) is in a state, its
*label*, from one frame up to, and not including, another. Frames without a span are
unlabelled, which is not the same as quiet: whoever means "nothing happens" gives it a
label of its own.

>>> truth = spans_of_frames("1", ["rest"] * 9 + ["plate"] * 3 + ["rest"] * 8)
>>> found = [Span("1", 0, 10, "rest"), Span("1", 10, 12, "plate")]
>>> score(truth, found).edits.error_rate
0.3333333333333333
>>> f1_within(truth, found, "plate", within=1)
1.0
"""

from __future__ import annotations

from napari_udvd.spans._confusion import Confusion, confusion
from napari_udvd.spans._edits import (
    Edits,
    action_error_rate,
    collapse,
    edit_score,
    edits_between,
    insertion_deletion_rate,
)
from napari_udvd.spans._files import read_spans, write_spans
from napari_udvd.spans._frames import labels_per_frame, spans_of_frames
from napari_udvd.spans._score import Scores, score
from napari_udvd.spans._span import Span, by_region, check_spans, sequence_of
from napari_udvd.spans._starts import Starts, f1_within, starts_within

__all__ = [
    "Confusion",
    "Edits",
    "Scores",
    "Span",
    "Starts",
    "action_error_rate",
    "by_region",
    "check_spans",
    "collapse",
    "confusion",
    "edit_score",
    "edits_between",
    "f1_within",
    "insertion_deletion_rate",
    "labels_per_frame",
    "read_spans",
    "score",
    "sequence_of",
    "spans_of_frames",
    "starts_within",
    "write_spans",
]
