"""The dock "Motion"."""
