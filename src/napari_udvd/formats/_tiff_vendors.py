"""Pixel size and interval in the tags of makers whose pages are ordinary ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from napari_udvd.formats._facts import Facts, facts_of
from napari_udvd.formats._tiff_image import microns

if TYPE_CHECKING:
    import tifffile

__all__ = ["vendor_facts"]

_UNREAD: Final = ("nih", "nuvu", "pilatus", "epics", "streak", "vista", "mediacy")
"""Makers whose tags tifffile knows and nothing is read of here."""


def vendor_facts(tif: tifffile.TiffFile, path: str) -> Facts:
    """Read what a maker says beside pages of the ordinary kind.

    MetaMorph (also its successors), Andor, TVIPS, Thermo Fisher (FEI) and Zeiss SEM.
    Of others a note says that they are not read.
    """
    if tif.is_metaseries:
        plane = (tif.metaseries_metadata or {}).get("PlaneInfo", {})
        unit = plane.get("spatial-calibration-units")
        if not plane.get("spatial-calibration-state", True):
            return Facts()
        return facts_of(
            {a: (plane.get(f"spatial-calibration-{a.lower()}"), unit) for a in "YX"}
        )
    if tif.is_andor:
        cycle = (tif.andor_metadata or {}).get("KineticCycleTime")
        return facts_of({"T": (cycle, "s")})
    if tif.is_tvips:
        told = tif.tvips_metadata or {}
        return facts_of({axis: (told.get(f"PixelSize{axis}"), "nm") for axis in "YX"})
    if tif.is_fei:
        scan = (tif.fei_metadata or {}).get("Scan", {})
        sizes = {"X": scan.get("PixelWidth"), "Y": scan.get("PixelHeight")}
        return facts_of({axis: microns(size) for axis, size in sizes.items()})
    if tif.is_sem:
        size = (tif.sem_metadata or {}).get("ap_image_pixel_size", ())
        if len(size) == 3:
            return facts_of({axis: (size[1], str(size[2])) for axis in "YX"})
        return Facts()
    for maker in _UNREAD:
        if getattr(tif, f"is_{maker}"):
            note = (
                f"pixel size and interval in the {maker} tags of {path!r} are not read"
            )
            return Facts(notes=(note,))
    return Facts()
