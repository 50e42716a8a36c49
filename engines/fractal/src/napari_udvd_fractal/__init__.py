"""Fractal tasks that remove noise from microscopy movies in OME-Zarr."""
