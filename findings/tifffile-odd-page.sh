#!/bin/sh
# tifffile looks at pages 1, 7 and -1 of a file to tell whether all are like the first.
# A page between them that is compressed, or smaller, or of another type is then read as
# if it were not: its compressed bytes come back as pixels, without a warning.
# Expected: the twelve frames that were written, or an error. Seen: eleven, and noise.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install -q numpy==2.2.6 tifffile==2026.3.3
cd "$folder"
venv/bin/python - <<'CODE'
import sys

import numpy as np
import tifffile

movie = np.random.default_rng(0).integers(0, 60000, (12, 20, 24)).astype("uint16")
with tifffile.TiffWriter("a.tif") as writer:
    for t, frame in enumerate(movie):
        writer.write(
            frame,
            metadata=None,
            contiguous=False,
            compression="zlib" if t == 3 else None,
        )
seen = tifffile.imread("a.tif")
same = [bool((a == b).all()) for a, b in zip(seen, movie)]
with tifffile.TiffFile("a.tif") as tif:
    alone = bool((tif.pages[3].asarray() == movie[3]).all())
print("tifffile", tifffile.__version__, "numpy", np.__version__)
print("read:", seen.shape, "frames as written:", same, "; page 3 read alone:", alone)
sys.exit(0 if same == [t != 3 for t in range(12)] and alone else 1)
CODE
