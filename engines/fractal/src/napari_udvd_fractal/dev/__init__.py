"""What makes the manifest of the package."""
