"""Train FAST in its checkout, or denoise with it, as its ``main.py`` does.

    python fast.py train
    python fast.py denoise MODEL.pth [MODEL.pth]

Its main program demands a CUDA device; what it calls does not.
"""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from pathlib import Path

from on_cpu import allow_cpu, first_whole


def main() -> None:
    """Run one of the two on the movies of the folder ``movie``."""
    task, *models = sys.argv[1:]
    allow_cpu()
    # relative: it replaces "gt" in the name, and temporary folders have any letters
    folder = "movie"
    told = Namespace(**json.loads(Path("params.json").read_text("utf-8")))
    told.data_extension, told.num_workers = "tif", 0
    told.train_folder, told.withGT = folder, False
    if task == "train":
        from train import goTraining

        told.mode, told.epochs, told.save_freq = "train", 1_000_000, 1
        goTraining(told)
        return
    # its folder comes before that of Python's own tests
    from test import goTesting

    told.mode, told.test_path = "test", folder
    told.checkpoint_path = str(Path(first_whole(models)).absolute())
    goTesting(told)


if __name__ == "__main__":
    main()
