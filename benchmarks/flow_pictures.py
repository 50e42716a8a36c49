"""Picture of learned, implied and classical motion on a recorded movie.

    python -m benchmarks.flow_pictures flow-overlays.png --movie cancer-cells-5
    python -m benchmarks.flow_pictures flow-overlays.png --movie movie.tif

STBN is trained on the movie, a file or one of those with known truth. Colours lie over
the denoised frame: the direction is the hue, the speed the strength, the same in all
panels. Where the frame is dark (below Otsu's threshold) there is nothing to follow, and
no colour.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import binary_dilation
from skimage.filters import threshold_otsu

from benchmarks.common import DATA, machine, progress
from benchmarks.movies import MOVIES
from napari_udvd import Stack, open, train
from napari_udvd.motion import (
    Motion,
    colour_wheel,
    estimated_motion,
    flow_colours,
    implied_motion,
    learned_motion,
)

EDGE = 220
"""Rows and columns of the movie that are shown."""

ZOOM, GAP, LINE = 2, 8, 22

NAMES = ", ".join(MOVIES)


def something(frame: np.ndarray) -> np.ndarray:
    """Where a frame is bright, widened by a little."""
    return np.asarray(binary_dilation(frame > threshold_otsu(frame), iterations=2))


def panel(frame: np.ndarray, motion: Motion, largest: float, title: str) -> Image.Image:
    """Grey frame with coloured motion, and a title."""
    low, high = np.percentile(frame, (1, 99.7))
    grey = np.clip((frame - low) / (high - low), 0, 1)[..., None]
    sure = (motion.confidence >= 0.5)[..., None]
    flow = motion.dense(np.where(sure, np.nan_to_num(motion.per_frame), 0))
    flow = flow * something(frame)
    strength = np.clip(np.hypot(*flow) / largest, 0, 1)[..., None] * 0.8
    colours = flow_colours(flow * 1e6, 1) / 255
    blend = np.uint8(255 * (grey * (1 - strength) + colours * strength))
    picture = Image.fromarray(blend)
    picture = picture.resize((ZOOM * picture.width, ZOOM * picture.height))
    whole = Image.new("RGB", (picture.width, picture.height + LINE), "white")
    whole.paste(picture, (0, LINE))
    font = ImageFont.load_default(size=14)
    ImageDraw.Draw(whole).text((2, 3), title, fill="black", font=font)
    return whole


def main() -> None:
    """Draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("--movie", required=True, help="a file, or a name: " + NAMES)
    parser.add_argument("--data", type=Path, default=DATA, help="the real movies")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--at", default=None, help="frame,row,column of the middle")
    options = parser.parse_args()
    options.output.parent.mkdir(parents=True, exist_ok=True)
    print(machine(), flush=True)
    if options.movie in MOVIES:
        noisy = MOVIES[options.movie](options.data).noisy
        stack = Stack.from_array(noisy, "TYX")
    else:
        stack = open(options.movie)
    denoiser = train(stack, minutes=options.minutes, model="stbn")
    progress(f"{denoiser.record['steps']} steps, flow {denoiser.net.flow}")
    height, width = stack.frame_shape
    t, y, x = stack.n_frames // 2, height // 2, width // 2
    if options.at:
        t, y, x = map(int, options.at.split(","))
    edge = min(EDGE, height, width)
    top = min(max(y - edge // 2, 0), height - edge)
    left = min(max(x - edge // 2, 0), width - edge)
    near = slice(max(t - 8, 0), min(t + 9, stack.n_frames))
    part = stack.crop(near, slice(top, top + edge), slice(left, left + edge))
    here = t - near.start
    frames = denoiser.denoise(part, dtype=np.float32)
    clean = Stack.from_array(frames, "TYX")
    motions = {
        "learned by the flow of STBN": learned_motion(denoiser, part, here, 4),
        "implied by its filters": implied_motion(denoiser, part, here, 8),
        "TV-L1 on denoised frames": estimated_motion(clean, here, "tvl1", 4),
        "TV-L1 on noisy frames": estimated_motion(part, here, "tvl1", 4),
    }
    bright = something(frames[here])
    speeds = [
        np.hypot(*motion.dense(np.nan_to_num(motion.per_frame)))[bright]
        for motion in list(motions.values())[:3]
    ]
    largest = max(float(np.percentile(np.concatenate(speeds), 98)), 0.25)
    panels = [
        panel(frames[here], motion, largest, name) for name, motion in motions.items()
    ]
    wide, tall = panels[0].size
    whole = Image.new("RGB", (2 * wide + GAP, 2 * tall + GAP), "white")
    for k, picture in enumerate(panels):
        whole.paste(picture, ((k % 2) * (wide + GAP), (k // 2) * (tall + GAP)))
    wheel = Image.fromarray(colour_wheel(64))
    whole.paste(wheel, (wide - 70, LINE + 6), wheel)
    ImageDraw.Draw(whole).text(
        (wide - 70, LINE + 74),
        f"{largest:.2g} px",
        fill="white",
        font=ImageFont.load_default(size=13),
    )
    whole.save(options.output, optimize=True)


if __name__ == "__main__":
    main()
