"""Features in which something happens: quiet, a rise, a plateau, again and again."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_udvd.spans import Span, spans_of_frames

__all__ = ["LABELS", "NAMES", "WIDTH", "events", "labelled"]

LABELS = ("quiet", "rise", "plateau")
NAMES = ("level", "slope", "other")
WIDTH = len(NAMES)

LEVELS = {"quiet": 0.0, "rise": 1.5, "plateau": 3.0}
SLOPES = {"quiet": 0.0, "rise": 2.0, "plateau": 0.0}


def events(
    regions: int = 6, frames: int = 60, noise: float = 0.5, seed: int = 0
) -> tuple[dict[str, npt.NDArray[np.float32]], list[Span]]:
    """Features of each region, and the truth."""
    rng = np.random.default_rng(seed)
    features, truth = {}, []
    for region in range(regions):
        labels: list[str | None] = []
        while len(labels) < frames:
            labels += ["quiet"] * int(rng.integers(8, 16))
            labels += ["rise"] * int(rng.integers(3, 6))
            labels += ["plateau"] * int(rng.integers(4, 8))
        labels = labels[:frames]
        clean = np.zeros((frames, WIDTH))
        clean[:, 0] = [LEVELS[str(label)] for label in labels]
        clean[:, 1] = [SLOPES[str(label)] for label in labels]
        clean += rng.normal(0, 0.5, WIDTH)  # what this region is like
        table = clean + rng.normal(0, noise, clean.shape)
        features[str(region)] = table.astype(np.float32)
        truth += spans_of_frames(str(region), labels)
    return features, truth


def labelled(truth: list[Span], *regions: str) -> list[Span]:
    """Return the spans that a person has marked: those of a few regions."""
    return [span for span in truth if span.region in regions]
