"""Train Noise2Void of CAREamics on a movie and denoise it.

python careamics_n2v.py NOISY.tif DENOISED.tif SECONDS THREADS
"""

from __future__ import annotations

import sys
import types
from datetime import timedelta
from importlib.machinery import ModuleSpec

import numpy as np
import tifffile

PATCH = 64
"""Rows and columns of a patch."""

DIVISOR = 4
"""Of the rows and columns that its network takes."""

BATCH = 16
"""Patches of a step."""


VALIDATION = 8
"""Patches to validate with, as it has it."""


def spare_torchvision() -> None:
    """Put something empty in the place of torchvision if it cannot be imported.

    Noise2Void uses none of it, but its package imports it; builds for another torch
    than the installed one end with an error.
    """
    # those that ask whether it is there ask before it seems to be
    import lightning.pytorch  # noqa: F401
    import torchmetrics  # noqa: F401

    try:
        import torchvision  # noqa: F401
    except (ImportError, RuntimeError):
        parent: types.ModuleType | None = None
        for name in ("torchvision", "transforms", "functional"):
            full = f"{parent.__name__}.{name}" if parent else name
            module = types.ModuleType(full)
            module.__spec__ = ModuleSpec(full, None, is_package=True)
            module.__path__ = []
            module.__dict__["__version__"] = "none"
            if parent:
                setattr(parent, name, module)
            sys.modules[full] = parent = module


def main() -> None:
    """Train for so long, predict, write."""
    noisy_file, denoised_file, seconds, threads = sys.argv[1:]
    spare_torchvision()
    import torch
    from careamics import CAREamist
    from careamics.config import create_n2v_config
    from lightning.pytorch.callbacks import Timer

    torch.set_num_threads(int(threads))
    noisy = tifffile.imread(noisy_file).astype(np.float32)
    config = create_n2v_config(
        "noise2void",
        data_type="array",
        axes="SYX",
        patch_size=(PATCH, PATCH),
        batch_size=BATCH,
        num_epochs=10_000,  # the timer ends it
        # it may choose more of a frame than there are where patches do not fill it
        n_val_patches=1 if any(n % PATCH for n in noisy.shape[1:]) else VALIDATION,
    )
    timer = Timer(duration=timedelta(seconds=float(seconds)))
    careamist = CAREamist(config, callbacks=[timer], enable_progress_bar=False)
    careamist.train(train_data=noisy)
    height, width = noisy.shape[1:]
    margins = [(0, 0), (0, -height % DIVISOR), (0, -width % DIVISOR)]
    (denoised,), _ = careamist.predict(np.pad(noisy, margins, mode="reflect"))
    frames = np.asarray(denoised).reshape(len(noisy), *denoised.shape[-2:])
    tifffile.imwrite(denoised_file, frames[:, :height, :width].astype(np.float32))


if __name__ == "__main__":
    main()
