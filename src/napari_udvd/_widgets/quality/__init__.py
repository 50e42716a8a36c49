"""The dock "Quality"."""
