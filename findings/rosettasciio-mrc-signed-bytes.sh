#!/bin/sh
# The standard MRC2014 says that mode 0 are signed bytes, and mrcfile writes them so.
# rosettasciio reads every mode 0 as unsigned: whatever is below zero comes back as one of
# the brightest pixels, without a warning, although the header states the range.
# Expected: -39 ... 71, as written. Seen: 0 ... 255.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install -q \
    numpy==2.2.6 mrcfile==1.5.4 rosettasciio==0.15.0
cd "$folder"
venv/bin/python - <<'CODE'
import sys
from importlib.metadata import version

import mrcfile
import numpy as np
from rsciio.mrc import file_reader

pixels = np.arange(-39, 72, dtype="int8").repeat(16).reshape(111, 4, 4)
with mrcfile.new("a.mrc") as file:
    file.set_data(pixels)
    low, high = float(file.header.dmin), float(file.header.dmax)
seen = file_reader("a.mrc")[0]["data"]
with mrcfile.open("a.mrc") as file:
    by_mrcfile = file.data.min(), file.data.max()
print("rosettasciio", version("rosettasciio"), "mrcfile", version("mrcfile"))
print("header:", low, "...", high, "; mrcfile reads", *by_mrcfile)
print("rosettasciio reads", seen.dtype, seen.min(), "...", seen.max())
sys.exit(0 if low == -39 and by_mrcfile == (-39, 71) and seen.max() == 255 else 1)
CODE
