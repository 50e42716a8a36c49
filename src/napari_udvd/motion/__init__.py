"""Motion: where every part of a frame was one frame ago, and where it goes.

*Implied* motion is read off the filters of a trained network, which was never shown
any. *Learned* motion is that of a network's optical flow, which learned from the movie
and was not shown any, either. *Estimated* motion is classical optical flow, to compare
with.
"""

from __future__ import annotations

from napari_udvd.motion._colours import colour_wheel, flow_colours
from napari_udvd.motion._estimated import METHODS, estimated_motion
from napari_udvd.motion._export import check_motion_output, write_motion
from napari_udvd.motion._implied import implied_motion
from napari_udvd.motion._learned import flow_network, learned_motion
from napari_udvd.motion._motion import Motion
from napari_udvd.motion._tracks import tracks_through

__all__ = [
    "METHODS",
    "Motion",
    "check_motion_output",
    "colour_wheel",
    "estimated_motion",
    "flow_colours",
    "flow_network",
    "implied_motion",
    "learned_motion",
    "tracks_through",
    "write_motion",
]
