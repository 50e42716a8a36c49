"""The dock "Events"."""
