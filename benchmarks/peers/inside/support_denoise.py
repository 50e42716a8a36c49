"""Denoise a movie with a trained SUPPORT, as its script ``src/test.py`` does.

python support_denoise.py NOISY.tif DENOISED.tif PATCH MODEL.pth [MODEL.pth]
"""

from __future__ import annotations

import sys

import numpy as np
import tifffile
import torch
from on_cpu import allow_cpu, first_whole

INPUT_FRAMES = 61

BATCH = 16


def main() -> None:
    """Build its network, read the weights, and let it put the patches together."""
    noisy, denoised, patch, *models = sys.argv[1:]
    allow_cpu()
    from model.SUPPORT import SUPPORT
    from src.test import validate
    from src.utils.dataset import DatasetSUPPORT_test_stitch

    # what its scripts use unless they are told otherwise
    network = SUPPORT(
        in_channels=INPUT_FRAMES,
        mid_channels=[16, 32, 64, 128, 256],
        depth=5,
        blind_conv_channels=64,
        one_by_one_channels=[32, 16],
        last_layer_channels=[64, 32, 16],
        bs_size=3,
    ).cuda()
    network.load_state_dict(torch.load(first_whole(models), map_location="cpu"))
    movie = torch.from_numpy(tifffile.imread(noisy).astype(np.float32))
    side = int(patch)
    parts = DatasetSUPPORT_test_stitch(
        movie,
        patch_size=[INPUT_FRAMES, side, side],
        patch_interval=[1, max(side // 2, 1), max(side // 2, 1)],
    )
    found = validate(torch.utils.data.DataLoader(parts, batch_size=BATCH), network)
    half = INPUT_FRAMES // 2
    tifffile.imwrite(denoised, np.asarray(found[half:-half], np.float32))


if __name__ == "__main__":
    main()
