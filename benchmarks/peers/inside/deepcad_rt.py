"""Train DeepCAD-RT, or denoise with it, as its two demonstrations do.

python deepcad_rt.py train FOLDER SIDE DEPTH
python deepcad_rt.py denoise FOLDER SIDE DEPTH MODEL.pth [MODEL.pth]
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import tifffile
from on_cpu import allow_cpu, first_whole

MOST_PATCHES = 6000
"""Of a training, as in the demonstration."""

OVERLAP, OVERLAP_IN_DENOISING = 0.25, 0.4


def parameters(folder: str, side: int, depth: int, overlap: float) -> dict[str, Any]:
    """Return what both classes are told."""
    return {
        "patch_x": side,
        "patch_y": side,
        "patch_t": depth,
        "overlap_factor": overlap,
        "scale_factor": 1,
        "datasets_path": folder,
        "pth_dir": "./pth",
        "output_dir": "./results",
        "fmap": 16,
        "GPU": "0",
        "num_workers": 0,
        "visualize_images_per_epoch": False,
        "save_test_images_per_epoch": False,
    }


def patches(folder: str, side: int, depth: int) -> int:
    """Return how many patches a training can have at most.

    Starts of patches in time are whole frames apart, so that there are no more of them
    than frames; its own arithmetic ends with a division by zero otherwise.
    """
    (movie,) = Path(folder).iterdir()
    shape: tuple[int, ...] = tifffile.imread(movie).shape
    frames, *sides = shape
    gap = int(side * (1 - OVERLAP))
    across = 1
    for length in sides:
        across *= (length - side) // gap + 1
    return min(MOST_PATCHES, across * max(frames - 2 * depth + 1, 2))


def main() -> None:
    """Run one of the two."""
    task, folder, *sizes = sys.argv[1:5]
    side, depth = map(int, sizes)
    allow_cpu()
    if task == "train":
        from deepcad.train_collection import training_class

        told = {
            **parameters(folder, side, depth, OVERLAP),
            "select_img_num": 100_000,
            "train_datasets_size": patches(folder, side, depth),
            "n_epochs": 1_000_000,
            "lr": 0.00005,
            "b1": 0.5,
            "b2": 0.999,
        }
        training_class(told).run()
        return
    from deepcad.test_collection import testing_class

    # it denoises with all weights of a folder
    model = Path(first_whole(sys.argv[5:]))
    Path("pth/last").mkdir(parents=True, exist_ok=True)
    shutil.copy(model, Path("pth/last") / model.name)
    told = {
        **parameters(folder, side, depth, OVERLAP_IN_DENOISING),
        "test_datasize": 100_000,
        "denoise_model": "last",
        "save_test_images_per_epoch": True,
    }
    testing_class(told).run()


if __name__ == "__main__":
    main()
