"""What the manifest of the plugin names: files and samples, in and out of layers."""
