"""Which pixels a scanning microscope is to visit.

A scan that leaves pixels out costs less dose and, where the beam can jump or leaves
whole rows out, less time. Here are the patterns, how evenly each spreads over a frame
and its neighbours in time, what is saved, files for the microscope, and the scan of a
movie that was recorded in full, to try before anything is built.

>>> from napari_udvd.scanning import make_mask
>>> mask = make_mask("rows", frames=10, shape=(50, 40), share=0.2)
>>> mask.shape, round(mask.share, 3)
((10, 50, 40), 0.2)
"""

from __future__ import annotations

from napari_udvd.scanning._compare import Compared, Comparison, compare_patterns
from napari_udvd.scanning._cost import Cost, scan_cost
from napari_udvd.scanning._evenness import Evenness, evenness
from napari_udvd.scanning._files import (
    MASKS,
    check_mask_output,
    write_mask,
)
from napari_udvd.scanning._make import PATTERNS, make_mask
from napari_udvd.scanning._mask import ScanMask
from napari_udvd.scanning._scan import scan
from napari_udvd.scanning._words import describe_cost, describe_mask

__all__ = [
    "MASKS",
    "PATTERNS",
    "Compared",
    "Comparison",
    "Cost",
    "Evenness",
    "ScanMask",
    "check_mask_output",
    "compare_patterns",
    "describe_cost",
    "describe_mask",
    "evenness",
    "make_mask",
    "scan",
    "scan_cost",
    "write_mask",
]
