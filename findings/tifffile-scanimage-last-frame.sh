#!/bin/sh
# tifffile loses the last frame of a ScanImage file in classic TIFF (ScanImage 3 to 5),
# without a warning: it computes where the pages are from the first ones, up to a page's
# length before the end of the file, and so leaves out a page that ends with the file.
# Expected: ten frames, as without the special treatment. Seen: nine.
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

movie = np.arange(10, dtype="uint16")[:, None, None] + np.zeros((32, 32), "uint16")
with tifffile.TiffWriter("a.tif") as writer:
    for frame in movie:
        writer.write(
            frame, description="state.configName='a'", metadata=None, contiguous=False
        )
seen = tifffile.imread("a.tif")
plain = tifffile.imread("a.tif", is_scanimage=False)
print("tifffile", tifffile.__version__, "numpy", np.__version__)
print("written:", movie.shape, "read:", seen.shape, "read as plain TIFF:", plain.shape)
sys.exit(0 if len(seen) == 9 and len(plain) == 10 else 1)
CODE
