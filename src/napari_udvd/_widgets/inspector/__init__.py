"""The dock "Pixel inspector"."""
