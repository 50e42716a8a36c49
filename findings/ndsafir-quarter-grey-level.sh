#!/bin/sh
# ndsafir denoises microscopy movies (ND-SAFIR) and takes the gain of the camera, grey levels per
# photon, for movies with Poisson noise.
# Expected: the same movie in other units, with the gain in those units, gives the same result in
# those units, with the mean of the movie.
# Seen: the mean of the result is (1 - gain) / 4 grey levels above that of the movie, so that only
# a gain of one is right. A movie of 20 photons a pixel that is stored with a gain of 0.001, as
# numbers around 0.02, comes back as 0.27; with a gain of 10 it loses a quarter of a photon.
# Divide the movie by the gain before, and multiply the result.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install -q numpy==2.4.1 ndsafir==2026.1014a0
cd "$folder"
venv/bin/python - <<'CODE'
import sys
from importlib.metadata import version

import numpy as np
from ndsafir import denoise_poisson_gaussian

print("ndsafir", version("ndsafir"))
photons = np.random.default_rng(0).poisson(20, (8, 48, 48)).astype(np.float32)
seen = True
for gain in (0.001, 0.1, 1.0, 10.0):
    movie = photons * np.float32(gain)
    result = denoise_poisson_gaussian(movie, axes="TYX", gains=[gain], offsets=[0.0])
    off = float(np.mean(result, dtype=float) - np.mean(movie, dtype=float))
    print(f"gain {gain:g}: mean {np.mean(movie):.4g}, of the result {off:+.3f}")
    seen &= abs(off - (1 - gain) / 4) < 0.005 * (1 + gain)
sys.exit(0 if seen else 1)
CODE
