"""The dock "Denoise movie"."""
