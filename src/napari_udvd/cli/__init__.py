"""``napari-udvd``: one command per job.

Exit codes: 0 done, 1 some inputs of a batch failed or the program ran out of memory,
2 wrong input or output, 3 done, but with ``--strict`` and a warning that the result
cannot be trusted, 130 interrupted (and saved).
"""

from __future__ import annotations

from napari_udvd.cli.app import main

__all__ = ["main"]
