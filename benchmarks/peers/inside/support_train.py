"""Train SUPPORT in its checkout, with its own script, until it is stopped.

python support_train.py NOISY.tif PATCH THREADS
"""

from __future__ import annotations

import runpy
import sys

from on_cpu import allow_cpu

INPUT_FRAMES = 61


def main() -> None:
    """Run the script of the checkout; it writes weights after its first batch."""
    noisy, patch, threads = sys.argv[1:]
    allow_cpu()
    sides = [str(INPUT_FRAMES), patch, patch]
    steps = ["1", *[str(max(int(patch) // 2, 1))] * 2]
    sys.argv = [
        "train.py",
        *("--exp_name", "peer", "--results_dir", "./results"),
        *("--noisy_data", noisy, "--n_epochs", "1000000", "--n_cpu", threads),
        *("--patch_size", *sides, "--patch_interval", *steps),
        # as its script for denoising builds the network
        *("--unet_channels", "16", "32", "64", "128", "256"),
        *("--checkpoint_interval_batch", "5"),
    ]
    runpy.run_module("src.train", run_name="__main__")


if __name__ == "__main__":
    main()
