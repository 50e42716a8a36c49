"""What a network does: the weights with which it averages noisy pixels.

A denoised pixel is a weighted sum of noisy pixels plus a bias. The weights are the
gradient of the output pixel with respect to the movie (Mohan et al. 2020; Sheth et
al. 2021, section 5): for a piecewise linear network without biases that is exact,
``f(x) = J(x) x``.
"""

from __future__ import annotations

from napari_udvd.filters._cells import CELL, Cells, filter_cells, grid_points
from napari_udvd.filters._drawing import diverging_colours, draw_filter
from napari_udvd.filters._filter import AdaptiveFilter, adaptive_filter
from napari_udvd.filters._numbers import Spread, spread_of
from napari_udvd.filters._save import check_filter_output, save_filter
from napari_udvd.filters._summary import FilterSummary, filter_summary
from napari_udvd.filters._window import (
    check_index,
    check_place,
    device_of,
    read_window,
    series_with,
)

__all__ = [
    "CELL",
    "AdaptiveFilter",
    "Cells",
    "FilterSummary",
    "Spread",
    "adaptive_filter",
    "check_filter_output",
    "check_index",
    "check_place",
    "device_of",
    "diverging_colours",
    "draw_filter",
    "filter_cells",
    "filter_summary",
    "grid_points",
    "read_window",
    "save_filter",
    "series_with",
    "spread_of",
]
